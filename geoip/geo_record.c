/* SPDX-License-Identifier: Apache-2.0
 *
 * The families of databases differ in where things stand. Country: the first of country.iso_code, country_code, country and
 * registered_country.iso_code that is two letters and a country; some put its name where others put the code, hence the two
 * letters. Continent: the country's own, so that a country lies in one continent whoever says where the caller is; without a
 * country continent.code, continent_code or continent. Point: location.latitude/longitude, latitude/longitude or lat/lng, as
 * double, float, integer or text; 0,0 and a radius of 500 km or more mean that only the country is known, whose point is ours.
 *
 * EU and AP are no countries. EU lies in Europe; AP may be Oceania too, so it gets a point but no continent: residency must
 * not rest on a guess. All is taken in one pass over the map, which is cheaper than looking for each path.
 */
#include "geoip/geo_record.h"

#include <math.h>

enum { RADIUS_COUNTRY_KM = 500 };
enum { NESTED, FLAT, SHORT, POINT_FORMS };
enum { ISO_CODE, COUNTRY_CODE, COUNTRY, REGISTERED, COUNTRY_FORMS };
enum { CONTINENT_NESTED, CONTINENT_CODE, CONTINENT, CONTINENT_FORMS };

struct found {
    char country[COUNTRY_FORMS][3];
    char continent[CONTINENT_FORMS][3];
    double lat[POINT_FORMS], lon[POINT_FORMS], radius;
    bool has_lat[POINT_FORMS], has_lon[POINT_FORMS];
};

static void
take_code(const struct mmdb_reader *r, const struct mmdb_value *v, char code[3])
{
    struct str s = mmdb_text(r, v);
    char upper[3] = "";

    if (s.len != 2)
        return;
    for (unsigned i = 0; i < 2; i++) {
        char c = s.p[i];

        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
        if (upper[i] < 'A' || upper[i] > 'Z')
            return;
    }
    memcpy(code, upper, sizeof(upper));
}

static void
take_point(const struct mmdb_reader *r, struct str key, const struct mmdb_value *v, unsigned form, struct found *f)
{
    if (str_eq(key, form == SHORT ? STR("lat") : STR("latitude")))
        f->has_lat[form] = mmdb_number(r, v, &f->lat[form]);
    else if (str_eq(key, form == SHORT ? STR("lng") : STR("longitude")))
        f->has_lon[form] = mmdb_number(r, v, &f->lon[form]);
}

static void
take_nested(const struct mmdb_reader *r, struct str parent, struct str key, const struct mmdb_value *v, struct found *f)
{
    if (str_eq(parent, STR("country")) && str_eq(key, STR("iso_code")))
        take_code(r, v, f->country[ISO_CODE]);
    else if (str_eq(parent, STR("registered_country")) && str_eq(key, STR("iso_code")))
        take_code(r, v, f->country[REGISTERED]);
    else if (str_eq(parent, STR("continent")) && str_eq(key, STR("code")))
        take_code(r, v, f->continent[CONTINENT_NESTED]);
    else if (str_eq(parent, STR("location")) && str_eq(key, STR("accuracy_radius")))
        mmdb_number(r, v, &f->radius);
    else if (str_eq(parent, STR("location")))
        take_point(r, key, v, NESTED, f);
}

static void
take_flat(const struct mmdb_reader *r, struct str key, const struct mmdb_value *v, struct found *f)
{
    if (str_eq(key, STR("country_code")))
        take_code(r, v, f->country[COUNTRY_CODE]);
    else if (str_eq(key, STR("country")))
        take_code(r, v, f->country[COUNTRY]);
    else if (str_eq(key, STR("continent_code")))
        take_code(r, v, f->continent[CONTINENT_CODE]);
    else if (str_eq(key, STR("continent")))
        take_code(r, v, f->continent[CONTINENT]);
    take_point(r, key, v, FLAT, f);
    take_point(r, key, v, SHORT, f);
}

