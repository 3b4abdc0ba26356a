/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <time.h>

#include "proxy/base/clock.h"
#include "proxy/base/json.h"

struct json_writer
json_writer(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static void
before_value(struct json_writer *w)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has_member & bit)
        buf_putc(w->out, ',');
    w->has_member |= bit;
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

static void
put_quoted(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t from = 0, i = 0;

    buf_putc(out, '"');
    while (i < s.len) {
        size_t len = 1;

        if (p[i] < 0x20 || p[i] == '"' || p[i] == '\\' || p[i] == 0x7f) {
            buf_append(out, s.p + from, i - from);
            put_escaped(out, p[i]);
            from = i + 1;
        } else if (p[i] >= 0x80) {
            len = str_utf8_len(str_skip(s, i));
            if (len == 0) {
                buf_append(out, s.p + from, i - from);
                buf_add(out, STR("\xef\xbf\xbd"));
                from = i + 1;
                len = 1;
            }
        }
        i += len;
    }
    buf_append(out, s.p + from, s.len - from);
    buf_putc(out, '"');
}

void
json_key_str(struct json_writer *w, struct str key)
{
    before_value(w);
    put_quoted(w->out, key);
    buf_putc(w->out, ':');
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
    before_value(w);
    put_quoted(w->out, value);
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

void
json_put_time(struct json_writer *w, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / USEC_PER_SEC);
    struct tm tm;
    char text[40];
    size_t len;
    unsigned ms = (unsigned)(wall_us % USEC_PER_SEC / 1000);

    gmtime_r(&seconds, &tm);
    len = strftime(text, sizeof(text) - 5, "%Y-%m-%dT%H:%M:%S", &tm);
    text[len++] = '.';
    text[len++] = (char)('0' + ms / 100);
    text[len++] = (char)('0' + ms / 10 % 10);
    text[len++] = (char)('0' + ms % 10);
    text[len++] = 'Z';
    json_put_str(w, str_make(text, len));
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
