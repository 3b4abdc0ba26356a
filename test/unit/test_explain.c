/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

/* Golden: test/golden/explain_NAME.txt and .json. `test_explain --update` writes them anew; read the difference then. */

static bool update;

struct golden_case {
    const char *name, *peer, *fields, *request, *views;
};

static const char *env[] = {
    "SEXTANT_CLUSTERS=eu http://e1:1,http://e2:1 at=aws:eu-central-1; us http://u:1 at=aws:us-east-1; ap http://a:1 "
    "at=aws:ap-northeast-1",
    "SEXTANT_PARTITION_MAP=users europe=eu north-america=us residency=strict; catalog *=eu,us,ap copies=external; docs "
    "*=us",
    "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8",
    "SEXTANT_TRUSTED_CALLERS=192.0.2.0/24",
    "SEXTANT_OVERRIDES=198.51.100.0/24=DE,203.0.113.0/24=JP",
    "SEXTANT_LOCAL_CLUSTER=eu",
    NULL,
};

/* Copies of which one lacks data. */
static const char *fanout_env[] = {
    "SEXTANT_CLUSTERS=eu http://e:1 at=aws:eu-central-1; us http://u:1 at=aws:us-east-1; ap http://a:1 at=35.7,139.7",
    "SEXTANT_PARTITION_MAP=* *=eu,us,ap fanout=async",
    "SEXTANT_API_KEY=never-to-be-seen-in-an-explanation",
    "SEXTANT_JOURNAL_DIR=/tmp",
    "SEXTANT_OWNS=eu",
    NULL,
};

/* The same with keys. */
static const char *keyed_env[] = {
    "SEXTANT_CLUSTERS=eu http://e:1 at=aws:eu-central-1; us http://u:1 at=aws:us-east-1; ap http://a:1 at=35.7,139.7",
    "SEXTANT_PARTITION_MAP=* *=eu,us,ap copies=external",
    "SEXTANT_API_KEY=never-to-be-seen-in-an-explanation",
    "SEXTANT_CLUSTER_EU_API_KEY=never-to-be-seen-either",
    "SEXTANT_CLUSTER_US_API_KEY=never-to-be-seen-either",
    "SEXTANT_CLUSTER_US_JWT_RBAC=on",
    NULL,
};

#define UP "eu=2.5 us=80 ap=210"

static const struct golden_case cases[] = {
    { "read", "10.0.0.1", "x-forwarded-for: 198.51.100.7", "POST /collections/catalog/points/scroll", UP },
    { "failover", "198.51.100.7", "", "POST /collections/catalog/points/scroll", "eu=2.5! us=80 ap=210" },
    { "drained", "198.51.100.7", "", "POST /collections/catalog/points/scroll", "eu=2.5~ us=80 ap=210" },
    { "drained_only", "198.51.100.7", "", "GET /collections/users", "eu=2.5~ us=80 ap=210" },
    { "all_down", "198.51.100.7", "", "GET /collections/users", "eu=2.5! us=80 ap=210" },
    { "write", "203.0.113.5", "", "PUT /collections/catalog/points", "eu=200 us=80 ap=2" },
    { "trusted", "192.0.2.1", "x-sextant-place: US|x-sextant-cluster: us|x-forwarded-for: 198.51.100.7",
        "GET /collections/users", UP },
    { "place_refused", "203.0.113.5", "", "GET /collections/users", UP },
    { "unplaced", "8.8.8.8", "", "GET /collections/users", UP },
    { "schema", "203.0.113.5", "", "PUT /collections/users", UP },
    { "lists", "198.51.100.7", "", "GET /collections", UP },
    { "snapshot", "198.51.100.7", "", "POST /collections/users/snapshots", UP },
    { "edge", "203.0.113.5", "", "GET /telemetry", UP },
    { "absent", "203.0.113.5", "", "GET /collections/other/exists", UP },
    { "root", "203.0.113.5", "", "GET /", UP },
    { "not_mapped", "203.0.113.5", "", "PUT /collections/other", UP },
};

