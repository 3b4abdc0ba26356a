/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/ask.h"
#include "test/flow/flow_lib.h"

static const char clusters[] =
    "SEXTANT_CLUSTERS=eu http://127.0.0.1:1001/under,http://127.0.0.1:1002 at=aws:eu-central-1; us "
    "http://127.0.0.1:2001 "
    "at=aws:us-east-1; ap http://127.0.0.1:3001 at=aws:ap-northeast-1";
static const char *const env[] = {
    clusters,
    "SEXTANT_CLUSTER_US_API_KEY=us-key",
    "SEXTANT_CLUSTER_EU_API_KEY=eu-key",
    "SEXTANT_CLUSTER_AP_API_KEY=ap-key",
    "SEXTANT_API_KEY=long-enough-client-key",
    NULL,
};

struct seen {
    unsigned n;
    enum fail fail;
    bool sent_nothing;
    int status;
    struct buf body, kind;
};

struct fixture {
    struct flow flow;
    struct seen seen;
    struct ask *ask;
};

static void
on_done(void *arg, const struct ask_answer *answer)
{
    struct fixture *f = arg;

    f->ask = NULL;
    f->seen.n++;
    f->seen.fail = answer->fail;
    f->seen.sent_nothing = answer->sent_nothing;
    f->seen.status = answer->status;
    buf_clear(&f->seen.body);
    buf_clear(&f->seen.kind);
    if (answer->fail != FAIL_NONE)
        return;
    buf_add(&f->seen.body, answer->body);
    buf_add(&f->seen.kind, message_value(answer->head, FIELD_CONTENT_TYPE));
}

static int
set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    flow_init(&f->flow, env);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    ask_cancel(&f->ask);
    flow_fini(&f->flow);
    buf_fini(&f->seen.body);
    buf_fini(&f->seen.kind);
    test_free(f);
    return 0;
}

static const struct ask_spec get = {
    .cluster = { "us", 2 },
    .method = METHOD_GET,
    .target = { "/collections/books?a=b", 22 },
    .timeout_us = 5000000,
    .may_repeat = true,
};

/* Starts it; nothing has been told yet. */
static void
begin(struct fixture *f, const struct ask_spec *spec)
{
    f->seen.n = 0;
    f->ask = ask_start(f->flow.up, spec, on_done, f);
    assert_int_equal(f->seen.n, 0);
    flow_settle(&f->flow);
}

static void
begin_write(struct fixture *f, const char *cluster, const char *text, bool may_repeat)
{
    struct buf body = { 0 };
    struct ask_spec spec = {
        .cluster = str_from(cluster),
        .method = METHOD_PUT,
        .target = STR("/collections/books/points?wait=true"),
        .body = &body,
        .timeout_us = 5000000,
        .may_repeat = may_repeat,
    };

    buf_add(&body, str_from(text));
    begin(f, &spec);
    assert_int_equal(buf_len(&body), 0);
}

static struct str
got(struct fixture *f, const char *name)
{
    struct end *e = flow_dial(&f->flow, str_from(name));

    assert_non_null(e);
    return buf_str(&e->got);
}

static void
answer(struct fixture *f, const char *name, const char *text)
{
    end_send(&f->flow, flow_dial(&f->flow, str_from(name)), str_from(text));
    flow_settle(&f->flow);
}

static void
expect_fail(const struct fixture *f, enum fail fail, bool sent_nothing)
{
    assert_int_equal(f->seen.n, 1);
    assert_string_equal(fail_info(f->seen.fail)->code, fail_info(fail)->code);
    assert_int_equal(f->seen.sent_nothing, sent_nothing);
    assert_null(f->ask);
}

static void
expect_answer(const struct fixture *f, int status, const char *body)
{
    assert_int_equal(f->seen.n, 1);
    assert_int_equal(f->seen.fail, FAIL_NONE);
    assert_int_equal(f->seen.status, status);
    assert_true(str_eq(buf_str(&f->seen.body), str_from(body)));
    assert_false(f->seen.sent_nothing);
}

