/* SPDX-License-Identifier: Apache-2.0
 *
 * What is printed, and that what was printed is read as what was meant.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/h1_trace.h"

struct text_case {
    const char *in, *out;
};

/* Parse the head at the beginning of `text`. */
static void
parse_head(enum h1_side side, enum method answers, const char *text, struct message *m)
{
    struct h1_limits limits = H1_TEST_LIMITS;
    struct h1_parser *p = h1_parser_new(side, &limits);
    struct str body;
    enum fail fail;
    size_t used;

    h1_reset(p, m, answers);
    if (h1_parse(p, str_from(text), &used, &body, &fail) != H1_HEAD)
        fail_msg("not a head: %s", text);
    h1_parser_free(p);
}

static void
check_text(const struct buf *out, const char *expected)
{
    if (!str_eq(buf_str(out), str_from(expected)))
        fail_msg("wrote\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(out)), expected);
}

#define GET "GET / HTTP/1.1\r\n"
#define H "host: q\r\n"
#define END "\r\n"

static void
test_requests(void **state)
{
    static const struct text_case cases[] = {
        { "GET /a?b=%20c HTTP/1.1\r\nHost: q:1\r\n\r\n", "GET /a?b=%20c HTTP/1.1\r\nhost: q:1\r\n\r\n" },
        { "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nhost: \r\n\r\n" },
        { "GET http://r/a HTTP/1.1\r\n" H END, "GET /a HTTP/1.1\r\nhost: r\r\n\r\n" },
        { "OPTIONS * HTTP/1.1\r\n" H END, "OPTIONS * HTTP/1.1\r\n" H END },
        { GET "X-B:  2 \r\n" H "X-A:1\r\nX-Empty:\r\n" END, GET H "x-b: 2\r\nx-a: 1\r\nx-empty: \r\n" END },
        { GET H "Connection: close, X-Hop\r\nKeep-Alive: 1\r\nX-Hop: 1\r\nTE: trailers\r\nUpgrade: x\r\nExpect: "
                "100-a\r\n" END,
            GET H END },
        { GET H "X-Forwarded-For: a\r\nForwarded: b\r\nX-Real-IP: c\r\nX-Sextant-Place: DE\r\n" END, GET H END },
        { GET H "Connection: api-key\r\napi-key: k\r\nx-openai-api-key: l\r\n" END,
            GET H "api-key: k\r\nx-openai-api-key: l\r\n" END },
        { "PUT / HTTP/1.1\r\n" H "Content-Length: 007\r\n" END, "PUT / HTTP/1.1\r\n" H "content-length: 7\r\n" END },
        { "PUT / HTTP/1.1\r\n" H "Content-Length: 0\r\n" END, "PUT / HTTP/1.1\r\n" H "content-length: 0\r\n" END },
        { "PUT / HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n" END,
            "PUT / HTTP/1.1\r\n" H "content-length: 18446744073709551615\r\n" END },
        { "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: CHUNKED\r\n" END,
            "PUT / HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n" END },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { 0 };
        struct buf out = { 0 };
        struct message m;

        message_init(&m, &arena);
        parse_head(H1_REQUESTS, METHOD_OTHER, cases[i].in, &m);
        h1_write_request(&out, &m);
        check_text(&out, cases[i].out);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void
test_own_fields_are_printed(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct message m;

    message_init(&m, &arena);
    parse_head(H1_REQUESTS, METHOD_OTHER, GET H "X-Forwarded-For: forged\r\n" END, &m);
    message_add_own(&m, FIELD_X_FORWARDED_FOR, STR("192.0.2.1"));
    h1_write_request(&out, &m);
    check_text(&out, GET H "x-forwarded-for: 192.0.2.1\r\n" END);
    buf_fini(&out);
    arena_fini(&arena);
}

struct response_case {
    const char *in;
    enum method answers;
    uint8_t client_minor;
    bool keep_alive;
    enum framing framing; /* what the caller makes of it */
    const char *out;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define LEN "Content-Length: 5\r\n"

static const struct response_case response_cases[] = {
    { OK LEN END, METHOD_GET, 1, true, FRAMING_LENGTH, OK "content-length: 5\r\n" END },
    { OK LEN END, METHOD_GET, 1, false, FRAMING_LENGTH, OK "content-length: 5\r\nconnection: close\r\n" END },
    { OK LEN END, METHOD_GET, 0, true, FRAMING_LENGTH,
        "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n" },
    { OK LEN END, METHOD_GET, 0, false, FRAMING_LENGTH, "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n" },
    { OK "Transfer-Encoding: chunked\r\n" END, METHOD_GET, 1, true, FRAMING_CHUNKED,
        OK "transfer-encoding: chunked\r\n" END },
    { OK "Transfer-Encoding: chunked\r\n" END, METHOD_GET, 0, true, FRAMING_UNTIL_CLOSE, "HTTP/1.0 200 OK\r\n\r\n" },
    { OK END, METHOD_GET, 1, true, FRAMING_UNTIL_CLOSE, OK "connection: close\r\n" END },
    { OK "Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\nUpgrade: x\r\n" LEN END, METHOD_GET, 1, true, FRAMING_LENGTH,
        OK "x-b: 2\r\ncontent-length: 5\r\n" END },
    { OK "Vary: a\r\nX-Sextant-Cluster: eu\r\n" LEN END, METHOD_GET, 1, true, FRAMING_LENGTH,
        OK "vary: a\r\nx-sextant-cluster: eu\r\ncontent-length: 5\r\n" END },
    { OK LEN END, METHOD_HEAD, 1, true, FRAMING_LENGTH, OK "content-length: 5\r\n" END },
    { OK "Transfer-Encoding: chunked\r\n" END, METHOD_HEAD, 1, true, FRAMING_NONE, OK END },
    { OK LEN END, METHOD_GET, 1, true, FRAMING_NONE, OK "content-length: 0\r\n" END },
    { "HTTP/1.1 204 No Content\r\n\r\n", METHOD_GET, 1, true, FRAMING_NONE, "HTTP/1.1 204 No Content\r\n\r\n" },
    { "HTTP/1.1 304 Not Modified\r\n" LEN END, METHOD_GET, 1, true, FRAMING_NONE, "HTTP/1.1 304 Not Modified\r\n\r\n" },
    { "HTTP/1.1 404 Nowhere to be  found\r\n" LEN END, METHOD_GET, 1, true, FRAMING_LENGTH,
        "HTTP/1.1 404 Nowhere to be  found\r\ncontent-length: 5\r\n\r\n" },
    { "HTTP/1.1 500 \r\n" LEN END, METHOD_GET, 1, true, FRAMING_LENGTH, "HTTP/1.1 500 \r\ncontent-length: 5\r\n\r\n" },
};

static void
test_responses(void **state)
{
    for (size_t i = 0; i < sizeof(response_cases) / sizeof(response_cases[0]); i++) {
        const struct response_case *c = &response_cases[i];
        struct arena arena = { 0 };
        struct buf out = { 0 };
        struct message m;

        message_init(&m, &arena);
        parse_head(H1_RESPONSES, c->answers, c->in, &m);
        m.keep_alive = c->keep_alive;
        m.framing = c->framing;
        h1_write_response(&out, &m, c->client_minor);
        check_text(&out, c->out);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void
test_made_responses(void **state)
{
    struct arena arena = { 0 };
    struct buf out = { 0 };
    struct message m;

    message_init(&m, &arena);
    m.status = 100;
    h1_write_response(&out, &m, 1);
    check_text(&out, "HTTP/1.1 100 Continue\r\n\r\n");
    buf_clear(&out);
    m.status = 431;
    message_add(&m, STR("keep-alive"), STR("timeout=5"));
    h1_write_response(&out, &m, 1);
    check_text(&out, "HTTP/1.1 431 Request Header Fields Too Large\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n"
                     "connection: close\r\n\r\n");
    buf_fini(&out);
    arena_fini(&arena);
}

static void
test_chunks(void **state)
{
    static const struct {
        size_t n;
        const char *head;
    } cases[] = { { 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 0xabcdef, "abcdef\r\n" },
        { SIZE_MAX, "ffffffffffffffff\r\n" } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = { 0 };

        h1_write_chunk_head(&out, cases[i].n);
        check_text(&out, cases[i].head);
        buf_fini(&out);
    }
}

static bool
write_aborts(const struct message *m)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        struct buf out = { 0 };

        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        h1_write_request(&out, m);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
test_line_ends_are_bugs(void **state)
{
    static const struct {
        struct str value;
        bool is_bug;
    } cases[] = {
        { { "a\tb \x7f\x80\xff", 7 }, false },
        { { "\r", 1 }, true },
        { { "a\nb: c", 6 }, true },
        { { "12345678\r", 9 }, true },
        { { "1234567\n9", 9 }, true },
        { { "\xff\xff\xff\xff\xff\xff\xff\0\xff", 9 }, true },
        { { "12345678123456\0x", 16 }, true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { 0 };
        struct message m;

        message_init(&m, &arena);
        m.method = METHOD_GET;
        m.target = STR("/");
        m.host = STR("q");
        message_add(&m, STR("x-a"), cases[i].value);
        assert_int_equal(write_aborts(&m), cases[i].is_bug);
        m.fields[0].value = STR("1");
        m.host = cases[i].value;
        assert_int_equal(write_aborts(&m), cases[i].is_bug);
        arena_fini(&arena);
    }
}

/* Written, read, written again: the same bytes, and the same table. */
static void
test_round_trip(void **state)
{
    static const char *const heads[] = {
        GET H END,
        "POST /collections/c/points/search?timeout=3 HTTP/1.1\r\nHost: q\r\nContent-Length: 12\r\napi-key: secret\r\n"
        "Content-Type: application/json\r\nAccept: */*\r\nX-Weird: \t a\tb \x80\xff\r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: [::1]:6333\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct arena arena = { 0 };
        struct buf first = { 0 }, second = { 0 }, table = { 0 }, again = { 0 };
        struct message m;

        message_init(&m, &arena);
        parse_head(H1_REQUESTS, METHOD_OTHER, heads[i], &m);
        h1_write_request(&first, &m);
        buf_putc(&first, '\0');
        parse_head(H1_REQUESTS, METHOD_OTHER, buf_str(&first).p, &m);
        h1_print_message(&table, &m);
        h1_write_request(&second, &m);
        buf_putc(&second, '\0');
        assert_string_equal(buf_str(&first).p, buf_str(&second).p);
        parse_head(H1_REQUESTS, METHOD_OTHER, buf_str(&second).p, &m);
        h1_print_message(&again, &m);
        assert_true(str_eq(buf_str(&table), buf_str(&again)));
        buf_fini(&first);
        buf_fini(&second);
        buf_fini(&table);
        buf_fini(&again);
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_own_fields_are_printed),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_made_responses),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_line_ends_are_bugs),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
