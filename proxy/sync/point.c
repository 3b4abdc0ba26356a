/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/point.h"

/* Hexadecimal digits of the four forms, hyphens only where they belong. False: not a UUID. */
static bool
take_digits(struct str text, bool is_hyphenated, struct point_id *ret_id)
{
    uint64_t halves[2] = { 0, 0 };
    unsigned n = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool is_hyphen = is_hyphenated && (i == 8 || i == 13 || i == 18 || i == 23);
        int value = str_hex_value(text.p[i]);

        if (is_hyphen ? text.p[i] != '-' : value < 0)
            return false;
        if (is_hyphen)
            continue;
        halves[n / 16] = halves[n / 16] << 4 | (unsigned)value;
        n++;
    }
    *ret_id = (struct point_id){ halves[0], halves[1], true };
    return true;
}

bool
point_of_uuid(struct str text, struct point_id *ret_id)
{
    if (text.len == 32)
        return take_digits(text, false, ret_id);
    if (text.len == 38 && text.p[0] == '{' && text.p[37] == '}')
        text = str_make(text.p + 1, 36);
    else if (str_starts(text, STR("urn:uuid:")))
        text = str_skip(text, 9);
    return text.len == 36 && take_digits(text, true, ret_id);
}

bool
point_of_number(struct str text, struct point_id *ret_id)
{
    uint64_t value;

    if (!str_to_u64(text, &value))
        return false;
    *ret_id = (struct point_id){ 0, value, false };
    return true;
}

bool
point_of_json(struct json value, struct point_id *ret_id)
{
    switch (json_type(value)) {
    case JSON_NUMBER:
        return point_of_number(json_number(value), ret_id);
    case JSON_STRING:
        return point_of_uuid(json_string(value), ret_id);
    default:
        return false;
    }
}

bool
point_of_text(struct str json, struct point_id *ret_id)
{
    if (json.len > 2 && json.p[0] == '"')
        return point_of_uuid(str_make(json.p + 1, json.len - 2), ret_id);
    return point_of_number(json, ret_id);
}

unsigned
point_text(const struct point_id *id, char room[POINT_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char number[STR_U64_MAX];
    struct str text = STR_NONE;
    unsigned n = 0;

    if (!id->is_uuid) {
        text = str_of_u64(id->lo, number);
        memcpy(room, text.p, text.len);
        return (unsigned)text.len;
    }
    for (unsigned i = 0; i < 32; i++) {
        uint64_t half = i < 16 ? id->hi : id->lo;

        if (i == 8 || i == 12 || i == 16 || i == 20)
            room[n++] = '-';
        room[n++] = digits[half >> (60 - 4 * (i % 16)) & 15];
    }
    return n;
}

void
point_put_json(const struct point_id *id, struct buf *out)
{
    char room[POINT_TEXT_MAX];
    unsigned n = point_text(id, room);

    if (id->is_uuid)
        buf_putc(out, '"');
    buf_append(out, room, n);
    if (id->is_uuid)
        buf_putc(out, '"');
}

void
point_put_bytes(const struct point_id *id, char bytes[16])
{
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (char)(id->hi >> (56 - 8 * i));
        bytes[8 + i] = (char)(id->lo >> (56 - 8 * i));
    }
}

struct point_id
point_of_bytes(const char bytes[16])
{
    struct point_id id = { .is_uuid = true };

    for (unsigned i = 0; i < 8; i++) {
        id.hi = id.hi << 8 | (uint8_t)bytes[i];
        id.lo = id.lo << 8 | (uint8_t)bytes[8 + i];
    }
    return id;
}

int
point_compare(const struct point_id *a, const struct point_id *b)
{
    if (a->is_uuid != b->is_uuid)
        return a->is_uuid ? 1 : -1;
    if (a->hi != b->hi)
        return a->hi < b->hi ? -1 : 1;
    return a->lo == b->lo ? 0 : a->lo < b->lo ? -1 : 1;
}
