/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "proxy/base/clock.h"
#include "proxy/upstream/learned.h"

#define NOW_S 1700000000LL

static struct registry *registry;
static struct world *world;

static unsigned
resolve(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static int
set_up(void **state)
{
    char clusters[] = "SEXTANT_CLUSTERS=eu http://127.0.0.1:1 at=DE\nus http://127.0.0.1:2 at=US bias=50";
    char map[] = "SEXTANT_PARTITION_MAP=* *=eu", region[] = "SEXTANT_REGION=DE";
    char *environ[] = { clusters, map, region, NULL };
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };

    world = world_load(environ, 1, &issues);
    arena_fini(&arena);
    registry = registry_new();
    return world ? 0 : -1;
}

static int
tear_down(void **state)
{
    registry_free(registry);
    world_unref(world);
    return 0;
}

static const struct {
    const char *text; /* %lld: now */
    bool is_good;
    double eu, us; /* cost before bias; 0: as distance says */
} rows[] = {
    { "sextant-rtt 1\n", true, 0, 0 },
    { "sextant-rtt 1\neu 3.5 1700000000\nus 80 1700000000\n", true, 3.5, 80 },
    { "sextant-rtt 1\neu 3.5 1699956800\n", true, 2.25, 0 }, /* half a day: half way to the seed of 1 ms */
    { "sextant-rtt 1\neu 3.5 1699913600\n", true, 0, 0 },    /* a day */
    { "sextant-rtt 1\neu 3.5 1700000001\n", true, 0, 0 },    /* of tomorrow: the clock was set */
    { "sextant-rtt 1\nother 3.5 1700000000\n", true, 0, 0 },
    { "sextant-rtt 2\neu 3.5 1700000000\n", false, 0, 0 },
    { "sextant-rtt 1\neu 3.5 1700000000\nus 80", false, 0, 0 },
    { "sextant-rtt 1\neu 3.5 1700000000\nus -1 1700000000\n", false, 0, 0 },
    { "sextant-rtt 1\neu 3.5 1700000000\nus 1e9 1700000000\n", false, 0, 0 },
    { "sextant-rtt 1\neu 3.5 99999999999999999\n", false, 0, 0 },
    { "sextant-rtt 1\neu 3.5\n", false, 0, 0 },
    { "", false, 0, 0 },
};

static void
test_apply(void **state)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct registry *fresh = registry_new();
        struct fleet *f = fleet_build(fresh, world, resolve, NULL);
        double eu = f->clusters[0].cluster->rank.published_ms, us = f->clusters[1].cluster->rank.published_ms;

        assert_float_equal(eu, 1, 1e-6);
        assert_int_equal(learned_apply(f, str_from(rows[i].text), NOW_S * USEC_PER_SEC), rows[i].is_good);
        eu = rows[i].eu > 0 ? rows[i].eu : eu;
        us = rows[i].us > 0 ? rows[i].us : us;
        assert_float_equal(f->clusters[0].cluster->rank.published_ms, eu, 1e-6);
        assert_float_equal(f->clusters[1].cluster->rank.published_ms, us, 1e-6);
        assert_float_equal(atomic_load(&f->clusters[1].cluster->shared.cost_ms), us / 2, 1e-6);
        assert_float_equal(f->clusters[0].cluster->rank.rtt_ms, -1, 1e-6);
        fleet_unref(f);
        registry_free(fresh);
    }
}

/* What is printed can be read; clusters that were not measured are left out. */
static void
test_print(void **state)
{
    struct fleet *f = fleet_build(registry, world, resolve, NULL);
    struct buf text = { 0 };

    rank_sample(&f->clusters[1].cluster->rank, 81.25, 5);
    learned_print(f, NOW_S * USEC_PER_SEC, &text);
    assert_true(str_eq(buf_str(&text), STR("sextant-rtt 1\nus 81.250 1700000000\n")));
    assert_true(learned_apply(f, buf_str(&text), NOW_S * USEC_PER_SEC));
    buf_fini(&text);
    fleet_unref(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
