/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/json_text.h"

#include <endian.h>
#include <string.h>

enum { DEPTH_MAX = 512 };

static bool
wrong(struct json_text *t)
{
    t->is_wrong = true;
    t->at = t->end;
    return false;
}

static void
skip_blanks(struct json_text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\r' || *t->at == '\t'))
        t->at++;
}

/* What the next byte is; 0 at the end. */
static char
next(const struct json_text *t)
{
    return t->at < t->end ? *t->at : 0;
}

static bool
take(struct json_text *t, char c)
{
    if (next(t) != c)
        return false;
    t->at++;
    return true;
}

/* --- scalars ----------------------------------------------------------------------------------------------------- */

static bool
take_escape(struct json_text *t)
{
    t->at++;
    if (t->at == t->end)
        return wrong(t);
    if (*t->at++ != 'u')
        return memchr("\"\\/bfnrt", t->at[-1], 8) ? true : wrong(t);
    for (int i = 0; i < 4; i++, t->at++) {
        if (t->at == t->end || str_hex_value(*t->at) < 0)
            return wrong(t);
    }
    return true;
}

static bool
take_beyond_ascii(struct json_text *t)
{
    size_t len = str_utf8_len(str_make(t->at, (size_t)(t->end - t->at)));

    t->at += len;
    return len ? true : wrong(t);
}

static bool
take_string(struct json_text *t)
{
    if (!take(t, '"'))
        return wrong(t);
    while (t->at < t->end) {
        unsigned char c = (unsigned char)*t->at;

        if (c == '"') {
            t->at++;
            return true;
        }
        if (c < 0x20)
            return wrong(t);
        if (c == '\\' ? !take_escape(t) : c >= 0x80 && !take_beyond_ascii(t))
            return false;
        if (c != '\\' && c < 0x80)
            t->at++;
    }
    return wrong(t);
}

/* Eight bytes at once. A byte below that is a digit leaves nothing that could be carried into the ones above. */
static inline const char *
digits_end(const char *at, const char *end)
{
    for (uint64_t bytes, other; end - at >= 8; at += 8) {
        memcpy(&bytes, at, 8);
        bytes = le64toh(bytes) ^ UINT64_C(0x3030303030303030);
        other = (bytes | (bytes + UINT64_C(0x0606060606060606))) & UINT64_C(0xf0f0f0f0f0f0f0f0);
        if (other)
            return at + __builtin_ctzll(other) / 8;
    }
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Where the number that begins here ends; NULL: it is none. Numbers are most of what a body has, so they are read without `t`. */
static const char *
number_end(const char *at, const char *end)
{
    const char *from;

    at += at < end && *at == '-';
    from = at;
    at = at < end && *at == '0' ? at + 1 : digits_end(at, end);
    if (at == from)
        return NULL;
    if (at < end && *at == '.') {
        from = at + 1;
        at = digits_end(from, end);
        if (at == from)
            return NULL;
    }
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    from = at < end && (*at == '+' || *at == '-') ? at + 1 : at;
    at = digits_end(from, end);
    return at > from ? at : NULL;
}

static bool
take_number(struct json_text *t)
{
    const char *end = number_end(t->at, t->end);

    if (!end)
        return wrong(t);
    t->at = end;
    return true;
}

/* Behind a `[`: all of an array that has numbers and no blanks, as vectors are. False, and nothing is taken, if it is another. */
static bool
take_vector(struct json_text *t)
{
    const char *at = t->at;

    do {
        at = number_end(at, t->end);
        if (!at || at == t->end)
            return false;
    } while (*at++ == ',');
    if (at[-1] != ']')
        return false;
    t->at = at;
    t->is_first = false;
    return true;
}

static bool
take_word(struct json_text *t, struct str word)
{
    if (!str_starts(str_make(t->at, (size_t)(t->end - t->at)), word))
        return wrong(t);
    t->at += word.len;
    return true;
}

static bool
take_scalar(struct json_text *t)
{
    skip_blanks(t);
    switch (next(t)) {
    case '"':
        return take_string(t);
    case 't':
        return take_word(t, STR("true"));
    case 'f':
        return take_word(t, STR("false"));
    case 'n':
        return take_word(t, STR("null"));
    default:
        return take_number(t);
    }
}

/* --- objects and arrays ------------------------------------------------------------------------------------------ */

/* What follows inside is to be taken next, after the comma that it needs. False where the container ends, or wrong. */
static bool
has_more(struct json_text *t, char close)
{
    skip_blanks(t);
    if (take(t, close)) {
        t->is_first = false;
        return false;
    }
    if (!t->is_first && !take(t, ','))
        return wrong(t);
    t->is_first = false;
    skip_blanks(t);
    return !t->is_wrong;
}

bool
json_text_enter(struct json_text *t, char open)
{
    skip_blanks(t);
    if (t->is_wrong || !take(t, open))
        return wrong(t);
    return t->is_first = true;
}

bool
json_text_member(struct json_text *t, struct str *ret_key)
{
    const char *from;

    if (t->is_wrong || !has_more(t, '}'))
        return false;
    from = t->at;
    if (!take_string(t))
        return false;
    *ret_key = str_make(from + 1, (size_t)(t->at - from) - 2);
    skip_blanks(t);
    return take(t, ':') ? true : wrong(t);
}

bool
json_text_element(struct json_text *t)
{
    return !t->is_wrong && has_more(t, ']');
}

/* --- whole values ------------------------------------------------------------------------------------------------ */

/* Containers that are open, innermost last: a bit each, set for objects. */
struct nest {
    uint64_t bits[DEPTH_MAX / 64];
    unsigned depth;
};

static bool
nest_is_object(const struct nest *n)
{
    return n->bits[(n->depth - 1) / 64] >> (n->depth - 1) % 64 & 1;
}

static bool
nest_open(struct nest *n, struct json_text *t)
{
    uint64_t bit = UINT64_C(1) << n->depth % 64;

    if (n->depth == DEPTH_MAX)
        return wrong(t);
    if (next(t) == '{')
        n->bits[n->depth / 64] |= bit;
    else
        n->bits[n->depth / 64] &= ~bit;
    n->depth++;
    if (!json_text_enter(t, next(t)))
        return false;
    if (!nest_is_object(n) && take_vector(t))
        n->depth--;
    return true;
}

/* To the next value inside what is open, leaving what ends. False when nothing is open any more, or wrong. */
static bool
nest_advance(struct nest *n, struct json_text *t)
{
    struct str key;

    while (n->depth && !t->is_wrong) {
        if (nest_is_object(n) ? json_text_member(t, &key) : json_text_element(t))
            return true;
        n->depth--;
    }
    return false;
}

static bool
take_value(struct json_text *t)
{
    struct nest n = { .depth = 0 };

    do {
        skip_blanks(t);
        if (next(t) == '{' || next(t) == '[' ? !nest_open(&n, t) : !take_scalar(t))
            return false;
    } while (nest_advance(&n, t));
    return !t->is_wrong;
}

struct str
json_text_value(struct json_text *t)
{
    const char *from;

    skip_blanks(t);
    from = t->at;
    if (t->is_wrong || !take_value(t))
        return STR_NONE;
    return str_make(from, (size_t)(t->at - from));
}

struct json_text
json_text(struct str bytes)
{
    return (struct json_text){ .at = bytes.p, .end = bytes.len ? bytes.p + bytes.len : bytes.p };
}

bool
json_text_end(struct json_text *t)
{
    skip_blanks(t);
    return !t->is_wrong && t->at == t->end;
}
