/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_H1_CASES_H
#define SEXTANT_TEST_UNIT_H1_CASES_H

/* Tables of streams and what the parser must say of them. Each case runs whole, byte by byte, in all two-way splits and in
 * some random ones, and must say the same. (Include the headers that cmocka wants first.) */

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
#define TE "Transfer-Encoding: "
#define CL "Content-Length: "
#define CHUNKED POST TE "chunked\r\n\r\n"

static inline bool
h1_has(const struct buf *b, const char *text)
{
    return !text || (buf_len(b) && memmem(buf_str(b).p, buf_len(b), text, strlen(text)));
}

static inline void
check_trace(const struct test_case *c, const struct buf *trace)
{
    char error[64];

    snprintf(error, sizeof(error), "ERROR %s\n", fail_info(c->fail)->code);
    if (!h1_has(trace, c->fail ? error : NULL) || (!c->fail && h1_has(trace, "ERROR")) || !h1_has(trace, c->expect))
        fail_msg("%s: wanted %s and %s, got:\n" STR_FMT, c->name, c->fail ? error : "no error",
            c->expect ? c->expect : "", STR_ARG(buf_str(trace)));
}

static inline void
check_split(const struct h1_trace *t, const struct test_case *c, struct h1_cuts cuts, const struct buf *whole)
{
    struct buf split = { 0 };

    h1_trace(t, c->stream, cuts, &split);
    if (!str_eq(buf_str(&split), buf_str(whole)))
        fail_msg("%s: cut (%zu, %zu, %u) says\n" STR_FMT "instead of\n" STR_FMT, c->name, cuts.first, cuts.step,
            cuts.seed, STR_ARG(buf_str(&split)), STR_ARG(buf_str(whole)));
    buf_fini(&split);
}

static inline void
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

static inline void
check_all(const struct h1_trace *t, const struct test_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(t, &cases[i]);
}

#define CHECK_ALL(t, cases) check_all(&(t), cases, sizeof(cases) / sizeof((cases)[0]))

static const struct h1_trace requests __attribute__((unused)) = { .side = H1_REQUESTS, .limits = H1_TEST_LIMITS };
static const struct h1_trace responses
    __attribute__((unused)) = { .side = H1_RESPONSES, .limits = H1_TEST_LIMITS, .answers = METHOD_GET, .ends = true };

#endif
