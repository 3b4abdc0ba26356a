/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers as a client reads them. On purpose not by the proxy's own parser, which would agree with its own mistakes.
 */
#include <stdlib.h>

#include "test/flow/flow_lib.h"

bool
flow_contains(struct str text, struct str part, size_t *ret_after)
{
    const char *at = part.len && text.len ? memmem(text.p, text.len, part.p, part.len) : NULL;

    if (ret_after)
        *ret_after = at ? (size_t)(at - text.p) + part.len : 0;
    return at || part.len == 0;
}

struct str
reply_field(const struct reply *r, const char *name)
{
    struct str rest = buf_str(&r->head), line, key, value;

    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, str_from(name)))
            return str_trim(value);
    }
    return STR_NONE;
}

void
reply_fini(struct reply *r)
{
    buf_fini(&r->head);
    buf_fini(&r->body);
}

/* Bytes of the chunked body at the front of `s`, 0 when it is incomplete or wrong. */
static size_t
take_chunks(struct str s, struct buf *into)
{
    size_t at = 0;

    for (;;) {
        struct str rest = str_skip(s, at), line, after;
        char *end;
        unsigned long size;

        if (!str_cut(rest, '\n', &line, &after) || line.len < 2)
            return 0;
        size = strtoul(line.p, &end, 16);
        if (end != line.p + line.len - 1 || after.len < size + 2 || memcmp(after.p + size, "\r\n", 2) != 0)
            return 0;
        buf_append(into, after.p, size);
        at += line.len + 1 + size + 2;
        if (size == 0)
            return at;
    }
}

static bool
has_body(const struct reply *r, bool no_body)
{
    return !no_body && r->status >= 200 && r->status != 204 && r->status != 304;
}

bool
reply_take(struct end *client, bool no_body, struct reply *ret)
{
    struct str all = buf_str(&client->got), rest;
    size_t head_len = 0, body_len = 0;
    uint64_t value = 0;

    if (!flow_contains(all, STR("\r\n\r\n"), &head_len) || !str_starts(all, STR("HTTP/1.")) || head_len < 12)
        return false;
    buf_append(&ret->head, all.p, head_len);
    if (!str_to_u64(str_make(all.p + 9, 3), &value))
        return false;
    ret->status = (int)value;
    rest = str_skip(all, head_len);
    if (!has_body(ret, no_body)) {
        body_len = 0;
    } else if (str_to_u64(reply_field(ret, "content-length"), &value)) {
        body_len = value;
        if (rest.len < body_len)
            return false;
        buf_append(&ret->body, rest.p, body_len);
    } else if (str_eq(reply_field(ret, "transfer-encoding"), STR("chunked"))) {
        body_len = take_chunks(rest, &ret->body);
        if (body_len == 0)
            return false;
    } else {
        if (!client->has_ended)
            return false;
        body_len = rest.len;
        buf_add(&ret->body, rest);
    }
    buf_consume(&client->got, head_len + body_len);
    return true;
}
