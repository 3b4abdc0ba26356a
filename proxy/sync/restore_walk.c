/* SPDX-License-Identifier: Apache-2.0
 *
 * A home is made what a copy is: by a lane in the other direction, from the copy to home. See owner_restore.h.
 *
 *   list the copy's collections ─▶ each is made at home, or found the same ─▶ each is walked ─▶ nothing is left to be shipped
 */
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/restore_impl.h"
#include "proxy/sync/walk_impl.h"

bool
lane_is_restoring(const struct lane *l)
{
    return l->home->restores != NULL;
}

bool
restore_skips(const struct lane *l, struct str collection, struct str incarnation)
{
    const struct restore *r = l->home->restores;

    return r && incs_is_deleted(r->home->incs, collection, incarnation);
}

/* --- begin ------------------------------------------------------------------------------------------------------- */

static void
on_list(void *arg, struct json names)
{
    struct restore *r = arg;

    r->listing = NULL;
    r->is_listed = true;
    r->names = mem_array(json_size(names) + 1, sizeof(*r->names));
    for (struct json_iter i = json_iter(names); json_next(&i);) {
        struct str name = json_string(json_get(i.value, "name"));

        if (name.len == 0 || !lane_keeps_name(r->lane, name))
            continue;
        r->names[r->n_names++] = mem_dup(name.p, name.len);
        lane_touch_schema(r->lane, name, (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
    }
    lane_touch_schema(r->lane, STR_NONE, (struct mark_age){ 0 }, 0, false);
}

void
restore_walk_begin(struct restore *r)
{
    struct owner *o = r->home->owner;

    restore_walk_end(r);
    r->source = home_new(o, str_from(r->from));
    r->source->restores = r;
    r->lane = home_lane(r->source, str_from(r->home->name));
    r->lane->check = LANE_SHIPS; /* its claim was looked at */
    r->listing = listing_start(o->up, r->from, on_list, r);
}

void
restore_walk_end(struct restore *r)
{
    listing_cancel(&r->listing);
    for (unsigned i = 0; i < r->n_names; i++)
        mem_free(r->names[i]);
    mem_free(r->names);
    r->names = NULL;
    r->n_names = 0;
    r->is_listed = r->is_walking = false;
    if (!r->source)
        return;
    owner_hide_lane(r->home->owner, r->lane);
    home_free(r->source);
    r->source = NULL;
    r->lane = NULL;
}

/* --- going on ---------------------------------------------------------------------------------------------------- */

/* Of the copy's; false: it is not to be restored. */
static bool
get_inc(const struct restore *r, const char *name, struct str *ret_inc)
{
    return incs_state(r->source->incs, str_from(name), ret_inc) == INC_LIVE &&
           !incs_is_deleted(r->home->incs, str_from(name), *ret_inc);
}

static void
walk_all(struct restore *r)
{
    struct owner *o = r->home->owner;
    struct str inc;

    r->is_walking = true;
    for (unsigned i = 0; i < r->n_names; i++) {
        if (get_inc(r, r->names[i], &inc))
            lane_walk(r->lane, lexicon_number(o->collections, str_from(r->names[i])), "home is restored from it");
    }
    if (r->lane->walk)
        r->lane->walk->may_delete = r->may_delete;
}

void
restore_walk_again(struct restore *r)
{
    if (r->is_walking)
        walk_all(r);
}

static bool
is_idle(const struct restore *r)
{
    const struct lane *l = r->lane;

    for (unsigned state = 0; state < MARK_STATES; state++) {
        if (1U << state & MARKS_OPEN && marks_count(l->marks, (enum mark_state)state))
            return false;
    }
    return !lane_is_mending(l) && l->n_flights == 0 && TAILQ_EMPTY(&r->source->quarantines);
}

bool
restore_walk_is_over(struct restore *r)
{
    home_check_quarantines(r->source);
    lane_tick(r->lane);
    if (!r->is_listed || lane_has_dirty_schema(r->lane))
        return false;
    if (!r->is_walking) {
        crash_point(CRASH_AT_RESTORE_MADE);
        walk_all(r);
    }
    return is_idle(r);
}

void
restore_learn(struct restore *r)
{
    struct str inc;

    for (unsigned i = 0; i < r->n_names; i++) {
        if (get_inc(r, r->names[i], &inc))
            incs_set(r->home->incs, str_from(r->names[i]), inc, INC_LIVE);
    }
    catalog_forget(r->home->catalog);
}
