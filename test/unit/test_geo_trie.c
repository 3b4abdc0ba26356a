/* SPDX-License-Identifier: Apache-2.0
 *
 * The trie against a list of ranges, for random trees of both families.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "geoip/geo_trie.h"
#include "proxy/base/mem.h"

enum { LEAVES_MAX = 4096 };

struct leaf {
    struct addr first, last;
    uint32_t class_id;
};

struct forest {
    struct geo_trie *trie;
    uint64_t random;
    unsigned family, bits, classes;
    unsigned n;
    struct leaf leaves[LEAVES_MAX];
};

static uint32_t
draw(struct forest *f)
{
    f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(f->random >> 33);
}

static void
set_bit(struct addr *a, unsigned bit, bool is_one)
{
    uint8_t mask = (uint8_t)(0x80 >> bit % 8);

    a->bytes[bit / 8] = (uint8_t)(is_one ? a->bytes[bit / 8] | mask : a->bytes[bit / 8] & ~mask);
}

static geo_ref
grow_leaf(struct forest *f, const struct addr *at, unsigned depth)
{
    struct leaf *leaf = &f->leaves[f->n++];

    leaf->first = leaf->last = *at;
    for (unsigned bit = depth; bit < f->bits; bit++)
        set_bit(&leaf->last, bit, true);
    leaf->class_id = draw(f) % f->classes;
    return geo_trie_leaf(leaf->class_id);
}

/* A random subtree: most nodes have one half that ends soon, so that it gets deep. */
static geo_ref
grow(struct forest *f, struct addr at, unsigned depth)
{
    geo_ref halves[2];

    if (depth == f->bits || f->n > LEAVES_MAX - 300 || draw(f) % (depth < 8 ? 50 : 5) == 0)
        return grow_leaf(f, &at, depth);
    for (unsigned b = 0; b < 2; b++) {
        set_bit(&at, depth, b);
        halves[b] = depth > 10 && draw(f) % 3 == 0 ? grow_leaf(f, &at, depth + 1) : grow(f, at, depth + 1);
    }
    return geo_trie_join(f->trie, halves[0], halves[1]);
}

static void
expect_leaves(const struct forest *f)
{
    for (unsigned i = 0; i < f->n; i++) {
        const struct leaf *leaf = &f->leaves[i];
        struct addr middle = leaf->first;

        assert_int_equal(geo_trie_lookup(f->trie, &leaf->first), leaf->class_id);
        assert_int_equal(geo_trie_lookup(f->trie, &leaf->last), leaf->class_id);
        for (unsigned b = 0; b < f->bits / 8; b++)
            middle.bytes[b] = leaf->first.bytes[b] | (leaf->last.bytes[b] & 0x5a);
        assert_int_equal(geo_trie_lookup(f->trie, &middle), leaf->class_id);
    }
}

static void
test_random(void **state)
{
    struct forest *f = MEM_NEW(struct forest);

    for (unsigned round = 0; round < 60; round++) {
        struct addr root = { .family = round % 2 ? 4 : 6 };
        geo_ref tree, none = geo_trie_leaf(GEO_NONE);

        *f = (struct forest){ .trie = geo_trie_new(),
            .random = round,
            .family = root.family,
            .bits = root.family == 4 ? 32 : 128,
            .classes = round % 3 ? 5 : 1000000 };
        tree = grow(f, root, 0);
        assert_true(geo_trie_finish(f->trie, root.family == 4 ? tree : none, root.family == 6 ? tree : none));
        expect_leaves(f);
        root.family = root.family == 4 ? 6 : 4;
        assert_int_equal(geo_trie_lookup(f->trie, &root), GEO_NONE);
        geo_trie_free(f->trie);
    }
    mem_free(f);
}

static void
test_no_address(void **state)
{
    struct geo_trie *t = geo_trie_new();
    struct addr none = { .family = 0 }, v4 = { .family = 4 }, v6 = { .family = 6 };

    assert_true(geo_trie_finish(t, geo_trie_leaf(4), geo_trie_leaf(6)));
    assert_int_equal(geo_trie_lookup(t, &none), GEO_NONE);
    assert_int_equal(geo_trie_lookup(t, &v4), 4);
    assert_int_equal(geo_trie_lookup(t, &v6), 6);
    geo_trie_free(t);
    geo_trie_free(NULL);
}

/* A full tree of `levels` whose leaves are all the same. */
static geo_ref
full(struct geo_trie *t, unsigned levels, uint32_t class_id)
{
    geo_ref zero, one;

    if (levels == 0)
        return geo_trie_leaf(class_id);
    zero = full(t, levels - 1, class_id);
    one = full(t, levels - 1, class_id);
    return geo_trie_join(t, zero, one);
}

static void
test_merged(void **state)
{
    struct geo_trie *one = geo_trie_new(), *many = geo_trie_new(), *two = geo_trie_new();
    geo_ref zeros, ones;

    geo_trie_finish(one, geo_trie_leaf(7), geo_trie_leaf(7));
    assert_true(full(many, 16, 7) == geo_trie_leaf(7));
    geo_trie_finish(many, full(many, 18, 7), full(many, 10, 7));
    assert_int_equal(geo_trie_memory(one), geo_trie_memory(many));
    zeros = full(two, 10, 7);
    ones = full(two, 10, 8);
    geo_trie_finish(two, geo_trie_join(two, zeros, ones), geo_trie_leaf(0));
    assert_int_equal(geo_trie_memory(one), geo_trie_memory(two));
    geo_trie_free(one);
    geo_trie_free(many);
    geo_trie_free(two);
}

/* A shared subtree is stored once more than a few times, but not over and over. */
static void
test_shared(void **state)
{
    struct geo_trie *t = geo_trie_new();
    geo_ref at = geo_trie_join(t, geo_trie_leaf(1), geo_trie_leaf(2));
    struct addr a = { .family = 6 };

    for (unsigned i = 0; i < 100; i++)
        at = geo_trie_join(t, at, geo_trie_leaf(3));
    at = geo_trie_join(t, at, at);
    assert_true(geo_trie_finish(t, geo_trie_leaf(0), at));
    assert_int_equal(geo_trie_lookup(t, &a), 1);
    a.bytes[0] = 0x80;
    assert_int_equal(geo_trie_lookup(t, &a), 1);
    set_bit(&a, 101, true);
    assert_int_equal(geo_trie_lookup(t, &a), 2);
    set_bit(&a, 50, true);
    assert_int_equal(geo_trie_lookup(t, &a), 3);
    geo_trie_free(t);

    t = geo_trie_new();
    at = geo_trie_join(t, geo_trie_leaf(1), geo_trie_leaf(2));
    for (unsigned i = 0; i < 120; i++)
        at = geo_trie_join(t, at, at);
    assert_false(geo_trie_finish(t, geo_trie_leaf(0), at));
    geo_trie_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
