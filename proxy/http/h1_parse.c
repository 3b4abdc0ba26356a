/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of llhttp. Its callbacks gather a head into one piece of text with offsets and note what has come; the pull
 * function hands that out one event at a time. No lenient flag is set.
 *
 * llhttp has no limits of its own and reads start lines more generously than we want: the bytes of a head are counted as
 * they are fed, and the first line is kept as it came and compared with what was understood of it.
 */
#include <assert.h>
#include <llhttp.h>

#include "proxy/base/mem.h"
#include "proxy/http/h1.h"
#include "proxy/http/h1_check.h"

enum { EMPTY_LINES_MAX = 4, CHUNK_EXTENSION_MAX = 256, TRAILERS_MAX = 8192, INTERIM_MAX = 10, NAME_MAX_BYTES = 256 };

struct span {
    uint32_t at, len;
};

struct h1_parser {
    llhttp_t ll;
    enum h1_side side;
    struct h1_limits limits;
    struct message *m;
    enum method answers;
    struct buf text;           /* start line parts, names and values, one after another */
    struct buf line;           /* the first line as it came, up to LF */
    struct span first, second; /* method and target; or reason */
    struct span *fields;       /* pairs of name and value */
    unsigned n_fields;
    uint32_t head_seen, overhead;
    unsigned empty_lines, interims;
    bool has_line, in_trailers, is_started, is_dead;
    bool has_head, has_done; /* events not handed out yet */
    struct str body;
    enum fail fail;
};

static llhttp_settings_t settings[2];

static struct h1_parser *
parser_of(llhttp_t *ll)
{
    return ll->data;
}

static int
refuse(struct h1_parser *p, enum fail fail)
{
    p->fail = fail;
    return HPE_USER;
}

static void
add_text(struct h1_parser *p, struct span *s, const char *at, size_t len)
{
    if (s->len == 0)
        s->at = (uint32_t)buf_len(&p->text);
    buf_append(&p->text, at, len);
    s->len += (uint32_t)len;
}

static int
on_first(llhttp_t *ll, const char *at, size_t len)
{
    add_text(parser_of(ll), &parser_of(ll)->first, at, len);
    return 0;
}

static int
on_second(llhttp_t *ll, const char *at, size_t len)
{
    add_text(parser_of(ll), &parser_of(ll)->second, at, len);
    return 0;
}

/* Trailers are parsed so that the message ends where it ends, bounded, and dropped. */
static int
count_trailer(struct h1_parser *p, size_t len)
{
    p->overhead += (uint32_t)(len < TRAILERS_MAX ? len + 1 : TRAILERS_MAX);
    return p->overhead > TRAILERS_MAX ? refuse(p, FAIL_HEAD_TOO_LARGE) : 0;
}

static int
on_name(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = parser_of(ll);

    if (p->in_trailers)
        return count_trailer(p, len);
    if (p->n_fields >= p->limits.head_fields)
        return refuse(p, FAIL_HEAD_TOO_LARGE);
    add_text(p, &p->fields[2 * p->n_fields], at, len);
    return 0;
}

static int
on_value(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = parser_of(ll);

    if (p->in_trailers)
        return count_trailer(p, len);
    add_text(p, &p->fields[2 * p->n_fields + 1], at, len);
    return 0;
}

static int
on_value_complete(llhttp_t *ll)
{
    struct h1_parser *p = parser_of(ll);

    if (p->in_trailers)
        return 0;
    p->n_fields++;
    p->fields[2 * p->n_fields] = p->fields[2 * p->n_fields + 1] = (struct span){ 0, 0 };
    return 0;
}

static struct str
slice(const char *text, struct span s)
{
    return s.len ? str_make(text + s.at, s.len) : STR("");
}

