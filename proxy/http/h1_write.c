/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints heads from the table. Room for the whole head is reserved once, then filled by plain copies. What must never
 * happen: a byte that ends a line inside a target, reason, name or value, as the next reader would see fields that were never
 * classified. The parser lets none through, so one that comes here was made by this program: assert.
 */
#include "proxy/http/h1.h"

#include <assert.h>

enum {
    DROP_IN_REQUESTS = FIELD_FLAG_HOP | FIELD_FLAG_FRAME | FIELD_FLAG_FORWARD | FIELD_FLAG_HINT,
    DROP_IN_RESPONSES = FIELD_FLAG_HOP | FIELD_FLAG_FRAME,
    FIXED_ROOM = 128, /* start line without its slices, framing and Connection */
    FIELD_ROOM = 4    /* ": " and CRLF */
};

static bool
is_clean_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, 8);
    return ((word - UINT64_C(0x2020202020202020)) & ~word & UINT64_C(0x8080808080808080)) == 0;
}

/* No byte below 0x20 but tab? Eight bytes at a time, the last ones twice; the exact look is for the rare word that has one. */
static bool
is_clean(struct str s)
{
    size_t i = 0;

    while (i + 8 <= s.len && is_clean_word(s.p + i))
        i += 8;
    if (s.len >= 8 && s.len - i < 8 && is_clean_word(s.p + s.len - 8))
        return true;
    for (; i < s.len; i++) {
        if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
            return false;
    }
    return true;
}

static char *
put(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

static char *
put_clean(char *at, struct str s)
{
    assert(is_clean(s));
    return put(at, s);
}

static char *
put_u64(char *at, uint64_t value)
{
    char digits[STR_U64_MAX];

    return put(at, str_of_u64(value, digits));
}

static char *
put_length(char *at, uint64_t length)
{
    at = put(at, STR("content-length: "));
    at = put_u64(at, length);
    return put(at, STR("\r\n"));
}

static char *
put_fields(char *at, const struct message *m, unsigned drop, enum field_id but_not)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        const struct field *f = &m->fields[i];

        if ((f->flags & drop) && (f->id != but_not || f->id == FIELD_OTHER))
            continue;
        at = put_clean(at, f->name);
        at = put(at, STR(": "));
        at = put_clean(at, f->value);
        at = put(at, STR("\r\n"));
    }
    return at;
}

static size_t
room_for(const struct message *m)
{
    size_t room = FIXED_ROOM + m->method_text.len + m->target.len + m->host.len + m->reason.len;

    for (unsigned i = 0; i < m->n_fields; i++)
        room += m->fields[i].name.len + m->fields[i].value.len + FIELD_ROOM;
    return room;
}

void
h1_write_request(struct buf *out, const struct message *m)
{
    char *start = buf_reserve(out, room_for(m)), *at = start;

    assert(m->method != METHOD_OTHER && m->target.len && m->framing != FRAMING_UNTIL_CLOSE);
    assert(str_find(m->target, ' ') < 0);
    at = put(at, method_name(m->method));
    *at++ = ' ';
    at = put_clean(at, m->target);
    at = put(at, STR(" HTTP/1.1\r\nhost: "));
    at = put_clean(at, m->host);
    at = put(at, STR("\r\n"));
    at = put_fields(at, m, DROP_IN_REQUESTS, FIELD_OTHER);
    if (m->framing == FRAMING_CHUNKED)
        at = put(at, STR("transfer-encoding: chunked\r\n"));
    else if (m->framing == FRAMING_LENGTH)
        at = put_length(at, m->content_length);
    at = put(at, STR("\r\n"));
    buf_commit(out, (size_t)(at - start));
}

/* RFC 9110 §8.6: without a length, a reader waits for the end of the connection. */
static bool
needs_zero_length(const struct message *m)
{
    return m->status >= 200 && m->status != 204 && m->status != 304 && m->method != METHOD_HEAD;
}

static char *
put_response_framing(char *at, const struct message *m)
{
    switch (m->framing) {
    case FRAMING_NONE:
        return needs_zero_length(m) ? put_length(at, 0) : at;
    case FRAMING_LENGTH:
        return put_length(at, m->content_length);
    case FRAMING_CHUNKED:
        return put(at, STR("transfer-encoding: chunked\r\n"));
    case FRAMING_UNTIL_CLOSE:
        break;
    }
    return at;
}

/* Says only what the version doesn't say already, as Qdrant does. */
static char *
put_connection(char *at, const struct message *m, uint8_t client_minor)
{
    bool stays = m->keep_alive && m->framing != FRAMING_UNTIL_CLOSE;

    if (m->status < 200 || stays == (client_minor == 1))
        return at;
    return put(at, stays ? STR("connection: keep-alive\r\n") : STR("connection: close\r\n"));
}

void
h1_write_response(struct buf *out, const struct message *m, uint8_t client_minor)
{
    struct str reason = m->reason.p ? m->reason : status_reason(m->status);
    char *start = buf_reserve(out, room_for(m)), *at = start;

    assert(m->status >= 100 && m->status <= 599 && client_minor <= 1);
    assert(client_minor == 1 || m->framing != FRAMING_CHUNKED);
    at = put(at, client_minor ? STR("HTTP/1.1 ") : STR("HTTP/1.0 "));
    at = put_u64(at, (uint64_t)m->status);
    *at++ = ' ';
    at = put_clean(at, reason);
    at = put(at, STR("\r\n"));
    at = put_fields(at, m, DROP_IN_RESPONSES, FIELD_KEEP_ALIVE);
    at = put_response_framing(at, m);
    at = put_connection(at, m, client_minor);
    at = put(at, STR("\r\n"));
    buf_commit(out, (size_t)(at - start));
}

void
h1_write_chunk_head(struct buf *out, size_t n)
{
    char text[18];
    size_t at = sizeof(text);

    assert(n > 0); /* an empty chunk would end the body */
    text[--at] = '\n';
    text[--at] = '\r';
    for (; n; n >>= 4)
        text[--at] = "0123456789abcdef"[n & 15];
    buf_append(out, text + at, sizeof(text) - at);
}
