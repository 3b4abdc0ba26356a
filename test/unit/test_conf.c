/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_files.h"

#include "conf/env_file.h"
#include "conf/option_table.h"
#include "conf/read_file.h"

/* --- names ------------------------------------------------------------------------------------------------------- */

static void
test_names_of_kubernetes(void **state)
{
    static const char *const injected[] = { "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT",
        "PORT_6333_TCP", "PORT_6333_TCP_PROTO", "PORT_6333_TCP_PORT", "PORT_6333_TCP_ADDR", "PORT_53_UDP",
        "PORT_9_SCTP_ADDR", "ADMIN_SERVICE_HOST", "ADMIN_SERVICE_PORT", "ADMIN_PORT", "EU_WEST_PORT_6390_TCP_ADDR",
        "LISTEN_PORT" };
    static const char *const ours[] = { "", "LISTEN", "PORTS", "PORT_TCP", "PORT__TCP", "PORT_X_TCP", "PORT_1_TCPX",
        "PORT_1_TCP_X", "TCP_USER_TIMEOUT", "SERVICE", "SERVICE_HOSTS", "MYSERVICE_HOST", "SERVICE_PORTS",
        "XPORT_1_TCP", "PORT_" };

    for (unsigned i = 0; i < sizeof(injected) / sizeof(*injected); i++) {
        if (!conf_is_injected(str_from(injected[i])))
            fail_msg("%s is injected", injected[i]);
    }
    for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (conf_is_injected(str_from(ours[i])))
            fail_msg("%s is not injected", ours[i]);
    }
}

static void
test_no_option_is_named_like_those_of_kubernetes(void **state)
{
    struct arena a = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        struct str name;

        if (!conf_options[i].name)
            continue;
        name = str_skip(option_env_name(&a, conf_options[i].name), 8);
        assert_false(conf_is_injected(name));
        assert_false(conf_is_injected(arena_printf(&a, STR_FMT "_FILE", STR_ARG(name))));
        assert_false(str_ends(name, STR("_FILE")));
        assert_false(str_eq(name, STR("ENV")));
    }
    arena_fini(&a);
}

