/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull parser over llhttp. llhttp's callbacks only note where things stand; when something is worth an event, or a new
 * limit begins, they pause it, and run() decides outside of it. Bodies that are not chunked are counted here.
 *
 *   BLANK ──► LINE ──► FIELDS ──┬─► BODY ──────────────────────────────► DONE
 *     ▲                    │    └─► CHUNK_LINE ⇄ CHUNK     TRAILERS ───►
 *     └──── 1xx skipped ───┘             └──────────────────►┘         any ──► DEAD
 *
 * Invariants:
 *   1. In a limited phase llhttp is never shown more bytes than the limit leaves, and it is paused wherever one begins,
 *      but at the end of the line, which is found before: what is refused does not depend on how the input was cut.
 *   2. Places in a head are offsets from the first byte of its start line. What of it came in earlier calls is gathered in
 *      p->early. When it is complete it is copied, in one piece, into the message's arena, where all slices point.
 *   3. Trailers are seen by llhttp only: once the head is complete, no callback adds to the table.
 *   4. Between messages a parser holds no memory but itself, as most connections wait; see struct h1_places.
 *   5. llhttp runs without lenient flags. What it accepts all the same is refused by h1_head.c, and they must agree where bodies end.
 */
#include "proxy/http/h1.h"

#include <assert.h>
#include <llhttp.h>

#include "proxy/base/mem.h"
#include "proxy/http/h1_head.h"

enum {
    MAX_BLANKS = 8,       /* bytes of empty lines before a request */
    MAX_CHUNK_LINE = 256, /* size and extensions */
    MAX_TRAILER_BYTES = 4096,
    MAX_SKIPPED = 8 /* 1xx heads before an answer */
};

enum phase { BLANK, LINE, FIELDS, BODY, CHUNK_LINE, CHUNK, TRAILERS, DONE, DEAD };

enum signal { SIGNAL_NONE, SIGNAL_HEAD, SIGNAL_BODY, SIGNAL_CHUNK_EDGE, SIGNAL_END };

struct h1_parser {
    llhttp_t ll;
    struct h1_limits limits;
    enum h1_side side;
    enum phase phase;
    enum signal signal; /* why llhttp was paused */
    enum fail fail;
    enum method answers;
    struct message *m;

    const char *seen;    /* what llhttp is being shown */
    size_t from;         /* where the head begins or goes on in this call's input */
    uint32_t head_bytes; /* of the head before `seen` */
    uint32_t line_bytes; /* of its start line; UINT32_MAX before the end of it is found */
    size_t phase_bytes;  /* since a limited phase began; LINE and FIELDS count together */
    unsigned blanks, skipped;
    bool may_tell; /* the last event can be followed by one without further input */
    struct buf early;
    struct h1_places fields; /* of the head so far, and one more than limits.head_fields at most */
    struct str body;
    uint64_t body_left; /* in BODY; more than will ever come when is_endless */
    bool is_endless;    /* it goes on until the connection ends */
};

static void
move(struct h1_parser *p, enum phase to)
{
#define TO(phase) (1u << (phase))
    static const unsigned allowed[] = {
        [BLANK] = TO(LINE),
        [LINE] = TO(FIELDS),
        [FIELDS] = TO(BODY) | TO(CHUNK_LINE),
        [BODY] = TO(DONE),
        [CHUNK_LINE] = TO(CHUNK) | TO(TRAILERS),
        [CHUNK] = TO(CHUNK_LINE),
        [TRAILERS] = TO(DONE),
        [DONE] = 0,
        [DEAD] = 0,
    };
#undef TO

    assert(to == DEAD || (allowed[p->phase] & (1u << to)));
    p->phase = to;
    if (to != FIELDS)
        p->phase_bytes = 0;
}

/* Bytes that llhttp may be shown in this phase. */
static size_t
allowance(const struct h1_parser *p)
{
    size_t limit = p->phase == LINE         ? p->limits.line_bytes
                   : p->phase == FIELDS     ? p->limits.head_bytes
                   : p->phase == CHUNK_LINE ? MAX_CHUNK_LINE
                   : p->phase == TRAILERS   ? MAX_TRAILER_BYTES
                                            : 0;

    return limit ? limit - p->phase_bytes : SIZE_MAX;
}

