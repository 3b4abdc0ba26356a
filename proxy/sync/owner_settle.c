/* SPDX-License-Identifier: Apache-2.0
 *
 * Until what was sent to a home before has come or never will, and a new journal that takes a home over. See owner_restore.h.
 */
#include <stdio.h>

#include "proxy/base/crash_point.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/store/renew.h"
#include "proxy/sync/listing.h"
#include "proxy/sync/owner_impl.h"

/* --- settling ---------------------------------------------------------------------------------------------------- */

static void
taint(struct home *h, struct str name)
{
    uint32_t collection = lexicon_number(h->owner->collections, name);
    struct lane *l;

    home_taint(h, collection);
    LIST_FOREACH (l, &h->lanes, entry) {
        if (h->settling.has_lanes && lane_takes(l, name))
            lane_taint(l, collection);
    }
}

static void
on_list(void *arg, struct json names)
{
    struct home *h = arg;
    struct settling *s = &h->settling;

    s->listing = NULL;
    s->is_listed = true;
    for (struct json_iter i = json_iter(names); json_next(&i);) {
        struct str name = json_string(json_get(i.value, "name"));

        if (name.len)
            taint(h, name);
    }
}

void
home_settle(struct home *h, bool has_lanes)
{
    struct owner *o = h->owner;
    struct settling *s = &h->settling;

    home_settle_fini(h);
    s->is_listed = false;
    s->saves = 0;
    s->has_lanes = has_lanes;
    s->until_us = owner_now_us(o) + owner_quarantine_us(o);
    s->listing = listing_start(o->up, h->name, on_list, h);
}

/* The names that were found are in a checkpoint, so that the next start taints their lanes again. */
static bool
is_saved(struct home *h)
{
    struct owner *o = h->owner;
    struct settling *s = &h->settling;

    if (s->saves && o->n_saves >= s->saves)
        return true;
    if (!o->is_saving) {
        o->is_save_due = true;
        s->saves = o->n_saves + 1;
        owner_save(o);
    }
    return false;
}

bool
home_has_settled(struct home *h)
{
    const struct settling *s = &h->settling;

    return s->is_listed && is_saved(h) && s->n_taints == 0 && owner_now_us(h->owner) >= s->until_us;
}

void
home_settle_fini(struct home *h)
{
    listing_cancel(&h->settling.listing);
}

/* --- a new journal ----------------------------------------------------------------------------------------------- */

void
home_take_over(struct home *h)
{
    snprintf(h->trouble, sizeof(h->trouble),
        "a new journal has it; what the one before had sent is waited for, and not before SEXTANT_QUARANTINE is over");
    log_warning("home %s: %s", h->name, h->trouble);
    crash_point(CRASH_AT_TAKEOVER_CLAIMED);
    home_settle(h, true);
}

static bool
is_last(const struct home *h)
{
    const struct home *other;

    LIST_FOREACH (other, &h->owner->homes, entry) {
        if (other != h && other->takes_over)
            return false;
    }
    return true;
}

void
home_tick_takeover(struct home *h)
{
    int error;

    if (!h->takes_over || !h->has_held || claim_state(h->claim) != TENURE_HELD || h->owner->is_ending ||
        !home_has_settled(h))
        return;
    crash_point(CRASH_AT_TAKEOVER_SETTLED);
    error = journal_took_over(h->owner->journal, str_from(h->name), is_last(h));
    if (error) {
        log_error("home %s: that it was taken over cannot be noted: %s", h->name, strerrordesc_np(-error));
        home_settle(h, true);
        return;
    }
    crash_point(CRASH_AT_TAKEOVER_NOTED);
    h->takes_over = false;
    h->trouble[0] = '\0';
    events_add(EVENT_CLAIM_TAKEN, str_from(h->name), "a new journal has it: all copies are compared with it");
    log_warning("home %s: taken over by a new journal", h->name);
    home_accept(h);
}
