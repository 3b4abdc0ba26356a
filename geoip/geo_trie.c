/* SPDX-License-Identifier: Apache-2.0 */
#include "geoip/geo_trie.h"

#include <assert.h>

#include "proxy/base/mem.h"

enum { STRIDE = 16, TABLE = 1 << STRIDE };
#define LEAF UINT32_C(0x80000000)

struct node {
    geo_ref half[2];
};

struct geo_trie {
    struct node *nodes;
    uint32_t n, cap;
    geo_ref v4[TABLE], v6[TABLE]; /* what the first 16 bits lead to */
};

struct geo_trie *
geo_trie_new(void)
{
    return MEM_NEW(struct geo_trie);
}

void
geo_trie_free(struct geo_trie *t)
{
    if (!t)
        return;
    mem_free(t->nodes);
    mem_free(t);
}

geo_ref
geo_trie_leaf(uint32_t class_id)
{
    assert(class_id < LEAF);
    return class_id | LEAF;
}

geo_ref
geo_trie_join(struct geo_trie *t, geo_ref zero, geo_ref one)
{
    if (zero == one && zero & LEAF)
        return zero;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 1024;
        assert(t->cap < LEAF);
        t->nodes = mem_grow(t->nodes, t->cap * sizeof(*t->nodes));
    }
    t->nodes[t->n] = (struct node){ { zero, one } };
    return t->n++;
}

static void
fill_table(const struct geo_trie *t, geo_ref root, geo_ref *table)
{
    for (uint32_t i = 0; i < TABLE; i++) {
        geo_ref at = root;

        for (int bit = STRIDE - 1; bit >= 0 && !(at & LEAF); bit--)
            at = t->nodes[at].half[i >> bit & 1];
        table[i] = at;
    }
}

void
geo_trie_finish(struct geo_trie *t, geo_ref v4, geo_ref v6)
{
    if (t->n)
        t->nodes = mem_grow(t->nodes, t->n * sizeof(*t->nodes));
    t->cap = t->n;
    fill_table(t, v4, t->v4);
    fill_table(t, v6, t->v6);
}

uint32_t
geo_trie_lookup(const struct geo_trie *t, const struct addr *a)
{
    uint32_t first = (uint32_t)a->bytes[0] << 8 | a->bytes[1];
    unsigned bits = a->family == 4 ? 32 : 128, bit = STRIDE;
    geo_ref at;

    if (a->family == 0)
        return GEO_NONE;
    at = a->family == 4 ? t->v4[first] : t->v6[first];
    for (; !(at & LEAF) && bit < bits; bit++)
        at = t->nodes[at].half[a->bytes[bit / 8] >> (7 - bit % 8) & 1];
    return at & LEAF ? at & ~LEAF : (uint32_t)GEO_NONE;
}

size_t
geo_trie_memory(const struct geo_trie *t)
{
    return sizeof(*t) + t->cap * sizeof(*t->nodes);
}

uint64_t
geo_trie_nodes(const struct geo_trie *t)
{
    return t->n;
}
