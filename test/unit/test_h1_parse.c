/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parser accepts and refuses. Each case runs whole, byte by byte and in all two-way splits, and must say the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "test/unit/h1_trace.h"

struct test_case {
    const char *name;
    struct str stream;
    enum fail fail;     /* FAIL_NONE: no error */
    const char *expect; /* must stand in the trace; NULL for nothing */
};

#define CASE(name, stream, fail, expect) \
    { \
        name, { stream, sizeof(stream) - 1 }, FAIL_##fail, expect \
    }
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: q\r\n"
#define H "Host: q\r\n"
#define END "\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

static bool
has(const struct buf *b, const char *text)
{
    return !text || (buf_len(b) && memmem(buf_str(b).p, buf_len(b), text, strlen(text)));
}

static void
check_trace(const struct test_case *c, const struct buf *trace)
{
    char error[64];

    snprintf(error, sizeof(error), "ERROR %s\n", fail_info(c->fail)->code);
    if (!has(trace, c->fail ? error : NULL) || (!c->fail && has(trace, "ERROR")) || !has(trace, c->expect))
        fail_msg("%s: wanted %s and %s, got:\n" STR_FMT, c->name, c->fail ? error : "no error",
            c->expect ? c->expect : "", STR_ARG(buf_str(trace)));
}

static void
check_split(const struct h1_trace *t, const struct test_case *c, struct h1_cuts cuts, const struct buf *whole)
{
    struct buf split = { 0 };

    h1_trace(t, c->stream, cuts, &split);
    if (!str_eq(buf_str(&split), buf_str(whole)))
        fail_msg("%s: cut (%zu, %zu, %u) says\n" STR_FMT "instead of\n" STR_FMT, c->name, cuts.first, cuts.step,
            cuts.seed, STR_ARG(buf_str(&split)), STR_ARG(buf_str(whole)));
    buf_fini(&split);
}

static void
check(const struct h1_trace *t, const struct test_case *c)
{
    struct buf whole = { 0 };

    h1_trace(t, c->stream, (struct h1_cuts){ 0 }, &whole);
    check_trace(c, &whole);
    check_split(t, c, (struct h1_cuts){ .step = 1 }, &whole);
    for (size_t i = 1; i < c->stream.len; i++)
        check_split(t, c, (struct h1_cuts){ .first = i }, &whole);
    for (uint32_t seed = 1; seed < 20; seed++)
        check_split(t, c, (struct h1_cuts){ .seed = seed }, &whole);
    buf_fini(&whole);
}

static void
check_all(const struct h1_trace *t, const struct test_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(t, &cases[i]);
}

#define CHECK_ALL(t, cases) check_all(&(t), cases, sizeof(cases) / sizeof((cases)[0]))

static const struct h1_trace requests = { .side = H1_REQUESTS, .limits = H1_TEST_LIMITS };
static const struct h1_trace responses = {
    .side = H1_RESPONSES, .limits = H1_TEST_LIMITS, .answers = METHOD_GET, .ends = true
};

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

#define TE "Transfer-Encoding: "
#define CL "Content-Length: "
#define CHUNKED POST TE "chunked\r\n\r\n"

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
    assert_true(has(&trace, "ERROR BAD_FRAMING") || has(&trace, "ERROR CODING_UNSUPPORTED"));
    assert_false(has(&trace, "HEAD"));
    buf_fini(&trace);
}

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

/* Limits: `n` bytes are in, n + 1 are out. */

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
    assert_int_equal(h1_parse(p, input, &used, &body, &fail), H1_HEAD);
    assert_false(h1_is_idle(p));
    input = str_skip(input, used);
    assert_int_equal(input.len, 5);
    assert_int_equal(h1_parse(p, input, &used, &body, &fail), H1_BODY);
    assert_ptr_equal(body.p, input.p);
    assert_int_equal(body.len, 5);
    assert_int_equal(used, 5);
    assert_int_equal(h1_parse(p, str_skip(input, used), &used, &body, &fail), H1_DONE);
    assert_int_equal(used, 0);
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
        cmocka_unit_test(test_valid_responses),
        cmocka_unit_test(test_refused_responses),
        cmocka_unit_test(test_answers_to_head),
        cmocka_unit_test(test_requests_that_end),
        cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_chunk_line_limit),
        cmocka_unit_test(test_trailer_limit),
        cmocka_unit_test(test_response_limits),
        cmocka_unit_test(test_body_is_a_slice),
        cmocka_unit_test(test_error_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
