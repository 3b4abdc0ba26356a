/* SPDX-License-Identifier: Apache-2.0
 *
 * The owner's thread: its loop, its homes, and what other threads ask of it, which comes by posts.
 *
 *   new (journal read, in the caller's thread) -> start -> serving -> ending (orders answered, journal synced) -> over
 */
#include <errno.h>
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/thread.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/owner_reach.h"

enum { TICK_US = 100 * 1000, SAVE_US = 5 * 1000 * 1000, END_US = 2 * 1000 * 1000, END_POLL_US = 2 * 1000 };
enum { FIT_US = 500 * 1000 };
enum { KNOWN_US = 5 * 1000 * 1000 /* who writes past us is not to be undone for longer */ };

/* --- homes ------------------------------------------------------------------------------------------------------- */

struct home *
owner_home(struct owner *o, struct str name)
{
    struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        if (str_eq(str_from(h->name), name))
            return h;
    }
    return NULL;
}

struct home *
home_new(struct owner *o, struct str name)
{
    struct home *h = MEM_NEW(struct home);

    h->owner = o;
    h->name = mem_dup(name.p, name.len);
    h->watch.born_us = owner_now_us(o);
    h->ledger = ledger_new();
    h->catalog = catalog_new(o->up, name);
    h->incs = incs_new();
    TAILQ_INIT(&h->changes);
    LIST_INIT(&h->lanes);
    LIST_INIT(&h->frozen);
    TAILQ_INIT(&h->waiting);
    TAILQ_INIT(&h->running);
    TAILQ_INIT(&h->quarantines);
    return h;
}

struct home *
owner_add_home(struct owner *o, struct str name)
{
    struct home *h = owner_home(o, name);

    if (h)
        return h;
    h = home_new(o, name);
    LIST_INSERT_HEAD(&o->homes, h, entry);
    return h;
}

void
home_free(struct home *h)
{
    struct lane *l;

    restore_free(h);
    home_settle_fini(h);
    home_drop_frozen(h);
    home_drop_changes(h);
    home_drop_quarantines(h);
    rewind_free(h);
    watch_fini(h);
    claim_free(h->claim);
    while ((l = LIST_FIRST(&h->lanes)))
        lane_free(l);
    catalog_free(h->catalog);
    ledger_free(h->ledger);
    incs_free(h->incs);
    mem_free(h->name);
    mem_free(h);
}

void
owner_drop_home(struct home *h)
{
    LIST_REMOVE(h, entry);
    home_free(h);
}

struct home *
owner_begin_home_anew(struct home *h)
{
    struct owner *o = h->owner;
    char *name = mem_dup(h->name, strlen(h->name));
    struct frozen *f, *next, *kept = LIST_FIRST(&h->frozen);

    LIST_INIT(&h->frozen);
    owner_drop_home(h);
    h = owner_add_home(o, str_from(name));
    mem_free(name);
    for (f = kept; f; f = next) {
        next = LIST_NEXT(f, entry);
        f->home = h;
        LIST_INSERT_HEAD(&h->frozen, f, entry);
    }
    return h;
}

void
owner_each_lane(struct owner *o, void (*fn)(struct lane *l))
{
    struct home *h;
    struct lane *l;

    LIST_FOREACH (h, &o->homes, entry) {
        LIST_FOREACH (l, &h->lanes, entry)
            fn(l);
    }
}

static void
complain(const struct home *h)
{
    log_error(
        "home %s: with this map it would have had more than %d copies since the journal was begun; writes that name "
        "new ones are refused: take them out of the map, or begin a new journal",
        h->name, LANES_MAX);
}

static bool
keeps_all(const struct owner *o)
{
    const struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        if (h->has_too_many)
            return false;
    }
    return true;
}

void
owner_add_homes(struct owner *o)
{
    const struct world *w = o->up->fleet->world;

    for (unsigned i = 0; o->journal && i < w->topology->n_clusters; i++) {
        if (w->fanout->owns >> i & 1) {
            struct home *h = owner_add_home(o, w->topology->clusters[i].name);

            home_fit_lanes(h);
            if (h->has_too_many)
                complain(h);
            home_claim(h);
            home_begin_reach(h);
        }
    }
    owner_drop_homes(o);
}

