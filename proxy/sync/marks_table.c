/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots, chains and containers of marks: see marks_impl.h. What a mark means is none of its business.
 */
#include "proxy/sync/marks_impl.h"

#include <assert.h>

enum { MARKS_A_CHAIN = 2, GROW_LEAST = 64, SPLIT_AHEAD = 16 /* chains that are fetched before they are split */ };
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

void *
table_shrink(void *items, uint32_t *cap, uint32_t n, size_t size)
{
    if (*cap < 1024 || n + n / 16 >= *cap)
        return items;
    *cap = n + n / 32 + GROW_LEAST;
    return mem_grow(items, *cap * size);
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
    if (from + SPLIT_AHEAD < half && m->chains[from + SPLIT_AHEAD] != NO_SLOT)
        __builtin_prefetch(&m->slots[m->chains[from + SPLIT_AHEAD]]);
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
    m->chains = table_shrink(m->chains, &m->chains_cap, m->n_chains, sizeof(*m->chains));
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

static uint64_t
hash_of_key(const struct marks *m, const struct group *g, const struct point_id *p)
{
    return hash_of(m, g->number, p->lo, p->hi, p->is_uuid);
}

static uint32_t
find(const struct marks *m, const struct group *g, const struct point_id *p, uint64_t hash)
{
    uint32_t at = m->n_chains ? m->chains[chain_of(m, hash)] : NO_SLOT;

    for (; at != NO_SLOT; at = m->slots[at].next) {
        const struct slot *s = &m->slots[at];

        if (s->lo == p->lo && s->group == g->number && s->is_uuid == p->is_uuid && (!p->is_uuid || m->hi[at] == p->hi))
            break;
    }
    return at;
}

uint32_t
table_find(const struct marks *m, const struct mark_key *key)
{
    const struct group *g = group_find(m, key);

    return g && m->n_chains ? find(m, g, &key->point, hash_of_key(m, g, &key->point)) : NO_SLOT;
}

void
marks_hasten(const struct marks *m, const struct mark_key *keys, unsigned n)
{
    uint32_t chains[MARKS_HASTE];
    const struct group *g = NULL;

    assert(n <= MARKS_HASTE);
    for (unsigned i = 0; i < n && m->n_chains; i++) {
        g = group_find(m, &keys[i]);
        if (!g)
            return;
        chains[i] = chain_of(m, hash_of_key(m, g, &keys[i].point));
        __builtin_prefetch(&m->chains[chains[i]]);
    }
    for (unsigned i = 0; i < n && m->n_chains; i++) {
        if (m->chains[chains[i]] != NO_SLOT)
            __builtin_prefetch(&m->slots[m->chains[chains[i]]]);
    }
}

static bool
is_over_budget(const struct marks *m)
{
    return m->n == m->cap && marks_memory(m) + (size_t)(grown(m->cap) - m->cap) * sizeof(*m->slots) > m->budget;
}

static uint32_t
add(struct marks *m, struct group *g, const struct mark_key *key, uint64_t hash)
{
    uint32_t at = m->n, *chain;

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
    chain = &m->chains[chain_of(m, hash)];
    m->slots[at].next = *chain;
    *chain = at;
    container_enter(m, at, MARK_READY);
    return at;
}

uint32_t
table_get(struct marks *m, const struct mark_key *key, bool *ret_is_new)
{
    struct group *g = group_find(m, key);
    uint64_t hash = g ? hash_of_key(m, g, &key->point) : 0;
    uint32_t at = g ? find(m, g, &key->point, hash) : NO_SLOT;

    *ret_is_new = at == NO_SLOT;
    if (at != NO_SLOT)
        return at;
    if (is_over_budget(m))
        return NO_SLOT;
    if (!g) {
        g = group_add(m, key);
        if (!g)
            return NO_SLOT;
        hash = hash_of_key(m, g, &key->point);
    }
    return add(m, g, key, hash);
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
    container_tell(m, hole);
}

void
table_remove(struct marks *m, uint32_t at)
{
    struct group *g = m->groups[m->slots[at].group];

    container_leave(m, at);
    *link_to(m, at) = m->slots[at].next;
    fill_hole(m, at);
    if (--g->n == 0)
        group_free(m, g);
    if (m->n_chains > 1 && m->n < (size_t)(m->n_chains - 1) * MARKS_A_CHAIN)
        join_chains(m);
    m->slots = table_shrink(m->slots, &m->cap, m->n, sizeof(*m->slots));
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
        .again = s->again + s->is_tainted,
        .payload_only = s->payload_only,
    };
}
