/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "proxy/base/clock.h"
#include "proxy/base/json.h"

struct json_writer
json_writer(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static bool
needs_comma(struct json_writer *w)
{
    uint64_t bit = UINT64_C(1) << w->depth, had = w->has_member & bit;

    if (w->after_key) {
        w->after_key = false;
        return false;
    }
    w->has_member |= bit;
    return had;
}

static void
before_value(struct json_writer *w)
{
    if (needs_comma(w))
        buf_putc(w->out, ',');
}

static void
begin(struct json_writer *w, char open)
{
    before_value(w);
    buf_putc(w->out, open);
    w->depth++;
    assert(w->depth < 64);
    w->has_member &= ~(UINT64_C(1) << w->depth);
}

static void
end(struct json_writer *w, char close)
{
    assert(w->depth > 0);
    w->depth--;
    buf_putc(w->out, close);
}

void
json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void
json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void
json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void
json_end_array(struct json_writer *w)
{
    end(w, ']');
}

static void
put_escaped(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

    for (const char *s = shorts; *s; s += 2) {
        if ((unsigned char)*s == c) {
            text[1] = s[1];
            buf_append(out, text, 2);
            return;
        }
    }
    buf_append(out, text, 6);
}

/* What a string may not hold as it is: control bytes, quotes, backslashes, and, until looked at, what is not ASCII. */
static const bool is_special[256] = { [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f ... 0xff] = true };

/* The same for eight bytes: sets the high bit of a byte below 0x20, of a quote or a backslash, of 0x7f and above. Nothing is
 * borrowed from or carried to another byte but by one of these. */
static bool
has_special(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word, quotes, slashes;

    memcpy(&word, p, 8);
    quotes = word ^ ones * '"';
    slashes = word ^ ones * '\\';
    return (((word - ones * 0x20) | (quotes - ones) | (slashes - ones) | (word + ones)) & ones * 0x80) != 0;
}

/* Bytes at the beginning of s that stand for themselves. */
static size_t
plain_len(struct str s)
{
    size_t i = 0;

    while (i + 8 <= s.len && !has_special(s.p + i))
        i += 8;
    if (s.len >= 8 && s.len - i < 8 && !has_special(s.p + s.len - 8))
        return s.len;
    while (i < s.len && !is_special[(unsigned char)s.p[i]])
        i++;
    return i;
}

/* From the first byte on that does not stand for itself. */
static void
put_unplain(struct buf *out, struct str s)
{
    while (s.len) {
        size_t plain = plain_len(s), len;

        buf_append(out, s.p, plain);
        s = str_skip(s, plain);
        if (s.len == 0)
            return;
        len = str_utf8_len(s);
        if (len > 1)
            buf_append(out, s.p, len);
        else if (len == 1)
            put_escaped(out, (unsigned char)s.p[0]);
        else
            buf_add(out, STR("\xef\xbf\xbd"));
        s = str_skip(s, len ? len : 1);
    }
}

static char *
put_bytes(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

/* `before` as it is, `s` as the inside of a string, then one or two bytes more. */
static void
put_string(struct buf *out, struct str before, struct str s, size_t plain, const char *after)
{
    char *start = buf_reserve(out, before.len + plain + 2), *at = put_bytes(start, before);

    at = put_bytes(at, str_make(s.p, plain));
    if (plain < s.len) {
        buf_commit(out, (size_t)(at - start));
        put_unplain(out, str_skip(s, plain));
        start = at = buf_reserve(out, 2);
    }
    *at++ = after[0];
    if (after[1])
        *at++ = after[1];
    buf_commit(out, (size_t)(at - start));
}

static struct str
opening(struct json_writer *w)
{
    return needs_comma(w) ? STR(",\"") : STR("\"");
}

void
json_key_str(struct json_writer *w, struct str key)
{
    put_string(w->out, opening(w), key, plain_len(key), "\":");
    w->after_key = true;
}

void
json_key(struct json_writer *w, const char *key)
{
    struct str text = str_from(key);

    put_string(w->out, opening(w), text, text.len, "\":");
    w->after_key = true;
}

void
json_put_str(struct json_writer *w, struct str value)
{
    put_string(w->out, opening(w), value, plain_len(value), "\"");
}

void
json_next_str(struct json_writer *w, struct str start, struct str value)
{
    put_string(w->out, start, value, plain_len(value), "\"");
}

void
json_next_u64(struct json_writer *w, struct str start, uint64_t value)
{
    char digits[STR_U64_MAX];
    struct str text = str_of_u64(value, digits);
    char *at = buf_reserve(w->out, start.len + text.len);

    put_bytes(put_bytes(at, start), text);
    buf_commit(w->out, start.len + text.len);
}

void
json_put_text(struct json_writer *w, const char *value)
{
    if (value)
        json_put_str(w, str_from(value));
    else
        json_put_null(w);
}

void
json_put_u64(struct json_writer *w, uint64_t value)
{
    before_value(w);
    buf_put_u64(w->out, value);
}

void
json_put_double(struct json_writer *w, double value, int decimals)
{
    if (!isfinite(value)) {
        json_put_null(w);
        return;
    }
    before_value(w);
    buf_printf(w->out, "%.*f", decimals, value);
}

void
json_put_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_add(w->out, value ? STR("true") : STR("false"));
}

void
json_put_null(struct json_writer *w)
{
    before_value(w);
    buf_add(w->out, STR("null"));
}

void
json_put_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add(w->out, json);
}

void
json_put_value(struct json_writer *w, struct json v)
{
    switch (json_type(v)) {
    case JSON_BOOL:
        json_put_bool(w, json_bool(v, false));
        return;
    case JSON_NUMBER:
        json_put_raw(w, json_number(v));
        return;
    case JSON_STRING:
        json_put_str(w, json_string(v));
        return;
    case JSON_ARRAY:
        json_begin_array(w);
        for (struct json_iter i = json_iter(v); json_next(&i);)
            json_put_value(w, i.value);
        json_end_array(w);
        return;
    case JSON_OBJECT:
        json_begin_object(w);
        for (struct json_iter i = json_iter(v); json_next(&i);) {
            json_key_str(w, i.key);
            json_put_value(w, i.value);
        }
        json_end_object(w);
        return;
    default:
        json_put_null(w);
    }
}

static char *
put_digits(char *at, unsigned value, unsigned n)
{
    for (unsigned i = n; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + n;
}

static char *
put_part(char *at, int value, char after)
{
    at = put_digits(at, (unsigned)value, 2);
    *at++ = after;
    return at;
}

void
json_put_time(struct json_writer *w, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / USEC_PER_SEC);
    struct tm tm;
    char text[40], *at = text;

    gmtime_r(&seconds, &tm);
    at = put_digits(at, (unsigned)tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_part(at, tm.tm_mon + 1, '-');
    at = put_part(at, tm.tm_mday, 'T');
    at = put_part(at, tm.tm_hour, ':');
    at = put_part(at, tm.tm_min, ':');
    at = put_part(at, tm.tm_sec, '.');
    at = put_digits(at, (unsigned)(wall_us % USEC_PER_SEC / 1000), 3);
    *at++ = 'Z';
    json_put_str(w, str_make(text, (size_t)(at - text)));
}

void
json_member_str(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_put_str(w, value);
}

void
json_member_u64(struct json_writer *w, const char *key, uint64_t value)
{
    json_key(w, key);
    json_put_u64(w, value);
}

void
json_member_double(struct json_writer *w, const char *key, double value, int decimals)
{
    json_key(w, key);
    json_put_double(w, value, decimals);
}

void
json_member_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_put_bool(w, value);
}
