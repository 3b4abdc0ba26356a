/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses: what the parser accepts and refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test/unit/h1_cases.h"

static void
test_valid_responses(void **state)
{
    static const struct test_case cases[] = {
        CASE("length", OK "Content-Length: 2\r\n\r\nab", NONE,
            "HEAD 1 [] [] host [] 200 [OK] 1.1 keep 1 expect 0 framing 1 2\n 2/2 content-length: [2]\nabDONE\nLEFT "
            "0\n"),
        CASE("chunked", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n", NONE,
            "[chunked]\nabDONE\nLEFT 0\n"),
        CASE("until close", OK "X: 1\r\n\r\nab", NONE, "framing 3 0\n 0/0 x: [1]\nabDONE\nLEFT 0\n"),
        CASE("until close is not kept", OK "\r\nab", NONE, "keep 0"),
        CASE("until close, nothing", OK "\r\n", NONE, "DONE"),
        CASE("204", "HTTP/1.1 204 No Content\r\n\r\n", NONE, "framing 0 0\nDONE\nLEFT 0\n"),
        CASE("304 says a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", NONE, "framing 0 7\n"),
        CASE("304 has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nx", NONE, "[7]\nDONE\nLEFT 1\n"),
        CASE("bytes after it stay", OK "Content-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n", NONE, "abDONE\nLEFT 17\n"),
        CASE("bytes after chunks stay", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n", NONE, "DONE\nLEFT 2\n"),
        CASE("bytes after close stay", OK "Connection: close\r\nContent-Length: 0\r\n\r\nx", NONE, "DONE\nLEFT 1\n"),
        CASE("100 first", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n", NONE,
            "HEAD 1 [] [] host [] 200 [OK]"),
        CASE("other 1xx first",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 110 X\r\n\r\n" OK
            "Content-Length: 0\r\n\r\n",
            NONE, "200 [OK] 1.1 keep 1 expect 0 framing 1 0\n 2/2 content-length: [0]\nDONE"),
        CASE("close", OK "Connection: close\r\nContent-Length: 0\r\n\r\n", NONE, "1.1 keep 0"),
        CASE("1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", NONE, "1.0 keep 0"),
        CASE("1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", NONE,
            "1.0 keep 1"),
        CASE("empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", NONE, "200 []"),
        CASE("no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", NONE, "200 []"),
        CASE("long reason", "HTTP/1.1 404 No such  thing\r\nContent-Length: 0\r\n\r\n", NONE, "404 [No such  thing]"),
        CASE("599", "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n", NONE, "599 [X]"),
        CASE("upgrade offered", OK "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx", NONE,
            "xDONE\nLEFT 0"),
        CASE("silence", "", NONE, "IDLE"),
    };

    CHECK_ALL(responses, cases);
}

static void
test_refused_responses(void **state)
{
    static const struct test_case cases[] = {
        CASE("101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", UPSTREAM_PROTOCOL,
            NULL),
        CASE("099", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("600", "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("two digits", "HTTP/1.1 20 X\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("four digits", "HTTP/1.1 2000 X\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("0.9", "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("RTSP", "RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("CR CR in the status line", "HTTP/1.1 200 OK\r\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("CR alone ends no status line", "HTTP/1.1 200 OK\rX: 1\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL,
            NULL),
        CASE("nor does CR and CR", "HTTP/1.1 200 OK\r\rX: 1\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("control in the reason", "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", UPSTREAM_PROTOCOL, NULL),
        CASE("empty line first", "\r\n" OK "Content-Length: 0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("a request", GET H END, UPSTREAM_PROTOCOL, NULL),
        CASE("gzip until close", OK TE "gzip\r\n\r\nab", UPSTREAM_PROTOCOL, NULL),
        CASE("gzip, chunked", OK TE "gzip, chunked\r\n\r\n0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("both", OK TE "chunked\r\n" CL "0\r\n\r\n0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("both, the other way", OK CL "0\r\n" TE "chunked\r\n\r\n0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("two lengths", OK CL "0\r\n" CL "1\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("chunked in 1.0", "HTTP/1.0 200 OK\r\n" TE "chunked\r\n\r\n0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("chunked 204", "HTTP/1.1 204 X\r\n" TE "chunked\r\n\r\n0\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("100 with a length", "HTTP/1.1 100 Continue\r\n" CL "3\r\n\r\nabc", UPSTREAM_PROTOCOL, NULL),
        CASE("100 with an empty body", "HTTP/1.1 100 Continue\r\n" CL "0\r\n\r\n" OK CL "0\r\n\r\n", UPSTREAM_PROTOCOL,
            NULL),
        CASE("bad chunk", OK TE "chunked\r\n\r\nzz\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("folded", OK "X: 1\r\n 2\r\n\r\n", UPSTREAM_PROTOCOL, NULL),
        CASE("a ninth 1xx",
            "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 "
            "A\r\n\r\n"
            "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\n" OK "\r\n",
            UPSTREAM_PROTOCOL, NULL),
        CASE("broken off in the line", "HTTP/1.1 2", UPSTREAM_CUT, NULL),
        CASE("broken off in the head", OK "X: 1\r\n", UPSTREAM_CUT, NULL),
        CASE("broken off after 100", "HTTP/1.1 100 Continue\r\n\r\n", UPSTREAM_CUT, NULL),
        CASE("broken off in the body", OK CL "3\r\n\r\nab", UPSTREAM_CUT, "abERROR"),
        CASE("broken off in a chunk", OK TE "chunked\r\n\r\n3\r\nab", UPSTREAM_CUT, NULL),
        CASE("broken off before the last chunk", OK TE "chunked\r\n\r\n2\r\nab\r\n", UPSTREAM_CUT, NULL),
        CASE("broken off in the trailers", OK TE "chunked\r\n\r\n0\r\nX: 1\r\n", UPSTREAM_CUT, NULL),
    };

    CHECK_ALL(responses, cases);
}

static void
test_answers_to_head(void **state)
{
    static const struct test_case cases[] = {
        CASE("length", OK "Content-Length: 5\r\n\r\n", NONE, "framing 1 5\n 2/2 content-length: [5]\nDONE\nLEFT 0\n"),
        CASE("chunked", OK "Transfer-Encoding: chunked\r\n\r\n", NONE,
            "framing 0 0\n 3/2 transfer-encoding: [chunked]\nDONE"),
        CASE("nothing", OK "\r\n", NONE, "framing 0 0\nDONE\n"),
        CASE("a body all the same", OK "Content-Length: 1\r\n\r\nx", NONE, "DONE\nLEFT 1\n"),
        CASE("upgrade", OK "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n", NONE, "DONE\nLEFT 0\n"),
    };
    struct h1_trace t = responses;

    t.answers = METHOD_HEAD;
    CHECK_ALL(t, cases);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_responses),
        cmocka_unit_test(test_refused_responses),
        cmocka_unit_test(test_answers_to_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