/* What was frozen, and what the map has no more: how far is it? */
static void
look_at_changes_of_map(struct owner *o)
{
    struct home *h;

    if (owner_now_us(o) - o->fitted_us < FIT_US || !o->journal)
        return;
    o->fitted_us = owner_now_us(o);
    LIST_FOREACH (h, &o->homes, entry) {
        if (!LIST_EMPTY(&h->frozen))
            home_look_at_frozen(h);
        home_fit_lanes(h);
    }
    owner_drop_homes(o);
    owner_show_frozen(o);
}

/* --- the clock --------------------------------------------------------------------------------------------------- */

static void
publish(struct owner *o)
{
    struct journal_stats stats = { .error = o->succession.error };
    struct owner_view v = { .is_waiting = o->succession.is_waiting && !o->succession.error };
    const struct ledger_hold *hold;
    struct home *h;

    if (o->journal)
        journal_stats(o->journal, &stats);
    v.last_lsn = stats.last_lsn;
    v.durable_lsn = stats.durable_lsn;
    v.saved_lsn = stats.covers_lsn;
    v.used_bytes = stats.used_bytes;
    v.quota_bytes = stats.quota_bytes;
    v.room_bytes = stats.room_bytes;
    if (o->journal)
        forecast_note(&o->room, owner_now_us(o), stats.room_bytes);
    v.full_in_us = forecast_us(&o->room);
    v.commits = stats.commits;
    v.sync_us = stats.sync_us;
    v.error = stats.error;
    LIST_FOREACH (h, &o->homes, entry) {
        v.n_open += ledger_open(h->ledger);
        v.n_rewinding += home_is_rewinding(h);
        v.n_restoring += h->restore != NULL;
        for (hold = ledger_holds(h->ledger); hold; hold = LIST_NEXT(hold, entry))
            v.n_held++;
    }
    pthread_mutex_lock(&o->shared.lock);
    v.n_frozen = o->shared.n_frozen;
    o->shared.view = v;
    pthread_mutex_unlock(&o->shared.lock);
}

static void
on_tick(void *arg)
{
    struct owner *o = arg;
    struct home *h;
    struct lane *l;

    LIST_FOREACH (h, &o->homes, entry) {
        home_renew(h, owner_now_us(o));
        watch_tick(h);
        home_tell_reach(h);
        home_check_quarantines(h);
        home_tick_takeover(h);
        restore_tick(h);
        ledger_forget(h->ledger, owner_now_us(o) - KNOWN_US);
        LIST_FOREACH (l, &h->lanes, entry)
            lane_tick(l);
    }
    look_at_changes_of_map(o);
    if (o->is_save_due || owner_now_us(o) - o->saved_us >= SAVE_US)
        owner_save(o);
    publish(o);
    owner_show_restores(o);
    timer_set(&o->tick, TICK_US);
}

/* --- posts ------------------------------------------------------------------------------------------------------- */

struct news {
    struct owner *owner;
    struct fleet *fleet;
    struct backend *backend;
};

static void
take_news(void *arg)
{
    struct news *n = arg;

    if (n->fleet) {
        struct home *h;

        LIST_FOREACH (h, &n->owner->homes, entry)
            home_note_left_out(h);
        upstream_set_fleet(n->owner->up, n->fleet);
        fleet_unref(n->fleet);
        LIST_FOREACH (h, &n->owner->homes, entry)
            home_fit_frozen(h);
        owner_add_homes(n->owner);
        owner_each_lane(n->owner, lane_check_again);
    }
    if (n->backend) {
        upstream_backend_fell(n->owner->up, n->backend);
        backend_unref(n->backend);
    }
    mem_free(n);
}

static void
post(struct owner *o, struct fleet *fleet, struct backend *b)
{
    struct news *n = MEM_NEW(struct news);

    *n = (struct news){ o, fleet, b };
    loop_post(o->loop, take_news, n);
}

void
owner_post_fleet(struct owner *o, struct fleet *fleet)
{
    post(o, fleet_ref(fleet), NULL);
}