static void
test_a_read_with_the_clusters_key(void **state)
{
    struct fixture *f = *state;

    begin(f, &get);
    assert_true(str_eq(got(f, "us/1"), STR("GET /collections/books?a=b HTTP/1.1\r\nhost: 127.0.0.1:2001\r\n"
                                           "user-agent: sextant-sync\r\napi-key: us-key\r\n\r\n")));
    answer(f, "us/1",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n");
    assert_int_equal(f->seen.n, 0);
    answer(f, "us/1", "3\r\n   \r\n0\r\n\r\n");
    expect_answer(f, 200, "{}   ");
    assert_true(str_eq(buf_str(&f->seen.kind), STR("application/json")));
}

static void
test_a_write_and_statuses(void **state)
{
    static const int statuses[] = { 200, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504 };
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct buf text = { 0 };
        unsigned dials = flow_dials(&f->flow, STR("us/1"));

        begin_write(f, "us", "{\"points\":[]}", false);
        assert_true(flow_contains(got(f, "us/1"),
            STR("PUT /collections/books/points?wait=true HTTP/1.1\r\nhost: 127.0.0.1:2001\r\nuser-agent: "
                "sextant-sync\r\n"
                "content-type: application/json\r\napi-key: us-key\r\ncontent-length: 13\r\n\r\n{\"points\":[]}"),
            NULL));
        buf_printf(&text, "HTTP/1.1 %d X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", statuses[i]);
        buf_putc(&text, 0);
        answer(f, "us/1", text.data);
        expect_answer(f, statuses[i], "no");
        buf_fini(&text);
        assert_int_equal(flow_dials(&f->flow, STR("us/1")), dials + 1);
    }
}

/* After its bytes left a write is not sent again, whatever happened to it. */
static void
test_a_write_that_left_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    const char *asked;

    begin_write(f, "eu", "{}", false);
    asked = flow_dials(&f->flow, STR("eu/1")) ? "eu/1" : "eu/2";
    end_close(flow_dial(&f->flow, str_from(asked)), true);
    flow_settle(&f->flow);
    expect_fail(f, FAIL_UPSTREAM_RESET, false);
    assert_int_equal(f->flow.n_dials, 1);
}

static void
test_what_may_be_repeated_goes_to_the_other_endpoint(void **state)
{
    struct fixture *f = *state;
    const char *first, *second;

    begin_write(f, "eu", "{\"a\":1}", true);
    first = flow_dials(&f->flow, STR("eu/1")) ? "eu/1" : "eu/2";
    second = first[3] == '1' ? "eu/2" : "eu/1";
    end_close(flow_dial(&f->flow, str_from(first)), true);
    flow_settle(&f->flow);
    assert_int_equal(f->flow.n_dials, 2);
    assert_true(str_ends(got(f, second), STR("{\"a\":1}")));
    answer(f, second, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    expect_answer(f, 200, "");
}

static void
test_nothing_sent(void **state)
{
    struct fixture *f = *state;

    f->flow.is_refused[flow_backend(&f->flow, STR("eu/1"))->id] = true;
    begin_write(f, "eu", "{}", false);
    answer(f, "eu/2", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    expect_answer(f, 200, "");
    f->flow.is_refused[flow_backend(&f->flow, STR("eu/2"))->id] = true;
    begin_write(f, "eu", "{}", false);
    expect_fail(f, FAIL_CONNECT_REFUSED, true);
}

/* A connection that was kept and that the endpoint has closed meanwhile, noticed before or after something was sent. */
static void
test_a_stale_connection(void **state)
{
    struct fixture *f = *state;

    begin_write(f, "us", "{}", false);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    begin_write(f, "us", "{}", false);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 1);
    end_close(flow_dial(&f->flow, STR("us/1")), false);
    flow_settle(&f->flow);
    expect_fail(f, FAIL_UPSTREAM_STALE, false);
    begin(f, &get);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    begin(f, &get);
    end_close(flow_dial(&f->flow, STR("us/1")), false);
    flow_settle(&f->flow);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 3);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    expect_answer(f, 200, "");
}

