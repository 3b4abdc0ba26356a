/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_CRASH_H
#define SEXTANT_BASE_CRASH_H

/* When the program crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, so failed assertions too), it says on standard error
 * which version it is, in which thread and, by name, in which functions; then the signal takes its usual course (a core). */

void crash_init(const char *version); /* once, at the start of main(); `version` stays */
/* A stack of its own for the report, so that a stack that overflowed can be told of. Of the calling thread; NULL frees. */
void *crash_stack_begin(void);
void crash_stack_end(void *stack);

#endif
