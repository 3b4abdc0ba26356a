/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_PACE_H
#define SEXTANT_FLOW_PACE_H

/* A lowest rate, told as a time limit on silence: the moment from which silence counts moves on by the time that the bytes
 * were worth, and never past now. Whoever sends a byte now and then to keep a connection is out after the same limit as
 * whoever sends nothing; a stop after a fast stretch has the whole limit. Pure. */

#include <stdint.h>

static inline int64_t
pace_after(int64_t since_us, uint64_t bytes, uint64_t bytes_per_second, int64_t now_us)
{
    if (bytes_per_second == 0 || bytes >= bytes_per_second * 3600)
        return now_us;
    since_us += (int64_t)(bytes * 1000000 / bytes_per_second);
    return since_us < now_us ? since_us : now_us;
}

#endif
