/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_WALK_IMPL_H
#define SEXTANT_SYNC_WALK_IMPL_H

/* Shared by lane_walk*.c. */

#include "proxy/sync/ask.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/walk_page.h"

enum { WALK_SUSPECTS_MAX = 2 * WALK_ROWS_MAX };

struct walk_tally {
    uint64_t passed; /* points of the source */
    uint64_t missing, unlike, extra;
    uint64_t unsaved; /* overwritten without a trace: the file was full */
};

struct walk_task { /* one collection */
    TAILQ_ENTRY(walk_task) entry;
    uint32_t collection;
    bool is_counted, is_over, is_absent; /* absent: one side lacks it */
    bool has_from;                       /* where it is: in this shard key, at this id */
    uint32_t shard_key;
    struct point_id from;
    uint64_t n_source, n_target;
    bool was_counted; /* before it began anew: its fifth is of that, not of what came to the target since */
    uint64_t n_before;
    struct walk_tally tally;
};
TAILQ_HEAD(walk_tasks, walk_task);

struct walk {
    struct lane *lane;
    uint64_t number; /* of the process: 1, 2, … */
    bool is_report;  /* it only counts */
    bool may_delete; /* as many as there are */
    bool fills;      /* until it is over the copy is incomplete */
    bool is_listed, is_over, is_stopped;
    char why[128], trouble[160];
    struct mark_age age;     /* of what it marks */
    uint64_t position;       /* of the lane, when it began */
    uint64_t shed_lsn;       /* marks up to here were dropped for it; 0: none were */
    bool is_crowded;         /* that made no room */
    struct walk_tasks tasks; /* the first is under way */
    struct walk_tasks done;
    char *only; /* of all collections this one; NULL: all */

    /* Of the step under way. */
    struct ask *ask;
    struct catalog_wait known;
    struct timer rest;
    unsigned n_failures, limit, tries;
    bool has_keys;
    struct str *keys; /* of the collection under way: JSON, sorted; the first one that is not passed is `key` */
    unsigned n_keys, key;
    struct arena arena; /* of the keys */
    struct buf source_text;
    int64_t read_us;  /* when the source's page was asked for */
    uint64_t flights; /* of the lane, when its count was */
    struct walk_page source, target;
    struct walk_comparison comparison;
    struct walk_suspect {
        struct point_id id;
        enum walk_kind kind;
    } suspects[WALK_SUSPECTS_MAX];
    unsigned n_suspects;
};

/* lane_walk.c */
struct walk *walk_new(struct lane *l, const char *why);
struct walk_task *walk_add_task(struct walk *w, uint32_t collection);
void walk_stop(struct walk *w, struct walk_task *task, uint64_t to_delete);
void walk_end_task(struct walk *w, struct walk_task *task);

/* lane_walk_turn.c: may the first of its collections be compared, or else another, which is the first then? False: not now */
bool walk_may_compare(struct walk *w);

/* lane_walk_step.c */
void walk_step(struct walk *w); /* the next request; nothing is under way */
void walk_reset_step(struct walk *w);

/* lane_walk_mark.c: what came of two pages. False: they are to be read again */
bool walk_take_differences(struct walk *w, struct walk_task *task);

/* lane_walk_save.c: false: it could not be */
bool walk_keep(struct walk *w, const struct walk_task *task);

#endif
