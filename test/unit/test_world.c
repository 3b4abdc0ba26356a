/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#define EU "SEXTANT_CLUSTERS=eu http://e:1 at=DE"

static bool
contains(const struct buf *b, const char *needle)
{
    return memmem(b->data + b->start, buf_len(b), needle, strlen(needle)) != NULL;
}

static void
test_a_world_has_all_its_parts(void **state)
{
    const char *env[] = { EU, "SEXTANT_DEFAULT_PLACE=aws:eu-central-1", "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8",
        "SEXTANT_OVERRIDES=192.0.2.0/24=FR", "SEXTANT_LISTEN=127.0.0.1:1,[::1]:2/proxy",
        "SEXTANT_ADMIN_LISTEN=", NULL };
    struct world *w = fixture_world(env);

    assert_int_equal(w->generation, 1);
    assert_int_equal(w->topology->n_clusters, 1);
    assert_int_equal(w->map->n_rules, 1);
    assert_int_equal(w->trust->proxies.n, 1);
    assert_int_equal(w->overrides->n, 1);
    assert_true(w->has_default_place);
    assert_string_equal(w->default_place.country, "DE");
    assert_int_equal(w->default_place.source, PLACE_DEFAULT);
    assert_null(w->geo);
    world_unref(w);
}

static void
test_the_last_reference_frees(void **state)
{
    const char *env[] = { EU, NULL };
    struct world *w = fixture_world(env);

    assert_ptr_equal(world_ref(w), w);
    world_unref(w);
    assert_int_equal(w->topology->n_clusters, 1);
    world_unref(w); /* the leak checker sees what is left */
    world_unref(NULL);
}

static void
test_all_mistakes_are_told_at_once(void **state)
{
    const char *env[] = { "SEXTANT_CLUSTERS=eu nonsense at=DE", "SEXTANT_DEFAULT_PLACE=Germany",
        "SEXTANT_LISTEN=nowhere:x", "SEXTANT_GEO_DB=/nonexistent/a.mmdb, /nonexistent/b.mmdb",
        "SEXTANT_TRUSTED_PROXIES=10.0.0.0/99", "SEXTANT_OVERRIDES=192.0.2.0/24=Nowhere", NULL };
    static const char *const sources[] = { "SEXTANT_CLUSTERS:1:", "SEXTANT_DEFAULT_PLACE:1:1: error",
        "SEXTANT_LISTEN:1:", "SEXTANT_GEO_DB:1:1: error: ", "SEXTANT_TRUSTED_PROXIES:1:", "SEXTANT_OVERRIDES:1:" };
    struct buf issues = { 0 };

    assert_null(fixture_load(env, &issues));
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        if (!contains(&issues, sources[i]))
            fail_msg("%s is not in:\n" STR_FMT, sources[i], STR_ARG(buf_str(&issues)));
    }
    buf_fini(&issues);
}

static void
test_lines_of_the_map_are_bounded(void **state)
{
    struct buf map = { 0 }, issues = { 0 };
    const char *env[] = { EU, NULL, NULL };
    struct world *w;

    buf_printf(&map, "SEXTANT_PARTITION_MAP=");
    for (int i = 0; i < RULES_MAX; i++)
        buf_printf(&map, "c%d *=eu\n", i);
    env[1] = (buf_putc(&map, '\0'), map.data);
    w = fixture_world(env);
    assert_int_equal(w->map->n_rules, RULES_MAX);
    world_unref(w);
    buf_truncate(&map, buf_len(&map) - 1);
    buf_printf(&map, "* *=eu");
    env[1] = (buf_putc(&map, '\0'), map.data);
    assert_null(fixture_load(env, &issues));
    assert_true(contains(&issues, "SEXTANT_PARTITION_MAP:257:1: error: "));
    buf_fini(&map);
    buf_fini(&issues);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_world_has_all_its_parts),
        cmocka_unit_test(test_the_last_reference_frees),
        cmocka_unit_test(test_all_mistakes_are_told_at_once),
        cmocka_unit_test(test_lines_of_the_map_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
