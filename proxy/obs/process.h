/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_PROCESS_H
#define SEXTANT_OBS_PROCESS_H

/* What the kernel says of this process. Reads /proc: for pages, not for the way of requests. */

#include <stdbool.h>

struct process_stat {
    double cpu_seconds, start_time_seconds; /* since 1970 */
    double resident_bytes, virtual_bytes;
    double open_fds, max_fds, threads;
};

/* False, and nothing in *ret_stat, where /proc is not to be had. */
bool process_stat_read(struct process_stat *ret_stat);

#endif
