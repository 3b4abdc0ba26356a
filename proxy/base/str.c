/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/str.h"

#include <math.h>
#include <stdlib.h>

#include "proxy/base/put.h"

static unsigned char
lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool
str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

int
str_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
str_find(struct str s, char c)
{
    const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

    return at ? (int)(at - s.p) : -1;
}

/* Sixteen bytes at a time, which the compiler knows how to do; each has a counter of its own, that is good for 255. */
typedef uint8_t lanes __attribute__((vector_size(16)));

static unsigned
sum_of(lanes counts)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < sizeof(counts); i++)
        sum += counts[i];
    return sum;
}

size_t
str_controls(struct str s)
{
    size_t i = 0, n = 0;

    while (i + sizeof(lanes) <= s.len) {
        size_t whole = (s.len - i) / sizeof(lanes) * sizeof(lanes), most = 255 * sizeof(lanes);
        size_t stop = i + (whole < most ? whole : most);
        lanes counts = { 0 };

        for (; i < stop; i += sizeof(lanes)) {
            lanes bytes;

            memcpy(&bytes, s.p + i, sizeof(bytes));
            counts -= (lanes)((bytes < 0x20) & (bytes != '\t'));
        }
        n += sum_of(counts);
    }
    for (; i < s.len; i++)
        n += (unsigned char)s.p[i] < 0x20 && s.p[i] != '\t';
    return n;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
    while (s.len && is_blank(s.p[0]))
        s = str_skip(s, 1);
    while (s.len && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

bool
str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
    int at = str_find(s, sep);

    if (at < 0) {
        *ret_head = s;
        *ret_tail = str_skip(s, s.len);
        return false;
    }
    *ret_head = str_make(s.p, (size_t)at);
    *ret_tail = str_skip(s, (size_t)at + 1);
    return true;
}

struct str
str_of_u64(uint64_t value, char room[STR_U64_MAX])
{
    return str_make(room, (size_t)(put_u64(room, value) - room));
}

bool
str_to_u64(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

bool
str_to_double(struct str s, double *ret_value)
{
    char text[64];
    char *end;
    double value;

    if (s.len == 0 || s.len >= sizeof(text))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr("0123456789+-.eE", s.p[i]))
            return false;
    }
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    value = strtod(text, &end);
    if (*end || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

bool
str_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, resume = 0;

    while (i < s.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = p++;
            resume = i;
        } else if (p < pattern.len && pattern.p[p] == s.p[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}

int
str_compare(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len ? memcmp(x->p, y->p, len) : 0;

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static size_t
utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t
str_utf8_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t len = s.len ? utf8_length(p[0]) : 0;

    if (len == 0 || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, past U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

unsigned
str_distance(struct str a, struct str b)
{
    enum { MAX = 64 };
    unsigned row[MAX + 1];

    a.len = a.len > MAX ? MAX : a.len;
    b.len = b.len > MAX ? MAX : b.len;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b.len];
}
