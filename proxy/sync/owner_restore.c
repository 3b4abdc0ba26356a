/* SPDX-License-Identifier: Apache-2.0
 *
 * A home that has lost its data is brought back from a copy: the order, its stages, what the journal and checkpoints keep of it. See
 * owner_restore.h.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_change.h"
#include "proxy/sync/owner_reach.h"
#include "proxy/sync/record.h"
#include "proxy/sync/restore_impl.h"

enum { LOST = 1 << 7 }; /* in a checkpoint, beside the flags of a record: the home's data */

/* --- its life ---------------------------------------------------------------------------------------------------- */

static struct restore *
restore_new(struct home *h, struct str from)
{
    struct restore *r = MEM_NEW(struct restore);

    r->home = h;
    r->from = mem_dup(from.p, from.len);
    r->stage = RESTORE_CLAIMS;
    h->restore = r;
    ledger_forget(h->ledger, INT64_MAX); /* it will be what the copy is */
    return r;
}

void
restore_free(struct home *h)
{
    struct restore *r = h->restore;

    h->restore = NULL;
    if (!r)
        return;
    restore_walk_end(r);
    mem_free(r->from);
    mem_free(r);
}

bool
restore_holds_rewind(const struct home *h)
{
    return h->restore && h->restore->stage < RESTORE_REWINDS;
}

