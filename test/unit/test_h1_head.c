/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules about a head, without llhttp in front of them: they must hold alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/http/h1_head.h"

static void
test_hosts(void **state)
{
    static const struct {
        const char *host;
        bool is_host;
    } cases[] = {
        { "q", true },
        { "sextant_1.example.internal", true },
        { "Q.example:6333", true },
        { "q:", true },
        { "a%2Db", true },
        { "192.0.2.1:80", true },
        { "[2001:db8::1]", true },
        { "[::1]:6333", true },
        { "", false },
        { ":80", false },
        { "q:65536", false },
        { "q:+1", false },
        { "q:80:81", false },
        { "q:8x", false },
        { "a@b", false },
        { "a/b", false },
        { "a?b", false },
        { "a#b", false },
        { "a b", false },
        { "a,b;c", true }, /* odd, but a reg-name */
        { "a%2", false },
        { "a%zz", false },
        { "a\\b", false },
        { "a\xc3\xa4", false },
        { "2001:db8::1", false },
        { "[192.0.2.1]", false },
        { "[fe80::1%25eth0]", false },
        { "[fe80::1%eth0]", false },
        { "[::1", false },
        { "[]", false },
        { "[::1]80", false },
        { "[[::1]]", false },
        { "[v1.x]", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (h1_is_host(str_from(cases[i].host)) != cases[i].is_host)
            fail_msg("%s", cases[i].host);
    }
}

/* Where the fields stand in a head of well-formed lines. */
static unsigned
find_places(struct str head, struct h1_place *places)
{
    size_t at = (size_t)str_find(head, '\n') + 1;
    unsigned n = 0;

    while (head.p[at] != '\r') {
        struct str line = str_make(head.p + at, (size_t)str_find(str_skip(head, at), '\r'));
        uint32_t colon = (uint32_t)str_find(line, ':');

        places[n].name = (struct h1_span){ (uint32_t)at, colon };
        places[n++].value = (struct h1_span){ (uint32_t)at + colon + 1, (uint32_t)line.len - colon - 1 };
        at += line.len + 2;
    }
    return n;
}

static enum fail
read_head(const char *text, enum method answers, struct message *m, struct arena *arena)
{
    struct h1_place places[8];
    struct str head = str_from(text);
    unsigned n = find_places(head, places);

    message_init(m, arena);
    m->method = answers;
    if (answers == METHOD_OTHER)
        return h1_head_request(m, str_make(head.p, 5), str_skip(head, 5), places, n);
    return h1_head_response(m, STR_NONE, head, places, n);
}

static void
test_rules(void **state)
{
#define POST "POST / HTTP/1.1\r\nHost: q\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
    static const struct {
        const char *head;
        enum method answers;
        enum fail fail;
    } cases[] = {
        { POST "Content-Length: 1\r\n\r\n", METHOD_OTHER, FAIL_NONE },
        { POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Content-Length: 1, 1\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Content-Length: +1\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Content-Length: 18446744073709551616\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Content-Length:\r\n\r\n", METHOD_OTHER, FAIL_BAD_FRAMING },
        { POST "Transfer-Encoding: xchunked\r\n\r\n", METHOD_OTHER, FAIL_CODING_UNSUPPORTED },
        { "POST  / HTTP/1.1\r\nHost: q\r\n\r\n", METHOD_OTHER, FAIL_BAD_REQUEST },
        { "POST / HTTP/1.1\nHost: q\r\n\r\n", METHOD_OTHER, FAIL_BAD_REQUEST },
        { "POST /\r\nHost: q\r\n\r\n", METHOD_OTHER, FAIL_VERSION_UNSUPPORTED },
        { "POST / HTTP/1.10\r\nHost: q\r\n\r\n", METHOD_OTHER, FAIL_VERSION_UNSUPPORTED },
        { OK "Content-Length: 1\r\n\r\n", METHOD_GET, FAIL_NONE },
        { OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
        { OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
        { OK "Transfer-Encoding: gzip\r\n\r\n", METHOD_HEAD, FAIL_UPSTREAM_PROTOCOL },
        { "HTTP/1.1 100 Continue\r\n\r\n", METHOD_GET, FAIL_NONE },
        { "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
        { "HTTP/1.1 20x OK\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
        { "HTTP/1.1 200OK\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
        { "HTTP/1.1-200 OK\r\n\r\n", METHOD_GET, FAIL_UPSTREAM_PROTOCOL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { 0 };
        struct message m;
        enum fail fail = read_head(cases[i].head, cases[i].answers, &m, &arena);

        if (fail != cases[i].fail)
            fail_msg("%s: %s", cases[i].head, fail_info(fail)->code);
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
