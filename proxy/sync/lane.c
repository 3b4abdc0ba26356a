/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane: the marks of one copy of one home, and when they may be shipped. How is in lane_flight.c.
 *
 * 1. A collection that one side lacks, or cannot tell, is blocked until both have it. Nothing is inferred from its absence.
 */
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_reach.h"

enum {
    FLIGHTS_MAX = 4,
    REST_FIRST_US = 50 * 1000,
    REST_MOST_US = 30 * 1000 * 1000,
    PARKED_RETRY_US = 60 * 1000 * 1000,
    FAILURES_AWAY = 3 /* so many ships in a row failed: it counts as unreachable */
};

/* --- what is known of it ----------------------------------------------------------------------------------------- */

/* The wall clock may be set while something waits: its age is not less than the time since it was first seen to be the oldest, and
 * not more than since nothing was. */
static void
note_oldest_locked(struct lane *l, int64_t wall_us)
{
    int64_t now_us = owner_now_us(l->home->owner);

    if (wall_us == 0)
        l->shared.most_us = now_us;
    if (wall_us != l->shared.oldest_wall_us)
        l->shared.least_us = now_us;
    l->shared.oldest_wall_us = wall_us;
}

void
lane_publish(struct lane *l)
{
    struct marks *m = l->marks;
    struct mark_age oldest = { 0 };
    bool has_oldest = marks_oldest(m, MARKS_UNSHIPPED, &oldest);
    struct lane_view *v = &l->shared.view;

    lane_tell_reach(l);
    pthread_mutex_lock(&l->shared.lock);
    v->position = l->told_lsn;
    v->is_incomplete = l->is_partial || l->is_swapped;
    v->schemas_blocked = l->watch.n_blocked;
    v->schemas_differ = l->watch.n_differ;
    v->parked = marks_count(m, MARK_PARKED);
    v->again = marks_count(m, MARK_WAITING);
    v->marks = marks_count(m, MARK_READY) + marks_count(m, MARK_FLYING) + marks_count(m, MARK_DELAYED) + v->parked;
    snprintf(v->trouble, sizeof(v->trouble), "%s", l->trouble[0] ? l->trouble : l->doubt);
    note_oldest_locked(l, lane_walk_oldest_us(l, has_oldest ? oldest.wall_us : 0));
    lane_walk_show(l, &v->walk);
    pthread_mutex_unlock(&l->shared.lock);
}

/* What keeps it from shipping is said when it begins, changes or ends. */
void
lane_trouble(struct lane *l, struct str what)
{
    if (str_eq(str_from(l->trouble), what))
        return;
    snprintf(l->trouble, sizeof(l->trouble), STR_FMT, STR_ARG(what));
    if (what.len)
        log_warning("lane %s to %s: " STR_FMT, l->home->name, l->copy, STR_ARG(what));
    else
        log_info("lane %s to %s: ships again", l->home->name, l->copy);
}

/* --- resting ----------------------------------------------------------------------------------------------------- */

static void
on_rested(void *arg)
{
    lane_run(arg);
}

/* Full jitter, so that lanes that failed together do not come back together. */
void
lane_rest(struct lane *l, int64_t least_us)
{
    int64_t most_us = REST_FIRST_US << (l->n_failures < 10 ? l->n_failures : 10);

    l->n_failures++;
    if (most_us > REST_MOST_US)
        most_us = REST_MOST_US;
    most_us = (int64_t)(upstream_random(l->home->owner->up) % (uint64_t)most_us) + 1;
    timer_set(&l->rest, most_us > least_us ? most_us : least_us);
}

/* --- what it may ship ---------------------------------------------------------------------------------------------- */

