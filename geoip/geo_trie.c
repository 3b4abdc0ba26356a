/* SPDX-License-Identifier: Apache-2.0
 *
 * While building: a binary trie, a node being two references. Finishing turns it into one with a table for the first 18 bits
 * (IPv6: 20, of 2000::/3, whence all public addresses are) and then 6 bits a node, as in "Poptrie" (Asai, Ohara 2015): a node's
 * children lie side by side, a bitmap says which slots have one, and a count of its bits where. Runs of equal leaves are stored
 * once. So what is given out most, IPv4 networks down to 24 bits and IPv6 networks down to 32, lies one or two nodes of 24 bytes
 * behind the table; each node more is a wait for memory that no cache has.
 *
 * Invariants of a finished trie: every path ends in a leaf, as references only lead to what was joined earlier; `inner` and
 * `start` hold what is needed to find a slot without looking at any other node.
 */
#include "geoip/geo_trie.h"

#include <assert.h>

#include "proxy/base/mem.h"

enum {
    STEP = 6,
    SLOTS = 1 << STEP,
    V4_BITS = 18,
    V6_BITS = 20,
    TOP_BITS = 3,
    PUBLIC = 1,
    PUBLIC_BITS = V6_BITS - TOP_BITS
};
#define LEAF UINT32_C(0x80000000)
#define NOT_YET UINT32_MAX

struct pair {
    geo_ref half[2];
};

struct node {
    uint64_t inner;         /* slots that lead on */
    uint64_t start;         /* leaf slots whose class is not that of the leaf slot before them */
    uint32_t nodes, leaves; /* where this node's children and runs of leaves begin */
};

struct geo_trie {
    struct pair *pairs; /* until finished */
    uint32_t n_pairs, cap_pairs;
    struct node *nodes;
    uint32_t n_nodes, cap_nodes;
    uint32_t *leaves;
    uint32_t n_leaves, cap_leaves;
    uint32_t *v4, *v6;           /* tables of the first bits: LEAF | class, or a node */
    uint32_t top[1 << TOP_BITS]; /* the same for the rest of IPv6 */
    size_t memory;               /* of the one block in which, once finished, all but `top` lies */
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
    mem_free(t->pairs);
    if (t->memory) {
        mem_large_free(t->v4, t->memory);
    } else {
        mem_free(t->nodes);
        mem_free(t->leaves);
    }
    mem_free(t);
}

/* Room for `more` items; the new capacity. */
static uint32_t
capacity_for(uint32_t n, uint32_t cap, uint32_t more)
{
    uint64_t wanted = (uint64_t)n + more, grown = cap ? cap : 1024;

    while (grown < wanted)
        grown *= 2;
    assert(wanted < LEAF);
    return (uint32_t)grown;
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
    if (t->n_pairs == t->cap_pairs) {
        t->cap_pairs = capacity_for(t->n_pairs, t->cap_pairs, 1);
        t->pairs = mem_grow(t->pairs, t->cap_pairs * sizeof(*t->pairs));
    }
    t->pairs[t->n_pairs] = (struct pair){ { zero, one } };
    return t->n_pairs++;
}

/* --- finishing --------------------------------------------------------------------------------------------------- */

struct finisher {
    struct geo_trie *t;
    uint32_t *made; /* by pair: its node, which may be copied, as it says where its children are */
    bool is_too_large;
};

/* What `bits` bits below a reference lead to, in order. */
static void
spread(const struct geo_trie *t, geo_ref root, unsigned bits, geo_ref *slots)
{
    slots[0] = root;
    for (unsigned level = 0; level < bits; level++) {
        for (size_t i = (size_t)1 << level; i-- > 0;) {
            geo_ref at = slots[i];

            slots[2 * i] = at & LEAF ? at : t->pairs[at].half[0];
            slots[2 * i + 1] = at & LEAF ? at : t->pairs[at].half[1];
        }
    }
}

/* Reserve n nodes side by side. A tree has no more nodes than pairs; only shared subtrees make more. */
static uint32_t
take_nodes(struct finisher *f, uint32_t n)
{
    struct geo_trie *t = f->t;
    uint32_t first = t->n_nodes;

    if ((uint64_t)first + n > (uint64_t)t->n_pairs * 2 + SLOTS)
        f->is_too_large = true;
    if (f->is_too_large)
        return 0;
    if (n > t->cap_nodes - first) {
        t->cap_nodes = capacity_for(first, t->cap_nodes, n);
        t->nodes = mem_grow(t->nodes, t->cap_nodes * sizeof(*t->nodes));
    }
    t->n_nodes += n;
    return first;
}

static void
add_leaf(struct finisher *f, uint32_t class_id)
{
    struct geo_trie *t = f->t;

    if (t->n_leaves > (uint64_t)t->n_pairs * 2 + SLOTS) {
        f->is_too_large = true;
        return;
    }
    if (t->n_leaves == t->cap_leaves) {
        t->cap_leaves = capacity_for(t->n_leaves, t->cap_leaves, 1);
        t->leaves = mem_grow(t->leaves, t->cap_leaves * sizeof(*t->leaves));
    }
    t->leaves[t->n_leaves++] = class_id;
}

