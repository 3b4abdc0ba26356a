/* SPDX-License-Identifier: Apache-2.0
 *
 * The country is the first of country.iso_code, country_code, country and registered_country.iso_code that is two letters:
 * that tells codes from names, as some families put the name where others put the code. Pseudo codes are none. Points
 * come as double, float, integers or text; 0,0 and a radius of 500 km or more mean "only the country is known".
 */
#include "geoip/geo_record.h"

#include <math.h>
#include <string.h>

enum type {
    POINTER = 1,
    UTF8,
    DOUBLE,
    BYTES,
    UINT16,
    UINT32,
    MAP,
    INT32,
    UINT64,
    UINT128,
    ARRAY,
    CONTAINER,
    END,
    BOOLEAN,
    FLOAT
};
enum { DEPTH_MAX = 32, STEPS_MAX = 10000, RADIUS_COUNTRY_KM = 500 };

struct value {
    enum type type;
    uint32_t size; /* bytes, or pairs and elements */
    size_t at;     /* of the content; where a pointer leads */
    size_t after;  /* of the value as written */
};

struct reader {
    const uint8_t *data;
    size_t size;
    unsigned steps;
};

static bool
read_size(const struct reader *r, size_t *at, uint32_t *size)
{
    unsigned more = *size < 29 ? 0 : *size - 28;
    static const uint32_t base[] = { 0, 29, 285, 65821 };
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
read_pointer(const struct reader *r, size_t at, uint8_t control, struct value *v)
{
    static const uint32_t base[] = { 0, 2048, 526336, 0 };
    unsigned n = ((control >> 3) & 3) + 1;
    uint32_t value = n < 4 ? control & 7 : 0;

    if (r->size - at < n)
        return false;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | r->data[at++];
    v->at = (size_t)value + base[n - 1];
    v->after = at;
    return v->at < r->size;
}

static bool
is_sized(enum type type)
{
    return type != MAP && type != ARRAY && type != BOOLEAN;
}

static bool
read_value(struct reader *r, size_t at, struct value *v)
{
    uint8_t control;

    if (at >= r->size || ++r->steps > STEPS_MAX)
        return false;
    control = r->data[at++];
    v->type = (enum type)(control >> 5);
    if (v->type == POINTER)
        return read_pointer(r, at, control, v);
    if (v->type == 0) {
        if (at >= r->size || r->data[at] > 8)
            return false;
        v->type = (enum type)(r->data[at++] + 7);
    }
    v->size = control & 31;
    if (!read_size(r, &at, &v->size))
        return false;
    v->at = at;
    v->after = is_sized(v->type) ? at + v->size : at;
    return v->after <= r->size;
}

/* Follow one pointer; pointers to pointers are not allowed by the format. */
static bool
resolve(struct reader *r, struct value *v)
{
    size_t after = v->after;

    if (v->type != POINTER)
        return true;
    if (!read_value(r, v->at, v) || v->type == POINTER)
        return false;
    v->after = after;
    return true;
}

static bool
skip(struct reader *r, size_t at, unsigned depth, size_t *ret_after)
{
    struct value v;
    uint32_t children;

    if (depth > DEPTH_MAX || !read_value(r, at, &v))
        return false;
    at = v.after;
    children = v.type == MAP ? v.size : v.type == ARRAY ? v.size : 0;
    for (uint32_t i = 0; i < children; i++) {
        if (v.type == MAP && !skip(r, at, depth + 1, &at))
            return false;
        if (!skip(r, at, depth + 1, &at))
            return false;
    }
    *ret_after = at;
    return true;
}

bool
geo_record_is_sane(const uint8_t *data, size_t size, size_t offset)
{
    struct reader r = { data, size, 0 };

    return skip(&r, offset, 0, &offset);
}

/* --- finding fields ---------------------------------------------------------------------------------------------- */

struct found {
    char country[4][3]; /* in order of preference */
    char continent[3];
    double lat[3], lon[3], radius;
    bool has_lat[3], has_lon[3];
};

static struct str
text_of(const struct reader *r, const struct value *v)
{
    return v->type == UTF8 ? str_make((const char *)r->data + v->at, v->size) : STR_NONE;
}

static void
take_code(const struct reader *r, const struct value *v, char code[3])
{
    struct str s = text_of(r, v);

    if (s.len != 2 || code[0])
        return;
    for (unsigned i = 0; i < 2; i++) {
        char c = s.p[i];

        c = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
        if (c < 'A' || c > 'Z') {
            code[0] = '\0';
            return;
        }
        code[i] = c;
    }
    code[2] = '\0';
}

static uint64_t
big_endian(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

static bool
number_of(const struct reader *r, const struct value *v, double *ret_number)
{
    const uint8_t *p = r->data + v->at;
    uint64_t bits;
    uint32_t bits32;
    float f;

    switch (v->type) {
    case DOUBLE:
        if (v->size != 8)
            return false;
        bits = big_endian(p, 8);
        memcpy(ret_number, &bits, 8);
        return isfinite(*ret_number);
    case FLOAT:
        if (v->size != 4)
            return false;
        bits32 = (uint32_t)big_endian(p, 4);
        memcpy(&f, &bits32, 4);
        *ret_number = (double)f;
        return isfinite(*ret_number);
    case INT32:
        if (v->size > 4)
            return false;
        *ret_number = (double)(int32_t)big_endian(p, v->size);
        return true;
    case UINT16:
    case UINT32:
    case UINT64:
        if (v->size > 8)
            return false;
        *ret_number = (double)big_endian(p, v->size);
        return true;
    case UTF8:
        return str_to_double(text_of(r, v), ret_number);
    default:
        return false;
    }
}

static void
take_point(const struct reader *r, struct str key, const struct value *v, unsigned rank, struct found *f)
{
    bool is_short = rank == 2;

    if (str_eq(key, is_short ? STR("lat") : STR("latitude")))
        f->has_lat[rank] = number_of(r, v, &f->lat[rank]);
    else if (str_eq(key, is_short ? STR("lng") : STR("longitude")))
        f->has_lon[rank] = number_of(r, v, &f->lon[rank]);
}

static void
take_nested(const struct reader *r, struct str parent, struct str key, const struct value *v, struct found *f)
{
    if (str_eq(parent, STR("country")) && str_eq(key, STR("iso_code")))
        take_code(r, v, f->country[0]);
    else if (str_eq(parent, STR("registered_country")) && str_eq(key, STR("iso_code")))
        take_code(r, v, f->country[3]);
    else if (str_eq(parent, STR("continent")) && str_eq(key, STR("code")))
        take_code(r, v, f->continent);
    else if (str_eq(parent, STR("location")) && str_eq(key, STR("accuracy_radius")))
        number_of(r, v, &f->radius);
    else if (str_eq(parent, STR("location")))
        take_point(r, key, v, 0, f);
}

static void
take_flat(const struct reader *r, struct str key, const struct value *v, struct found *f)
{
    if (str_eq(key, STR("country_code")))
        take_code(r, v, f->country[1]);
    else if (str_eq(key, STR("country")))
        take_code(r, v, f->country[2]);
    else if (str_eq(key, STR("continent_code")) || str_eq(key, STR("continent")))
        take_code(r, v, f->continent);
    take_point(r, key, v, 1, f);
    take_point(r, key, v, 2, f);
}

/* One level of a map; `parent` is empty at the top. */
static bool
walk_map(struct reader *r, const struct value *map, struct str parent, struct found *f)
{
    size_t at = map->at;

    for (uint32_t i = 0; i < map->size; i++) {
        struct value key, value;
        struct str name;
        size_t value_at;

        if (!read_value(r, at, &key) || !resolve(r, &key) || key.type != UTF8)
            return false;
        name = text_of(r, &key);
        value_at = key.after;
        if (!read_value(r, value_at, &value) || !skip(r, value_at, 0, &at) || !resolve(r, &value))
            return false;
        if (parent.len)
            take_nested(r, parent, name, &value, f);
        else if (value.type == MAP && !walk_map(r, &value, name.len ? name : STR("?"), f))
            return false;
        else if (value.type != MAP)
            take_flat(r, name, &value, f);
    }
    return true;
}

static bool
is_pseudo(const char *code)
{
    static const char codes[][3] = { "ZZ", "XX", "EU", "AP", "AA" };

    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (memcmp(codes[i], code, 2) == 0)
            return true;
    }
    return !country_is_known(code);
}

static void
set_country(struct found *f, struct place *p)
{
    for (unsigned i = 0; i < 4; i++) {
        if (f->country[i][0] && !is_pseudo(f->country[i])) {
            country_point(f->country[i], p);
            return;
        }
        /* Regional pseudo codes are no country but still say which continent. */
        if (memcmp(f->country[i], "EU", 2) == 0)
            p->continent = CONTINENT_EUROPE;
        else if (memcmp(f->country[i], "AP", 2) == 0)
            p->continent = CONTINENT_ASIA;
    }
}

static void
set_point(const struct found *f, struct place *p)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!f->has_lat[i] || !f->has_lon[i])
            continue;
        if (f->radius >= RADIUS_COUNTRY_KM || fabs(f->lat[i]) > 90 || fabs(f->lon[i]) > 180 ||
            (f->lat[i] == 0 && f->lon[i] == 0)) /* NOLINT: exactly zero is what "unknown" is written as */
            return;
        p->has_point = true;
        p->lat = (float)f->lat[i];
        p->lon = (float)f->lon[i];
        return;
    }
}

bool
geo_record_place(const uint8_t *data, size_t size, size_t offset, struct place *ret_place)
{
    struct reader r = { data, size, 0 };
    struct value top;
    struct found f;
    struct place p = { .country = "" };

    memset(&f, 0, sizeof(f));
    if (!read_value(&r, offset, &top) || !resolve(&r, &top))
        return false;
    if (top.type == MAP && !walk_map(&r, &top, STR_NONE, &f))
        return false;
    set_country(&f, &p);
    if (p.continent == CONTINENT_NONE && f.continent[0])
        p.continent = continent_of_code(f.continent);
    set_point(&f, &p);
    if (p.country[0] || p.continent || p.has_point)
        p.source = PLACE_DATABASE;
    *ret_place = p;
    return true;
}