static void
on_known(void *arg, const struct catalog_entry *entry)
{
    struct collection_wait *check = arg;
    struct lane *l = check->lane;
    struct str name = lexicon_name(l->home->owner->collections, check->collection);
    char text[sizeof(l->trouble)];

    LIST_REMOVE(check, entry);
    marks_block(l->marks, check->collection, false);
    mem_free(check);
    if (entry->fail == FAIL_NONE && entry->status == 200) {
        lane_run(l);
        return;
    }
    if (entry->fail != FAIL_NONE)
        snprintf(text, sizeof(text), "collection " STR_FMT ": %s", STR_ARG(name), fail_info(entry->fail)->sentence);
    else
        snprintf(text, sizeof(text), "collection " STR_FMT ": home or copy says %d", STR_ARG(name), entry->status);
    if (entry->fail == FAIL_NONE && entry->status == 404) {
        lane_touch_schema(l, name, (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
        lane_run_schemas(l);
        return;
    }
    lane_trouble(l, str_from(text));
    lane_rest(l, 0);
}

/* One that is another at home than at the copy is compared first, and brought there or said to be foreign. */
static bool
is_the_same(struct lane *l, struct str name, const char *home, const char *copy)
{
    if (home[0] && strcmp(home, copy) == 0)
        return true;
    lane_touch_schema(l, name, (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
    return false;
}

/* Do both sides have the collection? When that is not known, it is blocked until it is. */
bool
lane_may_ship(struct lane *l, uint32_t collection, struct quiet_collection *ret_copy)
{
    struct str name = lexicon_name(l->home->owner->collections, collection);
    struct collection_wait *check = MEM_NEW(struct collection_wait);
    const struct catalog_entry *known;
    char incarnation[QUIET_ID_MAX + 1];

    if (lane_schema_holds(l, name)) {
        marks_block(l->marks, collection, true);
        mem_free(check);
        return false;
    }
    check->lane = l;
    check->collection = collection;
    check->wait.fn = on_known;
    check->wait.arg = check;
    known = catalog_find(l->home->catalog, name, &check->wait);
    if (known) {
        memcpy(incarnation, known->told.incarnation, sizeof(incarnation));
        known = catalog_find(l->catalog, name, &check->wait);
    }
    if (known) {
        *ret_copy = known->told;
        mem_free(check);
        return is_the_same(l, name, incarnation, known->told.incarnation);
    }
    LIST_INSERT_HEAD(&l->collections, check, entry);
    marks_block(l->marks, collection, true);
    return false;
}

bool
lane_has_turn(const struct lane *l)
{
    return l->check == LANE_SHIPS && l->n_flights < FLIGHTS_MAX && !timer_is_set(&l->rest);
}

void
lane_run(struct lane *l)
{
    const struct home *h = l->home;
    bool may_start = !h->owner->is_ending && home_may_send(h);

    if (l->is_dormant)
        return;
    lane_begin_check(l);
    lane_run_schemas(l);
    while (may_start && lane_has_turn(l))
        may_start = flight_start(l);
    lane_publish(l);
}

/* --- marks ------------------------------------------------------------------------------------------------------- */

void
lane_mark(struct lane *l, const struct mark_key *points, unsigned n, struct mark_age age, bool payload_only)
{
    for (unsigned i = 0; i < n && !l->is_dormant; i++)
        marks_set(l->marks, &points[i], age, payload_only);
}

void
lane_expect(struct lane *l, const struct mark_key *points, unsigned n, struct mark_age age, bool payload_only)
{
    for (unsigned i = 0; i < n && !l->is_dormant; i++) {
        if (i % MARKS_HASTE == 0)
            marks_hasten(l->marks, &points[i], n - i < MARKS_HASTE ? n - i : MARKS_HASTE);
        marks_expect(l->marks, &points[i], age, payload_only);
    }
}

void
lane_outcome(struct lane *l, const struct mark_key *points, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        marks_ready(l->marks, &points[i]);
}

bool
lane_has(const struct lane *l, const struct mark_key *point, uint64_t lsn)
{
    struct mark_view v;

    if (!marks_get(l->marks, point, &v))
        return !lane_walk_hides(l, lsn);
    if (v.state == MARK_SETTLED)
        return true;
    return v.age.lsn > lsn && v.again == 0 && v.state != MARK_WAITING;
}

void
lane_promote(struct lane *l, const struct mark_key *points, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        marks_promote(l->marks, &points[i]);
}

static bool
is_up(const struct lane *l)
{
    const struct fleet *f = l->home->owner->up->fleet;
    int at = topology_find(f->world->topology, str_from(l->copy));

    if (at < 0)
        return false;
    for (unsigned i = 0; i < f->clusters[at].n_backends; i++) {
        if (health_is_usable(backend_state(f->clusters[at].backends[i].backend)))
            return true;
    }
    return false;
}

bool
lane_is_reachable(const struct lane *l)
{
    return l->n_failures < FAILURES_AWAY && is_up(l);
}

bool
lane_has_room(const struct lane *l, unsigned points)
{
    size_t budget = l->home->owner->up->fleet->world->conf->lane_memory;

    return marks_memory(l->marks) + (size_t)points * MARK_BYTES_MOST <= budget;
}

/* --- lanes ------------------------------------------------------------------------------------------------------- */

struct lane *
home_lane(struct home *h, struct str copy)
{
    struct owner *o = h->owner;
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (str_eq(str_from(l->copy), copy))
            return l;
    }
    l = MEM_NEW(struct lane);
    l->home = h;
    l->copy = mem_dup(copy.p, copy.len);
    l->noted_lsn = l->saved_lsn = LANE_NOT_NOTED;
    l->marks = marks_new(SIZE_MAX, &o->hash_key);
    l->catalog = catalog_new(o->up, copy);
    LIST_INIT(&l->flights);
    LIST_INIT(&l->collections);
    LIST_INIT(&l->schemas);
    timer_init(&l->rest, o->loop, on_rested, l);
    pthread_mutex_init(&l->shared.lock, NULL);
    snprintf(l->shared.view.home, sizeof(l->shared.view.home), "%s", h->name);
    snprintf(l->shared.view.copy, sizeof(l->shared.view.copy), "%s", l->copy);
    l->is_new = true;
    l->index = h->n_lanes++;
    LIST_INSERT_HEAD(&h->lanes, l, entry);
    owner_show_lane(o, l);
    return l;
}

void
lane_halt(struct lane *l)
{
    struct flight *f;
    struct collection_wait *check;

    while ((f = LIST_FIRST(&l->flights)))
        flight_cancel(f);
    while ((check = LIST_FIRST(&l->collections))) {
        catalog_cancel(&check->wait);
        LIST_REMOVE(check, entry);
        mem_free(check);
    }
    lane_walk_interrupt(l);
    lane_schemas_fini(l);
    lane_check_fini(l);
    lane_restart_fini(l);
    timer_clear(&l->rest);
}

void
lane_free(struct lane *l)
{
    lane_halt(l);
    lane_walk_fini(l);
    owner_hide_lane(l->home->owner, l);
    LIST_REMOVE(l, entry);
    timer_fini(&l->rest);
    catalog_free(l->catalog);
    marks_free(l->marks);
    buf_fini(&l->left_out);
    pthread_mutex_destroy(&l->shared.lock);
    mem_free(l->copy);
    mem_free(l);
}

static void
unpark(struct lane *l)
{
    struct mark_view view;

    l->unparked_us = owner_now_us(l->home->owner);
    for (uint32_t at = 0; marks_count(l->marks, MARK_PARKED) && marks_next(l->marks, &at, &view);) {
        if (view.state == MARK_PARKED)
            marks_unpark(l->marks, &view.key);
    }
}

void
lane_retry(struct lane *l)
{
    unpark(l);
    timer_clear(&l->rest);
    catalog_forget(l->catalog);
    lane_run(l);
}

/* Probes have found it again: what rests since it was away need not rest longer. */
static void
look_whether_back(struct lane *l)
{
    bool was_up = l->was_up;

    l->was_up = is_up(l);
    if (l->was_up && !was_up && l->n_failures >= FAILURES_AWAY)
        timer_clear(&l->rest);
}

void
lane_tick(struct lane *l)
{
    int64_t now_us = owner_now_us(l->home->owner);

    if (l->is_dormant)
        return;
    if (l->n_taints == 0 && l->alive_us)
        marks_settle(l->marks, l->alive_us);
    if (!lane_has_room(l, 0)) /* there is less than there was */
        lane_overflow(l, 0);
    if (now_us - l->unparked_us >= PARKED_RETRY_US)
        unpark(l);
    look_whether_back(l);
    lane_ask_process(l);
    lane_walk_run(l);
    lane_look_whether_whole(l);
    if (!lane_is_restoring(l))
        lane_watch(l);
    lane_run(l);
}