static void
fill_message(struct h1_parser *p)
{
    struct message *m = p->m;
    char *text = (char *)(uintptr_t)arena_str(m->arena, buf_str(&p->text)).p;

    m->minor = (uint8_t)llhttp_get_http_minor(&p->ll);
    if (p->side == H1_REQUESTS) {
        m->method_text = slice(text, p->first);
        m->target = slice(text, p->second);
    } else {
        m->status = llhttp_get_status_code(&p->ll);
        m->reason = slice(text, p->second);
    }
    for (unsigned i = 0; i < p->n_fields; i++) {
        struct span name = p->fields[2 * i];

        for (uint32_t j = name.at; j < name.at + name.len; j++) {
            if (text[j] >= 'A' && text[j] <= 'Z')
                text[j] = (char)(text[j] + ('a' - 'A'));
        }
        message_add(m, slice(text, name), str_trim(slice(text, p->fields[2 * i + 1])));
    }
}

/* Is the first line, byte for byte, what was understood of it? */
static bool
line_is_exact(const struct h1_parser *p)
{
    struct str line = buf_str(&p->line);
    const struct message *m = p->m;
    struct str version = m->minor ? STR(" HTTP/1.1\r\n") : STR(" HTTP/1.0\r\n");

    if (p->side == H1_RESPONSES) /* the line of an answer behind an interim one was not kept */
        return line.len == 0 || str_starts(line, m->minor ? STR("HTTP/1.1 ") : STR("HTTP/1.0 "));
    return line.len == m->method_text.len + 1 + m->target.len + version.len && str_starts(line, m->method_text) &&
           line.p[m->method_text.len] == ' ' &&
           str_eq(str_make(line.p + m->method_text.len + 1, m->target.len), m->target) && str_ends(line, version);
}

static enum fail
check_version(struct h1_parser *p)
{
    if (llhttp_get_http_major(&p->ll) != 1 || llhttp_get_http_minor(&p->ll) > 1)
        return p->side == H1_REQUESTS ? FAIL_VERSION_UNSUPPORTED : FAIL_UPSTREAM_PROTOCOL;
    return FAIL_NONE;
}

static bool
has_no_body(const struct message *m, enum method answers, enum h1_side side)
{
    if (side == H1_RESPONSES && answers == METHOD_HEAD)
        return true;
    return m->framing == FRAMING_NONE || (m->framing == FRAMING_LENGTH && m->content_length == 0);
}

static int
on_headers_complete(llhttp_t *ll)
{
    struct h1_parser *p = parser_of(ll);
    int status = llhttp_get_status_code(ll);
    enum fail fail = check_version(p);

    ll->upgrade = 0; /* Upgrade is ignored, CONNECT refused below */
    p->in_trailers = true;
    p->overhead = 0;
    if (p->side == H1_RESPONSES && status >= 100 && status < 200) {
        if (status == 101 || ++p->interims > INTERIM_MAX)
            return refuse(p, FAIL_UPSTREAM_PROTOCOL);
        return 0;
    }
    if (fail == FAIL_NONE) {
        fill_message(p);
        fail = line_is_exact(p) ? FAIL_NONE : FAIL_BAD_REQUEST;
    }
    if (fail == FAIL_NONE)
        fail = p->side == H1_REQUESTS ? h1_check_request(p->m) : h1_check_response(p->m, p->answers);
    if (fail != FAIL_NONE)
        return refuse(p, fail);
    p->has_head = true;
    if (has_no_body(p->m, p->answers, p->side))
        return p->side == H1_RESPONSES && p->answers == METHOD_HEAD ? 1 : 0;
    return HPE_PAUSED;
}

static int
on_body(llhttp_t *ll, const char *at, size_t len)
{
    parser_of(ll)->body = str_make(at, len);
    return 0;
}

static int
on_extension(llhttp_t *ll, const char *at, size_t len)
{
    struct h1_parser *p = parser_of(ll);

    p->overhead += (uint32_t)(len < CHUNK_EXTENSION_MAX ? len + 1 : CHUNK_EXTENSION_MAX + 1);
    return p->overhead > CHUNK_EXTENSION_MAX ? refuse(p, FAIL_BAD_FRAMING) : 0;
}