void
owner_post_fallen(struct owner *o, struct backend *b)
{
    post(o, NULL, backend_ref(b));
}

void
owner_submit(struct owner *o, struct order *order)
{
    order->owner = o;
    loop_post(o->loop, owner_take_order, order);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

/* Claims are given back last: then nothing more is sent. A home that does not answer is not waited for. */
void
owner_end(void *arg)
{
    struct owner *o = arg;
    struct home *h;
    bool is_over = true;

    if (!o->is_ending) {
        crash_point(CRASH_AT_OWNER_ENDS);
        o->end_by_us = owner_now_us(o) + END_US;
    }
    o->is_ending = true;
    owner_end_errands(o);
    owner_end_opening(o);
    LIST_FOREACH (h, &o->homes, entry)
        is_over = home_end(h) && is_over;
    if (is_over) {
        LIST_FOREACH (h, &o->homes, entry)
            is_over = home_release(h) && is_over;
    }
    if (!is_over && owner_now_us(o) < o->end_by_us) {
        timer_set(&o->ending, END_POLL_US);
        return;
    }
    if (is_over)
        crash_point(CRASH_AT_OWNER_ENDED);
    if (o->succession.is_retiring && !owner_has_retired(o))
        owner_close_journal(o);
    if (o->is_stopping)
        loop_stop(o->loop);
}

static void
stop(void *arg)
{
    struct owner *o = arg;

    o->is_stopping = true;
    owner_end(o);
}

int
owner_new(struct fleet *fleet, uint64_t seed, bool may_wait, struct owner **ret_owner, struct buf *ret_error)
{
    struct owner *o = MEM_NEW(struct owner);
    int error;

    LIST_INIT(&o->homes);
    LIST_INIT(&o->errands);
    pthread_mutex_init(&o->shared.lock, NULL);
    hash_key_draw(&o->hash_key);
    o->loop = loop_new();
    o->metrics = metrics_new();
    o->residency = residency_new();
    o->up = upstream_new(o->loop, o->metrics, fleet, seed);
    o->collections = lexicon_new();
    o->shard_keys = lexicon_new();
    timer_init(&o->tick, o->loop, on_tick, o);
    timer_init(&o->ending, o->loop, owner_end, o);
    owner_init_succession(o);
    error = owner_open_journal(o, ret_error);
    if (error == -EWOULDBLOCK && may_wait) {
        owner_await_journal(o);
    } else if (error) {
        owner_free(o);
        return error;
    }
    if (o->journal && !owner_check_map(o, ret_error)) {
        owner_free(o);
        return -EINVAL;
    }
    owner_add_homes(o);
    if (!keeps_all(o)) {
        buf_printf(ret_error, "a home would have had too many copies");
        owner_free(o);
        return -E2BIG;
    }
    timer_set(&o->tick, 0);
    *ret_owner = o;
    return 0;
}

static void *
run(void *arg)
{
    struct owner *o = arg;

    loop_run(o->loop);
    return NULL;
}

int
owner_start(struct owner *o)
{
    int error = thread_start(&o->thread, "owner", run, o);

    o->is_started = error == 0;
    return error;
}

void
owner_stop(struct owner *o)
{
    if (!o->is_started)
        return;
    loop_post(o->loop, stop, o);
    pthread_join(o->thread, NULL);
    o->is_started = false;
}

void
owner_free(struct owner *o)
{
    struct home *h;

    if (!o)
        return;
    journal_close(&o->journal);
    while ((h = LIST_FIRST(&o->homes))) {
        LIST_REMOVE(h, entry);
        home_free(h);
    }
    timer_fini(&o->tick);
    timer_fini(&o->ending);
    owner_fini_succession(o);
    loop_settle(o->loop);
    upstream_free(o->up);
    lexicon_free(o->collections);
    lexicon_free(o->shard_keys);
    metrics_free(o->metrics);
    residency_free(o->residency);
    loop_free(o->loop);
    pthread_mutex_destroy(&o->shared.lock);
    mem_free(o->shared.lanes);
    mem_free(o);
}
