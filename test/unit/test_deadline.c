/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/route/deadline.h"

static void
test_headers(void **state)
{
    static const struct {
        const char *grpc, *envoy;
        int64_t want;
    } rows[] = {
        { NULL, NULL, -1 },
        { "5S", NULL, 5000 },
        { "500m", NULL, 500 },
        { "2M", NULL, 120000 },
        { "1H", NULL, 3600000 },
        { "1u", NULL, 1 },
        { "1500000n", NULL, 2 },
        { "99999999H", NULL, INT64_C(359999996400000) },
        { "100000000S", NULL, -1 },
        { "5", NULL, -1 },
        { "S", NULL, -1 },
        { "-5S", NULL, -1 },
        { "5s", NULL, -1 },
        { " 5S", NULL, -1 },
        { NULL, "1500", 1500 },
        { NULL, "0", -1 },
        { NULL, "abc", -1 },
        { NULL, "99999999999", -1 },
        { "5S", "1500", 1500 },
        { "1S", "1500", 1000 },
        { "x", "1500", 1500 },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = { 0 };
        struct message m;

        message_init(&m, &arena);
        if (rows[i].grpc)
            message_add(&m, STR("grpc-timeout"), str_from(rows[i].grpc));
        if (rows[i].envoy)
            message_add(&m, STR("x-envoy-expected-rq-timeout-ms"), str_from(rows[i].envoy));
        assert_int_equal(deadline_of_headers(&m), rows[i].want);
        arena_fini(&arena);
    }
}

static void
test_decisions(void **state)
{
    static const struct {
        const char *what;
        enum method method;
        const char *target;
        int64_t header_ms, answer_ms, asked_ms;
        bool is_clients;
    } rows[] = {
        { "nothing named", METHOD_POST, "/collections/c/points/query", -1, 60000, 0, false },
        { "its own", METHOD_POST, "/collections/c/points/query?timeout=5", -1, 6000, 5000, true },
        { "more than the default", METHOD_POST, "/collections/c/points/query?timeout=90", -1, 91000, 90000, true },
        { "more than the longest", METHOD_POST, "/collections/c/points/query?timeout=900", -1, 601000, 600000, true },
        { "a header shortens it", METHOD_POST, "/collections/c/points/query?timeout=50", 8000, 8000, 7000, true },
        { "and never extends it", METHOD_POST, "/collections/c/points/query?timeout=5", 80000, 6000, 5000, true },
        { "nor the default", METHOD_POST, "/collections/c/points/query", 80000, 60000, 79000, true },
        { "a read is told of the header", METHOD_POST, "/collections/c/points/query", 8000, 8000, 7000, true },
        { "not when no whole second is left", METHOD_POST, "/collections/c/points/query", 1500, 1500, 0, true },
        { "nor a write", METHOD_PUT, "/collections/c/points", 8000, 8000, 0, true },
        { "but of what it asked for itself", METHOD_PUT, "/collections/c/points?timeout=30", 8000, 8000, 7000, true },
        { "two of them are Qdrant's to refuse", METHOD_POST, "/collections/c/points/query?timeout=5&timeout=6", 8000,
            8000, 0, true },
        { "snapshots have no limit", METHOD_POST, "/collections/c/snapshots", -1, 0, 0, false },
        { "but somebody in front may", METHOD_POST, "/collections/c/snapshots", 8000, 8000, 0, true },
        { "a limit of nothing is not none", METHOD_POST, "/collections/c/points/query", 0, 1, 0, true },
    };
    const struct conf conf = { .default_timeout = 60000, .timeout_max = 600000 };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = { 0 };
        struct operation op;
        struct deadline d;

        assert_int_equal(operation_parse(rows[i].method, str_from(rows[i].target), &arena, &op), FAIL_NONE);
        d = deadline_decide(&conf, &op, rows[i].header_ms);
        if (d.answer_ms != rows[i].answer_ms || d.asked_ms != rows[i].asked_ms || d.is_clients != rows[i].is_clients)
            fail_msg("%s: answer %ld, asked %ld, client's %d", rows[i].what, (long)d.answer_ms, (long)d.asked_ms,
                d.is_clients);
        assert_int_equal(d.is_in_header, rows[i].header_ms >= 0);
        arena_fini(&arena);
    }
}

static void
test_queries(void **state)
{
    static const char *const rows[][2] = {
        { "", "timeout=7" },
        { "timeout=30", "timeout=7" },
        { "wait=true&timeout=30", "wait=true&timeout=7" },
        { "timeout=30&wait=true", "wait=true&timeout=7" },
        { "a=1&&b", "a=1&b&timeout=7" },
        { "timeouts=1", "timeouts=1&timeout=7" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = { 0 };
        struct str q = deadline_query(str_from(rows[i][0]), 7, &arena);

        assert_true(str_eq(q, str_from(rows[i][1])));
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