static enum h1_event
die(struct h1_parser *p, enum fail fail)
{
    p->fail = p->side == H1_RESPONSES ? FAIL_UPSTREAM_PROTOCOL : fail;
    move(p, DEAD);
    return H1_ERROR;
}

static uint32_t
offset_of(const struct h1_parser *p, const char *at)
{
    return p->head_bytes + (uint32_t)(at - p->seen);
}

/* llhttp takes a bare CR for the end of a status line; what comes then is no field. */
static int
on_field_name(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = ll->data;

    if (p->phase > FIELDS || len == 0)
        return 0;
    return offset_of(p, at) >= p->line_bytes && h1_places_name(&p->fields, offset_of(p, at), len) ? 0 : HPE_USER;
}

static int
on_field_value(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = ll->data;

    if (p->phase != FIELDS)
        return 0;
    return h1_places_value(&p->fields, offset_of(p, at), len) ? 0 : HPE_USER;
}

/* Fields are counted when they are whole: a piece before a bad byte may come alone, or not at all. */
static int
on_field_end(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;

    if (p->phase != FIELDS)
        return 0;
    h1_places_end(&p->fields);
    if (p->fields.n <= p->limits.head_fields)
        return 0;
    p->fail = FAIL_HEAD_TOO_LARGE;
    return -1;
}

static int
pause(llhttp_t *ll, enum signal signal)
{
    struct h1_parser *p = ll->data;

    p->signal = signal;
    return HPE_PAUSED;
}

/* llhttp looks at this after the callback, and has no call that sets it: Upgrade is not followed. */
static int
on_head(llhttp_t *ll)
{
    ll->upgrade = 0;
    return pause(ll, SIGNAL_HEAD);
}

static int
on_body(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = ll->data;

    if (len == 0)
        return 0;
    p->body = str_make(at, len);
    return pause(ll, SIGNAL_BODY);
}

static int
on_chunk_edge(llhttp_t *ll)
{
    return pause(ll, SIGNAL_CHUNK_EDGE);
}

static int
on_end(llhttp_t *ll)
{
    return pause(ll, SIGNAL_END);
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field_name,
    .on_header_value = on_field_value,
    .on_header_value_complete = on_field_end,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_chunk_header = on_chunk_edge,
    .on_chunk_complete = on_chunk_edge,
    .on_message_complete = on_end,
};

/* llhttp and the table must agree about the body's length. */
static bool
framing_agrees(const struct h1_parser *p)
{
    const struct message *m = p->m;

    if (m->framing == FRAMING_CHUNKED)
        return p->ll.flags & F_CHUNKED;
    if (m->framing == FRAMING_LENGTH)
        return (p->ll.flags & F_CONTENT_LENGTH) && p->ll.content_length == m->content_length;
    return p->side == H1_RESPONSES || !(p->ll.flags & (F_CHUNKED | F_CONTENT_LENGTH | F_TRANSFER_ENCODING));
}

static void
start(struct h1_parser *p)
{
    llhttp_reset(&p->ll);
    buf_clear(&p->early);
    message_init(p->m, p->m->arena);
    p->phase = BLANK;
    p->fail = FAIL_NONE;
    p->head_bytes = 0;
    p->line_bytes = UINT32_MAX;
    p->phase_bytes = 0;
    p->blanks = p->fields.n = 0;
    p->may_tell = false;
}

/* `last` is the part of the head that came in this call. */
static enum h1_event
end_head(struct h1_parser *p, struct str last)
{
    struct message *m = p->m;
    struct str early = buf_len(&p->early) ? buf_str(&p->early) : STR_NONE;
    enum fail fail;

    m->method = p->answers;
    fail = p->side == H1_REQUESTS ? h1_head_request(m, early, last, p->fields.at, p->fields.n)
                                  : h1_head_response(m, early, last, p->fields.at, p->fields.n);
    if (!fail && !framing_agrees(p))
        fail = FAIL_BAD_FRAMING;
    if (fail)
        return die(p, fail);
    if (p->side == H1_RESPONSES && m->status < 200) {
        if (++p->skipped > MAX_SKIPPED)
            return die(p, FAIL_BAD_FRAMING);
        start(p);
        return H1_MORE;
    }
    move(p, m->framing == FRAMING_CHUNKED ? CHUNK_LINE : BODY);
    p->is_endless = m->framing == FRAMING_UNTIL_CLOSE;
    p->body_left = p->is_endless                                               ? UINT64_MAX
                   : m->framing == FRAMING_LENGTH && p->answers != METHOD_HEAD ? m->content_length
                                                                               : 0;
    return H1_HEAD;
}