/* Make the node of a pair at nodes[at], and those below it. At most 22 deep. */
static void
make_node(struct finisher *f, geo_ref pair, uint32_t at)
{
    geo_ref slots[SLOTS], last = NOT_YET;
    struct node node = { .leaves = f->t->n_leaves };
    uint32_t n = 0, child;

    if (f->made[pair] != NOT_YET) {
        f->t->nodes[at] = f->t->nodes[f->made[pair]];
        return;
    }
    spread(f->t, pair, STEP, slots);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!(slots[i] & LEAF)) {
            node.inner |= UINT64_C(1) << i;
            n++;
        } else if (slots[i] != last) {
            node.start |= UINT64_C(1) << i;
            last = slots[i];
            add_leaf(f, slots[i] & ~LEAF);
        }
    }
    node.nodes = child = take_nodes(f, n);
    if (f->is_too_large)
        return;
    f->t->nodes[at] = node;
    f->made[pair] = at;
    for (unsigned i = 0; i < SLOTS && !f->is_too_large; i++) {
        if (!(slots[i] & LEAF))
            make_node(f, slots[i], child++);
    }
}

/* What a table holds for a reference. */
static uint32_t
make_entry(struct finisher *f, geo_ref ref)
{
    uint32_t at;

    if (ref & LEAF)
        return ref;
    if (f->made[ref] == NOT_YET) {
        at = take_nodes(f, 1);
        if (!f->is_too_large)
            make_node(f, ref, at);
    }
    return f->made[ref];
}

static uint32_t *
make_table(struct finisher *f, geo_ref root, unsigned bits)
{
    size_t n = (size_t)1 << bits;
    uint32_t *table = mem_array(n, sizeof(*table));

    spread(f->t, root, bits, table);
    for (size_t i = 0; i < n && !f->is_too_large; i++)
        table[i] = make_entry(f, table[i]);
    return table;
}

static void
make_v6(struct finisher *f, geo_ref root)
{
    geo_ref slots[1 << TOP_BITS];

    spread(f->t, root, TOP_BITS, slots);
    f->t->v6 = make_table(f, slots[PUBLIC], PUBLIC_BITS);
    for (unsigned i = 0; i < 1 << TOP_BITS && !f->is_too_large; i++)
        f->t->top[i] = i == PUBLIC ? LEAF : make_entry(f, slots[i]);
}

/* Copies an array into the block, from *at on, and frees it. */
static void *
settle(char *block, size_t *at, void *array, size_t size)
{
    char *to = block + *at;

    if (size)
        memcpy(to, array, size);
    mem_free(array);
    *at += size;
    return to;
}

/* Everything moves into one block of large pages: a look-up at random then misses the tables of pages but once. */
static void
settle_all(struct geo_trie *t)
{
    size_t v4 = sizeof(*t->v4) << V4_BITS, v6 = sizeof(*t->v6) << PUBLIC_BITS, nodes = t->n_nodes * sizeof(*t->nodes),
           leaves = t->n_leaves * sizeof(*t->leaves), at = 0;
    char *block = mem_large(v4 + v6 + nodes + leaves);

    t->v4 = settle(block, &at, t->v4, v4);
    t->v6 = settle(block, &at, t->v6, v6);
    t->nodes = settle(block, &at, t->nodes, nodes);
    t->leaves = settle(block, &at, t->leaves, leaves);
    t->memory = at;
}

bool
geo_trie_finish(struct geo_trie *t, geo_ref v4, geo_ref v6)
{
    struct finisher f = { .t = t, .made = mem_array(t->n_pairs, sizeof(*f.made)) };

    memset(f.made, 0xff, t->n_pairs * sizeof(*f.made));
    t->v4 = make_table(&f, v4, V4_BITS);
    make_v6(&f, v6);
    mem_free(f.made);
    mem_free(t->pairs);
    t->pairs = NULL;
    t->n_pairs = t->cap_pairs = 0;
    settle_all(t);
    return !f.is_too_large;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* Not the builtin: without a machine option that is a call on x86-64. */
static inline unsigned
count_bits(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

static uint64_t
big_endian64(const uint8_t *p)
{
    uint64_t x = 0;

    for (unsigned i = 0; i < 8; i++)
        x = x << 8 | p[i];
    return x;
}

uint32_t
geo_trie_lookup(const struct geo_trie *t, const struct addr *a)
{
    uint64_t high = big_endian64(a->bytes), low = big_endian64(a->bytes + 8);
    uint32_t at;
    unsigned bits = V6_BITS;

    if (a->family == 4)
        at = t->v4[high >> (64 - (bits = V4_BITS))];
    else if (a->family != 6)
        return GEO_NONE;
    else if (high >> (64 - TOP_BITS) == PUBLIC)
        at = t->v6[high << TOP_BITS >> (64 - PUBLIC_BITS)];
    else
        at = t->top[high >> (64 - (bits = TOP_BITS))];
    high = high << bits | low >> (64 - bits);
    low <<= bits;
    while (!(at & LEAF)) {
        const struct node *node = &t->nodes[at];
        unsigned slot = (unsigned)(high >> (64 - STEP));
        uint64_t here = UINT64_C(1) << slot;

        if (!(node->inner & here))
            return t->leaves[node->leaves + count_bits(node->start & (here | (here - 1))) - 1];
        at = node->nodes + count_bits(node->inner & (here - 1));
        high = high << STEP | low >> (64 - STEP);
        low <<= STEP;
    }
    return at & ~LEAF;
}

size_t
geo_trie_memory(const struct geo_trie *t)
{
    return sizeof(*t) + t->memory;
}
