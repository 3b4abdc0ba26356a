/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_GROUP_H
#define SEXTANT_UPSTREAM_GROUP_H

/* Several legs that must all end before there is an answer: merged lists, schema operations. Answers are collected whole. */

#include "proxy/upstream/leg.h"

enum { GROUP_MAX = CLUSTERS_MAX };

struct group_part {
    struct group *group;
    struct leg leg;
    struct message *head; /* NULL when the leg failed */
    struct buf body;
    enum fail fail;
    bool is_too_long; /* FAIL_UPSTREAM_CUT, by the limit */
    bool is_given;    /* it has no leg: group_give() */
};

/* Called once, from the loop, when every part has ended. The group must not be freed inside it. */
typedef void group_done_fn(void *arg, struct group *group);
typedef void group_try_fn(void *arg, const struct leg_try *t);

struct group {
    struct group_part *parts; /* n of them, in the order of group_add() */
    unsigned n, pending;
    size_t limit;
    group_done_fn *on_done;
    group_try_fn *on_try;
    void *arg;
};

/* `limit` bounds each answer's body; a longer one is a failure of that part (FAIL_UPSTREAM_CUT). */
void group_init(struct group *g, unsigned n, size_t limit, group_done_fn *on_done, group_try_fn *on_try, void *arg);
/* Start part i; spec.hold_bytes is set by the group. */
void group_start(struct group *g, unsigned i, struct upstream *up, struct fleet *fleet, const struct leg_spec *spec);
/* Or part i has its answer from elsewhere; what `head` holds must live as long as the group. */
void group_give(struct group *g, unsigned i, enum fail fail, struct message *head, struct str body);
void group_cancel(struct group *g); /* no on_done from here on; safe on a zeroed struct */
void group_fini(struct group *g);   /* cancels; safe on a zeroed struct */

#endif