/* Empty lines before a request (RFC 9112 §2.2), a few; before a response none. */
static enum h1_event
skip_blanks(struct h1_parser *p, struct str input, size_t *used)
{
    for (; *used < input.len; ++*used) {
        char c = input.p[*used];
        bool is_half = p->blanks % 2;

        if (c != '\r' && c != '\n' && !is_half) {
            move(p, LINE);
            p->from = *used;
            return H1_MORE;
        }
        if (c != (is_half ? '\n' : '\r') || p->blanks == MAX_BLANKS || p->side == H1_RESPONSES)
            return die(p, FAIL_BAD_REQUEST);
        p->blanks++;
    }
    return H1_MORE;
}

/* A piece of a body that is not chunked, or its end. */
static enum h1_event
take_body(struct h1_parser *p, struct str input, size_t *ret_used, struct str *ret_body)
{
    size_t n = input.len < p->body_left ? input.len : (size_t)p->body_left;

    p->may_tell = p->body_left == n && n;
    if (p->body_left == 0) {
        move(p, DONE);
        return H1_DONE;
    }
    if (n == 0)
        return H1_MORE;
    p->body_left -= n;
    *ret_body = str_make(input.p, n);
    *ret_used = n;
    return H1_BODY;
}

/* Act on what llhttp was paused for. H1_MORE goes on. */
static enum h1_event
act(struct h1_parser *p, struct str input, size_t used)
{
    switch (p->signal) {
    case SIGNAL_HEAD:
        return end_head(p, str_make(input.p + p->from, used - p->from));
    case SIGNAL_BODY:
        return H1_BODY;
    case SIGNAL_CHUNK_EDGE: /* behind the size line, or behind the data; the last chunk has none */
        if (p->phase == CHUNK_LINE)
            move(p, p->ll.content_length ? CHUNK : TRAILERS);
        else if (p->phase == CHUNK)
            move(p, CHUNK_LINE);
        return H1_MORE;
    case SIGNAL_END: /* behind the trailers; elsewhere the two do not agree on where the message ends */
        if (p->phase != TRAILERS)
            return die(p, FAIL_BAD_FRAMING);
        move(p, DONE);
        return H1_DONE;
    case SIGNAL_NONE:
        break;
    }
    return H1_MORE;
}

/* What an error of llhttp means; `at` is the byte that it stumbled over. */
static enum fail
failure_of(const struct h1_parser *p, llhttp_errno_t error, char at)
{
    switch ((int)error) {
    case HPE_INVALID_METHOD:
        return (at | 0x20) >= 'a' && (at | 0x20) <= 'z' ? FAIL_METHOD_UNKNOWN : FAIL_BAD_REQUEST;
    case HPE_INVALID_URL:
    case HPE_INVALID_CONSTANT: /* "HTTP/" does not follow the target: the target has a space */
        return FAIL_BAD_TARGET;
    case HPE_INVALID_VERSION: /* also when the line ends wrongly behind a good one */
        return p->ll.http_major == 1 && p->ll.http_minor <= 1 ? FAIL_BAD_REQUEST : FAIL_VERSION_UNSUPPORTED;
    case HPE_INVALID_TRANSFER_ENCODING:
        return p->ll.flags & F_CONTENT_LENGTH ? FAIL_BAD_FRAMING : FAIL_CODING_UNSUPPORTED;
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_CHUNK_SIZE:
        return FAIL_BAD_FRAMING;
    default:
        return p->phase == CHUNK_LINE || p->phase == CHUNK ? FAIL_BAD_FRAMING : FAIL_BAD_REQUEST;
    }
}