/* --- mistakes ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *env[5];
    const char *expected;
} mistakes[] = {
    { { NULL }, "" },
    { { "PATH=/bin", "SEXTANTX=1", "sextant_workers=2", "SEXTANT_WORKERS=2" }, "" },
    { { "SEXTANT_PORT=tcp://10.0.0.1:6333", "SEXTANT_SERVICE_HOST=10.0.0.1", "SEXTANT_ADMIN_PORT_6390_TCP=x" }, "" },
    { { "SEXTANT_WORKERS= 2 ", "SEXTANT_PROBE_INTERVAL=\t1s\n" }, "" },
    { { "SEXTANT_WORKERS=two" }, "SEXTANT_WORKERS:1:1: error: expected a whole number, not \"two\"\n" },
    { { "SEXTANT_WORKERS=" }, "SEXTANT_WORKERS:1:1: error: expected a whole number, not \"\"\n" },
    { { "SEXTANT_WORKERS=\n  two" }, "SEXTANT_WORKERS:2:3: error: expected a whole number, not \"two\"\n" },
    { { "SEXTANT_WORKERS=257" }, "SEXTANT_WORKERS:1:1: error: 257 is out of range: expected 0 to 256\n" },
    { { "SEXTANT_PROBE_INTERVAL=1ms" },
        "SEXTANT_PROBE_INTERVAL:1:1: error: 1ms is out of range: expected 10ms to 1h\n" },
    { { "SEXTANT_PROBE_INTERVAL=2" },
        "SEXTANT_PROBE_INTERVAL:1:1: error: expected a duration such as 250ms, 2s, 5min or 0, not \"2\"\n" },
    { { "SEXTANT_REPLAY_BYTES=1 mega" },
        "SEXTANT_REPLAY_BYTES:1:1: error: expected a size such as 64KiB, 1MiB or 1048576, not \"1 mega\"\n" },
    { { "SEXTANT_RETRY_PERCENT=lots" },
        "SEXTANT_RETRY_PERCENT:1:1: error: expected a percentage such as 20, not \"lots\"\n" },
    { { "SEXTANT_RESPONSE_HEADERS=maybe" },
        "SEXTANT_RESPONSE_HEADERS:1:1: error: expected on or off, not \"maybe\"\n" },
    { { "SEXTANT_WORKERS=\x1b[2J" }, "SEXTANT_WORKERS:1:1: error: expected a whole number, not \"\\x1b[2J\"\n" },
    { { "SEXTANT_WORKRS=2" },
        "SEXTANT_WORKRS: error: unknown variable SEXTANT_WORKRS; did you mean SEXTANT_WORKERS?\n" },
    { { "SEXTANT_listen=:1" },
        "SEXTANT_listen: error: unknown variable SEXTANT_listen; did you mean SEXTANT_LISTEN?\n" },
    { { "SEXTANT_PARTITIONS=*" }, "SEXTANT_PARTITIONS: error: unknown variable SEXTANT_PARTITIONS; did you "
                                  "mean SEXTANT_PARTITION_MAP?\n" },
    { { "SEXTANT_CLUSTER_FILE=/x" }, "SEXTANT_CLUSTER_FILE: error: unknown variable SEXTANT_CLUSTER_FILE; did "
                                     "you mean SEXTANT_CLUSTERS_FILE?\n" },
    { { "SEXTANT_WHATEVER=1" },
        "SEXTANT_WHATEVER: error: unknown variable SEXTANT_WHATEVER; sextant --help lists all\n" },
    { { "SEXTANT_=1" }, "SEXTANT_: error: unknown variable SEXTANT_; sextant --help lists all\n" },
    { { "SEXTANT_WORKERS=1", "SEXTANT_WORKERS_FILE=/x" },
        "SEXTANT_WORKERS_FILE: error: SEXTANT_WORKERS and SEXTANT_WORKERS_FILE are both set: use one\n" },
    { { "SEXTANT_WORKERS_FILE=/nonexistent/w" },
        "SEXTANT_WORKERS_FILE:1:1: error: cannot read /nonexistent/w: No such file or directory\n" },
    { { "SEXTANT_WORKERS_FILE=/" }, "SEXTANT_WORKERS_FILE:1:1: error: cannot read /: it is a directory\n" },
    { { "SEXTANT_WORKERS_FILE=/dev/null" },
        "SEXTANT_WORKERS_FILE:1:1: error: cannot read /dev/null: it is not a regular file\n" },
    { { "SEXTANT_WORKERS_FILE=" }, "SEXTANT_WORKERS_FILE:1:1: error: cannot read : that is no file name\n" },
    { { "SEXTANT_ENV_FILE=/nonexistent/e" },
        "SEXTANT_ENV_FILE:1:1: error: cannot read /nonexistent/e: No such file or directory\n" },
    { { "SEXTANT_PARTITION_MAP=/nonexistent/my map" },
        "SEXTANT_PARTITION_MAP:1:1: error: cannot read /nonexistent/my map: No such file or directory\n" },
    { { "SEXTANT_AREAS=./nonexistent" },
        "SEXTANT_AREAS:1:1: error: cannot read ./nonexistent: No such file or directory\n" },
    { { "SEXTANT_EJECT_BASE=10min" }, "SEXTANT_EJECT_BASE:1:1: error: SEXTANT_EJECT_BASE=10min is more than "
                                      "SEXTANT_EJECT_MAX=5min: the shortest time "
                                      "out is longer than the longest\n" },
    { { "SEXTANT_EJECT_MAX=1s" }, "SEXTANT_EJECT_MAX:1:1: error: SEXTANT_EJECT_BASE=5s is more than "
                                  "SEXTANT_EJECT_MAX=1s: the shortest time out is "
                                  "longer than the longest\n" },
    { { "SEXTANT_REPLAY_TOTAL=1KiB" }, "SEXTANT_REPLAY_TOTAL:1:1: error: SEXTANT_REPLAY_BYTES=1MiB is more than "
                                       "SEXTANT_REPLAY_TOTAL=1KiB: one request "
                                       "could keep more than all together\n" },
    { { "SEXTANT_DEFAULT_TIMEOUT=500ms" }, "SEXTANT_DEFAULT_TIMEOUT:1:1: error: SEXTANT_CONNECT_TIMEOUT=1s is more "
                                           "than SEXTANT_DEFAULT_TIMEOUT=500ms: "
                                           "dialling alone would use up a request's time\n" },
    { { "SEXTANT_CLIENT_IDLE=10s" }, "SEXTANT_CLIENT_IDLE:1:1: warning: some clients send on connections that have "
                                     "been idle for 10 s: keep them "
                                     "longer\n" },
    { { "SEXTANT_WORKERS=x", "SEXTANT_LISTN=:1", "SEXTANT_RESPONSE_HEADERS=2" }, /* all at once */
        "SEXTANT_WORKERS:1:1: error: expected a whole number, not \"x\"\n"
        "SEXTANT_RESPONSE_HEADERS:1:1: error: expected on or off, not \"2\"\n"
        "SEXTANT_LISTN: error: unknown variable SEXTANT_LISTN; did you mean SEXTANT_LISTEN?\n" },
};

