/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/census.h"

#include "proxy/base/mem.h"

enum { PLACES = 16384, WAYS = 8, COUNT_BITS = 20 };
#define COUNT_MASK ((1UL << COUNT_BITS) - 1)

struct census {
    struct hash_key key;
    atomic_ulong entries[PLACES][WAYS]; /* name << COUNT_BITS | count */
};

struct census *
census_new(void)
{
    struct census *c = MEM_NEW(struct census);

    hash_key_draw(&c->key);
    return c;
}

void
census_free(struct census *c)
{
    mem_free(c);
}

struct str
census_name(const struct addr *a)
{
    return str_make((const char *)a->bytes, a->family == 6 ? 8 : 4);
}

static bool
join(atomic_ulong *entry, unsigned long name, unsigned *ret_count)
{
    unsigned long was = atomic_load_explicit(entry, memory_order_relaxed);

    while ((was & COUNT_MASK) != 0 && (was & COUNT_MASK) < COUNT_MASK && was >> COUNT_BITS == name) {
        if (atomic_compare_exchange_weak_explicit(entry, &was, was + 1, memory_order_relaxed, memory_order_relaxed)) {
            *ret_count = (unsigned)(was & COUNT_MASK) + 1;
            return true;
        }
    }
    return false;
}

static bool
found(atomic_ulong *entry, unsigned long name, unsigned *ret_count)
{
    unsigned long was = atomic_load_explicit(entry, memory_order_relaxed);

    while ((was & COUNT_MASK) == 0) {
        if (atomic_compare_exchange_weak_explicit(
                entry, &was, name << COUNT_BITS | 1, memory_order_relaxed, memory_order_relaxed)) {
            *ret_count = 1;
            return true;
        }
    }
    return false;
}

atomic_ulong *
census_enter(struct census *c, const struct addr *a, unsigned *ret_count)
{
    uint64_t hash = hash_keyed(&c->key, census_name(a));
    atomic_ulong *place = c->entries[hash % PLACES];
    unsigned long name = hash >> COUNT_BITS;

    for (unsigned i = 0; i < WAYS; i++) {
        if (join(&place[i], name, ret_count))
            return &place[i];
    }
    for (unsigned i = 0; i < WAYS; i++) {
        if (found(&place[i], name, ret_count))
            return &place[i];
    }
    *ret_count = 0;
    return NULL;
}

void
census_leave(atomic_ulong *entry)
{
    if (entry)
        atomic_fetch_sub_explicit(entry, 1, memory_order_relaxed);
}