static const struct golden_case keyed_cases[] = {
    { "keys_read", "203.0.113.5", "", "GET /collections/c", UP },
    { "keys_write", "203.0.113.5", "", "PUT /collections/c/points", UP },
    { "keys_open", "203.0.113.5", "", "GET /healthz", UP },
};

static const struct golden_case fanout_cases[] = {
    { "incomplete", "203.0.113.5", "", "GET /collections/c/points/1", "eu=80 us=2.5?eu ap=210~" },
    { "incomplete_only", "203.0.113.5", "", "GET /collections/c/points/1", "eu=80?eu us=2.5?eu ap=210?eu" },
};

static void
add_fields(struct message *m, const char *text)
{
    struct str rest = str_from(text), line, name, value;

    while (rest.len) {
        str_cut(rest, '|', &line, &rest);
        str_cut(line, ':', &name, &value);
        message_add(m, name, str_trim(value));
    }
}

static void
read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    char piece[4096];
    size_t n;

    if (!file)
        fail_msg("%s is missing", path);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_append(out, piece, n);
    fclose(file);
}

static void
compare(const char *name, const char *suffix, const struct buf *got)
{
    struct buf expected = { 0 };
    char path[128];

    snprintf(path, sizeof(path), "test/golden/explain_%s.%s", name, suffix);
    if (update) {
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(got->data + got->start, 1, buf_len(got), file), buf_len(got));
        fclose(file);
    }
    read_file(path, &expected);
    if (!str_eq(buf_str(&expected), buf_str(got)))
        fail_msg("%s: expected\n" STR_FMT "got\n" STR_FMT, path, STR_ARG(buf_str(&expected)), STR_ARG(buf_str(got)));
    buf_fini(&expected);
}

/* JSON must be JSON before it is compared. */
static void
check_json(const struct buf *text)
{
    struct json_doc *doc = json_parse(buf_str(text), NULL, NULL);
    struct str key;

    assert_non_null(doc);
    assert_false(json_has_duplicate_key(json_root(doc), &key));
    json_free(doc);
}

static void
explain(const struct world *w, const struct golden_case *c)
{
    struct arena arena = { 0 };
    struct cluster_view views[CLUSTERS_MAX];
    struct name_list no_names = { 0 };
    struct buf text = { 0 }, json = { 0 };
    struct json_writer writer = json_writer(&json);
    struct message m;
    struct addr peer;
    struct caller caller;
    struct operation op;
    struct plan plan;
    struct str error;

    fixture_views(w, str_from(c->views), views);
    views[0].rtt_ms = 2.4;
    views[1].distance_km = 6500.4;
    message_init(&m, &arena);
    add_fields(&m, c->fields);
    assert_true(addr_parse(str_from(c->peer), &peer));
    assert_int_equal(caller_resolve(w, &peer, false, &m, &caller, &error), FAIL_NONE);
    fixture_operation(str_from(c->request), &arena, &op);
    plan_build(w, &caller, &op, &no_names, views, &arena, &plan);
    plan_explain_text(w, &caller, &op, views, &plan, &text);
    plan_explain_json(w, &caller, &op, views, &plan, &writer);
    check_json(&json);
    buf_putc(&json, '\n');
    compare(c->name, "txt", &text);
    compare(c->name, "json", &json);
    buf_fini(&text);
    buf_fini(&json);
    arena_fini(&arena);
}

static void
test_plans_are_explained_as_in_the_golden_files(void **state)
{
    struct world *w = fixture_world(env);

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        explain(w, &cases[i]);
    world_unref(w);
    w = fixture_world(keyed_env);
    for (size_t i = 0; i < sizeof(keyed_cases) / sizeof(*keyed_cases); i++)
        explain(w, &keyed_cases[i]);
    world_unref(w);
    w = fixture_world(fanout_env);
    for (size_t i = 0; i < sizeof(fanout_cases) / sizeof(*fanout_cases); i++)
        explain(w, &fanout_cases[i]);
    world_unref(w);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_are_explained_as_in_the_golden_files),
    };

    update = argc > 1 && strcmp(argv[1], "--update") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
