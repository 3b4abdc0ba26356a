/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of the parser: up to `n` bytes are in, n + 1 are out, however they come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test/unit/h1_cases.h"

static void
add_many(struct buf *b, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_putc(b, c);
}

static void
check_limit(const struct h1_trace *t, const struct buf *stream, enum fail fail, const char *expect)
{
    static const size_t cuts[] = { 0, 1, 7, 255, 256, 257, 1024 };
    struct test_case c = { "limit", buf_str(stream), fail, expect };

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct buf trace = { 0 };

        h1_trace(t, c.stream, (struct h1_cuts){ .step = cuts[i] }, &trace);
        check_trace(&c, &trace);
        buf_fini(&trace);
    }
}

static void
test_line_limit(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        struct buf b = { 0 };

        buf_add(&b, STR("GET /"));
        add_many(&b, 'a', 1024 - strlen("GET / HTTP/1.1\r\n") + over);
        buf_add(&b, STR(" HTTP/1.1\r\nHost: q\r\n\r\n"));
        check_limit(&requests, &b, over ? FAIL_HEAD_TOO_LARGE : FAIL_NONE, over ? NULL : "DONE");
        buf_fini(&b);
    }
}

static void
test_head_limit(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        struct buf b = { 0 };

        buf_add(&b, STR(GET H "X: "));
        add_many(&b, over ? ' ' : 'a', 8192 - strlen(GET H "X: \r\n\r\n") + over);
        buf_add(&b, STR("\r\n\r\n"));
        check_limit(&requests, &b, over ? FAIL_HEAD_TOO_LARGE : FAIL_NONE, over ? NULL : "DONE");
        buf_fini(&b);
    }
}

static void
test_field_limit(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        struct buf b = { 0 };

        buf_add(&b, STR(GET H));
        for (unsigned i = 1; i < 96 + over; i++)
            buf_printf(&b, "X-%u: 1\r\n", i);
        buf_add(&b, STR("\r\n"));
        check_limit(&requests, &b, over ? FAIL_HEAD_TOO_LARGE : FAIL_NONE, over ? NULL : "x-95: [1]\nDONE");
        buf_fini(&b);
    }
}

static void
test_chunk_line_limit(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        struct buf b = { 0 };

        /* The second line, as the first begins in the call that ends the head. */
        buf_add(&b, STR(CHUNKED "2\r\n{}\r\n2;"));
        add_many(&b, 'a', 256 - strlen("2;\r\n") + over);
        buf_add(&b, STR("\r\n[]\r\n0\r\n\r\n"));
        check_limit(&requests, &b, over ? FAIL_BAD_FRAMING : FAIL_NONE, over ? "{}ERROR" : "{}[]DONE");
        buf_fini(&b);
    }
}

static void
test_trailer_limit(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        struct buf b = { 0 };

        buf_add(&b, STR(CHUNKED "0\r\nX: "));
        add_many(&b, 'a', 4096 - strlen("X: \r\n\r\n") + over);
        buf_add(&b, STR("\r\n\r\n"));
        check_limit(&requests, &b, over ? FAIL_HEAD_TOO_LARGE : FAIL_NONE, over ? NULL : "DONE");
        buf_fini(&b);
    }
}

static void
test_response_limits(void **state)
{
    struct buf b = { 0 };

    buf_add(&b, STR("HTTP/1.1 200 "));
    add_many(&b, 'a', 1100);
    buf_add(&b, STR("\r\n\r\n"));
    check_limit(&responses, &b, FAIL_UPSTREAM_PROTOCOL, NULL);
    buf_clear(&b);
    buf_add(&b, STR(OK));
    for (unsigned i = 0; i < 97; i++)
        buf_add(&b, STR("X: 1\r\n"));
    buf_add(&b, STR("\r\n"));
    check_limit(&responses, &b, FAIL_UPSTREAM_PROTOCOL, NULL);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_chunk_line_limit),
        cmocka_unit_test(test_trailer_limit),
        cmocka_unit_test(test_response_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
