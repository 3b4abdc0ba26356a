/* SPDX-License-Identifier: Apache-2.0
 *
 * The claim on each home that is owned here. Nothing is sent to a home, and nothing shipped from it, unless the claim is held
 * and the journal knows for good whose it is: or a home that was emptied, swapped or taken over could not be told from a new one.
 *
 *   claimed ─▶ recorded (identity, durable) ─▶ may send, as long as renewals are confirmed
 */
#include <stdio.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/rule_off.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/store/identity.h"
#include "proxy/store/renew.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/owner_reach.h"
#include "proxy/sync/record.h"

enum { REWIND_US = 60 * 1000 * 1000, SAMPLE_US = REWIND_US / (FLOOR_SAMPLES - 2) };

const char *
owner_identity(const struct owner *o, const char *cluster)
{
    for (unsigned i = 0; i < o->known.n; i++) {
        if (strcmp(o->known.rows[i].name, cluster) == 0)
            return o->known.rows[i].identity;
    }
    return "";
}

bool
owner_can_learn(const struct owner *o, struct str cluster)
{
    for (unsigned i = 0; i < o->known.n; i++) {
        if (str_eq(str_from(o->known.rows[i].name), cluster))
            return true;
    }
    return o->known.n < CLUSTERS_MAX && cluster.len < IDENTITIES_NAME_MAX;
}

bool
owner_learn_identity(struct owner *o, struct str cluster, struct str identity)
{
    notes_uuid text;

    if (!notes_is_uuid(identity) || !owner_can_learn(o, cluster))
        return false;
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(identity));
    identities_add(&o->known, cluster, text);
    return true;
}

void
owner_record_identity(struct owner *o, const char *cluster, const char *identity, journal_done_fn *done, void *arg)
{
    struct record_identity record = { str_from(cluster), str_from(identity) };
    struct buf bytes = { 0 };
    struct str part;

    identities_add(&o->known, str_from(cluster), identity);
    record_put_identity(&record, &bytes);
    part = buf_str(&bytes);
    journal_append(o->journal, RECORD_IDENTITY, 0, false, &part, 1, done, arg);
    buf_fini(&bytes);
}

/* The note at a copy stands under the identity of its home, and as a copy of another one it is another cluster now. */
static void
check_lanes_again(struct home *h)
{
    struct home *other;
    struct lane *l;

    LIST_FOREACH (other, &h->owner->homes, entry) {
        LIST_FOREACH (l, &other->lanes, entry) {
            if (other == h || strcmp(l->copy, h->name) == 0)
                lane_check_again(l);
        }
    }
}

void
home_accept(struct home *h)
{
    const char *known = owner_identity(h->owner, h->name), *identity = claim_identity(h->claim);
    struct str twin = identities_find(&h->owner->known, identity);

    if (strcmp(known, identity) == 0) {
        h->is_recorded = h->claims == HOME_CLAIMED;
    } else if (twin.len) {
        snprintf(h->trouble, sizeof(h->trouble), "it is " STR_FMT " under another name", STR_ARG(twin));
        log_error("home %s: %s", h->name, h->trouble);
        return;
    } else {
        if (known[0])
            check_lanes_again(h);
        owner_record_identity(h->owner, h->name, identity, NULL, NULL);
    }
    if (!h->is_recorded)
        home_record(h, HOME_CLAIMED, NULL);
}

static void
on_change(void *arg)
{
    struct home *h = arg;
    struct str trouble = claim_trouble(h->claim);

    home_note_loss(h);
    if (claim_state(h->claim) == TENURE_HELD && !h->has_held) {
        h->has_held = true;
        crash_point(CRASH_AT_OWNER_CLAIM_HELD);
        log_info("home %s: its claim is held", h->name);
        h->trouble[0] = '\0';
        if (h->takes_over)
            home_take_over(h);
        else
            home_accept(h);
    }
    if (trouble.len && !str_eq(trouble, str_from(h->trouble))) {
        log_warning("home %s: " STR_FMT, h->name, STR_ARG(trouble));
        if (claim_state(h->claim) == TENURE_FROZEN)
            events_add(EVENT_CLAIM_LOST, str_from(h->name), STR_FMT, STR_ARG(trouble));
    }
    if (trouble.len || h->is_recorded)
        snprintf(h->trouble, sizeof(h->trouble), STR_FMT, STR_ARG(trouble));
    home_claim_changed(h);
    home_run(h);
}

