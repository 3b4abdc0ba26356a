/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_READBACK_H
#define SEXTANT_SYNC_READBACK_H

/* What came of a write that cannot simply be done once more (a condition, a model, an outcome that nobody knew): its points as they
 * are at home now, while no other write on them is under way, go into the journal. */

#include "proxy/sync/marks.h"

struct home;
struct readback;

/* `is_done`: it is durable. Else home or journal failed. From the loop, once, unless it was cancelled. */
typedef void readback_done_fn(void *arg, bool is_done);

/* The points are copied; `lsn` is the write's. */
struct readback *readback_start(
    struct home *h, uint64_t lsn, const struct mark_key *points, unsigned n, readback_done_fn *on_done, void *arg);
void readback_cancel(struct readback **rp); /* NULLs; safe on NULL */

#endif
