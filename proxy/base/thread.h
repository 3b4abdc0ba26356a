/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_THREAD_H
#define SEXTANT_BASE_THREAD_H

#include <pthread.h>

/* Start a thread with a name of at most 15 bytes, which top, gdb and crash reports show. Signals that are sent to the process
 * are not for it: it blocks all but those of its own faults. 0, or -errno. */
int thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg);

#endif