static void
test_mistakes_in_the_environment(void **state)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        struct fixture f;

        fixture_conf(&f, mistakes[i].env);
        fixture_says(&f, mistakes[i].expected);
        fixture_fini(&f);
    }
}

static void
test_a_bad_value_leaves_the_default(void **state)
{
    const char *env[] = { "SEXTANT_WORKERS=x", "SEXTANT_PROBE_INTERVAL=0", "SEXTANT_RETRY_MIN=4", NULL };
    struct fixture f;

    fixture_conf(&f, env);
    assert_int_equal(f.issues.n_errors, 2);
    assert_int_equal(f.conf->workers, 0);
    assert_int_equal(f.conf->probe_interval, 2000);
    assert_int_equal(f.conf->retry_min, 4);
    assert_true(conf_origin(f.conf, "workers")->is_bad);
    assert_true(conf_origin(f.conf, "retry_min")->is_given);
    assert_false(conf_origin(f.conf, "retry_min")->is_bad);
    assert_false(conf_origin(f.conf, "listen")->is_given);
    assert_str_equal(conf_source(f.conf, "listen"), "SEXTANT_LISTEN");
    fixture_fini(&f);
}

static void
test_many_mistakes_stay_cheap(void **state)
{
    struct arena a = { 0 };
    struct conf_issues issues = { .arena = &a };

    for (unsigned i = 0; i < 20000; i++)
        conf_issue(&issues, i % 2, STR("X"), i, 1, "%u", i);
    assert_int_equal(issues.n, 20000);
    assert_int_equal(issues.n_errors, 10000);
    assert_str_equal(issues.items[19999].text, "19999");
    assert_str_equal(issues.items[0].text, "0");
    arena_fini(&a);
}

/* --- the env file ------------------------------------------------------------------------------------------------ */

