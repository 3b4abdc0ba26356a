/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_H1_TRACE_H
#define SEXTANT_TEST_UNIT_H1_TRACE_H

/* For tests and fuzzers: run a parser over a stream that is cut into pieces, and print what it said as text. Two runs over
 * the same stream must print the same, however it is cut. Every piece lies in memory of its own that is gone after the call,
 * so that a sanitizer sees reads beyond it and slices kept too long. */

#include <stdlib.h>

#include "proxy/http/h1.h"

struct h1_cuts {
    size_t first;  /* length of the first piece, 0 for `step` */
    size_t step;   /* length of the others, 0 for all the rest */
    uint32_t seed; /* not 0: random lengths instead */
};

struct h1_trace {
    enum h1_side side;
    struct h1_limits limits;
    enum method answers;
    bool ends; /* the connection ends after the stream */
};

#define H1_TEST_LIMITS \
    { \
        .head_bytes = 8192, .head_fields = 96, .line_bytes = 1024 \
    }

static inline size_t
h1_next_cut(struct h1_cuts *cuts, size_t rest)
{
    size_t n = cuts->step;

    if (cuts->seed) {
        cuts->seed = cuts->seed * 1664525u + 1013904223u;
        n = (cuts->seed >> 24) % ((cuts->seed & 0x10000) ? 5 : 90);
    } else if (cuts->first) {
        n = cuts->first;
        cuts->first = 0;
    } else if (n == 0) {
        n = rest;
    }
    return n < rest ? n : rest;
}

static inline void
h1_print_message(struct buf *out, const struct message *m)
{
    buf_printf(out, "HEAD %d [" STR_FMT "] [" STR_FMT "] host [" STR_FMT "] %d [" STR_FMT "] 1.%d", m->method,
        STR_ARG(m->method_text), STR_ARG(m->target), STR_ARG(m->host), m->status, STR_ARG(m->reason), m->minor);
    buf_printf(out, " keep %d expect %d framing %d %llu\n", m->keep_alive, m->expect_continue, m->framing,
        (unsigned long long)m->content_length);
    for (unsigned i = 0; i < m->n_fields; i++) {
        const struct field *f = &m->fields[i];

        buf_printf(out, " %d/%d " STR_FMT ": [", f->id, f->flags, STR_ARG(f->name));
        buf_add(out, f->value);
        buf_add(out, STR("]\n"));
    }
}

/* One event; false when the stream is over. */
static inline bool
h1_print_event(struct buf *out, enum h1_event event, const struct message *m, struct str body, enum fail fail)
{
    switch (event) {
    case H1_HEAD:
        h1_print_message(out, m);
        return true;
    case H1_BODY:
        buf_add(out, body);
        return true;
    case H1_DONE:
        buf_add(out, STR("DONE\n"));
        return true;
    case H1_ERROR:
        buf_printf(out, "ERROR %s\n", fail_info(fail)->code);
        return false;
    case H1_MORE:
        break;
    }
    return true;
}

/* Give one piece to the parser. False when the stream is over, by an error or, for responses, by a complete one. */
static inline bool
h1_trace_piece(
    const struct h1_trace *t, struct h1_parser *p, struct message *m, struct str piece, size_t *total, struct buf *out)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    enum h1_event event = H1_BODY;
    bool goes_on = true;
    size_t at = 0;

    memcpy(copy, piece.p, piece.len);
    while (goes_on && event != H1_MORE) {
        struct str body = STR_NONE;
        enum fail fail = FAIL_NONE;
        size_t used = 0;

        event = h1_parse(p, str_make(copy + at, piece.len - at), &used, &body, &fail);
        at += used;
        goes_on = h1_print_event(out, event, m, body, fail);
        if (event == H1_DONE && t->side == H1_REQUESTS) {
            arena_reset(m->arena);
            h1_reset(p, m, t->answers);
        }
        goes_on = goes_on && !(event == H1_DONE && t->side == H1_RESPONSES);
    }
    *total += at;
    free(copy);
    return goes_on;
}

static inline void
h1_trace(const struct h1_trace *t, struct str stream, struct h1_cuts cuts, struct buf *out)
{
    struct h1_parser *p = h1_parser_new(t->side, &t->limits);
    struct arena arena = { 0 };
    struct message m;
    enum fail fail = FAIL_NONE;
    size_t given = 0, total = 0;
    bool goes_on = true;

    message_init(&m, &arena);
    h1_reset(p, &m, t->answers);
    while (goes_on && given < stream.len) {
        size_t n = h1_next_cut(&cuts, stream.len - given);

        goes_on = h1_trace_piece(t, p, &m, str_make(stream.p + given, n), &total, out);
        given += n;
    }
    if (goes_on && t->ends) {
        enum h1_event event = h1_parse_eof(p, &fail);

        goes_on = h1_print_event(out, event, &m, STR_NONE, fail) && event != H1_DONE;
    }
    if (goes_on)
        buf_printf(out, "%s\n", h1_is_idle(p) ? "IDLE" : "OPEN");
    else if (t->side == H1_RESPONSES && h1_parse_eof(p, &fail) == H1_DONE)
        buf_printf(out, "LEFT %zu\n", stream.len - total);
    h1_parser_free(p);
    arena_fini(&arena);
}

#endif
