/* SPDX-License-Identifier: Apache-2.0
 *
 * How far writes have come: what readers make of it, and what one edge tells another.
 */
#include "proxy/upstream/reach.h"
#include "test/unit/route_fixture.h"

static const char *env[] = {
    "SEXTANT_CLUSTERS=eu http://10.0.0.1 at=aws:eu-central-1; us http://10.1.0.1 at=aws:us-east-1; ap http://10.2.0.1 "
    "at=JP",
    "SEXTANT_PARTITION_MAP=* *=eu,us,ap copies=external",
    NULL,
};

enum { EU, US, AP, NOW = 1000 * 1000 * 1000 };

struct edge_of_test {
    struct registry *registry;
    struct fleet *f;
};

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static struct edge_of_test
begin(struct world *w)
{
    struct edge_of_test e = { .registry = registry_new() };

    e.f = fleet_build(e.registry, w, resolve_nothing, NULL);
    return e;
}

static void
end(struct edge_of_test *e)
{
    fleet_unref(e->f);
    registry_free(e->registry);
}

static bool
has(const struct edge_of_test *e, unsigned cluster, uint64_t lsn, int64_t now_us)
{
    struct stamp s = { .journal = 5, .start = 2, .lsn = lsn };

    return reach_has(e->f, EU, cluster, &s, now_us);
}

static void
tell(struct edge_of_test *e)
{
    reach_begin(e->f, EU, 5, 2);
    reach_tell(e->f, EU, EU, REACH_ALL, NOW - 5000, NOW);
    reach_tell(e->f, EU, US, 100, NOW - 7500, NOW);
    reach_tell(e->f, EU, AP, 0, NOW, NOW);
}

static void
test_what_is_known(void **state)
{
    struct world *w = fixture_world(env);
    struct edge_of_test e = begin(w);
    struct stamp other = { .journal = 6, .start = 1, .lsn = 1 }, later = { .journal = 5, .start = 3, .lsn = 1 };

    assert_false(has(&e, EU, 1, NOW) || has(&e, US, 1, NOW));
    tell(&e);
    assert_true(has(&e, EU, UINT64_C(1) << 47, NOW));
    assert_true(has(&e, US, 100, NOW));
    assert_false(has(&e, US, 101, NOW) || has(&e, AP, 1, NOW) || has(&e, AP, 0, NOW));
    assert_true(reach_has(e.f, EU, EU, &other, NOW));
    assert_false(reach_has(e.f, EU, US, &other, NOW) || reach_has(e.f, EU, US, &later, NOW));
    assert_true(has(&e, US, 100, NOW + REACH_LEASE_US - 1));
    assert_false(has(&e, US, 100, NOW + REACH_LEASE_US) || has(&e, EU, 1, NOW + REACH_LEASE_US));
    reach_begin(e.f, EU, 5, 2); /* nothing new */
    assert_true(has(&e, US, 100, NOW));
    reach_begin(e.f, EU, 5, 3);
    assert_false(has(&e, US, 100, NOW) || has(&e, EU, 1, NOW));
    end(&e);
    world_unref(w);
}

static void
test_between_edges(void **state)
{
    struct world *w = fixture_world(env);
    struct edge_of_test one = begin(w), two = begin(w);
    int64_t asked_us = NOW + 1000 * 1000; /* another clock */
    struct reach_view v;
    struct buf text = { 0 };

    tell(&one);
    reach_print(one.f, 1 << EU | 1 << US, NOW, &text);
    assert_true(str_eq(buf_str(&text), STR("1 eu 0000000000000005 2 eu=18446744073709551615@6 us=100@8\n")));
    assert_true(reach_take(two.f, 1 << EU, buf_str(&text), asked_us));
    assert_true(has(&two, EU, 1, asked_us) && has(&two, US, 100, asked_us));
    assert_false(has(&two, US, 101, asked_us) || has(&two, AP, 1, asked_us));
    reach_look(two.f, EU, US, asked_us, &v);
    assert_true(v.as_of_us == asked_us - 8000 && v.until_us == asked_us + REACH_LEASE_US && v.start == 2);
    buf_fini(&text);
    end(&one);
    end(&two);
    world_unref(w);
}

/* An edge speaks of the homes that it journals for. */
static void
test_of_others_homes(void **state)
{
    struct world *w = fixture_world(env);
    struct edge_of_test e = begin(w);

    assert_true(
        reach_take(e.f, 1 << US, STR("1 eu 0000000000000005 2 us=100@0\n1 xx 0000000000000005 2 us=1@0\n"), NOW));
    assert_false(has(&e, US, 1, NOW));
    assert_true(reach_take(e.f, 1 << EU, STR("1 eu 0000000000000005 2 xx=100@0 us=7@0"), NOW));
    assert_true(has(&e, US, 7, NOW));
    end(&e);
    world_unref(w);
}

static void
test_what_is_not_read(void **state)
{
    static const char *const texts[] = { "all shards are ready", "2 eu 0000000000000005 2 us=100@0",
        "1 eu 000000000000000 2 us=100@0", "1 eu 000000000000000g 2 us=100@0", "1 eu 00000000000000005 2 us=1@0",
        "1 eu 0000000000000005 -2 us=100@0", "1 eu 0000000000000005 4294967296 us=1@0", "1 eu 0000000000000005 2 us",
        "1 eu 0000000000000005 2 us=100", "1 eu 0000000000000005 2 us=x@0", "1 eu 0000000000000005 2 us=1@x",
        "1 eu 0000000000000005 2 us=1@18446744073709551615", "1 eu 0000000000000005 2  us=1@0", "\n" };
    struct world *w = fixture_world(env);

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct edge_of_test e = begin(w);

        if (reach_take(e.f, UINT64_MAX, str_from(texts[i]), NOW) || has(&e, US, 1, NOW))
            fail_msg("taken: %s", texts[i]);
        end(&e);
    }
    world_unref(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known),
        cmocka_unit_test(test_between_edges),
        cmocka_unit_test(test_of_others_homes),
        cmocka_unit_test(test_what_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
