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

static bool
lacks(const struct edge_of_test *e, unsigned home, unsigned cluster)
{
    struct cluster_view views[CLUSTERS_MAX];
    bool is_so = reach_lacks(e->f, home, cluster);

    fleet_views(e->f, views);
    assert_int_equal(views[cluster].lacks >> home & 1, is_so);
    return is_so;
}

/* It does not lapse, and is taken back by the opposite alone: not by another start of the journal, nor by another journal. */
static void
test_who_lacks_data(void **state)
{
    struct world *w = fixture_world(env);
    struct edge_of_test e = begin(w);

    assert_false(lacks(&e, EU, US) || lacks(&e, US, US));
    assert_true(reach_tell_lack(e.f, EU, US, true) && !reach_tell_lack(e.f, EU, US, true));
    assert_true(reach_tell_lack(e.f, US, US, true));
    assert_true(
        lacks(&e, EU, US) && lacks(&e, US, US) && !lacks(&e, EU, EU) && !lacks(&e, AP, US) && !lacks(&e, EU, AP));
    tell(&e);
    reach_begin(e.f, EU, 6, 3);
    assert_true(lacks(&e, EU, US) && !has(&e, US, 1, NOW + 10 * REACH_LEASE_US));
    assert_true(reach_tell_lack(e.f, EU, US, false) && !reach_tell_lack(e.f, EU, US, false));
    assert_true(!lacks(&e, EU, US) && lacks(&e, US, US));
    end(&e);
    world_unref(w);
}

/* A line says it of all clusters. An edge that knows nothing of it reads the rest, and one that is not told anything of it takes nobody
 * for incomplete. */
static void
test_lacks_between_edges(void **state)
{
    struct world *w = fixture_world(env);
    struct edge_of_test one = begin(w), two = begin(w);
    struct buf text = { 0 };

    tell(&one);
    reach_tell_lack(one.f, EU, AP, true);
    reach_tell_lack(one.f, EU, EU, true);
    reach_print(one.f, 1 << EU, NOW, &text);
    assert_true(
        str_eq(buf_str(&text), STR("1 eu 0000000000000005 2 eu=18446744073709551615@6 !eu=0@0 us=100@8 !ap=0@0\n")));
    reach_tell_lack(two.f, EU, US, true);
    reach_tell_lack(two.f, US, AP, true);
    assert_true(reach_take(two.f, 1 << EU, buf_str(&text), NOW));
    assert_true(lacks(&two, EU, AP) && lacks(&two, EU, EU) && !lacks(&two, EU, US) && lacks(&two, US, AP));
    assert_true(has(&two, US, 100, NOW));
    assert_true(reach_take(two.f, 1 << US, buf_str(&text), NOW)); /* of another's home */
    assert_true(reach_take(two.f, 1 << EU, STR("1 eu 0000000000000005 2 !xx=0@0 !us=1@7\n"), NOW));
    assert_true(lacks(&two, EU, US) && !lacks(&two, EU, AP) && !lacks(&two, EU, EU));
    assert_false(reach_take(two.f, 1 << EU, STR("1 eu 0000000000000005 2 !ap=0@0 us"), NOW));
    assert_true(lacks(&two, EU, US) && !lacks(&two, EU, AP)); /* as it was told before */
    assert_true(reach_take(two.f, 1 << EU, STR("1 eu 0000000000000005 2 us=100@0"), NOW));
    assert_false(lacks(&two, EU, US) || lacks(&two, EU, AP));
    buf_fini(&text);
    end(&one);
    end(&two);
    world_unref(w);
}

#define FANOUT "SEXTANT_API_KEY=k", "SEXTANT_JOURNAL_DIR=/tmp", "SEXTANT_OWNS=eu"
#define FOUR "SEXTANT_CLUSTERS=eu http://10.0.0.1 at=DE; us http://a at=US; ap http://b at=JP; in http://c at=IN"

/* What the map makes a copy of a home that fanned out before is not read before it is known what it has. */
static void
test_what_is_expected_of_a_new_map(void **state)
{
    static const char *before[] = { FOUR, FANOUT,
        "SEXTANT_PARTITION_MAP=a *=eu,us fanout=all; * *=ap,in copies=external", NULL };
    static const char *after[] = { FOUR, FANOUT,
        "SEXTANT_PARTITION_MAP=a *=eu,us fanout=all; b *=eu,ap,us fanout=all; c *=us; * *=ap,in copies=external",
        NULL };
    struct world *old = fixture_world(before), *fresh = fixture_world(after);
    struct registry *registry = registry_new();
    struct fleet *was = fleet_build(registry, old, resolve_nothing, NULL);
    struct fleet *is = fleet_build(registry, fresh, resolve_nothing, NULL);
    unsigned n = 0;

    reach_expect(was, was);
    reach_expect(was, is);
    for (unsigned home = 0; home < is->n_clusters; home++) {
        for (unsigned cluster = 0; cluster < is->n_clusters; cluster++)
            n += reach_lacks(is, home, cluster);
    }
    assert_true(n == 1 && reach_lacks(is, 0, 2));
    fleet_unref(was);
    fleet_unref(is);
    registry_free(registry);
    world_unref(old);
    world_unref(fresh);
}

/* A slot passes on without what was said of the one before. */
static void
test_a_slot_is_given_again(void **state)
{
    static const char *other[] = {
        "SEXTANT_CLUSTERS=us http://10.1.0.1 at=US; ap http://10.2.0.1 at=JP; in http://10.3.0.1 at=IN",
        "SEXTANT_PARTITION_MAP=* *=us,ap,in copies=external", NULL
    };
    struct world *first = fixture_world(env), *second = fixture_world(other);
    struct registry *registry = registry_new();
    struct fleet *was = fleet_build(registry, first, resolve_nothing, NULL), *is;
    struct cluster *us = was->clusters[US].cluster, *ap = was->clusters[AP].cluster;

    reach_tell_lack(was, EU, US, true);
    reach_tell_lack(was, AP, US, true);
    cluster_ref(us);
    cluster_ref(ap);
    fleet_unref(was);
    is = fleet_build(registry, second, resolve_nothing, NULL);
    assert_int_equal(is->clusters[2].cluster->slot, 0);
    assert_true(reach_lacks(is, 1, 0));
    assert_false(reach_lacks(is, 2, 0));
    cluster_unref(us);
    cluster_unref(ap);
    fleet_unref(is);
    registry_free(registry);
    world_unref(first);
    world_unref(second);
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
        cmocka_unit_test(test_who_lacks_data),
        cmocka_unit_test(test_lacks_between_edges),
        cmocka_unit_test(test_what_is_expected_of_a_new_map),
        cmocka_unit_test(test_a_slot_is_given_again),
        cmocka_unit_test(test_of_others_homes),
        cmocka_unit_test(test_what_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
