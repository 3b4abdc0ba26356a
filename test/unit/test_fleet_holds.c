/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#include "proxy/route/hold_effect.h"
#include "proxy/upstream/fleet.h"

static const char *env[] = {
    "SEXTANT_CLUSTERS=eu http://10.0.0.1,http://10.0.0.2 at=aws:eu-central-1; us http://10.1.0.1 at=aws:us-east-1; ap "
    "http://qdrant.ap.example at=JP",
    "SEXTANT_PARTITION_MAP=users europe=eu *=us; shared *=eu,us,ap copies=external; docs *=us,eu copies=external "
    "write=nearest; rest *=ap",
    "SEXTANT_LOCAL_CLUSTER=eu",
    NULL,
};

struct world_of_holds {
    struct world *w;
    struct registry *registry;
    struct fleet *f;
    struct holds *holds;
    struct cluster_view views[CLUSTERS_MAX];
};

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static void
begin(struct world_of_holds *t)
{
    t->w = fixture_world(env);
    t->registry = registry_new();
    t->f = fleet_build(t->registry, t->w, resolve_nothing, NULL);
    t->holds = holds_new();
}

static void
end(struct world_of_holds *t)
{
    holds_free(t->holds);
    fleet_unref(t->f);
    registry_free(t->registry);
    world_unref(t->w);
}

/* One more order; the fleet stays the same, as that of a request that was planned before it does. */
static void
order(struct world_of_holds *t, enum hold_kind kind, const char *cluster, unsigned endpoint, const char *reason)
{
    struct hold h = { kind, str_from(cluster), endpoint, str_from(reason), STR_NONE, STR_NONE };
    struct holds *fresh = holds_change(t->holds, &h);

    holds_free(t->holds);
    t->holds = fresh;
    fleet_set_holds(t->f, t->holds);
    fleet_views(t->f, t->views);
}

static void
test_views_follow_orders(void **state)
{
    struct world_of_holds t;

    begin(&t);
    order(&t, HOLD_NONE, "eu", 0, "");
    assert_int_equal(t.views[0].hold, HOLD_NONE);
    assert_true(t.views[0].is_up);
    order(&t, HOLD_DRAIN, "eu", 1, "disk");
    assert_int_equal(t.views[0].hold, HOLD_NONE);
    assert_int_equal(t.views[0].held_endpoints, 1);
    assert_true(t.views[0].is_up);
    assert_true(cluster_holds(t.f->clusters[0].cluster, 1));
    assert_false(cluster_holds(t.f->clusters[0].cluster, 2));
    order(&t, HOLD_DOWN, "eu", 2, "fan");
    assert_int_equal(t.views[0].hold, HOLD_DRAIN);
    assert_false(t.views[0].is_up);
    order(&t, HOLD_DOWN, "eu", 1, "disk");
    assert_int_equal(t.views[0].hold, HOLD_DOWN);
    order(&t, HOLD_DRAIN, "eu", 0, "all of it");
    assert_true(str_eq(t.views[0].hold_reason, STR("all of it")));
    order(&t, HOLD_NONE, "eu", 1, "");
    order(&t, HOLD_NONE, "eu", 2, "");
    assert_int_equal(t.views[0].hold, HOLD_DRAIN);
    order(&t, HOLD_NONE, "eu", 0, "");
    assert_int_equal(t.views[0].hold, HOLD_NONE);
    assert_int_equal(t.views[0].held_endpoints, 0);
    assert_true(t.views[0].is_up);
    assert_int_equal(t.views[1].hold, HOLD_NONE);
    end(&t);
}

/* A host that has no address yet has no backend, and is held all the same. */
static void
test_what_is_not_resolved_is_held(void **state)
{
    struct world_of_holds t;

    begin(&t);
    order(&t, HOLD_DRAIN, "ap", 0, "");
    assert_int_equal(t.f->clusters[2].n_backends, 0);
    assert_int_equal(t.views[2].hold, HOLD_DRAIN);
    order(&t, HOLD_DRAIN, "gone", 0, "");
    order(&t, HOLD_DRAIN, "us", 7, "");
    assert_int_equal(t.views[1].hold, HOLD_NONE);
    end(&t);
}

static void
test_effects_are_told(void **state)
{
    static const struct {
        uint64_t held;
        unsigned cluster;
        const char *text;
    } cases[] = {
        { 1, 0,
            "line 1 (users): nothing serves partition europe now\n"
            "line 1 (users): schema changes are refused, as they need this cluster\n"
            "line 1 (shared): writes of partition * are refused, as this is their home\n"
            "line 1 (shared): schema changes are refused, as they need this cluster\n"
            "line 1 (docs): schema changes are refused, as they need this cluster\n"
            "operations that name no collection are refused, as this is SEXTANT_LOCAL_CLUSTER\n" },
        { 4, 2,
            "line 1 (shared): schema changes are refused, as they need this cluster\n"
            "line 1 (rest): nothing serves partition * now\n"
            "line 1 (rest): schema changes are refused, as they need this cluster\n" },
        { 7, 2,
            "line 1 (shared): nothing serves partition * now\n"
            "line 1 (shared): schema changes are refused, as they need this cluster\n"
            "line 1 (rest): nothing serves partition * now\n"
            "line 1 (rest): schema changes are refused, as they need this cluster\n" },
    };
    struct world *w = fixture_world(env);

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = { 0 };

        hold_effects(w, cases[i].held, cases[i].cluster, &out);
        if (!str_eq(buf_str(&out), str_from(cases[i].text)))
            fail_msg("case %u:\n" STR_FMT, i, STR_ARG(buf_str(&out)));
        buf_fini(&out);
    }
    world_unref(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_follow_orders),
        cmocka_unit_test(test_what_is_not_resolved_is_held),
        cmocka_unit_test(test_effects_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
