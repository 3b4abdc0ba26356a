/* SPDX-License-Identifier: Apache-2.0
 *
 * What a mark means, and how it goes from state to state: see marks.h. All that can be asked later must be kept by the state
 * gone to: a ship of unknown outcome keeps its mark (`again`) until it has been shipped after the quarantine; a mark that was
 * shipped remembers it (`was_shipped`), as what the copy has only in its memory may be lost with its power.
 */
#include "proxy/sync/marks_impl.h"

#include <assert.h>

#include "proxy/base/rule_off.h"

#define SETTLE_STEP_US (MARKS_SETTLE_SECONDS * INT64_C(1000000))

struct marks *
marks_new(size_t budget_bytes, const struct hash_key *key)
{
    struct marks *m = MEM_NEW(struct marks);

    m->budget = budget_bytes;
    m->key = *key;
    return m;
}

void
marks_free(struct marks *m)
{
    if (!m)
        return;
    table_free(m);
    mem_free(m->blocked);
    buf_fini(&m->save.moved);
    mem_free(m);
}

void
marks_clear(struct marks *m)
{
    struct marks old = *m;

    marks_save_cancel(m);
    table_free(m);
    *m = (struct marks){
        .key = old.key,
        .budget = old.budget,
        .blocked = old.blocked,
        .n_blocked = old.n_blocked,
        .blocked_cap = old.blocked_cap,
        .last_number = old.last_number,
        .newest = old.newest,
        .has_floor = old.has_floor,
        .floor = { old.floor[0], old.floor[1] },
        .floor_at_us = old.floor_at_us,
        .save.moved = m->save.moved,
    };
}

static void
keep_oldest(struct marks *m, uint32_t at, uint64_t lsn, uint64_t time_ms)
{
    if (lsn < m->slots[at].lsn)
        table_set_age(m, at, lsn, time_ms);
}

void
mark_in_flight(struct marks *m, struct slot *s, uint64_t lsn, uint64_t time_ms, bool payload_only)
{
    struct flight *f = &m->flights[s->pos];

    if (!f->is_changed || lsn < f->since_lsn) {
        f->since_lsn = lsn;
        f->since_ms = time_ms;
    }
    f->since_payload_only = payload_only && (!f->is_changed || f->since_payload_only);
    f->is_changed = true;
}

static void
mark_anew(struct marks *m, uint32_t at, uint64_t lsn, uint64_t time_ms, bool payload_only)
{
    m->slots[at].payload_only = payload_only;
    table_set_age(m, at, lsn, time_ms);
}

/* `fresh`: where it goes if the copy lacked nothing so far. */
static void
set_known(struct marks *m, uint32_t at, uint64_t lsn, uint64_t time_ms, bool payload_only, enum mark_state fresh)
{
    struct slot *s = &m->slots[at];

    if (s->state == MARK_FLYING) {
        mark_in_flight(m, s, lsn, time_ms, payload_only);
        return;
    }
    if (s->state == MARK_SETTLED) {
        s->was_shipped = true;
        mark_anew(m, at, lsn, time_ms, payload_only);
        table_move(m, at, fresh);
        return;
    }
    s->payload_only &= payload_only;
    keep_oldest(m, at, lsn, time_ms);
    if (s->state != MARK_READY)
        table_move(m, at, MARK_READY);
}

static void
note_age(struct marks *m, struct mark_age age)
{
    assert(age.lsn <= MARKS_LSN_MAX);
    if (age.lsn > m->newest.lsn)
        m->newest = age;
    if (!m->has_floor)
        m->floor[0] = m->floor[1] = age;
    m->has_floor = true;
}

static bool
set(struct marks *m, const struct mark_key *key, struct mark_age age, bool payload_only, enum mark_state fresh)
{
    bool is_new;
    uint32_t at = table_get(m, key, &is_new);

    note_age(m, age);
    if (at == NO_SLOT)
        return false;
    if (!is_new) {
        set_known(m, at, age.lsn, mark_ms(age.wall_us), payload_only, fresh);
        return true;
    }
    mark_anew(m, at, age.lsn, mark_ms(age.wall_us), payload_only);
    if (fresh != MARK_READY)
        table_move(m, at, fresh);
    return true;
}

bool
marks_set(struct marks *m, const struct mark_key *key, struct mark_age age, bool payload_only)
{
    return set(m, key, age, payload_only, MARK_READY);
}

bool
marks_expect(struct marks *m, const struct mark_key *key, struct mark_age age, bool payload_only)
{
    return set(m, key, age, payload_only, MARK_DELAYED);
}

void
marks_promote(struct marks *m, const struct mark_key *key)
{
    uint32_t at = table_find(m, key);
    struct slot *s = at != NO_SLOT ? &m->slots[at] : NULL;

    if (!s || s->urgent || s->state == MARK_SETTLED || s->state == MARK_WAITING)
        return;
    if (s->state == MARK_READY)
        table_set_urgent(m, at);
    else
        s->urgent = true;
}

