/* SPDX-License-Identifier: Apache-2.0
 *
 * An open-addressed table with one writer. A row's key is written before its `used` is published and never changes after,
 * so readers need no lock. Slot 0 collects what found no room.
 */
#include "proxy/obs/residency.h"

#include <stdatomic.h>
#include <string.h>

#include "proxy/base/mem.h"

enum { PROBES = 32 };
_Static_assert(sizeof(struct residency_key) % sizeof(uint64_t) == 0, "a key is hashed in words");

struct row {
    atomic_bool used;
    struct residency_key key;
    atomic_ulong requests, in, out;
};

struct residency {
    struct row rows[RESIDENCY_ROWS];
};

/* Into zeroes. */
static void
copy(char *into, size_t room, struct str from)
{
    size_t len = from.len < room - 1 ? from.len : room - 1;

    if (len)
        memcpy(into, from.p, len);
}

struct residency_key
residency_key(
    struct str rule, struct str partition, const char *caller, struct str cluster, const char *cluster_country)
{
    struct residency_key key;

    memset(&key, 0, sizeof(key));
    copy(key.rule, sizeof(key.rule), rule);
    copy(key.partition, sizeof(key.partition), partition);
    copy(key.caller, sizeof(key.caller), str_from(caller));
    copy(key.cluster, sizeof(key.cluster), cluster);
    copy(key.cluster_country, sizeof(key.cluster_country), str_from(cluster_country));
    return key;
}

struct residency *
residency_new(void)
{
    struct residency *r = MEM_NEW(struct residency);

    r->rows[0].key = residency_key(STR("other"), STR("other"), "", STR("other"), "");
    atomic_store(&r->rows[0].used, true);
    return r;
}

void
residency_free(struct residency *r)
{
    mem_free(r);
}

static uint64_t
hash(const struct residency_key *key)
{
    const char *p = (const char *)key;
    uint64_t h = 0, word;

    for (size_t i = 0; i < sizeof(*key); i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h;
}

static struct row *
find(struct residency *r, const struct residency_key *key)
{
    uint64_t at = hash(key);

    for (unsigned i = 0; i < PROBES; i++) {
        struct row *row = &r->rows[1 + (at + i) % (RESIDENCY_ROWS - 1)];

        if (!atomic_load_explicit(&row->used, memory_order_acquire)) {
            row->key = *key;
            atomic_store_explicit(&row->used, true, memory_order_release);
            return row;
        }
        if (memcmp(&row->key, key, sizeof(*key)) == 0)
            return row;
    }
    return &r->rows[0];
}

static void
add(atomic_ulong *cell, uint64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

void
residency_count(struct residency *r, const struct residency_key *key, uint64_t bytes_in, uint64_t bytes_out)
{
    struct row *row = find(r, key);

    add(&row->requests, 1);
    add(&row->in, bytes_in);
    add(&row->out, bytes_out);
}

static uint64_t
read_cell(const atomic_ulong *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

void
residency_each(struct residency *const *tables, unsigned n, residency_row_fn *fn, void *arg)
{
    struct residency *sum = residency_new();

    for (unsigned t = 0; t < n; t++) {
        for (unsigned i = 0; i < RESIDENCY_ROWS; i++) {
            const struct row *row = &tables[t]->rows[i];
            struct row *into;

            if (!atomic_load_explicit(&row->used, memory_order_acquire))
                continue;
            into = i ? find(sum, &row->key) : &sum->rows[0];
            add(&into->requests, read_cell(&row->requests));
            add(&into->in, read_cell(&row->in));
            add(&into->out, read_cell(&row->out));
        }
    }
    for (unsigned i = 0; i < RESIDENCY_ROWS; i++) {
        const struct row *row = &sum->rows[i];

        if (read_cell(&row->requests))
            fn(arg, &row->key, read_cell(&row->requests), read_cell(&row->in), read_cell(&row->out));
    }
    residency_free(sum);
}