static void
test_lines_of_an_env_file(void **state)
{
    static const struct {
        const char *text;
        const char *lines; /* "line:column name=value @line:column", one a line */
        const char *issues;
    } cases[] = {
        { "", "", "" },
        { "\n\n# only\n  # comments\r\n", "", "" },
        { "A=1", "1:1 A=1 @1:3\n", "" },
        { "A=1\nB=2\r\n  C = 3  \n", "1:1 A=1 @1:3\n2:1 B=2 @2:3\n3:3 C=3 @3:7\n", "" },
        { "A=\nB=1", "1:1 A= @1:3\n2:1 B=1 @2:3\n", "" },
        { "export A=1\nexport\tB=2", "1:8 A=1 @1:10\n2:1 export\tB=2 @2:10\n", "" },
        { "A=1 # one\nB=a#b\nC=#none", "1:1 A=1 @1:3\n2:1 B=a#b @2:3\n3:1 C= @3:3\n", "" },
        { "A='x # y' # z\nB=2", "1:1 A=x # y @1:4\n2:1 B=2 @2:3\n", "" },
        { "A='one\n two'\nB=3", "1:1 A=one\n two @1:4\n3:1 B=3 @3:3\n", "" },
        { "A=\"say \\\"hi\\\" \\\\ \\n\"", "1:1 A=say \"hi\" \\ \\n @1:4\n", "" },
        { "A='a\\'\nB=1", "1:1 A=a\\ @1:4\n2:1 B=1 @2:3\n", "" },
        { "A=''\nB=\"\"", "1:1 A= @1:4\n2:1 B= @2:4\n", "" },
        { "A=it's", "1:1 A=it's @1:3\n", "" },
        { "A=x=y", "1:1 A=x=y @1:3\n", "" },
        { "hello\nA=1", "2:1 A=1 @2:3\n", "E:1:1: error: expected NAME=VALUE\n" },
        { "A=1\nB='open\nC=2\n", "1:1 A=1 @1:3\n", "E:2:3: error: the quote is not closed\n" },
        { "A=\"x\" y # z\nB=1", "2:1 B=1 @2:3\n",
            "E:1:7: error: nothing but a comment may follow the closing quote, not \"y # z\"\n" },
        { "A='x\ny'z\nB=1", "3:1 B=1 @3:3\n",
            "E:2:3: error: nothing but a comment may follow the closing quote, not \"z\"\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        struct conf_issues issues = { .arena = &a };
        struct env_file file = env_file_begin(STR("E"), str_from(cases[i].text), &a, &issues);
        struct buf lines = { 0 }, said = { 0 };
        struct env_line l;

        while (env_file_next(&file, &l))
            buf_printf(&lines, "%u:%u " STR_FMT "=" STR_FMT " @%u:%u\n", l.line, l.column, STR_ARG(l.name),
                STR_ARG(l.value), l.value_line, l.value_column);
        conf_issues_print(&issues, &said);
        assert_str_equal(buf_str(&lines), cases[i].lines);
        assert_str_equal(buf_str(&said), cases[i].issues);
        buf_fini(&lines);
        buf_fini(&said);
        arena_fini(&a);
    }
}

static void
test_mistakes_in_an_env_file(void **state)
{
    static const struct {
        const char *text, *env[3], *expected;
    } cases[] = {
        { "SEXTANT_WORKERS=3\n", { NULL }, "" },
        { "# c\nSEXTANT_WORKERS=x", { NULL },
            "SEXTANT_WORKERS (%s/env):2:17: error: expected a whole number, not \"x\"\n" },
        { "\nSEXTANT_WORKERS = 'x'", { NULL },
            "SEXTANT_WORKERS (%s/env):2:20: error: expected a whole number, not \"x\"\n" },
        { "SEXTANT_WRKERS=1", { NULL },
            "SEXTANT_WRKERS (%s/env):1:1: error: unknown variable SEXTANT_WRKERS; did you mean SEXTANT_WORKERS?\n" },
        { "SEXTANT_PORT=1", { NULL }, /* Kubernetes writes no files */
            "SEXTANT_PORT (%s/env):1:1: error: unknown variable SEXTANT_PORT; sextant --help lists all\n" },
        { "PATH=/bin", { NULL }, "SEXTANT_ENV_FILE (%s/env):1:1: error: expected a SEXTANT_ variable, not PATH\n" },
        { "SEXTANT_ENV_FILE=/other", { NULL },
            "SEXTANT_ENV_FILE (%s/env):1:1: error: an env file may not name another\n" },
        { "SEXTANT_WORKERS=1\n\nSEXTANT_WORKERS=2", { NULL },
            "SEXTANT_ENV_FILE (%s/env):3:1: error: SEXTANT_WORKERS is given twice, first in line 1\n" },
        { "SEXTANT_WORKERS=1\nSEXTANT_WORKERS_FILE=/w", { NULL },
            "SEXTANT_WORKERS_FILE (%s/env):2:1: error: SEXTANT_WORKERS and SEXTANT_WORKERS_FILE are both set: use "
            "one\n" },
        { "junk\nSEXTANT_WORKERS='2", { NULL },
            "SEXTANT_ENV_FILE (%s/env):1:1: error: expected NAME=VALUE\n"
            "SEXTANT_ENV_FILE (%s/env):2:17: error: the quote is not closed\n" },
        { "SEXTANT_WORKERS=x", { "SEXTANT_WORKERS=2" }, "" },                   /* the environment wins, */
        { "SEXTANT_WORKERS_FILE=/nonexistent/w", { "SEXTANT_WORKERS=2" }, "" }, /* in whichever form */
        { "SEXTANT_CLUSTERS=eu", { "SEXTANT_CLUSTERS_FILE=/nonexistent/c" },
            "SEXTANT_CLUSTERS_FILE:1:1: error: cannot read /nonexistent/c: No such file or directory\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        const char *path = write_file("env", cases[i].text, strlen(cases[i].text));
        const char *env[] = { arena_printf(&a, "SEXTANT_ENV_FILE=%s", path).p, cases[i].env[0], NULL };
        struct fixture f;

        fixture_conf(&f, env);
        fixture_says(&f, in_folder(&a, cases[i].expected).p);
        assert_str_equal(f.conf->files[0], path);
        fixture_fini(&f);
        arena_fini(&a);
    }
}

/* A document inside an env file tells places in that file. */
static void
test_documents_in_an_env_file(void **state)
{
    static const char text[] = "# regions\n"
                               "SEXTANT_CLUSTERS='\n"
                               "  eu http://e at=DE\n"
                               "  us http://u at=XX'\n"
                               "SEXTANT_PARTITION_MAP='* *=eu,uk copies=external'\n";
    struct arena a = { 0 };
    const char *env[] = { arena_printf(&a, "SEXTANT_ENV_FILE=%s", write_file("env", text, strlen(text))).p, NULL };
    struct fixture f;

    fixture_map(&f, env);
    fixture_says(
        &f, in_folder(&a, "SEXTANT_CLUSTERS (%s/env):4:18: error: \"XX\" is not a place: expected a cloud region "
                          "(aws:eu-central-1), a country (DE) or lat,lon\n"
                          "SEXTANT_PARTITION_MAP (%s/env):5:31: error: no cluster is called \"uk\"; did you mean us?\n")
                .p);
    fixture_fini(&f);
    arena_fini(&a);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void
test_values_from_files(void **state)
{
    struct arena a = { 0 };
    struct str map = arena_str(&a, str_from(write_file("map", "\xef\xbb\xbf# m\n* *=eu\n\n", 14)));
    struct str value = arena_str(&a, str_from(write_file("value", " 3 \n", 4)));
    struct str clusters = in_folder(&a, "SEXTANT_CLUSTERS_FILE=%s/env");
    const char *env[] = { arena_printf(&a, "SEXTANT_PARTITION_MAP= " STR_FMT "\n", STR_ARG(map)).p,
        arena_printf(&a, "SEXTANT_WORKERS_FILE=" STR_FMT, STR_ARG(value)).p, clusters.p,
        arena_printf(&a, "SEXTANT_AREAS_FILE=" STR_FMT, STR_ARG(value)).p, "SEXTANT_GEO_DB=/some/file.mmdb", NULL };
    struct fixture f;

    write_file("env", "eu http://q at=DE", 17);
    fixture_conf(&f, env);
    fixture_says(&f, "");
    assert_str_equal(f.conf->partition_map, "# m\n* *=eu");
    assert_int_equal(f.conf->workers, 3);
    assert_str_equal(f.conf->clusters, "eu http://q at=DE");
    assert_str_equal(f.conf->areas, " 3");
    assert_str_equal(f.conf->geo_db, "/some/file.mmdb"); /* not a document: its value is a name */
    assert_str_equal(conf_source(f.conf, "partition_map"), in_folder(&a, "SEXTANT_PARTITION_MAP (%s/map)").p);
    assert_str_equal(conf_source(f.conf, "workers"), in_folder(&a, "SEXTANT_WORKERS_FILE (%s/value)").p);
    assert_int_equal(f.conf->n_files, 3); /* one of them was named twice */
    conf_add_file(f.conf, STR("/some/file.mmdb"));
    assert_int_equal(f.conf->n_files, 4);
    assert_string_equal(f.conf->files[3].p, "/some/file.mmdb");
    fixture_fini(&f);
    arena_fini(&a);
}

static void
test_files_that_cannot_be_values(void **state)
{
    struct arena a = { 0 };
    char *big = arena_alloc(&a, (16 << 20) + 1);
    struct str text = STR("untouched");
    struct str path;

    memset(big, 'x', (16 << 20) + 1);
    path = arena_str(&a, str_from(write_file("big", big, (16 << 20) + 1)));
    assert_string_equal(read_file(path, 16 << 20, &a, &text), "it is too large");
    assert_null(read_file(path, (16 << 20) + 1, &a, &text));
    assert_int_equal(text.len, (16 << 20) + 1);
    text = STR("untouched");
    path = arena_str(&a, str_from(write_file("binary", "a\0b", 3)));
    assert_string_equal(read_file(path, 100, &a, &text), "it is not text: it holds a zero byte");
    assert_string_equal(read_file(str_make("a\0b", 3), 100, &a, &text), "that is no file name");
    assert_str_equal(text, "untouched");
    assert_null(read_file(STR("/proc/self/status"), 1 << 20, &a, &text)); /* its size is told as 0 */
    assert_true(text.len > 100);
    arena_fini(&a);
}

/* What could not be read is watched: it may come to be. */
static void
test_missing_files_are_watched(void **state)
{
    const char *env[] = { "SEXTANT_PARTITION_MAP=/nonexistent/map", "SEXTANT_ENV_FILE=/nonexistent/env", NULL };
    struct fixture f;

    fixture_conf(&f, env);
    assert_int_equal(f.conf->n_files, 2);
    assert_str_equal(f.conf->files[0], "/nonexistent/env");
    assert_str_equal(f.conf->files[1], "/nonexistent/map");
    assert_int_equal(f.conf->partition_map.len, 0);
    fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_kubernetes),
        cmocka_unit_test(test_no_option_is_named_like_those_of_kubernetes),
        cmocka_unit_test(test_mistakes_in_the_environment),
        cmocka_unit_test(test_a_bad_value_leaves_the_default),
        cmocka_unit_test(test_many_mistakes_stay_cheap),
        cmocka_unit_test(test_lines_of_an_env_file),
        cmocka_unit_test(test_mistakes_in_an_env_file),
        cmocka_unit_test(test_documents_in_an_env_file),
        cmocka_unit_test(test_values_from_files),
        cmocka_unit_test(test_files_that_cannot_be_values),
        cmocka_unit_test(test_missing_files_are_watched),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
