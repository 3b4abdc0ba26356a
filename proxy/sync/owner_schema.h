/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_SCHEMA_H
#define SEXTANT_SYNC_OWNER_SCHEMA_H

/* Schema by state (fanout.md §7), shared by owner_*.c and lane*.c; the owner's thread only. */

#include "proxy/base/arena.h"
#include "proxy/sync/marks.h"
#include "proxy/sync/order.h"

struct change;
struct home;
struct journal_record;
struct lane;
struct ledger_gate;
struct schema_item;

struct schema_watch {             /* of a lane */
    unsigned n_differ, n_blocked; /* collections */
    int64_t listed_us;            /* when it last began */
    struct ask *ask;
    struct buf home_list;
};

/* owner_change.c: the way of one change of schema */
void owner_take_change(struct owner *o, struct order *order);
void change_has_turn(struct ledger_gate *turn);
void home_look_at_changes(struct home *h);   /* may they go on? */
bool home_is_changing(const struct home *h); /* some have no outcome yet, but for those in quarantine */
bool home_is_gated(const struct home *h); /* one makes or removes something: what is read meanwhile is worth nothing */
bool home_end_changes(struct home *h);    /* false: some wait for the disk */
void home_drop_changes(struct home *h);
struct str change_done(const struct change *c); /* clusters that have it: "eu,us" */

/* lane_schema.c: what the copy's collections are, and the requests that make them what home's are */
enum schema_touch { SCHEMA_HOLDS = 1 /* nothing of it is shipped before */, SCHEMA_REMOVES = 2, SCHEMA_ADOPTS = 4 };
/* A record changes it (empty: aliases); `is_open`: its outcome is not known, until lane_schema_over(). */
void lane_touch_schema(struct lane *l, struct str name, struct mark_age age, unsigned how, bool is_open);
void lane_schema_over(struct lane *l, struct str name);
bool lane_has_schema(const struct lane *l, struct str name); /* the copy has all that was recorded */
void lane_schema_forget(struct lane *l, struct str name);    /* it is not to be compared any more */
bool lane_schema_holds(const struct lane *l, struct str name);
bool lane_has_dirty_schema(const struct lane *l); /* any that is to be compared, or is blocked */
uint64_t lane_schema_lsn(const struct lane *l);   /* of the oldest that it lacks; 0: none */
void lane_run_schemas(struct lane *l);
void lane_watch(struct lane *l); /* once a minute: does anything differ that no record explains? */
void lane_schemas_fini(struct lane *l);
void lane_put_schemas(const struct lane *l, struct buf *out); /* for a checkpoint */
bool lane_take_schemas(struct lane *l, struct str *in);
void lane_look_at_schema(struct lane *l, struct str name); /* compare it, unless that is due anyway */

bool lane_keeps_name(const struct lane *l, struct str name); /* does it bring a collection of that name to its copy? */

/* owner_change_recover.c */
void home_put_schemas(struct home *h, struct buf *out); /* for a checkpoint */
bool home_take_schemas(struct home *h, struct str *in);
bool owner_replay_schema(struct owner *o, struct arena *arena, const struct journal_record *record);
void owner_replay_schema_outcome(struct owner *o, uint64_t lsn, bool is_done);
void home_hold_changes(struct home *h);

#endif
