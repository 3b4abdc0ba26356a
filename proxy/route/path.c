/* SPDX-License-Identifier: Apache-2.0
 *
 * Qdrant (actix-web) merges runs of slashes and trims the last ones in the path as it came, then decodes every escape but
 * %25, %2F and %2B, picks the route, and lets the handler decode those too. For a path whose escapes are all well-formed this
 * is the same as splitting at the literal slashes and decoding each segment once, which is what stands here.
 *
 * Rules:
 *  1. The text that is sent on decodes to exactly the segments that were classified, and parsing it again gives the same
 *     text: nobody downstream can read another path.
 *  2. What two readers could take differently is refused, not repaired: broken escapes (actix would decode "%%34%31" twice),
 *     bytes that are not UTF-8 (actix replaces them, so that two names become one), '#', blanks and control bytes.
 *  3. Escaped control bytes are legal in Qdrant (names of fields, of old collections) and stay escaped; what an escaped slash
 *     or NUL means depends on the route, so they are only reported.
 *  4. No copy is made of a path that is canonical already.
 */
#include "proxy/route/path.h"

enum { TARGET_MAX = 65534 }; /* Qdrant's URI type holds no more, and its router counts in 16 bits */

enum byte_class { BYTE_BAD, BYTE_PLAIN, BYTE_SLASH, BYTE_ESCAPE, BYTE_ENCODE, BYTE_QUERY };

#define B BYTE_BAD
#define P BYTE_PLAIN
#define E BYTE_ENCODE
/* RFC 3986 pchar is plain; other printable bytes and everything past ASCII must be encoded. */
static const uint8_t classes[128] = {
    B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, /* controls */
    B, P, E, B, P, BYTE_ESCAPE, P, P, P, P, P, P, P, P, P, BYTE_SLASH,                              /* blank to slash */
    P, P, P, P, P, P, P, P, P, P, P, P, E, P, E, BYTE_QUERY, /* digits : ; < = > ? */
    P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, E, E, E, E, P, /* @ to _ */
    E, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, E, E, E, P, B, /* ` to DEL */
};
#undef B
#undef P
#undef E

static enum byte_class
class_of(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 128 ? (enum byte_class)classes[u] : BYTE_ENCODE;
}

static bool
is_dots(struct str s)
{
    return (s.len == 1 && s.p[0] == '.') || (s.len == 2 && s.p[0] == '.' && s.p[1] == '.');
}

/* Length of the sequence that this byte begins (RFC 3629), or 0. */
static bool
is_utf8(struct str s)
{
    while (s.len) {
        size_t len = str_utf8_len(s);

        if (len == 0)
            return false;
        s = str_skip(s, len);
    }
    return true;
}

