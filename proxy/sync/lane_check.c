/* SPDX-License-Identifier: Apache-2.0
 *
 * Before a lane ships, and after each change of the configuration: is the copy the cluster that it was, and as this journal
 * left it? And the note that is left there, so that the next one can tell.
 *
 *   UNCHECKED ─▶ asked ─▶ known, or fresh and its identity durable in the journal: SHIPS
 *       ▲                  └▶ another cluster, or one that stands here under two names: FOREIGN, nothing is sent to it
 *       └── could not be asked, or the configuration changed
 *
 * 1. While its identity or its note is on the way, it is not asked: it would be known, and its note missing.
 */
#include <stdio.h>

#include "proxy/base/crash_point.h"
#include "proxy/obs/events.h"
#include "proxy/store/identity.h"
#include "proxy/sync/copy_check.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/record.h"

enum { CHECK_US = 5 * 1000 * 1000 };

static void
ships(struct lane *l)
{
    l->check = LANE_SHIPS;
    lane_walk_run(l);
    lane_run(l);
}

static void
on_recorded(uint64_t lsn, int error, void *arg)
{
    struct lane *l = arg;

    crash_point(CRASH_AT_LANE_IDENTITY_DURABLE);
    l->is_recording = false;
    if (error == 0)
        ships(l);
}

static void
refuse(struct lane *l, struct str why)
{
    l->check = LANE_FOREIGN;
    lane_trouble(l, why);
    events_add(EVENT_COPY_FOREIGN, str_from(l->copy), STR_FMT, STR_ARG(why));
}

/* It ships what changes from now on; what it may lack of earlier changes only a comparison can tell. Until that is over no note
 * is left, so that the next start comes to the same. */
static void
walk(struct lane *l, const struct copy_result *r)
{
    bool is_other = !str_eq(str_from(owner_identity(l->home->owner, l->copy)), str_from(r->identity));
    bool lacks = r->lacks && (is_other || l->is_new); /* else the journal knows that it was filled */

    if (r->verdict == COPY_WALK)
        events_add(EVENT_COPY_DOUBTFUL, str_from(l->copy), "it is compared with home, as %s", r->why);
    if (l->is_new && !l->has_lost && !r->lacks)
        l->is_partial = false; /* new to this journal alone: it was a copy before */
    lane_walk_doubted(l, r->verdict == COPY_WALK ? r->why : "it is new", is_other || l->has_lost, lacks || l->has_lost);
}

/* Its notes say that it is as this journal left it. */
static void
trust(struct lane *l)
{
    if (l->has_lost)
        lane_walk_doubted(l, "it lacks a collection, and no record deleted that there", true, true);
    else if (l->is_new) /* it was a copy before, and then was none: writes of that time never came to it */
        lane_walk_doubted(l, "it is a copy again", true, true);
}

static void
on_checked(void *arg, const struct copy_result *r)
{
    struct lane *l = arg;
    struct owner *o = l->home->owner;
    struct str twin;

    crash_point(CRASH_AT_LANE_CHECKED);
    l->checking = NULL;
    if (r->trouble.len) {
        lane_trouble(l, r->trouble);
        lane_rest(l, 0);
        return;
    }
    l->is_swapped = r->verdict == COPY_FOREIGN && r->lacks;
    if (r->verdict == COPY_FOREIGN) {
        refuse(l, str_from(r->why));
        return;
    }
    if (r->verdict == COPY_WALK || r->verdict == COPY_FRESH)
        walk(l, r);
    else
        trust(l);
    l->is_new = l->has_lost = false;
    if (str_eq(str_from(owner_identity(o, l->copy)), str_from(r->identity))) {
        ships(l);
        return;
    }
    if (!owner_can_learn(o, str_from(l->copy))) {
        refuse(l, STR("the journal knows as many clusters as it can; begin a new one"));
        return;
    }
    twin = identities_add(&o->known, str_from(l->copy), r->identity);
    if (twin.len) {
        refuse(l, STR("two clusters of the configuration are one and the same"));
        return;
    }
    l->is_recording = true;
    owner_record_identity(o, l->copy, r->identity, on_recorded, l);
}

void
lane_begin_check(struct lane *l)
{
    struct owner *o = l->home->owner;
    struct journal_stats stats;
    char uuid[UUID_TEXT_BYTES];
    struct copy_spec spec = {
        .cluster = str_from(l->copy),
        .home = owner_identity(o, l->home->name),
        .journal = uuid,
        .identity = owner_identity(o, l->copy),
    };

    if (l->checking || l->is_recording || l->noting || l->check != LANE_UNCHECKED || timer_is_set(&l->rest) ||
        !home_may_send(l->home))
        return;
    journal_stats(o->journal, &stats);
    journal_uuid_print(&stats.uuid, uuid);
    spec.lsn = stats.durable_lsn;
    l->checking = copy_check_start(o->up, &spec, CHECK_US, on_checked, l);
}

void
lane_check_again(struct lane *l)
{
    copy_check_cancel(&l->checking);
    l->check = LANE_UNCHECKED;
}

/* --- the note ---------------------------------------------------------------------------------------------------- */

static void
on_noted(void *arg, struct str trouble)
{
    struct lane *l = arg;

    crash_point(CRASH_AT_LANE_NOTED);
    l->noting = NULL;
    if (trouble.len)
        l->noted_lsn = LANE_NOT_NOTED;
}

uint64_t
lane_position(const struct lane *l)
{
    struct mark_age oldest;
    uint64_t open = ledger_oldest_lsn(l->home->ledger), position = l->home->owner->marked_lsn;

    if (lane_schema_lsn(l) && lane_schema_lsn(l) <= position)
        position = lane_schema_lsn(l) - 1;
    if (marks_oldest(l->marks, MARKS_OPEN, &oldest) && oldest.lsn <= position)
        position = oldest.lsn - 1;
    return lane_walk_limit(l, open && open <= position ? open - 1 : position);
}

void
lane_keep_position(struct lane *l)
{
    l->saved_lsn = lane_is_mending(l) || l->n_taints ? LANE_NOT_NOTED : lane_position(l);
}

void
lane_leave_note(struct lane *l)
{
    struct owner *o = l->home->owner;
    struct journal_stats stats;
    struct copy_note note;

    note.position = l->saved_lsn;
    if (l->noting || l->check != LANE_SHIPS || note.position == LANE_NOT_NOTED || note.position == l->noted_lsn ||
        !home_may_send(l->home))
        return;
    journal_stats(o->journal, &stats);
    journal_uuid_print(&stats.uuid, note.journal);
    crash_point(CRASH_AT_LANE_BEFORE_NOTE);
    l->noted_lsn = note.position;
    l->noting = copy_mark_start(
        o->up, str_from(l->copy), owner_identity(o, l->home->name), &note, CHECK_US, on_noted, l);
}

void
lane_check_fini(struct lane *l)
{
    copy_check_cancel(&l->checking);
    copy_mark_cancel(&l->noting);
}
