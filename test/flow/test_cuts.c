/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the pieces of a stream fall must not matter; where it breaks off must never give a wrong answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/flow/flow_lib.h"

static const char *const env[] = { NULL };
#define REQUEST \
    "POST /collections/books/points/delete HTTP/1.1\r\nhost: q\r\ntransfer-encoding: chunked\r\n\r\n" \
    "5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n"
static const struct addr own;

#define READ "GET /collections/books/points/1 HTTP/1.1\r\nhost: q\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
#define SIZED "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde"

static void
check_reply(struct flow *f, const char *body, const char *cluster)
{
    struct reply r = { 0 };

    assert_true(reply_take(flow_client(f, 1, &own), false, &r));
    assert_int_equal(r.status, 200);
    assert_true(str_eq(buf_str(&r.body), str_from(body)));
    assert_true(str_eq(reply_field(&r, "x-sextant-cluster"), str_from(cluster)));
    reply_fini(&r);
}

static void
send_in_two(struct flow *f, struct end *e, struct str all, size_t at)
{
    end_send(f, e, str_make(all.p, at));
    flow_settle(f);
    end_send(f, e, str_skip(all, at));
    flow_settle(f);
}

static void
one_cut(struct str request, size_t request_at, struct str answer, size_t answer_at)
{
    struct flow f;

    flow_init(&f, env);
    send_in_two(&f, flow_client(&f, 1, &own), request, request_at);
    assert_non_null(flow_dial(&f, STR("eu/1")));
    send_in_two(&f, flow_dial(&f, STR("eu/1")), answer, answer_at);
    check_reply(&f, "abcde", "eu");
    assert_int_equal(flow_dials(&f, STR("us/1")), 0);
    flow_fini(&f);
}

static void
test_every_cut_of_a_request(void **state)
{
    for (size_t at = 1; at < STR(REQUEST).len; at++)
        one_cut(STR(REQUEST), at, STR(SIZED), 1);
}

static void
test_every_cut_of_an_answer(void **state)
{
    for (size_t at = 1; at < STR(CHUNKED).len; at++)
        one_cut(STR(READ), 1, STR(CHUNKED), at);
    for (size_t at = 1; at < STR(SIZED).len; at++)
        one_cut(STR(READ), 1, STR(SIZED), at);
}

/* The answer breaks off after `at` bytes: a read is asked again elsewhere, and only that answer is seen. */
static void
one_truncation(struct str answer, size_t at, bool with_reset)
{
    struct flow f;

    flow_init(&f, env);
    end_send(&f, flow_client(&f, 1, &own), STR(READ));
    end_send(&f, flow_dial(&f, STR("eu/1")), str_make(answer.p, at));
    end_close(flow_dial(&f, STR("eu/1")), with_reset);
    flow_settle(&f);
    assert_int_equal(buf_len(&flow_client(&f, 1, &own)->got), 0);
    assert_non_null(flow_dial(&f, STR("us/1")));
    end_send(&f, flow_dial(&f, STR("us/1")), STR("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nus"));
    check_reply(&f, "us", "us");
    flow_fini(&f);
}

static void
test_every_truncation_of_an_answer(void **state)
{
    for (size_t at = 0; at < STR(CHUNKED).len; at++)
        one_truncation(STR(CHUNKED), at, at % 2);
    for (size_t at = 0; at < STR(SIZED).len; at++)
        one_truncation(STR(SIZED), at, at % 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_of_a_request),
        cmocka_unit_test(test_every_cut_of_an_answer),
        cmocka_unit_test(test_every_truncation_of_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
