/* SPDX-License-Identifier: Apache-2.0
 *
 * A home is given up by order: its claim is left free for any journal, and what this one knows of it is over.
 *
 *   owner_release ─▶ the claim is given up at the cluster ─▶ recorded ─▶ answered; the home stays, refusing writes, until the map
 *   gives it to another edge, or to none
 */
#include <errno.h>
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/owner_reach.h"
#include "proxy/sync/record.h"

/* --- the record -------------------------------------------------------------------------------------------------- */

struct claiming {
    struct home *home;
    enum home_claims claims;
    errand_fn *then;
};

/* One that was given up, and is not any more, is not claimed yet: that is recorded once more when it is. */
static enum home_claims
next_claims(const struct home *h, bool is_given_up)
{
    if (is_given_up)
        return HOME_GIVEN_UP;
    return h->claims == HOME_GIVEN_UP ? HOME_UNCLAIMED : HOME_CLAIMED;
}

static void
on_recorded(uint64_t lsn, int error, void *arg)
{
    struct claiming c = *(struct claiming *)arg;
    struct home *h = c.home;

    mem_free(arg);
    h->is_claiming = false;
    if (c.claims == HOME_GIVEN_UP) {
        crash_point(CRASH_AT_RELEASE_DURABLE);
        h->is_giving_up = false;
    } else if (h->claims == HOME_GIVEN_UP) {
        crash_point(CRASH_AT_RELEASE_UNDONE);
    }
    if (!error) {
        h->owner->marked_lsn = lsn;
        h->claims = next_claims(h, c.claims == HOME_GIVEN_UP);
        owner_show_frozen(h->owner);
    }
    if (c.then)
        owner_recorded_errands(h->owner, c.then, h, error);
    if (!error && c.claims == HOME_GIVEN_UP) {
        claim_free(h->claim);
        h->claim = NULL;
        h->has_held = h->is_recorded = false;
        log_info("home %s: its claim was given up; another journal may take it", h->name);
        events_add(EVENT_HOME_RELEASED, str_from(h->name), "its claim was given up by order");
    } else if (!error) {
        crash_point(CRASH_AT_OWNER_IDENTITY_DURABLE);
        h->is_recorded = h->claim && h->has_held;
        home_claim(h);
    }
    home_run(h);
}

void
home_record(struct home *h, enum home_claims claims, errand_fn *then)
{
    struct record_home r = { str_from(h->name), claims == HOME_GIVEN_UP };
    struct claiming *c;
    struct buf bytes = { 0 };
    struct str part;

    if (h->is_claiming || !h->owner->journal)
        return;
    c = MEM_NEW(struct claiming);
    *c = (struct claiming){ h, claims, then };
    record_put_home(&r, &bytes);
    part = buf_str(&bytes);
    h->is_claiming = journal_append(h->owner->journal, RECORD_HOME, 0, false, &part, 1, on_recorded, c) != 0;
    buf_fini(&bytes);
    if (claims == HOME_GIVEN_UP)
        crash_point(CRASH_AT_RELEASE_SAID);
    if (!h->is_claiming) {
        mem_free(c);
        h->is_giving_up = false;
        if (then)
            owner_recorded_errands(h->owner, then, h, -EIO);
    }
    h->owner->is_save_due = true;
}

bool
owner_replay_home(struct owner *o, struct str payload)
{
    enum home_claims claims;
    struct record_home r;
    struct home *h;

    if (!record_take_home(payload, &r))
        return false;
    h = owner_add_home(o, r.home);
    claims = next_claims(h, r.is_given_up);
    if (claims != HOME_CLAIMED) /* nothing that was recorded of it before matters any more */
        h = owner_begin_home_anew(h);
    h->claims = claims;
    return true;
}

/* --- the order --------------------------------------------------------------------------------------------------- */

/* Another journal has it, or it was lost otherwise: there is nothing to give up. */
static bool
is_over(const struct home *h)
{
    enum tenure_state state = h->claim ? claim_state(h->claim) : TENURE_RELEASED;

    return state == TENURE_RELEASED || state == TENURE_FROZEN;
}

void
home_claim_changed(struct home *h)
{
    if (!h->is_giving_up || h->is_claiming || !is_over(h))
        return;
    crash_point(CRASH_AT_RELEASE_FREE);
    home_record(h, HOME_GIVEN_UP, owner_release);
}