static int
on_chunk_complete(llhttp_t *ll)
{
    struct h1_parser *p = parser_of(ll);

    p->overhead = 0;
    return p->body.len ? HPE_PAUSED : 0;
}

static void
begin_head(struct h1_parser *p)
{
    buf_clear(&p->text);
    buf_clear(&p->line);
    p->first = p->second = p->fields[0] = p->fields[1] = (struct span){ 0, 0 };
    p->n_fields = 0;
    p->head_seen = 0;
    p->empty_lines = 0;
    p->has_line = p->in_trailers = false;
}

static int
on_message_complete(llhttp_t *ll)
{
    struct h1_parser *p = parser_of(ll);

    if (p->side == H1_RESPONSES && !p->has_head && llhttp_get_status_code(ll) < 200) {
        begin_head(p); /* an interim answer: the final one follows */
        return 0;
    }
    p->has_done = true;
    return HPE_PAUSED;
}

static void
init_settings(void)
{
    for (int side = 0; side < 2; side++) {
        llhttp_settings_t *s = &settings[side];

        llhttp_settings_init(s);
        s->on_header_field = on_name;
        s->on_header_value = on_value;
        s->on_header_value_complete = on_value_complete;
        s->on_headers_complete = on_headers_complete;
        s->on_body = on_body;
        s->on_chunk_extension_name = on_extension;
        s->on_chunk_extension_value = on_extension;
        s->on_chunk_complete = on_chunk_complete;
        s->on_message_complete = on_message_complete;
    }
    settings[H1_REQUESTS].on_method = on_first;
    settings[H1_REQUESTS].on_url = on_second;
    settings[H1_RESPONSES].on_status = on_second;
}

__attribute__((constructor)) static void
init(void)
{
    init_settings();
}

struct h1_parser *
h1_parser_new(enum h1_side side, const struct h1_limits *limits)
{
    struct h1_parser *p = MEM_NEW(struct h1_parser);

    p->side = side;
    p->limits = *limits;
    p->is_dead = true;
    return p;
}

void
h1_parser_free(struct h1_parser *p)
{
    if (!p)
        return;
    buf_fini(&p->text);
    buf_fini(&p->line);
    mem_free(p->fields);
    mem_free(p);
}

void
h1_reset(struct h1_parser *p, struct message *m, enum method answers)
{
    llhttp_init(&p->ll, p->side == H1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE, &settings[p->side]);
    p->ll.data = p;
    p->m = m;
    p->answers = answers;
    if (!p->fields)
        p->fields = mem_array(2 * ((size_t)p->limits.head_fields + 1), sizeof(*p->fields));
    begin_head(p);
    p->interims = 0;
    p->is_started = p->is_dead = p->has_head = p->has_done = false;
    p->body = STR_NONE;
    p->fail = FAIL_NONE;
}

bool
h1_is_idle(const struct h1_parser *p)
{
    return !p->is_started;
}

bool
h1_has_pending(const struct h1_parser *p)
{
    return !p->is_dead && (p->has_head || p->body.len || p->has_done);
}

/* --- pulling ----------------------------------------------------------------------------------------------------- */

static enum fail
too_large(const struct h1_parser *p)
{
    return p->side == H1_REQUESTS ? FAIL_HEAD_TOO_LARGE : FAIL_UPSTREAM_PROTOCOL;
}

/* Copy the first line as it comes. Empty lines before it are skipped as RFC 9112 §2.2 allows, but not for ever. */
static enum fail
watch_line(struct h1_parser *p, struct str input)
{
    while (input.len && !p->has_line) {
        char c = input.p[0];

        if (buf_len(&p->line) == 0 && (c == '\r' || c == '\n')) {
            if (p->side == H1_RESPONSES || ++p->empty_lines > 2 * EMPTY_LINES_MAX)
                return p->side == H1_REQUESTS ? FAIL_BAD_REQUEST : FAIL_UPSTREAM_PROTOCOL;
            input = str_skip(input, 1);
            continue;
        }
        int end = str_find(input, '\n');
        size_t take = end < 0 ? input.len : (size_t)end + 1;

        if (buf_len(&p->line) + take > p->limits.line_bytes)
            return too_large(p);
        buf_append(&p->line, input.p, take);
        p->has_line = end >= 0;
        input = str_skip(input, take);
    }
    return FAIL_NONE;
}

