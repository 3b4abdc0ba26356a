/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_files.h"

#include "conf/option_table.h"
#include "conf/read_file.h"
#include "proxy/base/json.h"

static void
print_and_load(const struct conf *conf, struct fixture *ret_f)
{
    struct arena a = { 0 };
    struct buf out = { 0 };
    const char *env[2] = { NULL, NULL };

    conf_print_env(conf, &out);
    env[0] = arena_printf(&a, "SEXTANT_ENV_FILE=%s", write_file("env", buf_str(&out).p, buf_len(&out))).p;
    fixture_conf(ret_f, env);
    buf_fini(&out);
    arena_fini(&a);
}

static void
test_what_is_printed_loads_the_same(void **state)
{
    static const char *const envs[][8] = {
        { NULL },
        { "SEXTANT_CLUSTERS=\n  eu http://a at=DE # \"quoted\" 'too' \\ and \\\"\n\n us http://b at=US;\n\n",
            "SEXTANT_PARTITION_MAP=* europe=eu *=us\r\n", "SEXTANT_WORKERS=7", "SEXTANT_PROBE_INTERVAL=90s",
            "SEXTANT_RETRY_PERCENT=33.3", "SEXTANT_ADMIN_LISTEN=" },
        { "SEXTANT_OVERRIDES=10.0.0.0/8=DE # x\n\n10.1.0.0/16=50.1,8.7", "SEXTANT_PLACE_SPECIAL=yes",
            "SEXTANT_BODY_LIMIT=1TiB", "SEXTANT_RAMP_UP=0", "SEXTANT_STATE_DIR=/var/lib/a b \\n \"c\" #d" },
    };

    for (size_t i = 0; i < sizeof(envs) / sizeof(*envs); i++) {
        struct fixture a, b;
        struct buf first = { 0 }, second = { 0 };

        fixture_conf(&a, envs[i]);
        fixture_says(&a, "");
        print_and_load(a.conf, &b);
        fixture_says(&b, "");
        conf_print_env(a.conf, &first);
        conf_print_env(b.conf, &second);
        assert_true(str_eq(buf_str(&first), buf_str(&second)));
        assert_true(str_eq(a.conf->clusters, b.conf->clusters));
        assert_true(str_eq(a.conf->overrides, b.conf->overrides));
        assert_true(str_eq(a.conf->state_dir, b.conf->state_dir));
        assert_true(str_eq(a.conf->admin_listen, b.conf->admin_listen));
        assert_int_equal(a.conf->probe_interval, b.conf->probe_interval);
        assert_true(a.conf->retry_percent == b.conf->retry_percent);
        assert_int_equal(a.conf->place_special, b.conf->place_special);
        buf_fini(&first);
        buf_fini(&second);
        fixture_fini(&a);
        fixture_fini(&b);
    }
}

static void
test_json(void **state)
{
    const char *env[] = { "SEXTANT_WORKERS=7", "SEXTANT_CLUSTERS=a \"b\"\n", NULL };
    struct buf out = { 0 };
    struct json_doc *doc;
    struct json workers, listen;
    struct fixture f;

    fixture_conf(&f, env);
    conf_print_json(f.conf, &out);
    doc = json_parse(buf_str(&out), NULL, NULL);
    assert_non_null(doc);
    workers = json_get(json_root(doc), "SEXTANT_WORKERS");
    listen = json_get(json_root(doc), "SEXTANT_LISTEN");
    assert_str_equal(json_string(json_get(workers, "value")), "7");
    assert_str_equal(json_string(json_get(workers, "default")), "0");
    assert_str_equal(json_string(json_get(workers, "source")), "SEXTANT_WORKERS");
    assert_false(json_bool(json_get(workers, "reload"), true));
    assert_str_equal(json_string(json_get(listen, "value")), "0.0.0.0:6333");
    assert_str_equal(json_string(json_get(listen, "source")), "default");
    assert_str_equal(json_string(json_get(json_get(json_root(doc), "SEXTANT_CLUSTERS"), "value")), "a \"b\"");
    assert_true(json_bool(json_get(json_get(json_root(doc), "SEXTANT_CLUSTERS"), "reload"), false));
    json_free(doc);
    buf_fini(&out);
    fixture_fini(&f);
}

static void
test_what_needs_a_restart(void **state)
{
    const char *before[] = { "SEXTANT_WORKERS=1", "SEXTANT_LISTEN=:1", "SEXTANT_RETRY_MIN=1", NULL };
    const char *after[] = { "SEXTANT_WORKERS=2", "SEXTANT_LISTEN=:2", "SEXTANT_RETRY_MIN=2", "SEXTANT_JOURNAL_DIR=/j",
        NULL };
    struct buf out = { 0 };
    struct fixture a, b;

    fixture_conf(&a, before);
    fixture_conf(&b, after);
    conf_print_restart_needed(a.conf, a.conf, true, &out);
    assert_int_equal(buf_len(&out), 0);
    conf_print_restart_needed(a.conf, b.conf, false, &out);
    assert_str_equal(buf_str(&out), "SEXTANT_LISTEN, SEXTANT_WORKERS");
    buf_clear(&out);
    conf_print_restart_needed(a.conf, b.conf, true, &out);
    assert_str_equal(buf_str(&out), "SEXTANT_LISTEN, SEXTANT_WORKERS, SEXTANT_JOURNAL_DIR");
    buf_fini(&out);
    fixture_fini(&a);
    fixture_fini(&b);
}

static void
test_help_names_every_option(void **state)
{
    struct arena a = { 0 };
    struct buf out = { 0 };

    conf_print_help(&out);
    for (unsigned i = 0; i < conf_n_options; i++) {
        struct str line;

        if (!conf_options[i].name)
            continue;
        line = arena_printf(&a, "\n  " STR_FMT "  (", STR_ARG(option_env_name(&a, conf_options[i].name)));
        assert_non_null(memmem(buf_str(&out).p, buf_len(&out), line.p, line.len));
        assert_non_null(memmem(buf_str(&out).p, buf_len(&out), conf_options[i].help, strlen(conf_options[i].help)));
    }
    buf_fini(&out);
    arena_fini(&a);
}

/* When this fails: make options. */
static void
test_the_committed_page_is_current(void **state)
{
    struct arena a = { 0 };
    struct buf out = { 0 };
    struct str page = STR_NONE;

    assert_null(read_file(STR("conf/OPTIONS.md"), 1 << 20, &a, &page));
    conf_print_markdown(&out);
    assert_true(str_eq(page, buf_str(&out)));
    buf_fini(&out);
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_printed_loads_the_same),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_what_needs_a_restart),
        cmocka_unit_test(test_help_names_every_option),
        cmocka_unit_test(test_the_committed_page_is_current),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
