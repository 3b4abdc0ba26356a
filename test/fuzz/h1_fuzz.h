/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_FUZZ_H1_FUZZ_H
#define SEXTANT_TEST_FUZZ_H1_FUZZ_H

/* What both h1 fuzzers check: the first five bytes of an input choose the cuts and the method that is answered, the rest is
 * the stream. Any way to cut it says the same; and a head that was accepted, written anew, is accepted again and then written
 * the same. */

#include <stdio.h>

#include "test/unit/h1_trace.h"

static inline void
h1_fuzz_cut(const struct h1_trace *t, struct str stream, struct h1_cuts cuts, const struct buf *whole)
{
    struct buf cut = { 0 };

    h1_trace(t, stream, cuts, &cut);
    if (!str_eq(buf_str(whole), buf_str(&cut))) {
        fprintf(stderr, "whole:\n" STR_FMT "cut:\n" STR_FMT, STR_ARG(buf_str(whole)), STR_ARG(buf_str(&cut)));
        abort();
    }
    buf_fini(&cut);
}

static inline void
h1_fuzz_cuts(const struct h1_trace *t, struct str stream, uint32_t seed)
{
    struct buf whole = { 0 };

    h1_trace(t, stream, (struct h1_cuts){ 0 }, &whole);
    h1_fuzz_cut(t, stream, (struct h1_cuts){ .seed = seed | 1 }, &whole);
    h1_fuzz_cut(t, stream, (struct h1_cuts){ .step = 1 }, &whole);
    buf_fini(&whole);
}

/* Parse the head at the beginning of `text`, print it again. False if it isn't one. */
static inline bool
h1_fuzz_rewrite(const struct h1_trace *t, struct str text, struct buf *out)
{
    struct h1_parser *p = h1_parser_new(t->side, &t->limits);
    struct arena arena = { 0 };
    struct message m;
    struct str body;
    enum fail fail;
    size_t used;
    bool is_head;

    message_init(&m, &arena);
    h1_reset(p, &m, t->answers);
    is_head = h1_parse(p, text, &used, &body, &fail) == H1_HEAD;
    if (is_head && t->side == H1_REQUESTS) {
        if (m.host.len == 0)
            m.host = STR("none"); /* HTTP/1.0 may do without, what is written may not */
        h1_write_request(out, &m);
    } else if (is_head) {
        h1_write_response(out, &m, 1);
    }
    h1_parser_free(p);
    arena_fini(&arena);
    return is_head;
}

static inline void
h1_fuzz(enum h1_side side, const uint8_t *data, size_t size)
{
    static const enum method methods[] = { METHOD_GET, METHOD_HEAD };
    struct h1_trace t = { .side = side, .limits = { .head_bytes = 700, .head_fields = 12, .line_bytes = 120 } };
    struct buf once = { 0 }, twice = { 0 };
    struct str stream;
    uint32_t seed;

    if (size < 5)
        return;
    memcpy(&seed, data, 4);
    t.answers = side == H1_RESPONSES ? methods[data[4] & 1] : METHOD_OTHER;
    t.ends = data[4] & 2;
    stream = str_make((const char *)data + 5, size - 5);
    h1_fuzz_cuts(&t, stream, seed);
    t.limits = (struct h1_limits){ .head_bytes = 4096, .head_fields = 96, .line_bytes = 1024 };
    if (h1_fuzz_rewrite(&t, stream, &once)) {
        if (!h1_fuzz_rewrite(&t, buf_str(&once), &twice) || !str_eq(buf_str(&once), buf_str(&twice)))
            abort();
    }
    buf_fini(&once);
    buf_fini(&twice);
}

#endif
