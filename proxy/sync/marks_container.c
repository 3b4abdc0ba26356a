/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/marks_impl.h"

/* Heaps by age. */

static void
heap_put(struct marks *m, struct vec *h, uint32_t pos, uint32_t slot)
{
    h->items[pos] = slot;
    m->slots[slot].pos = pos;
}

static void
heap_place(struct marks *m, struct vec *h, uint32_t pos, uint32_t slot)
{
    uint64_t lsn = m->slots[slot].lsn;
    uint32_t child;

    for (; pos > 0 && m->slots[h->items[(pos - 1) / 2]].lsn > lsn; pos = (pos - 1) / 2)
        heap_put(m, h, pos, h->items[(pos - 1) / 2]);
    for (; (child = 2 * pos + 1) < h->n; pos = child) {
        if (child + 1 < h->n && m->slots[h->items[child + 1]].lsn < m->slots[h->items[child]].lsn)
            child++;
        if (m->slots[h->items[child]].lsn >= lsn)
            break;
        heap_put(m, h, pos, h->items[child]);
    }
    heap_put(m, h, pos, slot);
}

static void
heap_push(struct marks *m, struct vec *h, uint32_t slot)
{
    h->items = table_grow(h->items, &h->cap, h->n, sizeof(*h->items));
    heap_place(m, h, h->n++, slot);
}

static void
heap_remove(struct marks *m, struct vec *h, uint32_t pos)
{
    uint32_t last = h->items[--h->n];

    if (pos < h->n)
        heap_place(m, h, pos, last);
    h->items = table_shrink(h->items, &h->cap, h->n, sizeof(*h->items));
}

static struct vec *
heap_of(struct marks *m, const struct slot *s)
{
    return s->state == MARK_READY ? &m->groups[s->group]->ready[s->urgent] : &m->heaps[s->state];
}

/* The queue of settled ones. */

static void
queue_tidy(struct marks *m)
{
    struct settled *s = &m->settled;
    uint32_t n = 0;

    if (s->holes < 1024 || s->holes < s->queue.n / 4)
        return;
    for (uint32_t i = s->head; i < s->queue.n; i++) {
        if (s->queue.items[i] != NO_SLOT)
            heap_put(m, &s->queue, n++, s->queue.items[i]);
    }
    s->queue.n = n;
    s->head = s->holes = 0;
    s->queue.items = table_shrink(s->queue.items, &s->queue.cap, n, sizeof(*s->queue.items));
}

static void
queue_add(struct marks *m, uint32_t slot)
{
    struct vec *q = &m->settled.queue;

    q->items = table_grow(q->items, &q->cap, q->n, sizeof(*q->items));
    heap_put(m, q, q->n++, slot);
}

static void
queue_remove(struct marks *m, uint32_t pos)
{
    struct settled *s = &m->settled;

    s->queue.items[pos] = NO_SLOT;
    s->holes++;
    while (s->head < s->queue.n && s->queue.items[s->head] == NO_SLOT)
        s->head++;
    queue_tidy(m);
}

/* Flights. */

static void
flight_add(struct marks *m, uint32_t slot)
{
    m->flights = table_grow(m->flights, &m->flights_cap, m->n_flights, sizeof(*m->flights));
    m->flights[m->n_flights] = (struct flight){ .number = ++m->last_number, .slot = slot };
    m->slots[slot].pos = m->n_flights++;
}

static void
flight_remove(struct marks *m, uint32_t pos)
{
    if (pos < --m->n_flights) {
        m->flights[pos] = m->flights[m->n_flights];
        m->slots[m->flights[pos].slot].pos = pos;
    }
}

/* Which container holds it. */

void
container_leave(struct marks *m, uint32_t at)
{
    struct slot *s = &m->slots[at];

    m->counts[s->state]--;
    if (s->state == MARK_FLYING)
        flight_remove(m, s->pos);
    else if (s->state == MARK_SETTLED)
        queue_remove(m, s->pos);
    else
        heap_remove(m, heap_of(m, s), s->pos);
}

void
container_enter(struct marks *m, uint32_t at, enum mark_state state)
{
    struct slot *s = &m->slots[at];

    s->state = state;
    m->counts[state]++;
    if (state == MARK_FLYING)
        flight_add(m, at);
    else if (state == MARK_SETTLED)
        queue_add(m, at);
    else
        heap_push(m, heap_of(m, s), at);
}

void
table_move(struct marks *m, uint32_t at, enum mark_state to)
{
    container_leave(m, at);
    container_enter(m, at, to);
}

void
table_set_urgent(struct marks *m, uint32_t at)
{
    enum mark_state state = m->slots[at].state;

    container_leave(m, at);
    m->slots[at].urgent = true;
    container_enter(m, at, state);
}

void
table_set_age(struct marks *m, uint32_t at, uint64_t lsn, uint64_t time_ms)
{
    struct slot *s = &m->slots[at];

    s->lsn = lsn;
    s->time_ms = time_ms;
    if (s->state != MARK_FLYING && s->state != MARK_SETTLED)
        heap_place(m, heap_of(m, s), s->pos, at);
}

/* The slot moved: its container must know. */
void
container_tell(struct marks *m, uint32_t at)
{
    struct slot *s = &m->slots[at];

    if (s->state == MARK_FLYING)
        m->flights[s->pos].slot = at;
    else if (s->state == MARK_SETTLED)
        m->settled.queue.items[s->pos] = at;
    else
        heap_of(m, s)->items[s->pos] = at;
}
