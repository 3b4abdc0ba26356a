/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_files.h"

#include "conf/option_table.h"
#include "proxy/base/json.h"

#define TWO "SEXTANT_CLUSTERS=eu-west http://a at=DE; us http://b at=US"

static void
load(struct fixture *f, const char *const *env)
{
    fixture_conf(f, env);
    f->topology = topology_parse(f->conf, &f->arena, &f->issues);
}

static void
test_options_reach_their_cluster(void **state)
{
    const char *env[] = { TWO, "SEXTANT_CLUSTER_EU_WEST_API_KEY= k1 ", "SEXTANT_CLUSTER_US_JWT_RBAC=on", NULL };
    struct fixture f;

    load(&f, env);
    fixture_says(&f, "");
    assert_str_equal(f.topology->clusters[0].options.api_key, "k1");
    assert_false(f.topology->clusters[0].options.jwt_rbac);
    assert_str_equal(f.topology->clusters[1].options.api_key, "");
    assert_true(f.topology->clusters[1].options.jwt_rbac);
    fixture_fini(&f);
}

static void
test_a_key_in_a_file(void **state)
{
    struct arena a = { 0 };
    struct str path = arena_printf(&a, "SEXTANT_CLUSTER_US_API_KEY_FILE=%s", write_file("value", "from-a-file\n", 12));
    const char *env[] = { TWO, path.p, NULL };
    struct fixture f;

    load(&f, env);
    fixture_says(&f, "");
    assert_str_equal(f.topology->clusters[1].options.api_key, "from-a-file");
    assert_int_equal(f.conf->n_files, 1); /* watched, so that it can be changed */
    fixture_fini(&f);
    arena_fini(&a);
}

static void
test_in_an_env_file(void **state)
{
    struct arena a = { 0 };
    const char *text = "SEXTANT_CLUSTER_US_API_KEY='of the file'\nexport SEXTANT_CLUSTER_EU_WEST_API_KEY=\"too\"\n";
    struct str path = arena_printf(&a, "SEXTANT_ENV_FILE=%s", write_file("env", text, strlen(text)));
    const char *env[] = { TWO, path.p, "SEXTANT_CLUSTER_US_API_KEY=of the environment", NULL };
    struct fixture f;

    load(&f, env);
    fixture_says(&f, "");
    assert_str_equal(f.topology->clusters[0].options.api_key, "too");
    assert_str_equal(f.topology->clusters[1].options.api_key, "of the environment"); /* it wins */
    fixture_fini(&f);
    arena_fini(&a);
}

static const struct {
    const char *env[5];
    const char *expected;
} mistakes[] = {
    { { TWO, "SEXTANT_CLUSTER_EU_API_KEY=k" },
        "SEXTANT_CLUSTER_EU_API_KEY:1:1: error: no cluster has a name that is EU in capitals\n" },
    { { TWO, "SEXTANT_CLUSTER_EU_WETS_API_KEY=k" },
        "SEXTANT_CLUSTER_EU_WETS_API_KEY:1:1: error: no cluster has a name that is EU_WETS in capitals; did you mean "
        "EU_WEST?\n" },
    { { TWO, "SEXTANT_CLUSTER_us_API_KEY=k" },
        "SEXTANT_CLUSTER_us_API_KEY:1:1: error: no cluster has a name that is us in capitals; did you mean US?\n" },
    { { TWO, "SEXTANT_CLUSTER__API_KEY=k" },
        "SEXTANT_CLUSTER__API_KEY:1:1: error: no cluster has a name that is  in capitals\n" },
    { { "SEXTANT_CLUSTERS=a-b http://a at=DE; a_b http://b at=US", "SEXTANT_CLUSTER_A_B_API_KEY=k" },
        "SEXTANT_CLUSTER_A_B_API_KEY:1:1: error: clusters a-b and a_b would both take this variable: rename one\n" },
    { { "SEXTANT_CLUSTERS=a-b http://a at=DE; a_b http://b at=US" }, "" },
    { { TWO, "SEXTANT_CLUSTER_US_JWT_RBAC=perhaps" },
        "SEXTANT_CLUSTER_US_JWT_RBAC:1:1: error: expected on or off, not \"perhaps\"\n" },
    { { TWO, "SEXTANT_CLUSTER_US_API_KEY=k", "SEXTANT_CLUSTER_US_API_KEY_FILE=/k" },
        "SEXTANT_CLUSTER_US_API_KEY_FILE: error: SEXTANT_CLUSTER_US_API_KEY and SEXTANT_CLUSTER_US_API_KEY_FILE are "
        "both set: use one\n" },
    { { TWO, "SEXTANT_CLUSTER_US_API_KEY_FILE=/nonexistent/k" },
        "SEXTANT_CLUSTER_US_API_KEY_FILE:1:1: error: cannot read /nonexistent/k: No such file or directory\n" },
};

