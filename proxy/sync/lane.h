/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LANE_H
#define SEXTANT_SYNC_LANE_H

/* What owner_*.c do with lanes; included by owner_impl.h. */

#include "proxy/sync/marks.h"

struct home;
struct lane;

/* lane.c */
struct lane *home_lane(struct home *h, struct str copy); /* it, or a new one */
void lane_halt(struct lane *l);                          /* nothing of it is under way any more */
void lane_free(struct lane *l);
void lane_mark(struct lane *l, const struct mark_key *points, unsigned n, struct mark_age age, bool payload_only);
void lane_expect(struct lane *l, const struct mark_key *points, unsigned n, struct mark_age age, bool payload_only);
void lane_outcome(struct lane *l, const struct mark_key *points, unsigned n); /* a write on them has its outcome */
void lane_run(struct lane *l);                                                /* start what may be shipped */
void lane_tick(struct lane *l);                                               /* at each tick of the owner's clock */
void lane_retry(struct lane *l);       /* what was refused, and what rests: now */
void lane_check_again(struct lane *l); /* the configuration has changed: is the copy what it was? */
bool lane_has(const struct lane *l, const struct mark_key *point, uint64_t lsn); /* as of that write, or later */
void lane_promote(struct lane *l, const struct mark_key *points, unsigned n);    /* somebody waits for them */
bool lane_is_reachable(const struct lane *l);
bool lane_has_room(const struct lane *l, unsigned points);

/* owner_lanes.c: for a checkpoint */
void lane_save(struct lane *l, struct buf *out);
bool lane_load(struct home *h, struct str *in); /* makes it */

#endif
