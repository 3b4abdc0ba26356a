/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "proxy/http/h1.h"

static bool
is_clean(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c == '\r' || c == '\n' || c == '\0')
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

static void
write_field(struct buf *out, struct str name, struct str value)
{
    size_t len = name.len + value.len + 4;
    char *at = buf_reserve(out, len);

    assert(is_clean(name) && is_clean(value));
    at = put(at, name);
    at = put(at, STR(": "));
    at = put(at, value);
    put(at, STR("\r\n"));
    buf_commit(out, len);
}

static void
write_length(struct buf *out, uint64_t length)
{
    buf_add(out, STR("content-length: "));
    buf_put_u64(out, length);
    buf_add(out, STR("\r\n"));
}

static void
write_fields(struct buf *out, const struct message *m, uint16_t dropped)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        if (!(m->fields[i].flags & dropped))
            write_field(out, m->fields[i].name, m->fields[i].value);
    }
}

void
h1_write_request(struct buf *out, const struct message *m)
{
    assert(is_clean(m->method_text) && is_clean(m->target));
    buf_add(out, m->method_text);
    buf_putc(out, ' ');
    buf_add(out, m->target);
    buf_add(out, STR(" HTTP/1.1\r\n"));
    write_field(out, STR("host"), m->host);
    write_fields(out, m, FIELD_FLAG_HOP | FIELD_FLAG_FRAME | FIELD_FLAG_FORWARD | FIELD_FLAG_HINT);
    if (m->framing == FRAMING_LENGTH)
        write_length(out, m->content_length);
    else if (m->framing == FRAMING_CHUNKED)
        buf_add(out, STR("transfer-encoding: chunked\r\n"));
    buf_add(out, STR("\r\n"));
}

static bool
never_has_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

void
h1_write_response(struct buf *out, const struct message *m, uint8_t client_minor)
{
    char line[] = "HTTP/1.1 200 ";

    assert(m->status >= 100 && m->status <= 999 && is_clean(m->reason));
    assert(!(m->framing == FRAMING_CHUNKED && client_minor == 0));
    line[7] = client_minor ? '1' : '0';
    line[9] = (char)('0' + m->status / 100);
    line[10] = (char)('0' + m->status / 10 % 10);
    line[11] = (char)('0' + m->status % 10);
    buf_append(out, line, sizeof(line) - 1);
    buf_add(out, m->reason);
    buf_add(out, STR("\r\n"));
    /* Keep-Alive is this hop's own: it is in the table only when it was put there for the client. */
    for (unsigned i = 0; i < m->n_fields; i++) {
        if (!(m->fields[i].flags & (FIELD_FLAG_HOP | FIELD_FLAG_FRAME)) || m->fields[i].id == FIELD_KEEP_ALIVE)
            write_field(out, m->fields[i].name, m->fields[i].value);
    }
    if (m->framing == FRAMING_LENGTH)
        write_length(out, m->content_length);
    else if (m->framing == FRAMING_CHUNKED)
        buf_add(out, STR("transfer-encoding: chunked\r\n"));
    else if (m->framing == FRAMING_NONE && !never_has_body(m->status))
        write_length(out, 0);
    if (!m->keep_alive)
        buf_add(out, STR("connection: close\r\n"));
    else if (client_minor == 0)
        buf_add(out, STR("connection: keep-alive\r\n"));
    buf_add(out, STR("\r\n"));
}

void
h1_write_chunk_head(struct buf *out, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char text[20];
    size_t at = sizeof(text);

    assert(n > 0);
    text[--at] = '\n';
    text[--at] = '\r';
    for (; n; n >>= 4)
        text[--at] = hex[n & 15];
    buf_append(out, text + at, sizeof(text) - at);
}
