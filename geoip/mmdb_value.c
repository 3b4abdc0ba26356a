/* SPDX-License-Identifier: Apache-2.0
 *
 * A value is a control byte (type and size), more bytes of size, then the content. A pointer leads to a value elsewhere in the
 * section, never to another pointer. Only maps and arrays contain values; their content has no length, so the end is found by
 * walking through it: the one recursion here, and it counts its depth.
 */
#include "geoip/mmdb_value.h"

#include <math.h>

enum { DEPTH_MAX = 32 };

static bool
read_size(const struct mmdb_reader *r, size_t *at, uint32_t *size)
{
    static const uint32_t base[] = { 0, 29, 285, 65821 };
    unsigned more = *size < 29 ? 0 : *size - 28;
    uint32_t value = 0;

    if (more == 0)
        return true;
    if (r->size - *at < more)
        return false;
    for (unsigned i = 0; i < more; i++)
        value = value << 8 | r->data[(*at)++];
    *size = base[more] + value;
    return true;
}

static bool
read_pointer(const struct mmdb_reader *r, size_t at, uint8_t control, struct mmdb_value *v)
{
    static const uint32_t base[] = { 0, 2048, 526336, 0 };
    unsigned n = ((control >> 3) & 3) + 1U;
    uint32_t value = n < 4 ? control & 7 : 0;

    if (r->size - at < n)
        return false;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | r->data[at++];
    *v = (struct mmdb_value){ MMDB_POINTER, 0, (size_t)value + base[n - 1], at };
    return v->at < r->size;
}

/* Do the bytes of the content follow from the size? */
static bool
is_sized(enum mmdb_type type)
{
    return type != MMDB_MAP && type != MMDB_ARRAY && type != MMDB_BOOLEAN;
}

bool
mmdb_read(struct mmdb_reader *r, size_t at, struct mmdb_value *ret_value)
{
    struct mmdb_value v = { .type = MMDB_POINTER };
    uint8_t control;

    if (at >= r->size || r->steps_left == 0)
        return false;
    r->steps_left--;
    control = r->data[at++];
    v.type = (enum mmdb_type)(control >> 5);
    if (v.type == MMDB_POINTER)
        return read_pointer(r, at, control, ret_value);
    if (v.type == 0) {
        if (at >= r->size || r->data[at] == 0 || r->data[at] > MMDB_FLOAT - 7)
            return false;
        v.type = (enum mmdb_type)(r->data[at++] + 7);
    }
    v.size = control & 31;
    if (!read_size(r, &at, &v.size) || (is_sized(v.type) && v.size > r->size - at))
        return false;
    v.at = at;
    v.after = is_sized(v.type) ? at + v.size : at;
    *ret_value = v;
    return true;
}

bool
mmdb_read_through(struct mmdb_reader *r, size_t at, struct mmdb_value *ret_value)
{
    size_t after;

    if (!mmdb_read(r, at, ret_value))
        return false;
    if (ret_value->type != MMDB_POINTER)
        return true;
    after = ret_value->after;
    if (!mmdb_read(r, ret_value->at, ret_value) || ret_value->type == MMDB_POINTER)
        return false;
    ret_value->after = after;
    return true;
}

static bool
skip(struct mmdb_reader *r, size_t at, unsigned depth, size_t *ret_after)
{
    struct mmdb_value v;
    uint64_t children;

    if (depth > DEPTH_MAX || !mmdb_read(r, at, &v))
        return false;
    at = v.after;
    children = v.type == MMDB_MAP ? (uint64_t)v.size * 2 : v.type == MMDB_ARRAY ? v.size : 0;
    for (uint64_t i = 0; i < children; i++) {
        if (!skip(r, at, depth + 1, &at))
            return false;
    }
    *ret_after = at;
    return true;
}

bool
mmdb_skip(struct mmdb_reader *r, size_t at, size_t *ret_after)
{
    return skip(r, at, 0, ret_after);
}

struct str
mmdb_text(const struct mmdb_reader *r, const struct mmdb_value *v)
{
    return v->type == MMDB_UTF8 ? str_make((const char *)r->data + v->at, v->size) : STR_NONE;
}

static uint64_t
big_endian(const uint8_t *p, uint32_t n)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

bool
mmdb_unsigned(const struct mmdb_reader *r, const struct mmdb_value *v, uint64_t *ret_number)
{
    uint32_t max = v->type == MMDB_UINT16 ? 2 : v->type == MMDB_UINT32 ? 4 : v->type == MMDB_UINT64 ? 8 : 0;

    if (max == 0 || v->size > max)
        return false;
    *ret_number = big_endian(r->data + v->at, v->size);
    return true;
}

bool
mmdb_number(const struct mmdb_reader *r, const struct mmdb_value *v, double *ret_number)
{
    uint64_t bits;
    uint32_t bits32;
    float single;

    if (v->type == MMDB_UTF8)
        return str_to_double(mmdb_text(r, v), ret_number);
    if (v->type == MMDB_DOUBLE && v->size == 8) {
        bits = big_endian(r->data + v->at, 8);
        memcpy(ret_number, &bits, 8);
    } else if (v->type == MMDB_FLOAT && v->size == 4) {
        bits32 = (uint32_t)big_endian(r->data + v->at, 4);
        memcpy(&single, &bits32, 4);
        *ret_number = (double)single;
    } else if (v->type == MMDB_INT32 && v->size <= 4) {
        *ret_number = (double)(int32_t)(uint32_t)big_endian(r->data + v->at, v->size);
    } else if (mmdb_unsigned(r, v, &bits)) {
        *ret_number = (double)bits;
    } else {
        return false;
    }
    return isfinite(*ret_number);
}
