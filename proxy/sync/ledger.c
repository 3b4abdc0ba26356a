/* SPDX-License-Identifier: Apache-2.0
 *
 * A spot is a point that somebody waits at, that is held, or of which is known what it is; it lives no longer than that. A write counts what it waits for:
 * the disk, and each spot where it is not the first or that is held. At zero it is ready.
 *
 * 1. A write is in the queue of every one of its points, or in none.
 * 2. Queues are in the order of LSNs, as all points are queued in one step.
 * 3. The first of a queue is ready only if the spot is not held.
 * 4. What is known of a spot is what the last write that entered its queue has made of it, and nothing is held there (KNOWN in
 *    test/crash/ship.pml).
 */
#include "proxy/sync/ledger_impl.h"

#include <assert.h>
#include <string.h>

#include "proxy/base/rule_off.h"

struct ledger *
ledger_new(void)
{
    struct ledger *l = MEM_NEW(struct ledger);

    hash_key_draw(&l->hash_key);
    TAILQ_INIT(&l->writes);
    TAILQ_INIT(&l->ready);
    LIST_INIT(&l->holds);
    TAILQ_INIT(&l->known);
    return l;
}

/* --- spots ------------------------------------------------------------------------------------------------------- */

static struct spot_key
spot_key(const struct mark_key *key)
{
    const struct point_id *id = &key->point;

    return (struct spot_key){ { (uint64_t)key->collection << 32 | key->shard_key, id->hi, id->lo, id->is_uuid } };
}

static unsigned
hash_of(const struct ledger *l, const struct spot_key *key)
{
    return (unsigned)hash_keyed(&l->hash_key, str_make((const char *)key, sizeof(*key)));
}

static struct spot *
find(const struct ledger *l, const struct spot_key *key, unsigned hash)
{
    struct spot *spot;

    HASH_FIND_BYHASHVALUE(hh, l->spots, key, sizeof(*key), hash, spot);
    return spot;
}

struct spot *
spot_find(const struct ledger *l, const struct mark_key *point)
{
    struct spot_key key = spot_key(point);

    return find(l, &key, hash_of(l, &key));
}

static struct spot *
spot_get(struct ledger *l, const struct mark_key *point)
{
    struct spot_key key = spot_key(point);
    unsigned hash = hash_of(l, &key);
    struct spot *spot = find(l, &key, hash);

    if (spot)
        return spot;
    spot = MEM_NEW(struct spot);
    spot->key = key;
    TAILQ_INIT(&spot->turns);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, l->spots, &spot->key, sizeof(spot->key), hash, spot);
    return spot;
}

void
spot_put(struct ledger *l, struct spot *spot)
{
    if (spot->n_holds || !TAILQ_EMPTY(&spot->turns) || spot->known)
        return;
    HASH_DEL(l->spots, spot);
    mem_free(spot);
}

/* --- collections ------------------------------------------------------------------------------------------------- */

static struct room *
room_find(const struct ledger *l, uint32_t collection)
{
    struct room *room;

    HASH_FIND(hh, l->rooms, &collection, sizeof(collection), room);
    return room;
}

static struct room *
room_get(struct ledger *l, uint32_t collection)
{
    struct room *room = room_find(l, collection);

    if (room)
        return room;
    room = MEM_NEW(struct room);
    room->collection = collection;
    TAILQ_INIT(&room->gates);
    HASH_ADD(hh, l->rooms, collection, sizeof(room->collection), room);
    return room;
}

static void
room_put(struct ledger *l, struct room *room)
{
    if (room->n_open || !TAILQ_EMPTY(&room->gates))
        return;
    HASH_DEL(l->rooms, room);
    mem_free(room);
}

/* --- writes ------------------------------------------------------------------------------------------------------ */

bool
ledger_may_enter(const struct ledger *l, const struct mark_key *points, unsigned n, const struct ledger_gate *through)
{
    const struct room *room = n ? room_find(l, points[0].collection) : NULL;
    const struct ledger_gate *gate = room ? TAILQ_FIRST(&room->gates) : NULL;

    if (gate && gate != through)
        return false;
    for (unsigned i = 0; i < n && !LIST_EMPTY(&l->holds); i++) {
        if (ledger_is_held(l, &points[i]))
            return false;
    }
    return true;
}

