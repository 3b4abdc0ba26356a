/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LANE_SCHEMA_H
#define SEXTANT_SYNC_LANE_SCHEMA_H

/* Shared by lane_schema*.c: one collection of a lane that is to be compared, or (no name) its aliases.
 *
 *   dirty ─▶ home and copy are read ─▶ judged ─▶ same: clean
 *     ▲                                  ├─▶ requests are missing: one after the other, then read again
 *     └── failed, touched meanwhile ─────┴─▶ blocked: said, and looked at again later
 *
 * 1. What was recorded while it was read is not clean by that.
 * 2. Nothing is made or taken away at the copy while ships of the collection are under way, or may come late.
 * 3. Data go at the copy only for what a record of this journal took away. */

#include "proxy/sync/lane_impl.h"
#include "proxy/sync/schema.h"

struct schema_side {
    bool is_there;
    struct schema schema;
    struct buf info; /* aliases: the list */
};

struct schema_item {
    LIST_ENTRY(schema_item) entry;
    struct lane *lane;
    char *name;
    uint64_t number;     /* another one with each touch */
    struct mark_age age; /* of the oldest record that the copy lacks; lsn 0: none */
    unsigned n_open;     /* records whose outcome is not known */
    unsigned how;        /* of enum schema_touch */
    bool is_dirty;       /* else it is only watched */
    int64_t touched_us, next_us;
    unsigned n_failures, n_rounds;
    /* A round. */
    struct ask *ask;
    struct arena arena;
    uint64_t read_number; /* the item's when reading began */
    struct schema_side home, copy, *reading;
    struct schema_plan *plan;
    unsigned at; /* the next of its steps */
    bool has_removed, needs_walk;
    char trouble[160]; /* why it is not the same; empty: it is, or nothing is known */
};

/* lane_schema.c */
void item_again(struct schema_item *i, int64_t in_us);
void item_fail(struct schema_item *i, struct str why); /* with back-off */
void item_clean(struct schema_item *i);                /* frees it */
void item_blocked(struct schema_item *i, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool lane_keeps(void *lane, struct str name); /* is it a collection, or an alias, that it brings to the copy? */

/* lane_schema_judge.c */
void item_judge(struct schema_item *i); /* both sides are read */

#endif
