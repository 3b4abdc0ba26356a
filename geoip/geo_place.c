/* SPDX-License-Identifier: Apache-2.0
 *
 * Countries and cloud regions (tables made elsewhere: country.def, cloud_regions.def), continents, distance, and which addresses
 * are nobody's place. country.def is in order of code, with every code once; every cloud region lies in a country of that table.
 */
#include "geoip/geo_place.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct country {
    char code[3];
    uint8_t continent;
    float lat, lon;
} countries[] = {
#define COUNTRY(code, continent, lat, lon) { #code, CONTINENT_##continent, lat, lon },
#include "geoip/country.def"
#undef COUNTRY
};
enum { N_COUNTRIES = sizeof(countries) / sizeof(countries[0]) };

static const struct region {
    struct str name;
    char country[3];
    float lat, lon;
} regions[] = {
#define REGION(name, country, lat, lon) { { name, sizeof(name) - 1 }, #country, lat, lon },
#include "geoip/cloud_regions.def"
#undef REGION
};
enum { N_REGIONS = sizeof(regions) / sizeof(regions[0]) };

static const struct continent_info {
    struct str name;
    const char *code;
} continents[CONTINENT_COUNT] = {
    [CONTINENT_NONE] = { { "", 0 }, "" },
    [CONTINENT_AFRICA] = { { "africa", 6 }, "AF" },
    [CONTINENT_ANTARCTICA] = { { "antarctica", 10 }, "AN" },
    [CONTINENT_ASIA] = { { "asia", 4 }, "AS" },
    [CONTINENT_EUROPE] = { { "europe", 6 }, "EU" },
    [CONTINENT_NORTH_AMERICA] = { { "north-america", 13 }, "NA" },
    [CONTINENT_OCEANIA] = { { "oceania", 7 }, "OC" },
    [CONTINENT_SOUTH_AMERICA] = { { "south-america", 13 }, "SA" },
};