static void
test_mistakes(void **state)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        struct fixture f;

        load(&f, mistakes[i].env);
        fixture_says(&f, mistakes[i].expected);
        fixture_fini(&f);
    }
}

static void
test_an_unknown_option_lists_the_known(void **state)
{
    const char *env[] = { TWO, "SEXTANT_CLUSTER_US_PASSWORD=hunter2", NULL };
    struct fixture f;
    struct buf out = { 0 };

    load(&f, env);
    conf_issues_print(&f.issues, &out);
    assert_int_equal(f.issues.n_errors, 1);
    assert_true(str_starts(buf_str(&out), STR("SEXTANT_CLUSTER_US_PASSWORD: error: unknown variable ")));
    for (unsigned i = 0; i < n_cluster_options; i++) {
        struct str name = cluster_option_env_name(&f.arena, STR("<NAME>"), cluster_option_table[i].name);

        assert_non_null(memmem(buf_str(&out).p, buf_len(&out), name.p, name.len));
    }
    assert_null(memmem(buf_str(&out).p, buf_len(&out), "hunter2", 7));
    buf_fini(&out);
    fixture_fini(&f);
}

static void
test_printed_but_for_secrets(void **state)
{
    const char *env[] = { TWO, "SEXTANT_CLUSTER_EU_WEST_API_KEY=hunter2", "SEXTANT_CLUSTER_US_JWT_RBAC=yes", NULL };
    struct buf lines = { 0 }, json = { 0 };
    struct json_doc *doc;
    struct fixture f;

    load(&f, env);
    conf_print_env(f.conf, &lines);
    conf_print_json(f.conf, &json);
    assert_null(memmem(buf_str(&lines).p, buf_len(&lines), "hunter2", 7));
    assert_null(memmem(buf_str(&json).p, buf_len(&json), "hunter2", 7));
    assert_non_null(memmem(buf_str(&lines).p, buf_len(&lines), "SEXTANT_CLUSTER_US_JWT_RBAC=\"yes\"\n", 34));
    assert_non_null(memmem(buf_str(&lines).p, buf_len(&lines), "# SEXTANT_CLUSTER_EU_WEST_API_KEY is set", 40));
    doc = json_parse(buf_str(&json), NULL, NULL);
    assert_str_equal(
        json_string(json_get(json_get(json_root(doc), "SEXTANT_CLUSTER_EU_WEST_API_KEY"), "value")), "(secret)");
    json_free(doc);
    buf_fini(&lines);
    buf_fini(&json);
    fixture_fini(&f);
}

/* Else a variable could be split into cluster and option in two ways. */
static void
test_no_option_ends_like_another(void **state)
{
    struct arena a = { 0 };

    for (unsigned i = 0; i < n_cluster_options; i++) {
        const struct option *o = &cluster_option_table[i];

        assert_true(o->flags & OPTION_RELOAD);
        for (unsigned j = 0; j < n_cluster_options * 2; j++) {
            struct str tail = arena_printf(&a, "_%s%s", cluster_option_table[j / 2].name, j & 1 ? "_file" : "");

            assert_false(str_ends(str_from(o->name), tail));
        }
    }
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_reach_their_cluster),
        cmocka_unit_test(test_a_key_in_a_file),
        cmocka_unit_test(test_in_an_env_file),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_an_unknown_option_lists_the_known),
        cmocka_unit_test(test_printed_but_for_secrets),
        cmocka_unit_test(test_no_option_ends_like_another),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
