/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots, chains and containers of marks: see marks_impl.h. What a mark means is none of its business.
 */
#include "proxy/sync/marks_impl.h"

enum { MARKS_A_CHAIN = 2, GROW_LEAST = 64 };
static const int64_t epoch_ms = INT64_C(1704067200000); /* 2024-01-01: 40 bits last until 2058 */

uint64_t
mark_ms(int64_t wall_us)
{
    int64_t ms = wall_us / 1000 - epoch_ms;

    return ms < 0 ? 0 : ms > (int64_t)MARKS_MS_MAX ? MARKS_MS_MAX : (uint64_t)ms;
}

struct mark_age
mark_age_of(uint64_t lsn, uint64_t time_ms)
{
    return (struct mark_age){ lsn, ((int64_t)time_ms + epoch_ms) * 1000 };
}

uint8_t
mark_second(int64_t mono_us)
{
    return (uint8_t)(mono_us / 1000000);
}

static uint32_t
grown(uint32_t cap)
{
    return cap + (cap < 8192 ? cap : cap / 32) + GROW_LEAST;
}

void *
table_grow(void *items, uint32_t *cap, uint32_t n, size_t size)
{
    if (n < *cap)
        return items;
    *cap = grown(*cap);
    return mem_grow(items, *cap * size);
}

static void *
shrunk(void *items, uint32_t *cap, uint32_t n, size_t size)
{
    if (*cap < 1024 || n + n / 16 >= *cap)
        return items;
    *cap = n + n / 32 + GROW_LEAST;
    return mem_grow(items, *cap * size);
}

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
    h->items = shrunk(h->items, &h->cap, h->n, sizeof(*h->items));
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
    s->queue.items = shrunk(s->queue.items, &s->queue.cap, n, sizeof(*s->queue.items));
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

static void
leave(struct marks *m, uint32_t at)
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

static void
enter(struct marks *m, uint32_t at, enum mark_state state)
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
    leave(m, at);
    enter(m, at, to);
}