bool
restore_may_send(const struct restore *r)
{
    return r->stage == RESTORE_WALKS && home_has_claim(r->home) && !r->home->watch.is_away;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static bool
is_off(const struct restore *r)
{
    return r && r->stage == RESTORE_OFF;
}

static unsigned
flags_of(const struct restore *r)
{
    return (r->may_delete ? RECORD_RESTORE_DELETES : 0) | (is_off(r) ? RECORD_RESTORE_OFF : 0);
}

void
restore_put(const struct home *h, struct buf *out)
{
    varint_put_str(out, h->restore ? str_from(h->restore->from) : STR_NONE);
    varint_put(out, (h->restore ? flags_of(h->restore) : 0) | (h->is_lost ? LOST : 0));
}

bool
restore_take(struct home *h, struct str *in, uint64_t format)
{
    struct str from;
    uint64_t flags = 0;

    if (!varint_take_str(in, &from) ||
        (format >= 7 && !varint_take(in, RECORD_RESTORE_DELETES | RECORD_RESTORE_OFF | LOST, &flags)))
        return false;
    h->is_lost = flags & LOST;
    restore_replay(h, from, (unsigned)flags);
    return true;
}

void
restore_replay(struct home *h, struct str from, unsigned flags)
{
    struct restore *r;

    restore_free(h);
    if (from.len == 0)
        return;
    r = restore_new(h, from);
    r->may_delete = flags & RECORD_RESTORE_DELETES;
    r->stage = flags & RECORD_RESTORE_OFF ? RESTORE_OFF : RESTORE_CLAIMS;
}

/* On its way to the disk: errands that wait for it, and what it moves on. */
struct saying {
    struct home *home;
    void (*then)(struct home *h, int error); /* NULL: nothing */
};

static void
on_said(uint64_t lsn, int error, void *arg)
{
    struct saying s = *(struct saying *)arg;
    struct home *h = s.home;

    crash_point(is_off(h->restore) ? CRASH_AT_RESTORE_OFF_DURABLE : CRASH_AT_RESTORE_DURABLE);
    owner_recorded_errands(h->owner, owner_restore, arg, error);
    mem_free(arg);
    if (s.then && h->restore && h->restore->lsn == lsn)
        s.then(h, error);
}

/* How it stands now, or that it is over. False: the journal does not take it. `e` is answered when it is durable. */
static bool
say(struct restore *r, bool is_over, struct errand *e, void (*then)(struct home *h, int error))
{
    struct home *h = r->home;
    struct record_restore record = { str_from(h->name), is_over ? STR_NONE : str_from(r->from),
        is_over ? 0 : flags_of(r) };
    struct saying *s = MEM_NEW(struct saying);
    struct buf bytes = { 0 };
    struct str part;
    uint64_t lsn;

    *s = (struct saying){ h, then };
    record_put_restore(&record, &bytes);
    part = buf_str(&bytes);
    lsn = journal_append(h->owner->journal, RECORD_RESTORE, 0, false, &part, 1, on_said, s);
    buf_fini(&bytes);
    crash_point(is_off(r) ? CRASH_AT_RESTORE_OFF_SAID : CRASH_AT_RESTORE_SAID);
    if (lsn == 0) {
        mem_free(s);
        return false;
    }
    r->lsn = then ? lsn : r->lsn;
    if (e)
        e->held = s;
    return true;
}

static void
put_answer(const struct restore *r, struct errand *e, bool is_off, bool is_closed)
{
    struct json_writer w = json_writer(&e->answer);

    json_begin_object(&w);
    json_member_str(&w, "home", str_from(r->home->name));
    json_member_str(&w, "from", str_from(r->from));
    json_member_bool(&w, "called_off", is_off);
    json_member_bool(&w, "closed", is_closed);
    json_end_object(&w);
    buf_putc(&e->answer, '\n');
}

static void
on_begun(struct home *h, int error)
{
    struct restore *r = h->restore;

    if (error) { /* the journal has failed: nothing will be written any more */
        restore_free(h);
        return;
    }
    log_warning("home %s: restored from %s from now on; nothing else is written there meanwhile", h->name, r->from);
    events_add(EVENT_HOME_RESTORE, str_from(h->name), "it is brought back from %s", r->from);
    r->stage = RESTORE_CLAIMS;
    home_run(h);
}

static void
on_over(struct home *h, int error)
{
    struct restore *r = h->restore;

    if (error)
        return;
    crash_point(CRASH_AT_RESTORE_OVER);
    log_warning("home %s: it is what %s is; its copies are compared with it", h->name, r->from);
    events_add(EVENT_HOME_RESTORE, str_from(h->name), "it is what %s is, and writes go on", r->from);
    restore_free(h);
    watch_soon(h);
    home_run(h);
}

/* --- stages ------------------------------------------------------------------------------------------------------ */

static void
tell(struct restore *r, const char *trouble)
{
    if (strcmp(r->trouble, trouble) == 0)
        return;
    snprintf(r->trouble, sizeof(r->trouble), "%s", trouble);
    if (trouble[0])
        log_warning("home %s: it cannot be restored yet: %s", r->home->name, trouble);
}

/* What the claim says went with the data; who has it now, if anybody, must be dead. */
static bool
is_lost(enum tenure_why why)
{
    return why == TENURE_MISSING || why == TENURE_RESTORED || why == TENURE_OTHER_CLUSTER || why == TENURE_FOREIGN ||
           why == TENURE_BEHIND || why == TENURE_COPIED;
}

static void
claim(struct restore *r)
{
    struct home *h = r->home;
    bool is_frozen = h->claim && claim_state(h->claim) == TENURE_FROZEN;

    if (home_has_claim(h)) {
        tell(r, "");
        r->stage = RESTORE_SETTLES;
        crash_point(CRASH_AT_RESTORE_CLAIMED);
        home_settle(h, false);
    } else if (is_frozen && is_lost(claim_why(h->claim))) {
        r->was_held = false;
        home_claim_again(h);
    } else if (is_frozen) {
        tell(r, tenure_sentence(claim_why(h->claim)));
    } else {
        tell(r, h->trouble);
    }
}

/* What was on its way to home or to that copy when this began has come, or never will. */
static bool
is_at_rest(const struct restore *r)
{
    const struct home *h = r->home;
    const struct quarantine *q;
    const struct lane *l;

    if (ledger_writes(h->ledger) || home_is_changing(h))
        return false;
    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (q->hold ? owner_now_us(h->owner) < q->until_us : q->lane && strcmp(q->lane->copy, r->from) == 0)
            return false;
    }
    LIST_FOREACH (l, &h->lanes, entry) {
        if (l->n_flights && strcmp(l->copy, r->from) == 0)
            return false;
    }
    return true;
}