static void
wait_less(struct ledger *l, struct ledger_write *w)
{
    assert(w->n_waits > 0);
    if (--w->n_waits == 0) {
        w->is_ready = true;
        TAILQ_INSERT_TAIL(&l->ready, w, ready_entry);
    }
}

void
ledger_enter(struct ledger *l, struct ledger_write *w)
{
    struct ledger_write *last = TAILQ_LAST(&l->writes, write_queue);

    assert(!w->is_inside && w->n_points > 0 && (!last || last->age.lsn < w->age.lsn));
    w->turns = mem_array(w->n_points, sizeof(*w->turns));
    w->n_waits = 1; /* for the disk */
    w->is_inside = true;
    for (unsigned i = 0; i < w->n_points; i++) {
        struct ledger_turn *turn = &w->turns[i];

        turn->write = w;
        turn->spot = spot_get(l, &w->points[i]);
        if (!rule_is_off(RULE_KNOWN))
            spot_forget(l, turn->spot);
        if (turn->spot->n_holds || !TAILQ_EMPTY(&turn->spot->turns))
            w->n_waits++;
        TAILQ_INSERT_TAIL(&turn->spot->turns, turn, entry);
    }
    TAILQ_INSERT_TAIL(&l->writes, w, entry);
    room_get(l, w->points[0].collection)->n_open++;
    l->n_open++;
}

void
ledger_durable(struct ledger *l, struct ledger_write *w)
{
    wait_less(l, w);
}

struct ledger_write *
ledger_take_ready(struct ledger *l)
{
    struct ledger_write *w = TAILQ_FIRST(&l->ready);

    if (!w)
        return NULL;
    TAILQ_REMOVE(&l->ready, w, ready_entry);
    w->is_ready = false;
    w->is_taken = true;
    return w;
}

/* Out of the queue of one point; whoever comes first now waits for less, unless the point is held. */
static void
turn_leave(struct ledger *l, struct ledger_turn *turn, struct known_row *known)
{
    struct spot *spot = turn->spot;
    bool was_first = TAILQ_FIRST(&spot->turns) == turn;
    struct ledger_turn *next;

    TAILQ_REMOVE(&spot->turns, turn, entry);
    next = TAILQ_FIRST(&spot->turns);
    if (was_first && next && spot->n_holds == 0)
        wait_less(l, next->write);
    if (known)
        spot_know(l, spot, known);
    spot_put(l, spot);
}

static void
leave(struct ledger *l, struct ledger_write *w, struct known_row *known)
{
    struct room *room;

    if (!w->is_inside)
        return;
    if (w->is_ready)
        TAILQ_REMOVE(&l->ready, w, ready_entry);
    for (unsigned i = 0; i < w->n_points; i++)
        turn_leave(l, &w->turns[i], known ? &known[i] : NULL);
    mem_free(w->turns);
    TAILQ_REMOVE(&l->writes, w, entry);
    room = room_find(l, w->points[0].collection);
    room->n_open--;
    room_put(l, room);
    l->n_open--;
    w->turns = NULL;
    w->is_inside = w->is_ready = w->is_taken = false;
}

void
ledger_leave(struct ledger *l, struct ledger_write *w)
{
    leave(l, w, NULL);
}

void
ledger_leave_known(struct ledger *l, struct ledger_write *w, struct known *k, unsigned n_lanes)
{
    assert(w->is_inside && k->n == w->n_points);
    for (unsigned i = 0; i < k->n; i++)
        k->rows[i].n_wanted = n_lanes;
    leave(l, w, k->rows);
    ledger_keep(l, k);
}

/* --- holds ------------------------------------------------------------------------------------------------------- */

/* Whoever is first at a point that becomes held waits for one thing more, unless it was sent already. */
static void
spot_hold(struct ledger *l, const struct mark_key *key)
{
    struct spot *spot = spot_get(l, key);
    struct ledger_turn *first = TAILQ_FIRST(&spot->turns);

    spot_forget(l, spot);
    if (spot->n_holds++ || !first || first->write->is_taken)
        return;
    if (first->write->is_ready) {
        TAILQ_REMOVE(&l->ready, first->write, ready_entry);
        first->write->is_ready = false;
    }
    first->write->n_waits++;
}

