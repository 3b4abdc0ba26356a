/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_PRESSURE_H
#define SEXTANT_UPSTREAM_PRESSURE_H

/* The times of a cluster's answers, gathered by all threads, and the limit that limit.h makes of them. Whoever brings a sample
 * after the end of a window takes the step; the others go on meanwhile. Updates that two threads make at once may cost a sample
 * of an average, never more. */

#include <stdatomic.h>

#include "proxy/route/operation.h"
#include "proxy/upstream/limit.h"

struct pressure {
    _Atomic double limit; /* 0: none found yet */
    atomic_uint peak;
    atomic_ulong sum, n; /* of multiples, in 1/1024 */
    atomic_llong until_us;
    atomic_bool is_strained;
    atomic_flag is_stepping;
    struct limit state; /* by who holds is_stepping */
    struct {
        atomic_uint us, n;
        atomic_llong next_us;
    } usual[OP_COUNT];
};

/* A request went out when so many were outstanding, itself included. */
static inline void
pressure_peak(struct pressure *p, unsigned outstanding)
{
    if (outstanding > atomic_load_explicit(&p->peak, memory_order_relaxed))
        atomic_store_explicit(&p->peak, outstanding, memory_order_relaxed);
}

/* An answer to an operation began after so long; or there was none when waiting ended (`is_open`), which only says something
 * if that took longer than usual. */
void pressure_sample(
    struct pressure *p, const struct limit_conf *conf, enum op_id op, int64_t took_us, bool is_open, int64_t now_us);
/* What is usual for an operation, or 0. */
int64_t pressure_usual_us(const struct pressure *p, enum op_id op);

#endif
