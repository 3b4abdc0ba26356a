/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding and encoding again must meet: the canonical text of a canonical text is itself, and both name the same segments.
 */
#include "proxy/route/path.h"

#include "proxy/base/buf.h"

static bool
is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*,;=:@", c));
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Nothing to decode, merge or trim: the usual case. */
static bool
is_canonical(struct str raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        bool is_slash = raw.p[i] == '/';

        if (!is_slash && !is_plain(raw.p[i]))
            return false;
        if (is_slash && i > 0 && raw.p[i - 1] == '/')
            return false;
    }
    return raw.len == 1 || raw.p[raw.len - 1] != '/';
}

static enum fail
decode_segment(struct str raw, struct arena *arena, struct str *ret_segment)
{
    char *out;
    size_t n = 0;

    if (str_find(raw, '%') < 0) {
        *ret_segment = raw;
        return FAIL_NONE;
    }
    out = arena_alloc(arena, raw.len + 1);
    for (size_t i = 0; i < raw.len; i++) {
        int high, low;

        if (raw.p[i] != '%') {
            out[n++] = raw.p[i];
            continue;
        }
        if (i + 2 >= raw.len)
            return FAIL_BAD_TARGET;
        high = hex_digit(raw.p[i + 1]);
        low = hex_digit(raw.p[i + 2]);
        if (high < 0 || low < 0)
            return FAIL_BAD_TARGET;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *ret_segment = str_make(out, n);
    return FAIL_NONE;
}

/* RFC 3629; a name that is not valid UTF-8 would be read as another one behind us. */
static bool
is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80                 ? 1
                     : c >= 0xc2 && c <= 0xdf ? 2
                     : (c & 0xf0) == 0xe0     ? 3
                     : c >= 0xf0 && c <= 0xf4 ? 4
                                              : 0;

        if (len == 0 || i + len > s.len)
            return false;
        for (size_t j = 1; j < len; j++) {
            if (((unsigned char)s.p[i + j] & 0xc0) != 0x80)
                return false;
        }
        if (len > 2) {
            unsigned char d = (unsigned char)s.p[i + 1];

            if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
                (c == 0xf4 && d > 0x8f))
                return false;
        }
        i += len;
    }
    return true;
}

static enum fail
check_segment(struct str s, unsigned index, const struct path *p)
{
    if (str_eq(s, STR(".")) || str_eq(s, STR("..")))
        return FAIL_DOT_SEGMENT;
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return FAIL_BAD_TARGET;
    }
    if (!is_utf8(s))
        return FAIL_BAD_TARGET;
    if (index == 1 && str_eq(p->segments[0], STR("collections")) && str_find(s, '/') >= 0)
        return FAIL_NAME_INVALID;
    return FAIL_NONE;
}

static void
encode_segment(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";

    buf_putc(out, '/');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_plain(s.p[i])) {
            buf_putc(out, s.p[i]);
            continue;
        }
        buf_putc(out, '%');
        buf_putc(out, hex[c >> 4]);
        buf_putc(out, hex[c & 15]);
    }
}

/* Walk the raw segments, empty ones left out. */
static enum fail
take_segments(struct str raw, struct arena *arena, struct path *p, struct buf *out)
{
    struct str rest = raw, segment;
    enum fail fail = FAIL_NONE;

    while (rest.len) {
        struct str decoded;

        str_cut(rest, '/', &segment, &rest);
        if (segment.len == 0)
            continue;
        fail = decode_segment(segment, arena, &decoded);
        if (fail == FAIL_NONE)
            fail = check_segment(decoded, p->n, p);
        if (fail != FAIL_NONE)
            break;
        if (out)
            encode_segment(out, decoded);
        if (p->n < PATH_SEGMENTS_MAX)
            p->segments[p->n] = decoded;
        if (p->n <= PATH_SEGMENTS_MAX)
            p->n++;
    }
    return fail;
}

enum fail
path_parse(struct str raw, struct arena *arena, struct path *ret_path)
{
    struct path p = { .n = 0 };
    struct buf out = { 0 };
    enum fail fail;

    if (raw.len == 0 || raw.p[0] != '/')
        return FAIL_BAD_TARGET;
    if (is_canonical(raw)) {
        fail = take_segments(raw, arena, &p, NULL);
        p.text = raw;
    } else {
        fail = take_segments(raw, arena, &p, &out);
        p.text = buf_len(&out) ? arena_str(arena, buf_str(&out)) : STR("/");
        buf_fini(&out);
    }
    if (fail == FAIL_NONE)
        *ret_path = p;
    return fail;
}
