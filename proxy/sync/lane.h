/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LANE_H
#define SEXTANT_SYNC_LANE_H

/* What owner_*.c do with lanes; included by owner_impl.h. */

#include "conf/partition_map.h"
#include "proxy/sync/marks.h"

struct home;
struct lane;
struct order;
struct owner;

void owner_show_lane(struct owner *o, struct lane *l); /* to other threads */

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

/* owner_join.c: writes and changes that are under way are for it, too */
void lane_join(struct lane *l);

/* owner_lanes.c */
void home_missed(
    struct home *h, struct str collection, uint64_t lanes); /* a write was recorded for these, and no others */
void home_fit_lanes(
    struct home *h); /* one for each copy that the map gives it; others sleep when they are not needed */
void home_note_left_out(struct home *h); /* before a map is replaced: what the next home_fit_lanes() compares with */
bool lane_takes(const struct lane *l, struct str collection);
bool lane_is_of(
    const struct lane *l, const struct partition *p, const struct topology *t); /* is its copy one of that home? */
/* Those that what is written now to a collection is brought to: as the map says, and these copies. Gives their count. */
unsigned home_lanes_for(
    struct home *h, struct str collection, const struct str *copies, unsigned n_copies, struct lane **ret_lanes);
uint64_t home_lanes_mask(struct home *h, struct str collection);
bool home_can_keep_all(const struct home *h, const struct order *order); /* the copies that it names */
#define HOME_HAS_TOO_MANY "its home has had as many copies as a journal tells apart"
/* For a checkpoint: */
void lane_save(struct lane *l, struct buf *out);
bool lane_load(struct home *h, struct str *in, uint64_t format); /* makes it */

#endif