void
table_set_urgent(struct marks *m, uint32_t at)
{
    enum mark_state state = m->slots[at].state;

    leave(m, at);
    m->slots[at].urgent = true;
    enter(m, at, state);
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
static void
tell_container(struct marks *m, uint32_t at)
{
    struct slot *s = &m->slots[at];

    if (s->state == MARK_FLYING)
        m->flights[s->pos].slot = at;
    else if (s->state == MARK_SETTLED)
        m->settled.queue.items[s->pos] = at;
    else
        heap_of(m, s)->items[s->pos] = at;
}

/* Chains. */

static uint64_t
hash_of(const struct marks *m, uint32_t group, uint64_t lo, uint64_t hi, bool is_uuid)
{
    uint64_t words[3] = { lo, hi, (uint64_t)group << 1 | is_uuid };

    return hash_keyed(&m->key, str_make((const char *)words, sizeof(words)));
}

static uint64_t
hash_of_slot(const struct marks *m, uint32_t at)
{
    const struct slot *s = &m->slots[at];

    return hash_of(m, s->group, s->lo, s->is_uuid ? m->hi[at] : 0, s->is_uuid);
}

/* Chains [0, 2^k) and as many of [2^k, 2^(k+1)) as have been split off. */
static uint32_t
chain_of(const struct marks *m, uint64_t hash)
{
    uint32_t half = UINT32_C(1) << (31 - __builtin_clz(m->n_chains)), chain = (uint32_t)hash & (2 * half - 1);

    return chain < m->n_chains ? chain : chain & (half - 1);
}

/* What in the chain split now belongs to the one that came last. */
static void
split_chain(struct marks *m)
{
    uint32_t half, from, at, next;

    m->chains = table_grow(m->chains, &m->chains_cap, m->n_chains, sizeof(*m->chains));
    m->chains[m->n_chains++] = NO_SLOT;
    if (m->n_chains == 1)
        return;
    half = UINT32_C(1) << (31 - __builtin_clz(m->n_chains - 1));
    from = m->n_chains - 1 - half;
    at = m->chains[from];
    m->chains[from] = NO_SLOT;
    for (; at != NO_SLOT; at = next) {
        uint32_t *chain = &m->chains[chain_of(m, hash_of_slot(m, at))];

        next = m->slots[at].next;
        m->slots[at].next = *chain;
        *chain = at;
    }
}

static void
join_chains(struct marks *m)
{
    uint32_t half = UINT32_C(1) << (31 - __builtin_clz(m->n_chains - 1)), *into = &m->chains[m->n_chains - 1 - half];

    while (*into != NO_SLOT)
        into = &m->slots[*into].next;
    *into = m->chains[--m->n_chains];
    m->chains = shrunk(m->chains, &m->chains_cap, m->n_chains, sizeof(*m->chains));
}

static uint32_t *
link_to(struct marks *m, uint32_t at)
{
    uint32_t *link = &m->chains[chain_of(m, hash_of_slot(m, at))];

    while (*link != at)
        link = &m->slots[*link].next;
    return link;
}

/* Groups. */

static struct group *
group_find(const struct marks *m, const struct mark_key *key)
{
    struct group_key wanted = { key->collection, key->shard_key };
    struct group *g;

    HASH_FIND(hh, m->group_table, &wanted, sizeof(wanted), g);
    return g;
}

static bool
is_blocked(const struct marks *m, uint32_t collection)
{
    for (uint32_t i = 0; i < m->n_blocked; i++) {
        if (m->blocked[i] == collection)
            return true;
    }
    return false;
}

static struct group *
group_add(struct marks *m, const struct mark_key *key)
{
    uint32_t number = m->n_groups;
    struct group *g;

    if (HASH_COUNT(m->group_table) < m->n_groups) {
        for (number = 0; m->groups[number]; number++)
            ;
    }
    if (number == GROUPS_MAX)
        return NULL;
    if (number == m->n_groups)
        m->groups = table_grow(m->groups, &m->groups_cap, m->n_groups++, sizeof(struct group *));
    g = m->groups[number] = MEM_NEW(struct group);
    g->key = (struct group_key){ key->collection, key->shard_key };
    g->number = number;
    g->is_blocked = is_blocked(m, key->collection);
    HASH_ADD(hh, m->group_table, key, sizeof(g->key), g);
    return g;
}

static void
group_free(struct marks *m, struct group *g)
{
    m->groups[g->number] = NULL;
    HASH_DEL(m->group_table, g);
    mem_free(g->ready[0].items);
    mem_free(g->ready[1].items);
    mem_free(g);
}

/* Slots. */

uint32_t
table_find(const struct marks *m, const struct mark_key *key)
{
    const struct group *g = group_find(m, key);
    const struct point_id *p = &key->point;
    uint32_t at;

    if (!g || m->n_chains == 0)
        return NO_SLOT;
    at = m->chains[chain_of(m, hash_of(m, g->number, p->lo, p->hi, p->is_uuid))];
    for (; at != NO_SLOT; at = m->slots[at].next) {
        const struct slot *s = &m->slots[at];

        if (s->lo == p->lo && s->group == g->number && s->is_uuid == p->is_uuid && (!p->is_uuid || m->hi[at] == p->hi))
            break;
    }
    return at;
}

static bool
is_over_budget(const struct marks *m)
{
    return m->n == m->cap && marks_memory(m) + (size_t)(grown(m->cap) - m->cap) * sizeof(*m->slots) > m->budget;
}

uint32_t
table_add(struct marks *m, const struct mark_key *key)
{
    struct group *g = group_find(m, key);
    uint32_t at = m->n, *chain;

    if (is_over_budget(m) || (!g && !(g = group_add(m, key))))
        return NO_SLOT;
    m->slots = table_grow(m->slots, &m->cap, m->n, sizeof(*m->slots));
    if ((key->point.is_uuid || m->hi) && m->hi_cap < m->cap) {
        m->hi = mem_grow(m->hi, m->cap * sizeof(*m->hi));
        m->hi_cap = m->cap;
    }
    g->n++;
    m->slots[at] = (struct slot){ .lo = key->point.lo, .group = g->number, .is_uuid = key->point.is_uuid };
    if (m->hi)
        m->hi[at] = key->point.hi;
    if (m->n++ >= (size_t)m->n_chains * MARKS_A_CHAIN)
        split_chain(m);
    chain = &m->chains[chain_of(m, hash_of_slot(m, at))];
    m->slots[at].next = *chain;
    *chain = at;
    enter(m, at, MARK_READY);
    return at;
}

static void
fill_hole(struct marks *m, uint32_t hole)
{
    uint32_t last = --m->n;

    if (hole == last)
        return;
    if (m->save.is_active && hole < m->save.at && last >= m->save.at)
        save_mark(m, last, &m->save.moved);
    *link_to(m, last) = hole;
    m->slots[hole] = m->slots[last];
    if (m->hi)
        m->hi[hole] = m->hi[last];
    tell_container(m, hole);
}

void
table_remove(struct marks *m, uint32_t at)
{
    struct group *g = m->groups[m->slots[at].group];

    leave(m, at);
    *link_to(m, at) = m->slots[at].next;
    fill_hole(m, at);
    if (--g->n == 0)
        group_free(m, g);
    if (m->n_chains > 1 && m->n < (size_t)(m->n_chains - 1) * MARKS_A_CHAIN)
        join_chains(m);
    m->slots = shrunk(m->slots, &m->cap, m->n, sizeof(*m->slots));
    if (m->hi && m->hi_cap > m->cap) {
        m->hi = mem_grow(m->hi, m->cap * sizeof(*m->hi));
        m->hi_cap = m->cap;
    }
}

void
table_free(struct marks *m)
{
    struct group *g, *next;

    HASH_ITER (hh, m->group_table, g, next)
        group_free(m, g);
    for (unsigned i = 0; i < MARK_STATES; i++)
        mem_free(m->heaps[i].items);
    mem_free(m->settled.queue.items);
    mem_free(m->flights);
    mem_free(m->groups);
    mem_free(m->chains);
    mem_free(m->slots);
    mem_free(m->hi);
}

size_t
marks_memory(const struct marks *m)
{
    size_t words = m->chains_cap + m->settled.queue.cap, bytes = sizeof(*m);

    for (const struct group *g = m->group_table; g; g = g->hh.next) {
        words += g->ready[0].cap + g->ready[1].cap;
        bytes += sizeof(*g);
    }
    for (unsigned i = 0; i < MARK_STATES; i++)
        words += m->heaps[i].cap;
    bytes += m->flights_cap * sizeof(*m->flights) + m->groups_cap * sizeof(struct group *);
    return bytes + words * sizeof(uint32_t) + m->cap * sizeof(*m->slots) + m->hi_cap * sizeof(*m->hi);
}

void
mark_view_of(const struct marks *m, uint32_t at, struct mark_view *ret_view)
{
    const struct slot *s = &m->slots[at];
    const struct group *g = m->groups[s->group];

    *ret_view = (struct mark_view){
        .key = { g->key.collection, g->key.shard_key, { s->is_uuid ? m->hi[at] : 0, s->lo, s->is_uuid } },
        .age = mark_age_of(s->lsn, s->time_ms),
        .state = s->state,
        .reason = s->state == MARK_PARKED ? s->byte : 0,
        .again = s->again,
        .payload_only = s->payload_only,
    };
}