size_t
path_code_points(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* Where the path ends: at '?' or the end. Notes whether anything in it must be changed. */
static bool
scan(struct str target, size_t *ret_len, bool *ret_canonical)
{
    bool canonical = true;
    size_t i = 0;

    for (; i < target.len; i++) {
        enum byte_class class = class_of(target.p[i]);

        if (class == BYTE_PLAIN)
            continue;
        if (class == BYTE_BAD)
            return false;
        if (class == BYTE_QUERY)
            break;
        if (class != BYTE_SLASH || (i > 0 && target.p[i - 1] == '/'))
            canonical = false;
    }
    *ret_len = i;
    *ret_canonical = canonical && (i == 1 || target.p[i - 1] != '/');
    return true;
}

static bool
is_clean_query(struct str query)
{
    for (size_t i = 0; i < query.len; i++) {
        unsigned char c = (unsigned char)query.p[i];

        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return true;
}

static void
add_segment(struct path *path, struct str decoded)
{
    if (path->n < PATH_SEGMENTS_MAX)
        path->segments[path->n] = decoded;
    path->n++;
}

/* The text is canonical: cut it into segments. */
static enum fail
cut(struct path *path)
{
    const char *p = path->text.p + 1, *end = path->text.p + path->text.len;

    while (p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        struct str segment = str_make(p, (size_t)((slash ? slash : end) - p));

        if (is_dots(segment))
            return FAIL_DOT_SEGMENT;
        add_segment(path, segment);
        p += segment.len + 1;
    }
    return FAIL_NONE;
}

/* Decodes into `to`, which has room for raw.len bytes. False on a broken escape. */
static bool
decode(struct str raw, char *to, struct str *ret_decoded)
{
    size_t len = 0;

    for (size_t i = 0; i < raw.len; i++) {
        int high, low;

        if (raw.p[i] != '%') {
            to[len++] = raw.p[i];
            continue;
        }
        if (raw.len - i < 3 || (high = str_hex_value(raw.p[i + 1])) < 0 || (low = str_hex_value(raw.p[i + 2])) < 0)
            return false;
        to[len++] = (char)(high << 4 | low);
        i += 2;
    }
    *ret_decoded = str_make(to, len);
    return true;
}

static char *
encode(struct str decoded, char *to)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < decoded.len; i++) {
        unsigned char c = (unsigned char)decoded.p[i];

        if (class_of(decoded.p[i]) == BYTE_PLAIN) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    return to;
}

/* Notes what of an odd segment the caller has to judge by its route. */
static void
note_oddities(struct path *path, struct str decoded)
{
    uint32_t bit = UINT32_C(1) << (path->n < 31 ? path->n : 31);
    struct str piece, rest = decoded;

    if (str_find(decoded, '\0') >= 0)
        path->nulled |= bit;
    if (str_find(decoded, '/') < 0)
        return;
    path->slashed |= bit;
    while (rest.len) {
        str_cut(rest, '/', &piece, &rest);
        path->climbs |= is_dots(piece);
    }
}

static enum fail
rebuild(struct str raw, struct arena *arena, struct path *path)
{
    char *decoded_at = arena_alloc(arena, raw.len);
    char *text = arena_alloc(arena, 3 * raw.len), *end = text;
    struct str segment, rest = raw, decoded;

    while (rest.len) {
        str_cut(rest, '/', &segment, &rest);
        if (segment.len == 0)
            continue;
        if (!decode(segment, decoded_at, &decoded) || !is_utf8(decoded))
            return FAIL_BAD_TARGET;
        if (is_dots(decoded))
            return FAIL_DOT_SEGMENT;
        decoded_at += decoded.len;
        *end++ = '/';
        end = encode(decoded, end);
        note_oddities(path, decoded);
        add_segment(path, decoded);
    }
    if (end == text)
        *end++ = '/';
    path->text = str_make(text, (size_t)(end - text));
    return FAIL_NONE;
}

enum fail
path_parse(struct str target, struct arena *arena, struct path *ret_path)
{
    struct path path = { .n = 0 };
    bool is_canonical;
    size_t len;
    enum fail fail;

    if (target.len == 0 || target.len > TARGET_MAX || target.p[0] != '/' || !scan(target, &len, &is_canonical))
        return FAIL_BAD_TARGET;
    path.query = len < target.len ? str_skip(target, len + 1) : STR_NONE;
    if (!is_clean_query(path.query))
        return FAIL_BAD_TARGET;
    path.text = str_make(target.p, len);
    fail = is_canonical ? cut(&path) : rebuild(path.text, arena, &path);
    if (fail != FAIL_NONE)
        return fail;
    if (path.text.len + path.query.len >= TARGET_MAX) /* encoding made it longer than Qdrant reads */
        return FAIL_BAD_TARGET;
    *ret_path = path;
    return FAIL_NONE;
}

struct str
path_encode(struct str segment, struct arena *arena)
{
    char *text = arena_alloc(arena, 3 * segment.len + 1);

    return str_make(text, (size_t)(encode(segment, text) - text));
}