/* The table is in order of code. */
static const struct country *
find_country(const char code[2])
{
    unsigned low = 0, high = N_COUNTRIES;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = memcmp(code, countries[middle].code, 2);

        if (order == 0)
            return &countries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool
country_is_known(const char code[2])
{
    return find_country(code) != NULL;
}

bool
country_point(const char code[2], struct place *ret_place)
{
    const struct country *c = find_country(code);

    if (!c)
        return false;
    *ret_place = (struct place){ .continent = c->continent, .has_point = true, .lat = c->lat, .lon = c->lon };
    memcpy(ret_place->country, c->code, sizeof(ret_place->country));
    return true;
}

struct str
continent_name(enum continent c)
{
    return continents[c].name;
}

enum continent
continent_parse(struct str name)
{
    for (unsigned c = CONTINENT_NONE + 1; c < CONTINENT_COUNT; c++) {
        if (str_eq(continents[c].name, name))
            return (enum continent)c;
    }
    return CONTINENT_NONE;
}

enum continent
continent_of_code(const char code[2])
{
    for (unsigned c = CONTINENT_NONE + 1; c < CONTINENT_COUNT; c++) {
        if (memcmp(continents[c].code, code, 2) == 0)
            return (enum continent)c;
    }
    return CONTINENT_NONE;
}

static bool
parse_point(struct str text, struct place *ret_place)
{
    struct str lat_text, lon_text;
    double lat, lon;

    if (!str_cut(text, ',', &lat_text, &lon_text) || !str_to_double(str_trim(lat_text), &lat) ||
        !str_to_double(str_trim(lon_text), &lon))
        return false;
    if (lat < -90 || lat > 90 || lon < -180 || lon > 180)
        return false;
    *ret_place = (struct place){ .has_point = true, .lat = (float)lat, .lon = (float)lon };
    return true;
}

bool
place_parse(struct str text, struct place *ret_place)
{
    if (text.len == 2)
        return country_point(text.p, ret_place);
    for (unsigned i = 0; i < N_REGIONS; i++) {
        if (!str_eq(regions[i].name, text))
            continue;
        country_point(regions[i].country, ret_place);
        ret_place->lat = regions[i].lat;
        ret_place->lon = regions[i].lon;
        return true;
    }
    return parse_point(text, ret_place);
}

const char *
place_print(const struct place *p, char text[32])
{
    if (p->source == PLACE_NONE)
        snprintf(text, 32, "unplaced");
    else if (p->country[0])
        memcpy(text, p->country, sizeof(p->country));
    else if (p->has_point)
        snprintf(text, 32, "%.2f,%.2f", (double)p->lat, (double)p->lon);
    else
        snprintf(text, 32, "%s", p->continent ? continents[p->continent].name.p : "somewhere");
    return text;
}

const char *
place_source_name(enum place_source source)
{
    static const char *const names[] = { "none", "hint", "override", "database", "default" };

    assert((unsigned)source < sizeof(names) / sizeof(names[0]));
    return names[source];
}

struct str
cloud_region_nearest(struct str name)
{
    unsigned best = 5;
    struct str found = STR_NONE, cloud, bare;
    bool has_cloud = str_cut(name, ':', &cloud, &bare);

    for (unsigned i = 0; i < N_REGIONS; i++) {
        unsigned d = str_distance(name, regions[i].name);

        str_cut(regions[i].name, ':', &cloud, &bare);
        if (!has_cloud && str_distance(name, bare) < d)
            d = str_distance(name, bare);
        if (d < best) {
            best = d;
            found = regions[i].name;
        }
    }
    return found;
}

double
place_distance_km(const struct place *a, const struct place *b)
{
    const double radius_km = 6371, radian = 0.017453292519943295;
    double lat_a = (double)a->lat * radian, lat_b = (double)b->lat * radian;
    double d_lat = sin((lat_b - lat_a) / 2), d_lon = sin(((double)b->lon - (double)a->lon) * radian / 2);
    double h = d_lat * d_lat + cos(lat_a) * cos(lat_b) * d_lon * d_lon;

    return 2 * radius_km * asin(sqrt(h > 1 ? 1 : h));
}

/* --- addresses --------------------------------------------------------------------------------------------------- */

/* IANA's special-purpose registries (RFC 6890) as far as such an address is in no one place, and multicast. ::/96 are ::, ::1
 * and the deprecated IPv4-compatible addresses: databases keep IPv4 there. */
static const struct cidr specials[] = {
    { { 4, { 0 } }, 8 },
    { { 4, { 10 } }, 8 },
    { { 4, { 100, 64 } }, 10 },
    { { 4, { 127 } }, 8 },
    { { 4, { 169, 254 } }, 16 },
    { { 4, { 172, 16 } }, 12 },
    { { 4, { 192, 0, 0 } }, 24 },
    { { 4, { 192, 0, 2 } }, 24 },
    { { 4, { 192, 88, 99 } }, 24 },
    { { 4, { 192, 168 } }, 16 },
    { { 4, { 198, 18 } }, 15 },
    { { 4, { 198, 51, 100 } }, 24 },
    { { 4, { 203, 0, 113 } }, 24 },
    { { 4, { 224 } }, 4 },
    { { 4, { 240 } }, 4 },
    { { 6, { 0 } }, 96 },
    { { 6, { 0, 0x64, 0xff, 0x9b, 0, 1 } }, 48 },
    { { 6, { 0x01 } }, 63 }, /* discard-only, and the dummy prefix beside it (RFC 9780) */
    { { 6, { 0x20, 0x01, 0, 0x02 } }, 48 },
    { { 6, { 0x20, 0x01, 0, 0x10 } }, 28 },
    { { 6, { 0x20, 0x01, 0, 0x20 } }, 28 },
    { { 6, { 0x20, 0x01, 0x0d, 0xb8 } }, 32 },
    { { 6, { 0x3f, 0xff } }, 20 },
    { { 6, { 0x5f } }, 16 },
    { { 6, { 0xfc } }, 7 },
    { { 6, { 0xfe, 0x80 } }, 9 }, /* link-local, and the deprecated site-local */
    { { 6, { 0xff } }, 8 },
};
enum { N_SPECIALS = sizeof(specials) / sizeof(specials[0]) };

/* First bytes of addresses that may be in one of them, as bits, all in one line of the cache; and for these bytes, in which. */
static _Alignas(64) uint64_t special_bytes[2][4];
static uint32_t specials_by_byte[2][256];
static pthread_once_t specials_once = PTHREAD_ONCE_INIT;
_Static_assert(N_SPECIALS <= 32, "a bit for each network");

static void
index_specials(void)
{
    for (unsigned i = 0; i < N_SPECIALS; i++) {
        const struct cidr *net = &specials[i];
        unsigned first = net->base.bytes[0], more = net->bits < 8 ? 0xffU >> net->bits : 0;

        for (unsigned byte = first; byte <= first + more; byte++) {
            special_bytes[net->base.family == 6][byte / 64] |= UINT64_C(1) << byte % 64;
            specials_by_byte[net->base.family == 6][byte] |= UINT32_C(1) << i;
        }
    }
}

static bool
is_in_specials(const struct addr *a)
{
    bool is_v6 = a->family == 6;
    uint8_t byte = a->bytes[0];

    if (!(special_bytes[is_v6][byte / 64] >> byte % 64 & 1))
        return false;
    for (uint32_t left = specials_by_byte[is_v6][byte]; left; left &= left - 1) {
        if (cidr_has(&specials[__builtin_ctz(left)], a))
            return true;
    }
    return false;
}

bool
addr_is_special(const struct addr *a)
{
    struct addr inner = addr_unwrap(a);

    if (a->family != 4 && a->family != 6)
        return true;
    pthread_once(&specials_once, index_specials);
    return is_in_specials(a) || (inner.family != a->family && is_in_specials(&inner));
}

struct addr
addr_unwrap(const struct addr *a)
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b }, mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct addr inner = { .family = 4 };

    if (a->family != 6 || (a->bytes[0] != 0 && a->bytes[0] != 0x20)) /* where all of these begin */
        return *a;
    if (memcmp(a->bytes, nat64, sizeof(nat64)) == 0 || memcmp(a->bytes, mapped, sizeof(mapped)) == 0) {
        memcpy(inner.bytes, a->bytes + 12, 4);
    } else if (a->bytes[0] == 0x20 && a->bytes[1] == 0x02) { /* 6to4, RFC 3056 */
        memcpy(inner.bytes, a->bytes + 2, 4);
    } else if (a->bytes[0] == 0x20 && a->bytes[1] == 0x01 && a->bytes[2] == 0 &&
               a->bytes[3] == 0) { /* Teredo, RFC 4380 */
        for (unsigned i = 0; i < 4; i++)
            inner.bytes[i] = (uint8_t)~a->bytes[12 + i];
    } else {
        return *a;
    }
    return inner;
}