/* False: the claim is to be taken once more, as home was lost again. */
static bool
is_claimed(struct restore *r)
{
    if (r->stage <= RESTORE_CLAIMS || !r->home->claim || claim_state(r->home->claim) != TENURE_FROZEN)
        return true;
    restore_walk_end(r);
    home_settle_fini(r->home);
    r->stage = RESTORE_CLAIMS;
    return false;
}

static void
send_again(struct restore *r)
{
    struct watch *w = &r->home->watch;

    if (r->home->rewind)
        return;
    if (r->has_rewound || w->n_processes == 0) {
        crash_point(CRASH_AT_RESTORE_REWOUND);
        r->stage = RESTORE_SAVES;
        return;
    }
    r->has_rewound = true;
    rewind_begin(r->home, w->processes[(w->n_processes - 1) % WATCH_PROCESSES]);
}

static void
save(struct restore *r)
{
    struct owner *o = r->home->owner;
    struct lane *l;

    if (r->saves && o->n_saves >= r->saves) {
        crash_point(CRASH_AT_RESTORE_SAVED);
        r->stage = RESTORE_ENDS;
        if (!say(r, true, NULL, on_over))
            log_error("home %s: that it is restored cannot be recorded", r->home->name);
    } else if (!o->is_saving) {
        LIST_FOREACH (l, &r->home->lanes, entry) {
            if (r->saves == 0)
                lane_walk(l, 0, "home was restored");
        }
        o->is_save_due = true;
        r->saves = o->n_saves + 1;
        owner_save(o);
    }
}

void
restore_tick(struct home *h)
{
    struct restore *r = h->restore;

    if (!r || h->owner->is_ending || !h->owner->journal || !is_claimed(r))
        return;
    switch (r->stage) {
    case RESTORE_RECORDS:
    case RESTORE_ENDS:
    case RESTORE_OFF:
        return;
    case RESTORE_CLAIMS:
        claim(r);
        return;
    case RESTORE_SETTLES:
        if (!home_has_settled(h) || !is_at_rest(r))
            return;
        crash_point(CRASH_AT_RESTORE_SETTLED);
        r->stage = RESTORE_WALKS;
        restore_walk_begin(r);
        return;
    case RESTORE_WALKS:
        if (!restore_walk_is_over(r))
            return;
        crash_point(CRASH_AT_RESTORE_WALKED);
        restore_learn(r);
        restore_walk_end(r);
        r->stage = RESTORE_REWINDS;
        return;
    case RESTORE_REWINDS:
        send_again(r);
        return;
    case RESTORE_SAVES:
        save(r);
        return;
    }
}

/* --- the order --------------------------------------------------------------------------------------------------- */

/* False after refusing: what it lacks would be lost. */
static bool
is_complete(const struct lane *l, struct errand *e)
{
    uint64_t n = 0;

    for (unsigned state = 0; state < MARK_STATES; state++)
        n += 1U << state & MARKS_OPEN ? marks_count(l->marks, (enum mark_state)state) : 0;
    if (json_bool(json_get(e->body, "behind"), false) || (n == 0 && !lane_is_mending(l)))
        return true;
    if (lane_is_mending(l))
        errand_refuse(e, 409,
            "%s was not compared with %s to the end, so it may lack points: choose another copy, or say --behind",
            l->copy, l->home->name);
    else
        errand_refuse(e, 409, "%s lacks changes of %llu points: choose another copy, or say --behind", l->copy,
            (unsigned long long)n);
    return false;
}

/* It is under way. */
static void
change(struct restore *r, struct errand *e, struct str from)
{
    bool may_delete = json_bool(json_get(e->body, "delete"), false), is_said = true;

    if (!str_eq(from, str_from(r->from))) {
        errand_refuse(
            e, 409, "%s is being restored from %s: `sextant ctl lanes` shows how far", r->home->name, r->from);
        return;
    }
    if (may_delete != r->may_delete && r->stage <= RESTORE_WALKS) {
        r->may_delete = may_delete;
        is_said = say(r, false, e, NULL);
        restore_walk_again(r);
    }
    put_answer(r, e, false, true);
    if (!is_said)
        errand_refuse(e, 503, "the journal could not be written");
    else if (!e->held)
        errand_answer(e, 200);
}

