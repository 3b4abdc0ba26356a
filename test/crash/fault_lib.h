/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_CRASH_FAULT_LIB_H
#define SEXTANT_TEST_CRASH_FAULT_LIB_H

/* System calls of this program that fail when a test says so: pwrite, fdatasync, fsync and fallocate are its own here, and
 * ask the kernel themselves. */

#include <stdbool.h>
#include <stdint.h>

enum fault_call { FAULT_PWRITE, FAULT_FDATASYNC, FAULT_FSYNC, FAULT_FALLOCATE, FAULT_CALLS };

/* The calls on files whose name begins so (NULL: any; "/": the directory itself), `skip` of them apart, fail `times` times.
 * Error 0: pwrite writes only half of it. One rule a call. */
void fault_set(enum fault_call call, const char *name, unsigned skip, unsigned times, int error);
void fault_clear(void);
unsigned fault_hits(enum fault_call call); /* how often it failed since it was set */
/* Was a file synced, or written to, after one of its syncs failed? (Since fault_clear().) */
bool fault_was_poison_used(void);

#endif
