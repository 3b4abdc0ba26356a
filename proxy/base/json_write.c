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
has_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quotes = word ^ ones * '"', slashes = word ^ ones * '\\';

    return (((word - ones * 0x20) | (quotes - ones) | (slashes - ones) | (word + ones)) & ones * 0x80) != 0;
}

static bool
put_plain_word(char *at, const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    if (has_special(word))
        return false;
    memcpy(at, &word, sizeof(word));
    return true;
}

/* Copies what stands for itself at the beginning of s; how much that is. Eight bytes at a time, the last ones twice. */
static size_t
put_plain(char *at, struct str s)
{
    size_t i = 0;

    while (i + 8 <= s.len && put_plain_word(at + i, s.p + i))
        i += 8;
    if (s.len >= 8 && s.len - i < 8 && put_plain_word(at + s.len - 8, s.p + s.len - 8))
        return s.len;
    for (; i < s.len && !is_special[(unsigned char)s.p[i]]; i++)
        at[i] = s.p[i];
    return i;
}

/* From the first byte on that does not stand for itself. */
static void
put_unplain(struct buf *out, struct str s)
{
    while (s.len) {
        size_t len = str_utf8_len(s);

        if (len > 1)
            buf_append(out, s.p, len);
        else if (len == 1)
            put_escaped(out, (unsigned char)s.p[0]);
        else
            buf_add(out, STR("\xef\xbf\xbd"));
        s = str_skip(s, len ? len : 1);
        len = put_plain(buf_reserve(out, s.len), s);
        buf_commit(out, len);
        s = str_skip(s, len);
    }
}

/* The rest of a string whose first bytes were put, and what ends it. */
static void
put_rest(struct buf *out, const char *at, struct str rest, struct str after)
{
    buf_end_at(out, at);
    put_unplain(out, rest);
    buf_add(out, after);
}

void
json_end_str(struct buf *out, char *at, struct str value)
{
    size_t plain = put_plain(at, value);

    at += plain;
    if (plain < value.len) {
        put_rest(out, at, str_skip(value, plain), STR("\""));
        return;
    }
    *at = '"';
    buf_end_at(out, at + 1);
}

static void
put_string(struct json_writer *w, struct str s, struct str after)
{
    struct str before = needs_comma(w) ? STR(",\"") : STR("\"");
    char *at = put_str(buf_reserve(w->out, before.len + s.len + after.len), before);
    size_t plain = put_plain(at, s);

    at += plain;
    if (plain < s.len)
        put_rest(w->out, at, str_skip(s, plain), after);
    else
        buf_end_at(w->out, put_str(at, after));
}

void
json_key_str(struct json_writer *w, struct str key)
{
    put_string(w, key, STR("\":"));
    w->after_key = true;
}

void
json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_from(key));
}

void
json_put_str(struct json_writer *w, struct str value)
{
    put_string(w, value, STR("\""));
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

enum { TIME_TO_SECOND = sizeof("2026-02-28T23:59:59.") - 1 };

static char *
put_part(char *at, int value, char after)
{
    at = put_digits(at, (unsigned)value, 2);
    *at++ = after;
    return at;
}

/* The calendar is asked once a second: most of what is written has the time of what was written before. */
static const char *
text_of_second(time_t second)
{
    static _Thread_local time_t last;
    static _Thread_local char text[TIME_TO_SECOND + 1];
    struct tm tm;
    char *at = text;

    if (second == last && *text)
        return text;
    gmtime_r(&second, &tm);
    at = put_digits(at, (unsigned)tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_part(at, tm.tm_mon + 1, '-');
    at = put_part(at, tm.tm_mday, 'T');
    at = put_part(at, tm.tm_hour, ':');
    at = put_part(at, tm.tm_min, ':');
    put_part(at, tm.tm_sec, '.');
    last = second;
    return text;
}

void
json_next_time(struct buf *out, struct str start, int64_t wall_us)
{
    char *at = put_str(buf_reserve(out, start.len + TIME_TO_SECOND + 5), start);

    at = put_str(at, str_make(text_of_second((time_t)(wall_us / USEC_PER_SEC)), TIME_TO_SECOND));
    at = put_digits(at, (unsigned)(wall_us % USEC_PER_SEC / 1000), 3);
    buf_end_at(out, PUT(at, "Z\""));
}

void
json_put_time(struct json_writer *w, int64_t wall_us)
{
    json_next_time(w->out, needs_comma(w) ? STR(",\"") : STR("\""), wall_us);
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
