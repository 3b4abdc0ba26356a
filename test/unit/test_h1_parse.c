/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests: what the parser accepts and refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test/unit/h1_cases.h"

static void
test_valid_requests(void **state)
{
    static const struct test_case cases[] = {
        CASE("plain", GET H END, NONE,
            "HEAD 1 [GET] [/] host [q] 0 [] 1.1 keep 1 expect 0 framing 0 0\n 1/2 host: [q]\nDONE\nIDLE\n"),
        CASE("length", POST "Content-Length: 3\r\n\r\nabc", NONE, "framing 1 3\n"),
        CASE("length's body", POST "Content-Length: 3\r\n\r\nabc", NONE, "content-length: [3]\nabcDONE\nIDLE\n"),
        CASE("length 0", POST "Content-Length: 0\r\n\r\n", NONE, "framing 1 0\n"),
        CASE("leading zeros", POST "Content-Length: 003\r\n\r\nabc", NONE, "framing 1 3\n"),
        CASE("chunked", POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", NONE,
            "[chunked]\nabcdeDONE\nIDLE\n"),
        CASE("CHUNKED", POST "TRANSFER-ENCODING: CHUNKED\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n", NONE,
            "0123456789DONE\n"),
        CASE("extension", POST "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n", NONE, "{}DONE\n"),
        CASE("trailers are dropped",
            POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n" GET H END, NONE,
            "[chunked]\n{}DONE\nHEAD 1 [GET] [/] host [q]"),
        CASE("pipelined", GET H END "GET /b HTTP/1.1\r\nHost: r\r\n\r\n", NONE, "DONE\nHEAD 1 [GET] [/b] host [r]"),
        CASE("pipelined after a body", POST "Content-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\nHost: r\r\n\r\n", NONE,
            "xDONE\nHEAD 1 [GET] [/b]"),
        CASE("empty lines before", "\r\n\r\n" GET H END, NONE, "[GET] [/]"),
        CASE("empty lines between", GET H END "\r\n" GET H END, NONE, "DONE\nHEAD 1 [GET] [/]"),
        CASE("only empty lines", "\r\n\r\n", NONE, "IDLE"),
        CASE("body of a GET", GET H "Content-Length: 1\r\n\r\nx", NONE, "xDONE"),
        CASE("names, blanks", GET H "X-A:  b c \t\r\nx-EMPTY:\r\nX-Also-Empty:  \r\nX-Last: 1\r\n" END, NONE,
            " 0/0 x-a: [b c]\n 0/0 x-empty: []\n 0/0 x-also-empty: []\n 0/0 x-last: [1]\n"),
        CASE("bytes from 0x80 in values", GET H "X-A: \x80\xff\r\n" END, NONE, "x-a: [\x80\xff]"),
        CASE("1.0", "GET / HTTP/1.0\r\n\r\n", NONE, "host [] 0 [] 1.0 keep 0"),
        CASE("1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", NONE, "1.0 keep 1"),
        CASE("1.0 close wins", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", NONE, "1.0 keep 0"),
        CASE("close", GET H "Connection: close\r\n\r\n", NONE, "1.1 keep 0"),
        CASE("close and a tab", GET H "Connection: close\t\r\n\r\n", NONE, "1.1 keep 0"),
        CASE("close in a second field", GET H "Connection: x\r\nConnection: Close\r\n\r\n", NONE, "1.1 keep 0"),
        CASE("after close, what follows is the caller's", GET H "Connection: close\r\n\r\n" GET H END, NONE,
            "DONE\nHEAD"),
        CASE("expect", POST "Expect: 100-Continue\r\nContent-Length: 0\r\n\r\n", NONE, "expect 1"),
        CASE("expect, as Qdrant reads it", POST "Expect: 100-other\r\n\r\n", NONE, "expect 1"),
        CASE("other expectations", POST "Expect: else\r\n\r\n", NONE, "expect 0"),
        CASE("expect in 1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", NONE, "expect 0"),
        CASE("upgrade is ignored",
            GET H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
                  "\r\n" GET H END,
            NONE, "DONE\nHEAD"),
        CASE("upgrade with a body",
            POST "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx" GET H END, NONE,
            "xDONE\nHEAD"),
        CASE("named hops", GET H "Connection: x-a, api-key\r\nX-A: 1\r\napi-key: 2\r\n\r\n", NONE, " 0/1 x-a: [1]\n"),
        CASE("options *", "OPTIONS * HTTP/1.1\r\n" H END, NONE, "[OPTIONS] [*]"),
        CASE("doubled and dotted paths are kept", "GET //a/../%00%2f?q=/? HTTP/1.1\r\n" H END, NONE,
            "[//a/../%00%2f?q=/?]"),
    };

    CHECK_ALL(requests, cases);
}

static void
test_hosts_and_targets(void **state)
{
    static const struct test_case cases[] = {
        CASE("no host", GET END, BAD_HOST, NULL),
        CASE("two hosts", GET "Host: a\r\nHost: b\r\n" END, BAD_HOST, NULL),
        CASE("two equal hosts", GET H H END, BAD_HOST, NULL),
        CASE("two hosts in 1.0", "GET / HTTP/1.0\r\n" H H END, BAD_HOST, NULL),
        CASE("empty host", GET "Host:\r\n" END, BAD_HOST, NULL),
        CASE("user and path in host", GET "Host: a@b/c\r\n" END, BAD_HOST, NULL),
        CASE("blank in host", GET "Host: a b\r\n" END, BAD_HOST, NULL),
        CASE("absolute", "GET http://other:81/a?b HTTP/1.1\r\n" H END, NONE, "[/a?b] host [other:81]"),
        CASE("absolute https, upper case", "GET HTTPS://Other/ HTTP/1.1\r\n" H END, NONE, "[/] host [Other]"),
        CASE("absolute without path", "GET http://other HTTP/1.1\r\n" H END, NONE, "[/] host [other]"),
        CASE("absolute with query only", "GET http://other?q HTTP/1.1\r\n" H END, NONE, "[/?q] host [other]"),
        CASE("absolute options", "OPTIONS http://other HTTP/1.1\r\n" H END, NONE, "[*] host [other]"),
        CASE("absolute in 1.0", "GET http://other/a HTTP/1.0\r\n\r\n", NONE, "[/a] host [other]"),
        CASE("absolute still needs a host", "GET http://other/a HTTP/1.1\r\n\r\n", BAD_HOST, NULL),
        CASE("absolute and two hosts", "GET http://other/a HTTP/1.1\r\n" H H END, BAD_HOST, NULL),
        CASE("absolute with user", "GET http://u:p@other/a HTTP/1.1\r\n" H END, BAD_HOST, NULL),
        CASE("absolute without host", "GET http:///a HTTP/1.1\r\n" H END, BAD_HOST, NULL),
        CASE("other scheme", "GET ftp://other/a HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("asterisk and GET", "GET * HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("authority-form", "GET q:80 HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("relative", "GET a/b HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("fragment", "GET /a#b HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("NUL", "GET /a\0 HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("tab", "GET /a\tb HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("control", "GET /a\x01 HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("delete", "GET /a\x7f HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("byte from 0x80", "GET /\xc3\xa4 HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("space in target", "GET /a b HTTP/1.1\r\n" H END, BAD_TARGET, NULL),
    };

    CHECK_ALL(requests, cases);
}

static void
test_refused_start_lines(void **state)
{
    static const struct test_case cases[] = {
        CASE("0.9", "GET /\r\n\r\n", VERSION_UNSUPPORTED, NULL),
        CASE("2.0", "GET / HTTP/2.0\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("1.2", "GET / HTTP/1.2\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("0.9 spelled out", "GET / HTTP/0.9\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("RTSP", "OPTIONS / RTSP/1.0\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("RTSP method", "SETUP / RTSP/1.0\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("ICE", "SOURCE / ICE/1.0\r\n" H END, VERSION_UNSUPPORTED, NULL),
        CASE("lower-case http", "GET / http/1.1\r\n" H END, BAD_TARGET, NULL),
        CASE("connect", "CONNECT q:80 HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("trace", "TRACE / HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("WebDAV", "PROPFIND / HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("unheard of", "FROB / HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("lower-case method", "get / HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("longer than GET", "GETT / HTTP/1.1\r\n" H END, METHOD_UNKNOWN, NULL),
        CASE("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_REQUEST, NULL),
        CASE("TLS hello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", BAD_REQUEST, NULL),
        CASE("two spaces", "GET  / HTTP/1.1\r\n" H END, BAD_REQUEST, NULL),
        CASE("two spaces before the version", "GET /  HTTP/1.1\r\n" H END, BAD_REQUEST, NULL),
        CASE("space after the version", "GET / HTTP/1.1 \r\n" H END, BAD_REQUEST, NULL),
        CASE("space before the method", " GET / HTTP/1.1\r\n" H END, BAD_REQUEST, NULL),
        CASE("bare LF before", "\n" GET H END, BAD_REQUEST, NULL),
        CASE("bare CR before", "\rGET / HTTP/1.1\r\n" H END, BAD_REQUEST, NULL),
        CASE("too many empty lines", "\r\n\r\n\r\n\r\n\r\n" GET H END, BAD_REQUEST, NULL),
        CASE("bare LF", "GET / HTTP/1.1\nHost: q\n\n", BAD_REQUEST, NULL),
    };

    CHECK_ALL(requests, cases);
}

static void
test_refused_fields(void **state)
{
    static const struct test_case cases[] = {
        CASE("bare LF ends a value", GET "Host: q\nX: 1\r\n" END, BAD_REQUEST, NULL),
        CASE("bare LF ends the head", GET H "\n", BAD_REQUEST, NULL),
        CASE("bare CR ends a value", GET "Host: q\rX: 1\r\n" END, BAD_REQUEST, NULL),
        CASE("CR LF CR x ends the head", GET H "\r\rX: 1\r\n\r\n", BAD_REQUEST, NULL),
        CASE("folded", GET H "X-A: 1\r\n 2\r\n" END, BAD_REQUEST, NULL),
        CASE("folded first", GET " X: 1\r\n" H END, BAD_REQUEST, NULL),
        CASE("folded length", POST "X: y\r\n Content-Length: 5\r\n" END, BAD_REQUEST, NULL),
        CASE("space before the colon", GET H "X-A : 1\r\n" END, BAD_REQUEST, NULL),
        CASE("space before length", POST " Content-Length: 1\r\n" END, BAD_REQUEST, NULL),
        CASE("no name", GET H ": x\r\n" END, BAD_REQUEST, NULL),
        CASE("no colon", GET H "X-A\r\n" END, BAD_REQUEST, NULL),
        CASE("name with a bracket", GET H "X(A): 1\r\n" END, BAD_REQUEST, NULL),
        CASE("name with a byte from 0x80", GET H "X\xc3: 1\r\n" END, BAD_REQUEST, NULL),
        CASE("NUL in a name", GET H "X\0A: 1\r\n" END, BAD_REQUEST, NULL),
        CASE("NUL in a value", GET H "X: \0\r\n" END, BAD_REQUEST, NULL),
        CASE("control in a value", GET H "X: a\x01\r\n" END, BAD_REQUEST, NULL),
        CASE("more names in Connection than anyone needs",
            GET H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n" END, BAD_REQUEST,
            NULL),
    };

    CHECK_ALL(requests, cases);
}

static void
test_refused_framing(void **state)
{
    static const struct test_case cases[] = {
        CASE("length and coding", POST CL "5\r\n" TE "chunked\r\n\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("coding and length", POST TE "chunked\r\n" CL "5\r\n\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("two lengths", POST CL "2\r\n" CL "3\r\n\r\n{}", BAD_FRAMING, NULL),
        CASE("two equal lengths", POST CL "2\r\n" CL "2\r\n\r\n{}", BAD_FRAMING, NULL),
        CASE("list of lengths", POST CL "1, 1\r\n\r\nx", BAD_FRAMING, NULL),
        CASE("+1", POST CL "+1\r\n\r\nx", BAD_FRAMING, NULL),
        CASE("-1", POST CL "-1\r\n\r\nx", BAD_FRAMING, NULL),
        CASE("0x1", POST CL "0x1\r\n\r\nx", BAD_FRAMING, NULL),
        CASE("1 1", POST CL "1 1\r\n\r\nx", BAD_FRAMING, NULL),
        CASE("empty length", POST CL "\r\n\r\n", BAD_FRAMING, NULL),
        CASE("2^64", POST CL "18446744073709551616\r\n\r\n", BAD_FRAMING, NULL),
        CASE("gzip", POST TE "gzip\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("gzip, chunked", POST TE "gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("chunked, gzip", POST TE "chunked, gzip\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("chunked, chunked", POST TE "chunked, chunked\r\n\r\n0\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("identity", POST TE "identity\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("xchunked", POST TE "xchunked\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("chunkedx", POST TE "chunkedx\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("\"chunked\"", POST TE "\"chunked\"\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("chunked with a parameter", POST TE "chunked;q=1\r\n\r\n0\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("empty coding", POST TE "\r\n\r\n", CODING_UNSUPPORTED, NULL),
        CASE("chunked in 1.0", "POST / HTTP/1.0\r\n" H TE "chunked\r\n\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("size zz", CHUNKED "zz\r\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("size 0x2", CHUNKED "0x2\r\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("size -2", CHUNKED "-2\r\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("no size", CHUNKED "\r\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("size 2^64", CHUNKED "10000000000000000\r\n", BAD_FRAMING, NULL),
        CASE("space after the size", CHUNKED "2 \r\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("bare LF after the size", CHUNKED "2\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("bare LF in an extension", CHUNKED "2;a\n{}\r\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("longer than its size", CHUNKED "2\r\n{}x\r\n0\r\n\r\n", BAD_FRAMING, "{}ERROR"),
        CASE("nothing after the data", CHUNKED "2\r\n{}0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("bare LF after the data", CHUNKED "2\r\n{}\n0\r\n\r\n", BAD_FRAMING, NULL),
        CASE("length in a trailer", CHUNKED "0\r\nContent-Length: 5\r\n\r\n", BAD_FRAMING, NULL),
        CASE("bare LF ends the trailers", CHUNKED "0\r\nX: 1\n\n", BAD_REQUEST, NULL),
        CASE("bad name in a trailer", CHUNKED "0\r\nX Y: 1\r\n\r\n", BAD_REQUEST, NULL),
    };

    CHECK_ALL(requests, cases);
}

static void
test_coding_stated_twice(void **state)
{
    struct buf trace = { 0 };

    /* llhttp sees it first and which of both codes it is does not matter: never accepted. */
    h1_trace(&requests, STR(POST TE "chunked\r\n" TE "chunked\r\n\r\n0\r\n\r\n"), (struct h1_cuts){ 0 }, &trace);
    assert_true(h1_has(&trace, "ERROR BAD_FRAMING") || h1_has(&trace, "ERROR CODING_UNSUPPORTED"));
    assert_false(h1_has(&trace, "HEAD"));
    buf_fini(&trace);
}

static void
test_requests_that_end(void **state)
{
    static const struct test_case cases[] = {
        CASE("nothing", "", NONE, "IDLE"),
        CASE("empty lines", "\r\n", NONE, "IDLE"),
        CASE("after a request", GET H END, NONE, "DONE\nIDLE\n"),
        CASE("in the line", "GE", CLIENT_GONE, NULL),
        CASE("in the head", GET "Ho", CLIENT_GONE, NULL),
        CASE("in the body", POST "Content-Length: 2\r\n\r\na", CLIENT_GONE, "aERROR"),
    };
    struct h1_trace t = requests;

    t.ends = true;
    CHECK_ALL(t, cases);
}

/* A body needs no memory: its pieces are slices of the input. */
static void
test_body_is_a_slice(void **state)
{
    struct h1_limits limits = H1_TEST_LIMITS;
    struct h1_parser *p = h1_parser_new(H1_REQUESTS, &limits);
    struct arena arena = { 0 };
    struct str input = STR(POST "Content-Length: 5\r\n\r\nabcde"), body = STR_NONE;
    struct message m;
    enum fail fail;
    size_t used;

    message_init(&m, &arena);
    h1_reset(p, &m, METHOD_OTHER);
    assert_true(h1_is_idle(p));
    assert_false(h1_has_pending(p));
    assert_int_equal(h1_parse(p, input, &used, &body, &fail), H1_HEAD);
    assert_false(h1_has_pending(p)); /* five bytes are to come */
    assert_false(h1_is_idle(p));
    assert_int_equal(h1_parse(p, STR_NONE, &used, &body, &fail), H1_MORE); /* nothing is not the end */
    assert_false(h1_has_pending(p));
    input = str_make(input.p + input.len - 5, 5);
    assert_int_equal(h1_parse(p, str_make(input.p, 2), &used, &body, &fail), H1_BODY);
    assert_ptr_equal(body.p, input.p);
    assert_int_equal(h1_parse(p, STR_NONE, &used, &body, &fail), H1_MORE);
    input = str_skip(input, 2);
    assert_int_equal(h1_parse(p, input, &used, &body, &fail), H1_BODY);
    assert_ptr_equal(body.p, input.p);
    assert_int_equal(body.len, 3);
    assert_int_equal(used, 3);
    assert_true(h1_has_pending(p));
    assert_int_equal(h1_parse(p, str_skip(input, used), &used, &body, &fail), H1_DONE);
    assert_int_equal(used, 0);
    assert_false(h1_has_pending(p));
    assert_int_equal(h1_parse(p, STR("GET"), &used, &body, &fail), H1_DONE);
    assert_int_equal(used, 0);
    h1_parser_free(p);
    h1_parser_free(NULL);
    arena_fini(&arena);
}

/* After an error the parser stays dead, and h1_reset() brings it back. */
static void
test_error_stays(void **state)
{
    struct h1_limits limits = H1_TEST_LIMITS;
    struct h1_parser *p = h1_parser_new(H1_REQUESTS, &limits);
    struct arena arena = { 0 };
    struct str body;
    struct message m;
    enum fail fail = FAIL_NONE;
    size_t used;

    message_init(&m, &arena);
    h1_reset(p, &m, METHOD_OTHER);
    assert_int_equal(h1_parse(p, STR("GET /#x HTTP/1.1\r\n" H END), &used, &body, &fail), H1_ERROR);
    assert_int_equal(fail, FAIL_BAD_TARGET);
    assert_true(str_eq(m.target, STR("/#x")));
    assert_int_equal(h1_parse(p, STR(GET H END), &used, &body, &fail), H1_ERROR);
    assert_int_equal(used, 0);
    assert_int_equal(h1_parse_eof(p, &fail), H1_ERROR);
    assert_int_equal(fail, FAIL_BAD_TARGET);
    arena_reset(&arena);
    h1_reset(p, &m, METHOD_OTHER);
    assert_int_equal(h1_parse(p, STR(GET H END), &used, &body, &fail), H1_HEAD);
    h1_parser_free(p);
    arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_requests),
        cmocka_unit_test(test_hosts_and_targets),
        cmocka_unit_test(test_refused_start_lines),
        cmocka_unit_test(test_refused_fields),
        cmocka_unit_test(test_refused_framing),
        cmocka_unit_test(test_coding_stated_twice),
        cmocka_unit_test(test_requests_that_end),
        cmocka_unit_test(test_body_is_a_slice),
        cmocka_unit_test(test_error_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