/* Landing. */

static uint32_t
flying(const struct marks *m, const struct mark_key *key, uint64_t number)
{
    uint32_t at = table_find(m, key);
    const struct slot *s = at != NO_SLOT ? &m->slots[at] : NULL;

    return s && s->state == MARK_FLYING && m->flights[s->pos].number == number ? at : NO_SLOT;
}

/* All that was marked at take-off is at the copy, and nothing came later. */
static void
land_clean(struct marks *m, uint32_t at, int64_t mono_us)
{
    struct slot *s = &m->slots[at];

    s->urgent = false;
    s->byte = mark_second(mono_us);
    table_move(m, at, slot_is_unsure(s) ? MARK_WAITING : MARK_SETTLED);
}

/* What the copy may lack now is what came since, and the write that was pending. All else it has, unless a ship of unknown
 * outcome may still undo it. */
static void
land_changed(struct marks *m, uint32_t at, const struct flight *f, const struct mark_age *pending)
{
    struct slot *s = &m->slots[at];
    struct mark_age since = mark_age_of(f->since_lsn, f->since_ms);
    const struct mark_age *age = !f->is_changed || (pending && pending->lsn < since.lsn) ? pending : &since;

    s->was_shipped = true;
    if (f->is_changed)
        s->payload_only = f->since_payload_only && (!pending || s->payload_only);
    table_move(m, at, f->is_changed || f->is_ready ? MARK_READY : MARK_DELAYED);
    if (!slot_is_unsure(s))
        table_set_age(m, at, age->lsn, mark_ms(age->wall_us));
    else
        keep_oldest(m, at, age->lsn, mark_ms(age->wall_us));
}

bool
marks_shipped(
    struct marks *m, const struct mark_key *key, uint64_t number, const struct mark_age *pending, int64_t mono_us)
{
    uint32_t at = flying(m, key, number);
    struct flight flight;

    if (at == NO_SLOT)
        return false;
    flight = m->flights[m->slots[at].pos];
    if ((flight.is_changed && !rule_is_off(RULE_FRESH)) || pending)
        land_changed(m, at, &flight, pending);
    else
        land_clean(m, at, mono_us);
    return true;
}

bool
marks_unsure(const struct marks *m, const struct mark_key *key)
{
    uint32_t at = table_find(m, key);

    return at != NO_SLOT && slot_is_unsure(&m->slots[at]);
}

/* Nothing is at the copy for certain: what was marked and what came since are one again. */
static void
put_back(struct marks *m, uint32_t at, enum mark_state state)
{
    struct slot *s = &m->slots[at];
    struct flight flight = m->flights[s->pos];

    table_move(m, at, flight.is_changed ? MARK_READY : state);
    if (flight.is_changed) {
        s->payload_only &= flight.since_payload_only;
        keep_oldest(m, at, flight.since_lsn, flight.since_ms);
    }
}

bool
marks_failed(struct marks *m, const struct mark_key *key, uint64_t number, bool is_unknown)
{
    uint32_t at = flying(m, key, number);

    if (at == NO_SLOT)
        return false;
    put_back(m, at, MARK_READY);
    if (is_unknown && m->slots[at].again < AGAIN_MAX)
        m->slots[at].again++;
    return true;
}

bool
marks_park(struct marks *m, const struct mark_key *key, uint64_t number, unsigned reason)
{
    uint32_t at = flying(m, key, number);

    if (at == NO_SLOT)
        return false;
    m->slots[at].byte = (uint8_t)reason;
    put_back(m, at, MARK_PARKED);
    return true;
}

bool
marks_unpark(struct marks *m, const struct mark_key *key)
{
    uint32_t at = table_find(m, key);

    if (at == NO_SLOT || m->slots[at].state != MARK_PARKED)
        return false;
    table_move(m, at, MARK_READY);
    return true;
}

void
marks_ready(struct marks *m, const struct mark_key *key)
{
    uint32_t at = table_find(m, key);

    if (at == NO_SLOT)
        return;
    if (m->slots[at].state == MARK_FLYING)
        m->flights[m->slots[at].pos].is_ready = true;
    else if (m->slots[at].state == MARK_DELAYED)
        table_move(m, at, MARK_READY);
}

/* Settling. */

/* What is shipped in the minute from now was open at its start, or came later. */
static void
keep_floor(struct marks *m, int64_t mono_us)
{
    struct mark_age age;

    if (!m->has_floor || (m->floor_at_us && mono_us - m->floor_at_us <= MARKS_SETTLE_SECONDS * INT64_C(1000000)))
        return;
    if (!marks_oldest(m, MARKS_OPEN, &age))
        age = (struct mark_age){ m->newest.lsn + 1, m->newest.wall_us };
    m->floor[1] = m->floor[0];
    m->floor[0] = age;
    m->floor_at_us = mono_us;
}