struct ledger_hold *
ledger_hold_points(struct ledger *l, const struct mark_key *points, unsigned n, struct mark_age age)
{
    struct ledger_hold *hold = MEM_NEW(struct ledger_hold);

    hold->points = mem_array(n ? n : 1, sizeof(*points));
    hold->n_points = n;
    hold->age = age;
    for (unsigned i = 0; i < n; i++) {
        hold->points[i] = points[i];
        if (!rule_is_off(RULE_HOLD))
            spot_hold(l, &points[i]);
    }
    LIST_INSERT_HEAD(&l->holds, hold, entry);
    return hold;
}

struct ledger_hold *
ledger_hold(struct ledger *l, struct ledger_write *w)
{
    struct ledger_hold *hold;

    /* The points are held before it leaves, or the next would be let through. It is first everywhere, and was taken. */
    assert(w->is_inside && w->is_taken);
    hold = ledger_hold_points(l, w->points, w->n_points, w->age);
    ledger_leave(l, w);
    return hold;
}

void
ledger_release(struct ledger *l, struct ledger_hold *hold)
{
    for (unsigned i = 0; i < hold->n_points && !rule_is_off(RULE_HOLD); i++) {
        struct spot *spot = spot_find(l, &hold->points[i]);
        struct ledger_turn *first;

        assert(spot && spot->n_holds > 0);
        first = TAILQ_FIRST(&spot->turns);
        if (--spot->n_holds == 0 && first && !first->write->is_taken)
            wait_less(l, first->write);
        spot_put(l, spot);
    }
    LIST_REMOVE(hold, entry);
    mem_free(hold->points);
    mem_free(hold);
}

/* --- what stands there ------------------------------------------------------------------------------------------- */

const struct ledger_write *
ledger_pending(const struct ledger *l, const struct mark_key *point)
{
    const struct ledger_write *pending;

    ledger_look(l, point, &pending);
    return pending;
}

bool
ledger_is_held(const struct ledger *l, const struct mark_key *point)
{
    const struct spot *spot = spot_find(l, point);

    return spot && spot->n_holds;
}

unsigned
ledger_open(const struct ledger *l)
{
    return l->n_open;
}

const struct ledger_hold *
ledger_holds(const struct ledger *l)
{
    return LIST_FIRST(&l->holds);
}

const struct ledger_write *
ledger_writes(const struct ledger *l)
{
    return TAILQ_FIRST(&l->writes);
}

uint64_t
ledger_oldest_lsn(const struct ledger *l)
{
    const struct ledger_hold *hold;
    uint64_t oldest = TAILQ_EMPTY(&l->writes) ? 0 : TAILQ_FIRST(&l->writes)->age.lsn;

    LIST_FOREACH (hold, &l->holds, entry) {
        if (oldest == 0 || hold->age.lsn < oldest)
            oldest = hold->age.lsn;
    }
    return oldest;
}

/* --- gates ------------------------------------------------------------------------------------------------------- */

void
ledger_gate(struct ledger *l, struct ledger_gate *gate)
{
    assert(!gate->is_queued);
    gate->is_queued = true;
    TAILQ_INSERT_TAIL(&room_get(l, gate->collection)->gates, gate, entry);
}

struct ledger_gate *
ledger_take_gate(struct ledger *l)
{
    struct room *room, *next;

    HASH_ITER (hh, l->rooms, room, next) {
        struct ledger_gate *gate = TAILQ_FIRST(&room->gates);

        if (!gate || gate->is_open || room->n_open)
            continue;
        gate->is_open = true;
        return gate;
    }
    return NULL;
}

void
ledger_gate_end(struct ledger *l, struct ledger_gate *gate)
{
    struct room *room;

    if (!gate->is_queued)
        return;
    room = room_find(l, gate->collection);
    TAILQ_REMOVE(&room->gates, gate, entry);
    gate->is_queued = gate->is_open = false;
    room_put(l, room);
}

/* ----------------------------------------------------------------------------------------------------------------- */

void
ledger_free(struct ledger *l)
{
    struct ledger_write *w;
    struct ledger_hold *hold;
    struct room *room, *next;

    if (!l)
        return;
    while ((w = TAILQ_FIRST(&l->writes)))
        ledger_leave(l, w);
    while ((hold = LIST_FIRST(&l->holds)))
        ledger_release(l, hold);
    ledger_forget(l, INT64_MAX);
    HASH_ITER (hh, l->rooms, room, next) {
        HASH_DEL(l->rooms, room);
        mem_free(room);
    }
    mem_free(l);
}