/* The frozen partition of a line, if it is one. */
static const struct frozen *
frozen_of(const struct home *h, const struct rule *rule)
{
    const struct frozen *f;

    LIST_FOREACH (f, &h->frozen, entry) {
        if (f->rule == rule)
            return f;
    }
    return NULL;
}

static bool
is_line_drained(const struct home *h, const struct rule *rule, struct errand *e)
{
    const struct frozen *f = frozen_of(h, rule);
    struct buf line = { 0 };

    if (f && f->is_drained)
        return true;
    rule_put_patterns(rule, &line);
    if (!f)
        errand_refuse(e, 409,
            "line " STR_FMT " has its home there and is not frozen: `sextant ctl freeze '" STR_FMT "' --wait` first",
            STR_ARG(buf_str(&line)), STR_ARG(buf_str(&line)));
    else
        errand_refuse(e, 409, "line " STR_FMT " is not drained yet: %s", STR_ARG(buf_str(&line)), f->left);
    buf_fini(&line);
    return false;
}

static bool
has_home(const struct rule *rule, const struct world *w, const struct home *h)
{
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];

        if (partition_fans_out(rule, part) && str_eq(w->topology->clusters[part->clusters[0]].name, str_from(h->name)))
            return true;
    }
    return false;
}

static bool
is_drained(const struct home *h, struct errand *e)
{
    const struct world *w = h->owner->up->fleet->world;

    for (unsigned i = 0; i < w->map->n_rules; i++) {
        if (has_home(&w->map->rules[i], w, h) && !is_line_drained(h, &w->map->rules[i], e))
            return false;
    }
    return true;
}

/* What this journal made of it stands at home, and its new owner compares all copies with that. */
static bool
is_anothers(const struct home *h)
{
    return h->claim && claim_state(h->claim) == TENURE_FROZEN && claim_why(h->claim) == TENURE_FOREIGN;
}

void
owner_release(struct owner *o, struct errand *e)
{
    struct str target = json_string(json_get(e->body, "target"));
    struct home *h = owner_home(o, target);

    if (!h) {
        errand_refuse(e, 404, "this edge journals for no home " STR_FMT, STR_ARG(target));
        return;
    }
    if (h->claims != HOME_GIVEN_UP && !is_anothers(h) && !is_drained(h, e))
        return;
    buf_add(&e->answer, STR("{\"released\":true}\n"));
    if (h->claims == HOME_GIVEN_UP) {
        errand_answer(e, 200);
        return;
    }
    e->held = h;
    if (h->is_giving_up)
        return;
    log_info("home %s: its claim is given up, ordered by " STR_FMT, h->name, STR_ARG(e->by));
    h->is_giving_up = true;
    crash_point(CRASH_AT_RELEASE_BEGUN);
    if (!is_over(h))
        claim_give_up(h->claim);
    home_claim_changed(h);
}

static bool
is_used(const struct home *h)
{
    return !TAILQ_EMPTY(&h->waiting) || !TAILQ_EMPTY(&h->running) || !TAILQ_EMPTY(&h->changes) || h->is_claiming ||
           h->is_running || h->watch.is_recording || h->restore;
}

/* Others may have written there since, and shipped: what was known of it is not true any more. */
struct home *
home_take_back(struct home *h)
{
    if (!is_used(h)) {
        h = owner_begin_home_anew(h);
        h->claims = HOME_GIVEN_UP;
        home_fit_lanes(h);
        home_begin_reach(h);
    }
    home_record(h, HOME_CLAIMED, NULL);
    return h;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static bool
is_owned(const struct home *h)
{
    const struct world *w = h->owner->up->fleet->world;
    int at = topology_find(w->topology, str_from(h->name));

    return at >= 0 && w->fanout->owns >> at & 1;
}

void
owner_drop_homes(struct owner *o)
{
    struct home *h, *next;

    for (h = LIST_FIRST(&o->homes); h; h = next) {
        next = LIST_NEXT(h, entry);
        if (h->claims != HOME_GIVEN_UP || is_owned(h) || is_used(h))
            continue;
        log_info("home %s: it is journaled for here no more", h->name);
        owner_drop_home(h);
        o->is_save_due = true;
    }
}