void
home_claim(struct home *h)
{
    struct journal_stats stats;
    char uuid[UUID_TEXT_BYTES];
    struct claim_spec spec = {
        .home = str_from(h->name), .journal = uuid, .identity = owner_identity(h->owner, h->name)
    };

    if (h->claim || h->claims == HOME_GIVEN_UP)
        return;
    journal_stats(h->owner->journal, &stats);
    journal_uuid_print(&stats.uuid, uuid);
    spec.starts = stats.starts;
    spec.has_claimed = h->claims == HOME_CLAIMED;
    spec.lsn = stats.last_lsn;
    spec.floor_lsn = h->floor_lsn;
    h->takes_over = spec.may_replace = journal_takes_over(h->owner->journal, str_from(h->name));
    h->claim = claim_new(h->owner->up, &spec, on_change, h);
}

/* From whatever holds it, as long as that does not live: an operator said so. */
void
home_claim_again(struct home *h)
{
    struct journal_stats stats;
    char uuid[UUID_TEXT_BYTES];
    struct claim_spec spec = { .home = str_from(h->name), .journal = uuid, .identity = "", .may_replace = true };

    claim_free(h->claim);
    h->has_held = h->is_recorded = false;
    journal_stats(h->owner->journal, &stats);
    journal_uuid_print(&stats.uuid, uuid);
    spec.starts = stats.starts;
    spec.lsn = stats.last_lsn;
    h->claim = claim_new(h->owner->up, &spec, on_change, h);
}

bool
home_has_claim(const struct home *h)
{
    return (h->claim && h->is_recorded && claim_may_send(h->claim, clock_boot_us())) || rule_is_off(RULE_CLAIM);
}

bool
home_may_send(const struct home *h)
{
    if (h->restores)
        return restore_may_send(h->restores);
    return home_has_claim(h) && h->watch.is_sure && !h->rewind && !h->restore;
}

enum fail
home_fail(const struct home *h)
{
    if (home_is_frozen(h))
        return h->restore ? FAIL_HOME_RESTORES : FAIL_CLAIM_LOST;
    if (h->rewind)
        return FAIL_HOME_REWINDS;
    return h->watch.is_away ? FAIL_NO_HEALTHY_CLUSTER : FAIL_CLAIM_LOST;
}

bool
home_is_frozen(const struct home *h)
{
    return h->restore || (h->claim && claim_state(h->claim) == TENURE_FROZEN && !rule_is_off(RULE_CLAIM));
}

/* All up to it have their outcome. */
static uint64_t
settled_lsn(const struct home *h)
{
    uint64_t durable = journal_durable(h->owner->journal), open = ledger_oldest_lsn(h->ledger);

    return open && open <= durable ? open - 1 : durable;
}

/* The floor is the LSN that the newest claim had a minute before home's last answer: no loss of power takes home back
 * behind that. */
void
home_renew(struct home *h, int64_t now_us)
{
    struct floor_sample *newest = &h->floors[h->n_floors % FLOOR_SAMPLES];

    if (!h->claim)
        return;
    if (h->n_floors == 0 || now_us - h->floors[(h->n_floors - 1) % FLOOR_SAMPLES].at_us >= SAMPLE_US) {
        *newest = (struct floor_sample){ now_us, settled_lsn(h) };
        h->n_floors++;
    }
    for (unsigned i = 0; i < FLOOR_SAMPLES && i < h->n_floors; i++) {
        if (h->floors[i].at_us <= h->answered_us - REWIND_US && h->floors[i].lsn > h->floor_lsn)
            h->floor_lsn = h->floors[i].lsn;
    }
    claim_set_lsn(h->claim, journal_durable(h->owner->journal), h->restore ? 0 : h->floor_lsn);
}

bool
home_release(struct home *h)
{
    enum tenure_state state = h->claim ? claim_state(h->claim) : TENURE_RELEASED;

    if (state == TENURE_RELEASED || state == TENURE_FROZEN)
        return true;
    if (state != TENURE_RELEASING) {
        crash_point(CRASH_AT_OWNER_BEFORE_RELEASE);
        claim_release(h->claim);
    }
    return claim_state(h->claim) == TENURE_RELEASED;
}