static enum fail
fail_of(const struct h1_parser *p, llhttp_errno_t error)
{
    if (p->fail != FAIL_NONE)
        return p->side == H1_RESPONSES ? FAIL_UPSTREAM_PROTOCOL : p->fail;
    if (p->side == H1_RESPONSES)
        return FAIL_UPSTREAM_PROTOCOL;
    switch (error) {
    case HPE_INVALID_VERSION:
        return FAIL_VERSION_UNSUPPORTED;
    case HPE_INVALID_URL:
        return FAIL_BAD_TARGET;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CHUNK_SIZE:
        return FAIL_BAD_FRAMING;
    case HPE_INVALID_TRANSFER_ENCODING:
        return FAIL_BAD_FRAMING;
    default:
        return FAIL_BAD_REQUEST;
    }
}

static enum h1_event
hand_out(struct h1_parser *p, struct str *ret_body, enum h1_event otherwise)
{
    if (p->has_head) {
        p->has_head = false;
        return H1_HEAD;
    }
    if (p->body.len) {
        *ret_body = p->body;
        p->body = STR_NONE;
        return H1_BODY;
    }
    if (p->has_done) {
        p->is_dead = true;
        return H1_DONE;
    }
    return otherwise;
}

static enum h1_event
fail_with(struct h1_parser *p, enum fail fail, enum fail *ret_fail)
{
    p->is_dead = true;
    *ret_fail = fail;
    return H1_ERROR;
}

enum h1_event
h1_parse(struct h1_parser *p, struct str input, size_t *ret_used, struct str *ret_body, enum fail *ret_fail)
{
    llhttp_errno_t error;
    enum fail fail;
    bool in_head = !p->in_trailers;
    enum h1_event event = hand_out(p, ret_body, H1_MORE);

    *ret_used = 0;
    if (event != H1_MORE)
        return event;
    if (p->is_dead)
        return fail_with(p, p->fail != FAIL_NONE ? p->fail : FAIL_INTERNAL, ret_fail);
    if (input.len == 0)
        return H1_MORE;
    p->is_started = true;
    if (in_head) {
        size_t room = (size_t)p->limits.head_bytes - p->head_seen;

        if (room == 0)
            return fail_with(p, too_large(p), ret_fail);
        input.len = input.len < room ? input.len : room;
        fail = watch_line(p, input);
        if (fail != FAIL_NONE)
            return fail_with(p, fail, ret_fail);
    }
    error = llhttp_execute(&p->ll, input.p, input.len);
    *ret_used = error == HPE_OK ? input.len : (size_t)(llhttp_get_error_pos(&p->ll) - input.p);
    if (in_head)
        p->head_seen += (uint32_t)*ret_used;
    if (error == HPE_PAUSED)
        llhttp_resume(&p->ll);
    else if (error != HPE_OK)
        return fail_with(p, fail_of(p, error), ret_fail);
    return hand_out(p, ret_body, H1_MORE);
}

enum h1_event
h1_parse_eof(struct h1_parser *p, enum fail *ret_fail)
{
    if (!p->is_started)
        return H1_MORE;
    if (p->side == H1_RESPONSES && !p->is_dead && p->in_trailers && p->m->framing == FRAMING_UNTIL_CLOSE) {
        p->is_dead = true;
        return H1_DONE;
    }
    return fail_with(p, p->side == H1_REQUESTS ? FAIL_BAD_REQUEST : FAIL_UPSTREAM_CUT, ret_fail);
}