static void
test_silence(void **state)
{
    struct fixture *f = *state;

    begin_write(f, "us", "{}", false);
    flow_wait(&f->flow, 4900000);
    assert_int_equal(f->seen.n, 0);
    flow_wait(&f->flow, 200000);
    expect_fail(f, FAIL_UPSTREAM_SILENT, false);
    assert_true(flow_dial(&f->flow, STR("us/1"))->has_ended);
}

static void
test_cut_and_too_long_answers(void **state)
{
    struct fixture *f = *state;
    struct ask_spec spec = get;

    begin_write(f, "us", "{}", false);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"");
    end_close(flow_dial(&f->flow, STR("us/1")), false);
    flow_settle(&f->flow);
    expect_fail(f, FAIL_UPSTREAM_CUT, false);
    spec.limit = 4;
    begin(f, &spec);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n1234");
    expect_answer(f, 200, "1234");
    begin(f, &spec);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345");
    expect_fail(f, FAIL_UPSTREAM_CUT, false);
    begin(f, &spec);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n");
    expect_fail(f, FAIL_UPSTREAM_CUT, false);
}

static void
test_what_cannot_be_asked(void **state)
{
    struct fixture *f = *state;
    struct ask_spec spec = get;

    spec.cluster = STR("mars");
    begin(f, &spec);
    expect_fail(f, FAIL_NO_HEALTHY_CLUSTER, true);
    spec = get;
    spec.target = STR("/collections/../books");
    begin(f, &spec);
    expect_fail(f, FAIL_DOT_SEGMENT, true);
    flow_hold(&f->flow, STR("drain us"));
    begin(f, &get);
    expect_fail(f, FAIL_NO_HEALTHY_CLUSTER, true);
    assert_int_equal(f->flow.n_dials, 0);
}

static void
test_one_endpoint_of_several(void **state)
{
    struct fixture *f = *state;
    struct ask_spec spec = get;

    spec.cluster = STR("eu");
    for (spec.endpoint = 1; spec.endpoint <= 2; spec.endpoint++) {
        begin(f, &spec);
        assert_int_equal(f->flow.n_dials, spec.endpoint);
        answer(f, spec.endpoint == 1 ? "eu/1" : "eu/2", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        expect_answer(f, 200, "");
    }
    assert_true(str_starts(got(f, "eu/1"), STR("GET /under/collections/books")));
}

/* At every moment: before anything moved, sent, answered in part, and before a failure of the start is told. */
static void
test_cancel(void **state)
{
    struct fixture *f = *state;
    struct ask_spec spec = get;

    ask_cancel(&f->ask);
    f->ask = ask_start(f->flow.up, &get, on_done, f);
    ask_cancel(&f->ask);
    assert_null(f->ask);
    flow_settle(&f->flow);
    assert_int_equal(f->flow.n_dials, 0);
    begin(f, &get);
    ask_cancel(&f->ask);
    flow_settle(&f->flow);
    assert_true(flow_dial(&f->flow, STR("us/1"))->has_ended);
    begin(f, &get);
    answer(f, "us/1", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12");
    ask_cancel(&f->ask);
    flow_settle(&f->flow);
    assert_true(flow_dial(&f->flow, STR("us/1"))->has_ended);
    spec.cluster = STR("mars");
    f->ask = ask_start(f->flow.up, &spec, on_done, f);
    ask_cancel(&f->ask);
    flow_settle(&f->flow);
    assert_int_equal(f->seen.n, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_read_with_the_clusters_key),
        TEST(test_a_write_and_statuses),
        TEST(test_a_write_that_left_is_not_sent_again),
        TEST(test_what_may_be_repeated_goes_to_the_other_endpoint),
        TEST(test_nothing_sent),
        TEST(test_a_stale_connection),
        TEST(test_silence),
        TEST(test_cut_and_too_long_answers),
        TEST(test_what_cannot_be_asked),
        TEST(test_one_endpoint_of_several),
        TEST(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
