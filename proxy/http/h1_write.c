/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints heads from the table. Room for the whole head is reserved once, then filled by plain copies. What must never
 * happen: a byte that ends a line inside a target, reason, name or value, as the next reader would see fields that were never
 * classified. The parser lets none through, so one that comes here was made by this program: assert. For that, a head is looked
 * at once, when it is complete: it has CR and LF once for each line that was printed, and no other control byte but tabs.
 */
#include "proxy/http/h1.h"

#include <assert.h>

#include "proxy/base/put.h"

enum {
    DROP_IN_REQUESTS = FIELD_FLAG_HOP | FIELD_FLAG_FRAME | FIELD_FLAG_FORWARD | FIELD_FLAG_HINT,
    DROP_IN_RESPONSES = FIELD_FLAG_HOP | FIELD_FLAG_FRAME,
    FIXED_ROOM = 128, /* start line without its slices, framing and Connection */
    FIELD_ROOM = 4    /* ": " and CRLF */
};

/* A head under way. */
struct head {
    char *start, *at;
    unsigned n_lines;
};

static void
put(struct head *h, struct str s)
{
    h->at = put_str(h->at, s);
}

static void
end_line(struct head *h)
{
    h->at = PUT(h->at, "\r\n");
    h->n_lines++;
}

static void
put_length(struct head *h, uint64_t length)
{
    h->at = put_u64(PUT(h->at, "content-length: "), length);
    end_line(h);
}

static void
put_line(struct head *h, struct str line)
{
    put(h, line);
    end_line(h);
}

static void
put_fields(struct head *h, const struct message *m, unsigned drop, enum field_id but_not)
{
    char *at = h->at;

    for (unsigned i = 0; i < m->n_fields; i++) {
        const struct field *f = &m->fields[i];

        if ((f->flags & drop) && (f->id != but_not || f->id == FIELD_OTHER))
            continue;
        at = PUT(put_str(at, f->name), ": ");
        at = PUT(put_str(at, f->value), "\r\n");
        h->n_lines++;
    }
    h->at = at;
}

static size_t
room_for(const struct message *m)
{
    size_t room = FIXED_ROOM + m->method_text.len + m->target.len + m->host.len + m->reason.len;

    for (unsigned i = 0; i < m->n_fields; i++)
        room += m->fields[i].name.len + m->fields[i].value.len + FIELD_ROOM;
    return room;
}

static struct head
begin(struct buf *out, const struct message *m)
{
    char *start = buf_reserve(out, room_for(m));

    return (struct head){ start, start, 0 };
}

static void
end(struct buf *out, struct head *h)
{
    struct str text;

    end_line(h);
    text = str_make(h->start, (size_t)(h->at - h->start));
    assert(str_controls(text) == 2 * h->n_lines);
    buf_commit(out, text.len);
}

void
h1_write_request(struct buf *out, const struct message *m)
{
    struct head h = begin(out, m);

    assert(m->method != METHOD_OTHER && m->target.len && m->framing != FRAMING_UNTIL_CLOSE);
    assert(str_find(m->target, ' ') < 0);
    put(&h, method_name(m->method));
    *h.at++ = ' ';
    put(&h, m->target);
    put_line(&h, STR(" HTTP/1.1"));
    put(&h, STR("host: "));
    put_line(&h, m->host);
    put_fields(&h, m, DROP_IN_REQUESTS, FIELD_OTHER);
    if (m->framing == FRAMING_CHUNKED)
        put_line(&h, STR("transfer-encoding: chunked"));
    else if (m->framing == FRAMING_LENGTH)
        put_length(&h, m->content_length);
    end(out, &h);
}

/* RFC 9110 §8.6: without a length, a reader waits for the end of the connection. */
static bool
needs_zero_length(const struct message *m)
{
    return m->status >= 200 && m->status != 204 && m->status != 304 && m->method != METHOD_HEAD;
}

static void
put_response_framing(struct head *h, const struct message *m)
{
    if (m->framing == FRAMING_LENGTH)
        put_length(h, m->content_length);
    else if (m->framing == FRAMING_CHUNKED)
        put_line(h, STR("transfer-encoding: chunked"));
    else if (m->framing == FRAMING_NONE && needs_zero_length(m))
        put_length(h, 0);
}

/* Says only what the version doesn't say already, as Qdrant does. */
static void
put_connection(struct head *h, const struct message *m, uint8_t client_minor)
{
    bool stays = m->keep_alive && m->framing != FRAMING_UNTIL_CLOSE;

    if (m->status >= 200 && stays != (client_minor == 1))
        put_line(h, stays ? STR("connection: keep-alive") : STR("connection: close"));
}

void
h1_write_response(struct buf *out, const struct message *m, uint8_t client_minor)
{
    struct head h = begin(out, m);

    assert(m->status >= 100 && m->status <= 599 && client_minor <= 1);
    assert(client_minor == 1 || m->framing != FRAMING_CHUNKED);
    put(&h, client_minor ? STR("HTTP/1.1 ") : STR("HTTP/1.0 "));
    h.at = put_u64(h.at, (uint64_t)m->status);
    *h.at++ = ' ';
    put_line(&h, m->reason.p ? m->reason : status_reason(m->status));
    put_fields(&h, m, DROP_IN_RESPONSES, FIELD_KEEP_ALIVE);
    put_response_framing(&h, m);
    put_connection(&h, m, client_minor);
    end(out, &h);
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