static void
forget_settled(struct marks *m, int64_t mono_us)
{
    struct settled *s = &m->settled;

    while (s->head < s->queue.n) {
        uint32_t at = s->queue.items[s->head];

        /* Signed: it may have been shipped since. */
        if ((int8_t)(mark_second(mono_us) - m->slots[at].byte) <= MARKS_SETTLE_SECONDS)
            break;
        table_remove(m, at);
    }
}

void
marks_settle(struct marks *m, int64_t mono_us)
{
    keep_floor(m, mono_us);
    for (int64_t at_us = m->settled_us; at_us && at_us < mono_us; at_us += SETTLE_STEP_US) /* seconds wrap */
        forget_settled(m, at_us);
    forget_settled(m, mono_us);
    m->settled_us = mono_us;
}

/* Of a mark that was shipped before, an older change than its own may be lost; none is older than the floor. */
static void
revive(struct marks *m, uint32_t at)
{
    struct slot *s = &m->slots[at];

    if (s->was_shipped)
        keep_oldest(m, at, m->floor[1].lsn, mark_ms(m->floor[1].wall_us));
    if (s->was_shipped || s->state == MARK_SETTLED || s->state == MARK_WAITING)
        s->payload_only = false;
    if (s->state == MARK_FLYING)
        mark_in_flight(m, s, s->lsn, s->time_ms, false);
    else if (s->state == MARK_SETTLED || s->state == MARK_WAITING)
        table_move(m, at, MARK_READY);
}

void
marks_revive(struct marks *m)
{
    for (uint32_t at = 0; at < m->n; at++)
        revive(m, at);
}

uint64_t
marks_floor(const struct marks *m)
{
    return m->has_floor ? m->floor[1].lsn : 0;
}

/* Collections. */

void
marks_block(struct marks *m, uint32_t collection, bool is_blocked)
{
    uint32_t i = 0;

    while (i < m->n_blocked && m->blocked[i] != collection)
        i++;
    if (is_blocked && i == m->n_blocked) {
        m->blocked = table_grow(m->blocked, &m->blocked_cap, m->n_blocked, sizeof(*m->blocked));
        m->blocked[m->n_blocked++] = collection;
    } else if (!is_blocked && i < m->n_blocked) {
        m->blocked[i] = m->blocked[--m->n_blocked];
    }
    for (struct group *g = m->group_table; g; g = g->hh.next)
        g->is_blocked = g->key.collection == collection ? is_blocked : g->is_blocked;
}

void
marks_drop(struct marks *m, uint32_t collection)
{
    for (uint32_t at = m->n; at-- > 0;) {
        if (m->groups[m->slots[at].group]->key.collection == collection)
            table_remove(m, at);
    }
}

/* Questions. */

static void
take_older(const struct marks *m, uint32_t at, uint32_t *oldest)
{
    if (*oldest == NO_SLOT || m->slots[at].lsn < m->slots[*oldest].lsn)
        *oldest = at;
}

static void
take_older_top(const struct marks *m, const struct vec *heap, uint32_t *oldest)
{
    if (heap->n)
        take_older(m, heap->items[0], oldest);
}

bool
marks_oldest(const struct marks *m, unsigned states, struct mark_age *ret_age)
{
    uint32_t oldest = NO_SLOT;

    for (const struct group *g = m->group_table; g && states & 1 << MARK_READY; g = g->hh.next) {
        take_older_top(m, &g->ready[0], &oldest);
        take_older_top(m, &g->ready[1], &oldest);
    }
    for (uint32_t i = 0; i < m->n_flights && states & 1 << MARK_FLYING; i++)
        take_older(m, m->flights[i].slot, &oldest);
    for (unsigned state = MARK_DELAYED; state <= MARK_WAITING; state++) {
        if (states & 1U << state)
            take_older_top(m, &m->heaps[state], &oldest);
    }
    if (oldest == NO_SLOT)
        return false;
    *ret_age = mark_age_of(m->slots[oldest].lsn, m->slots[oldest].time_ms);
    return true;
}

uint32_t
marks_count(const struct marks *m, enum mark_state state)
{
    return m->counts[state];
}

bool
marks_get(const struct marks *m, const struct mark_key *key, struct mark_view *ret_view)
{
    uint32_t at = table_find(m, key);

    if (at == NO_SLOT)
        return false;
    mark_view_of(m, at, ret_view);
    return true;
}

bool
marks_next(const struct marks *m, uint32_t *at, struct mark_view *ret_view)
{
    if (*at >= m->n)
        return false;
    mark_view_of(m, (*at)++, ret_view);
    return true;
}