/* The pair at *at; leaves *at behind it. */
static bool
read_pair(struct mmdb_reader *r, size_t *at, struct str *ret_key, struct mmdb_value *ret_value)
{
    struct mmdb_value key;

    if (!mmdb_read_through(r, *at, &key) || key.type != MMDB_UTF8)
        return false;
    *ret_key = mmdb_text(r, &key);
    return mmdb_read_through(r, key.after, ret_value) && mmdb_skip(r, key.after, at);
}

static bool
read_nested(struct mmdb_reader *r, struct str parent, const struct mmdb_value *map, struct found *f)
{
    size_t at = map->at;

    for (uint32_t i = 0; i < map->size; i++) {
        struct mmdb_value v;
        struct str key;

        if (!read_pair(r, &at, &key, &v))
            return false;
        take_nested(r, parent, key, &v, f);
    }
    return true;
}

static bool
is_of_use(struct str key)
{
    return str_eq(key, STR("country")) || str_eq(key, STR("registered_country")) || str_eq(key, STR("continent")) ||
           str_eq(key, STR("location"));
}

static bool
read_record(struct mmdb_reader *r, const struct mmdb_value *map, struct found *f)
{
    size_t at = map->at;

    for (uint32_t i = 0; i < map->size; i++) {
        struct mmdb_value v;
        struct str key;

        if (!read_pair(r, &at, &key, &v))
            return false;
        if (v.type != MMDB_MAP)
            take_flat(r, key, &v, f);
        else if (is_of_use(key) && !read_nested(r, key, &v, f))
            return false;
    }
    return true;
}

static bool
is_code(const char *code, const char *wanted)
{
    return memcmp(code, wanted, 2) == 0;
}

/* Codes of no country (ZZ, XX, A1, T1, …) say nothing; what the table of countries does not have, is none. */
static void
set_country(const struct found *f, struct place *p)
{
    for (unsigned i = 0; i < COUNTRY_FORMS; i++) {
        if (f->country[i][0] && country_point(f->country[i], p))
            return;
    }
    for (unsigned i = 0; i < COUNTRY_FORMS && !p->has_point; i++) {
        if (is_code(f->country[i], "EU"))
            *p = (struct place){ .continent = CONTINENT_EUROPE, .has_point = true, .lat = 50.11F, .lon = 8.68F };
        else if (is_code(f->country[i], "AP"))
            *p = (struct place){ .has_point = true, .lat = 1.35F, .lon = 103.82F };
    }
    for (unsigned i = 0; i < CONTINENT_FORMS && p->continent == CONTINENT_NONE; i++) {
        if (f->continent[i][0])
            p->continent = (uint8_t)continent_of_code(f->continent[i]);
    }
}

static bool
is_point(double lat, double lon)
{
    return fabs(lat) <= 90 && fabs(lon) <= 180 && (lat != 0 || lon != 0);
}

static void
set_point(const struct found *f, struct place *p)
{
    unsigned form = NESTED;

    while (form < POINT_FORMS && !(f->has_lat[form] && f->has_lon[form]))
        form++;
    if (form == POINT_FORMS || f->radius >= RADIUS_COUNTRY_KM || !is_point(f->lat[form], f->lon[form]))
        return;
    p->has_point = true;
    p->lat = (float)f->lat[form];
    p->lon = (float)f->lon[form];
}

bool
geo_record_place(struct mmdb_reader *r, size_t offset, struct place *ret_place)
{
    struct found f = { .radius = 0 };
    struct place p = { .country = "" };
    struct mmdb_value top;
    size_t after;

    if (!mmdb_read_through(r, offset, &top) || !mmdb_skip(r, offset, &after))
        return false;
    if (top.type == MMDB_MAP && !read_record(r, &top, &f))
        return false;
    set_country(&f, &p);
    set_point(&f, &p);
    if (p.country[0] || p.continent || p.has_point)
        p.source = PLACE_DATABASE;
    *ret_place = p;
    return true;
}