static enum h1_event
feed(struct h1_parser *p, struct str rest, size_t *ret_n, bool *ret_paused)
{
    size_t room = allowance(p), n = rest.len < room ? rest.len : room;
    const char *at, *newline;
    llhttp_errno_t error;

    *ret_n = 0;
    if (n == 0 && rest.len)
        return die(p, p->phase == CHUNK_LINE ? FAIL_BAD_FRAMING : FAIL_HEAD_TOO_LARGE);
    if (p->phase == LINE && (newline = memchr(rest.p, '\n', n))) {
        move(p, FIELDS);
        p->line_bytes = p->head_bytes + (uint32_t)(newline + 1 - rest.p);
        n = rest.len < allowance(p) ? rest.len : allowance(p);
    }
    p->seen = rest.p;
    p->signal = SIGNAL_NONE;
    error = llhttp_execute(&p->ll, p->seen, n);
    at = llhttp_get_error_pos(&p->ll);
    *ret_paused = error == HPE_PAUSED;
    if (*ret_paused) {
        n = (size_t)(at - p->seen);
        llhttp_resume(&p->ll);
    } else if (error != HPE_OK) {
        return die(p, p->fail ? p->fail : failure_of(p, error, at < p->seen + n ? *at : 0));
    }
    p->phase_bytes += n;
    if (p->phase == LINE || p->phase == FIELDS)
        p->head_bytes += (uint32_t)n;
    *ret_n = n;
    return H1_MORE;
}

static enum h1_event
run(struct h1_parser *p, struct str input, size_t *used)
{
    enum h1_event event = H1_MORE;
    bool paused = true;

    while (event == H1_MORE && (paused || *used < input.len)) {
        size_t n = 0;

        if (p->phase == BLANK) {
            event = skip_blanks(p, input, used);
            paused = false;
            continue;
        }
        event = feed(p, str_skip(input, *used), &n, &paused);
        *used += n;
        if (event == H1_MORE && paused)
            event = act(p, input, *used);
    }
    return event;
}

static void
forget(struct h1_parser *p)
{
    h1_places_forget(&p->fields);
    if (p->early.data)
        buf_fini(&p->early);
}

enum h1_event
h1_parse(struct h1_parser *p, struct str input, size_t *ret_used, struct str *ret_body, enum fail *ret_fail)
{
    struct h1_place lent[H1_PLACES_LENT];
    enum h1_event event;

    *ret_used = 0;
    if (p->phase == DONE)
        return H1_DONE;
    if (p->phase == BODY)
        return take_body(p, input, ret_used, ret_body);
    if (!input.p)
        input.p = ""; /* llhttp would take NULL for "outside of a span" */
    h1_places_lend(&p->fields, lent);
    p->from = 0;
    event = p->phase == DEAD ? H1_ERROR : run(p, input, ret_used);
    p->may_tell = event == H1_BODY || (event == H1_HEAD && (p->phase != BODY || p->body_left == 0));
    if (event == H1_MORE && (p->phase == LINE || p->phase == FIELDS)) {
        buf_append(&p->early, input.p + p->from, *ret_used - p->from);
        h1_places_keep(&p->fields);
    } else {
        forget(p);
    }
    if (event == H1_BODY)
        *ret_body = p->body;
    else if (event == H1_ERROR)
        *ret_fail = p->fail;
    return event;
}

enum h1_event
h1_parse_eof(struct h1_parser *p, enum fail *ret_fail)
{
    if (h1_is_idle(p))
        return H1_MORE;
    if (p->phase == BODY && p->is_endless)
        move(p, DONE);
    if (p->phase == DONE)
        return H1_DONE;
    if (p->phase != DEAD) {
        p->fail = p->side == H1_RESPONSES ? FAIL_UPSTREAM_CUT : FAIL_CLIENT_GONE;
        move(p, DEAD);
    }
    *ret_fail = p->fail;
    return H1_ERROR;
}

bool
h1_has_pending(const struct h1_parser *p)
{
    return p->may_tell;
}

bool
h1_is_idle(const struct h1_parser *p)
{
    return p->phase == BLANK && p->skipped == 0;
}

struct h1_parser *
h1_parser_new(enum h1_side side, const struct h1_limits *limits)
{
    struct h1_parser *p = MEM_NEW(struct h1_parser);

    p->side = side;
    p->limits = *limits;
    p->fields.most = limits->head_fields + 1;
    if (p->limits.line_bytes > limits->head_bytes)
        p->limits.line_bytes = limits->head_bytes;
    p->phase = DEAD; /* until h1_reset() */
    p->fail = FAIL_INTERNAL;
    llhttp_init(&p->ll, side == H1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    p->ll.data = p;
    return p;
}

void
h1_parser_free(struct h1_parser *p)
{
    if (!p)
        return;
    forget(p);
    mem_free(p);
}

void
h1_reset(struct h1_parser *p, struct message *m, enum method answers)
{
    p->m = m;
    p->answers = answers;
    p->skipped = 0;
    start(p);
}