static void
begin(struct home *h, struct errand *e, struct str from)
{
    bool was_held = !h->restore && home_has_claim(h);
    struct restore *r;
    struct lane *l;

    restore_free(h); /* one that was called off */
    r = restore_new(h, from);
    r->stage = RESTORE_RECORDS;
    r->was_held = was_held;
    r->may_delete = json_bool(json_get(e->body, "delete"), false);
    rewind_free(h); /* it begins again when the rest is there */
    LIST_FOREACH (l, &h->lanes, entry)
        lane_walk_interrupt(l);
    log_warning(
        "home %s: to be restored from " STR_FMT ", ordered by " STR_FMT, h->name, STR_ARG(from), STR_ARG(e->by));
    put_answer(r, e, false, true);
    if (say(r, false, e, on_begun)) {
        home_tell_reach(h);
        home_run(h);
        return;
    }
    restore_free(h);
    errand_refuse(e, 503, "the journal could not be written");
}

static void
on_called_off(struct home *h, int error)
{
    if (error)
        return;
    log_warning("home %s: it is not restored from %s, and is what it was before", h->name, h->restore->from);
    events_add(EVENT_HOME_RESTORE, str_from(h->name), "called off: it is not brought back from %s", h->restore->from);
    restore_free(h);
    watch_soon(h); /* a rewind that was put off begins again */
    home_run(h);
}

/* One whose claim was taken again lacks what the claim went with, which nothing would tell any more: it stays closed. */
static void
call_off(struct restore *r, struct errand *e)
{
    struct home *h = r->home;
    bool is_lost = h->claim && claim_state(h->claim) == TENURE_FROZEN;
    bool is_closed = !r->was_held && !is_lost, is_said;

    if (r->stage == RESTORE_RECORDS) {
        errand_refuse(e, 409, "it has just been ordered: try again");
        return;
    }
    if (r->stage > RESTORE_SETTLES) {
        errand_refuse(e, 409,
            "what %s has is being changed already, and it would be neither what it was nor what %s is: it goes on",
            h->name, r->from);
        return;
    }
    log_warning("home %s: its restore is called off, ordered by " STR_FMT, h->name, STR_ARG(e->by));
    home_settle_fini(h);
    r->stage = is_closed ? RESTORE_OFF : RESTORE_ENDS;
    put_answer(r, e, true, is_closed || is_lost);
    is_said = is_closed ? say(r, false, e, NULL) : say(r, true, e, on_called_off);
    if (!is_said)
        errand_refuse(e, 503, "the journal could not be written");
}

static void
call_off_home(struct home *h, struct errand *e)
{
    struct str name = json_string(json_get(e->body, "target"));

    if (h && h->restore && h->owner->journal)
        call_off(h->restore, e);
    else
        errand_refuse(e, 404, "no home " STR_FMT " of this edge is being restored", STR_ARG(name));
}

void
owner_restore(struct owner *o, struct errand *e)
{
    struct str home = json_string(json_get(e->body, "target")), from = json_string(json_get(e->body, "from"));
    struct home *h = owner_home(o, home);
    struct lane *l, *found = NULL;

    if (h && o->journal) {
        LIST_FOREACH (l, &h->lanes, entry)
            found = str_eq(str_from(l->copy), from) ? l : found;
    }
    if (json_bool(json_get(e->body, "cancel"), false)) {
        call_off_home(h, e);
        return;
    }
    if (!found)
        errand_refuse(
            e, 404, "there is no home " STR_FMT " of this edge with a copy " STR_FMT, STR_ARG(home), STR_ARG(from));
    else if (h->restore && h->restore->stage != RESTORE_OFF)
        change(h->restore, e, from);
    else if (is_complete(found, e))
        begin(h, e, from);
}
