/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "geoip/geo_place.h"
#include "test/unit/geo_lib.h"

static const struct {
    const char *text, *country;
    enum continent continent;
    float lat, lon;
} places[] = {
    { "DE", "DE", CONTINENT_EUROPE, 52.5F, 13.37F },
    { "US", "US", CONTINENT_NORTH_AMERICA, 40.71F, -74.01F },
    { "AU", "AU", CONTINENT_OCEANIA, -33.87F, 151.22F }, /* Sydney, not Lord Howe */
    { "BR", "BR", CONTINENT_SOUTH_AMERICA, -23.53F, -46.62F },
    { "CA", "CA", CONTINENT_NORTH_AMERICA, 43.65F, -79.38F },
    { "RU", "RU", CONTINENT_EUROPE, 55.76F, 37.62F },
    { "UA", "UA", CONTINENT_EUROPE, 50.43F, 30.52F },
    { "UZ", "UZ", CONTINENT_ASIA, 41.33F, 69.3F },
    { "FM", "FM", CONTINENT_OCEANIA, 6.97F, 158.22F },
    { "XK", "XK", CONTINENT_EUROPE, 42.67F, 21.17F },
    { "BV", "BV", CONTINENT_ANTARCTICA, -54.42F, 3.36F },
    { "HM", "HM", CONTINENT_ANTARCTICA, -53.1F, 73.51F },
    { "NA", "NA", CONTINENT_AFRICA, -22.57F, 17.1F },
    { "aws:eu-central-1", "DE", CONTINENT_EUROPE, 50.11F, 8.68F },
    { "gcp:asia-northeast1", "JP", CONTINENT_ASIA, 35.68F, 139.69F },
    { "azure:brazilsouth", "BR", CONTINENT_SOUTH_AMERICA, -23.55F, -46.63F },
    { "50.1,8.7", "", CONTINENT_NONE, 50.1F, 8.7F },
    { " 50.1 , 8.7 ", "", CONTINENT_NONE, 50.1F, 8.7F },
    { "-90,180", "", CONTINENT_NONE, -90, 180 },
    { "+90,-180", "", CONTINENT_NONE, 90, -180 },
    { "0,0", "", CONTINENT_NONE, 0, 0 }, /* said by a person, so meant */
    { "5e1,1.5e-1", "", CONTINENT_NONE, 50, 0.15F },
};

static const char *const no_places[] = { "", "de", "De", "ZZ", "XX", "EU", "AP", "UK", "D", "DEU", "DE ", "europe",
    "aws:", "aws:eu-central-9", "AWS:eu-central-1", "eu-central-1", "aws:eu-central-1 ", "50.1", "50.1,", ",8.7",
    "50.1,8.7,1", "91,0", "-90.01,0", "0,180.5", "0,-181", "nan,0", "0,inf", "50.1;8.7", "50,1,8,7", "0x10,1", ",",
    "1e400,1" };

static void
test_parse(void **state)
{
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct place p;

        print_message("    %s\n", places[i].text);
        memset(&p, 0x55, sizeof(p));
        assert_true(place_parse(str_from(places[i].text), &p));
        assert_string_equal(p.country, places[i].country);
        assert_int_equal(p.continent, places[i].continent);
        assert_int_equal(p.source, PLACE_NONE);
        assert_true(p.has_point);
        assert_true(fabsf(p.lat - places[i].lat) < 0.02F && fabsf(p.lon - places[i].lon) < 0.02F);
    }
    for (unsigned i = 0; i < sizeof(no_places) / sizeof(no_places[0]); i++) {
        struct place p = { .country = "--" };

        print_message("    \"%s\"\n", no_places[i]);
        assert_false(place_parse(str_from(no_places[i]), &p));
        assert_string_equal(p.country, "--");
    }
    assert_false(place_parse(STR("DE\0"), &(struct place){ .lat = 0 }));
}

static void
test_print(void **state)
{
    static const struct {
        struct place place;
        const char *text;
    } table[] = {
        { { .source = PLACE_NONE, .country = "DE" }, "unplaced" },
        { { .source = PLACE_DATABASE, .country = "DE", .has_point = true, .lat = 1 }, "DE" },
        { { .source = PLACE_HINT, .has_point = true, .lat = 50.1F, .lon = 8.7F }, "50.10,8.70" },
        { { .source = PLACE_HINT, .has_point = true, .lat = -90, .lon = -179.996F }, "-90.00,-180.00" },
        { { .source = PLACE_DATABASE, .continent = CONTINENT_EUROPE }, "europe" },
        { { .source = PLACE_DATABASE, .continent = CONTINENT_EUROPE, .has_point = true, .lat = 2 }, "2.00,0.00" },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[32];

        assert_ptr_equal(place_print(&table[i].place, text), text);
        assert_string_equal(text, table[i].text);
    }
    assert_string_equal(place_source_name(PLACE_NONE), "none");
    assert_string_equal(place_source_name(PLACE_HINT), "hint");
    assert_string_equal(place_source_name(PLACE_OVERRIDE), "override");
    assert_string_equal(place_source_name(PLACE_DATABASE), "database");
    assert_string_equal(place_source_name(PLACE_DEFAULT), "default");
}

static void
test_continents(void **state)
{
    static const char *const names[] = { "", "africa", "antarctica", "asia", "europe", "north-america", "oceania",
        "south-america" };
    static const char *const codes[] = { "", "AF", "AN", "AS", "EU", "NA", "OC", "SA" };

    for (unsigned c = 1; c < CONTINENT_COUNT; c++) {
        assert_true(str_eq(continent_name((enum continent)c), str_from(names[c])));
        assert_int_equal(continent_parse(str_from(names[c])), c);
        assert_int_equal(continent_of_code(codes[c]), c);
    }
    assert_int_equal(continent_parse(STR("")), CONTINENT_NONE);
    assert_int_equal(continent_parse(STR("Europe")), CONTINENT_NONE);
    assert_int_equal(continent_of_code("US"), CONTINENT_NONE);
}

/* --- the tables -------------------------------------------------------------------------------------------------- */

static void
test_country_table(void **state)
{
    static const char *const codes[] = {
#define COUNTRY(code, continent, lat, lon) #code,
#include "geoip/country.def"
#undef COUNTRY
    };
    unsigned n = sizeof(codes) / sizeof(codes[0]);

    assert_int_equal(n, 250); /* 249 of ISO 3166-1, and XK */
    for (unsigned i = 0; i < n; i++) {
        struct place p;

        assert_true(i == 0 || strcmp(codes[i - 1], codes[i]) < 0);
        assert_true(country_is_known(codes[i]));
        assert_true(country_point(codes[i], &p));
        assert_string_equal(p.country, codes[i]);
        assert_in_range(p.continent, CONTINENT_AFRICA, CONTINENT_SOUTH_AMERICA);
        assert_true(fabsf(p.lat) <= 90 && fabsf(p.lon) <= 180 && (p.lat != 0 || p.lon != 0));
    }
    assert_false(country_is_known("AA"));
    assert_false(country_is_known("\0\0"));
    assert_false(country_is_known("zz"));
}

/* Regions lie in their country: not farther from its point than its size allows. */
static void
test_region_table(void **state)
{
    static const char *const names[] = {
#define REGION(name, country, lat, lon) name,
#include "geoip/cloud_regions.def"
#undef REGION
    };
    static const char *const codes[] = {
#define REGION(name, country, lat, lon) #country,
#include "geoip/cloud_regions.def"
#undef REGION
    };
    unsigned n = sizeof(names) / sizeof(names[0]), clouds[3] = { 0 };

    for (unsigned i = 0; i < n; i++) {
        struct place region, country;
        double km, limit_km = strstr("US CA AU CN", codes[i]) ? 4200 : strstr("BR IN ZA", codes[i]) ? 2000 : 900;

        assert_true(place_parse(str_from(names[i]), &region));
        assert_string_equal(region.country, codes[i]);
        assert_true(country_point(codes[i], &country));
        km = place_distance_km(&region, &country);
        if (km > limit_km)
            fail_msg("%s is %.0f km from the point of %s", names[i], km, codes[i]);
        clouds[names[i][0] == 'g' ? 1 : names[i][1] == 'z' ? 2 : 0]++;
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    assert_in_range(clouds[0], 39, 60);
    assert_in_range(clouds[1], 43, 60);
    assert_in_range(clouds[2], 60, 90);
}

static void
test_nearest_region(void **state)
{
    static const struct {
        const char *text, *nearest;
    } table[] = {
        { "aws:eu-central-9", "aws:eu-central-1" },
        { "eu-central-1", "aws:eu-central-1" },
        { "germanywestcentrl", "azure:germanywestcentral" },
        { "europe-west3", "gcp:europe-west3" },
        { "gpc:europe-west3", "gcp:europe-west3" },
        { "aws:us-est-1", "aws:us-east-1" },
        { "atlantis", "" },
        { "", "" },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct str found = cloud_region_nearest(str_from(table[i].text));

        if (!str_eq(found, str_from(table[i].nearest)))
            fail_msg("%s: " STR_FMT, table[i].text, STR_ARG(found));
    }
}

static void
test_distance(void **state)
{
    static const struct {
        float a[2], b[2];
        double km, within;
    } table[] = {
        { { 50.11F, 8.68F }, { 50.11F, 8.68F }, 0, 0.001 },
        { { 50.11F, 8.68F }, { 35.68F, 139.69F }, 9330, 30 },
        { { 39.04F, -77.49F }, { 50.11F, 8.68F }, 6530, 30 },
        { { 0, 179.9F }, { 0, -179.9F }, 22.2, 0.2 }, /* over the antimeridian */
        { { 10, -170 }, { 10, 170 }, 2189, 10 },
        { { 0, 180 }, { 0, -180 }, 0, 0.001 },
        { { 90, 0 }, { 90, 120 }, 0, 0.01 },         /* one pole, two names */
        { { 90, 0 }, { -90, 77 }, 20015, 1 },        /* pole to pole */
        { { 89.9F, 0 }, { 89.9F, 180 }, 22.2, 0.2 }, /* over the pole */
        { { 0, 0 }, { 0, 180 }, 20015, 1 },          /* antipodes */
        { { 51.5F, -0.1F }, { -51.5F, 179.9F }, 20015, 1 },
        { { 0, 0 }, { 0, 1 }, 111.2, 0.1 },
        { { 60, 0 }, { 60, 1 }, 55.6, 0.1 },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct place a = { .has_point = true, .lat = table[i].a[0], .lon = table[i].a[1] };
        struct place b = { .has_point = true, .lat = table[i].b[0], .lon = table[i].b[1] };
        double there = place_distance_km(&a, &b), back = place_distance_km(&b, &a);

        if (!(fabs(there - table[i].km) <= table[i].within) || fabs(there - back) > 1e-6)
            fail_msg("case %u: %f km, %f km back", i, there, back);
    }
}

/* --- addresses --------------------------------------------------------------------------------------------------- */

static void
test_special(void **state)
{
    /* First and last of each block, and their neighbours where those are ordinary. */
    static const char *const special[] = { "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0",
        "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0",
        "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.1", "192.168.0.0",
        "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.255", "224.0.0.0",
        "239.255.255.255", "240.0.0.0", "255.255.255.255", "::", "::1", "::8.8.8.8",
        "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::1",
        "2001:2::1", "2001:10::1", "2001:2f:ffff::1", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff::1", "3fff:fff:ffff::1", "5f00::1", "fc00::1", "fdff:ffff::1", "fe80::1", "fe80::1%eth0", "febf::1",
        "fec0::1", "ff00::", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
        "2002:0a00:0001::1", "2002:c0a8:0101::1", "2001:0:1:2:3:4:f5ff:fffe" /* Teredo of 10.0.0.1 */ };
    static const char *const ordinary[] = { "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
        "223.255.255.255", "8.8.8.8", "::1:0:0:0", "64:ff9b::8.8.8.8", "64:ff9b:2::", "100:0:0:2::", "2001:db7:ffff::1",
        "2001:db9::1", "2001:30::1", "2001:4860:4860::8888", "2002:0808:0808::1", "2001:0:1:2:3:4:f7f7:f7f7",
        "2a00:1450::1", "2600::", "3ffe::1", "3fff:1000::1", "5eff::1", "5f01::1", "fbff::1", "fe00::1", "fe7f::1",
        "::ffff:8.8.8.8" };
    struct addr none = { .family = 0 };

    for (unsigned i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        struct addr a = geo_lib_addr(special[i]);

        if (!addr_is_special(&a))
            fail_msg("%s is special", special[i]);
    }
    for (unsigned i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
        struct addr a = geo_lib_addr(ordinary[i]);

        if (addr_is_special(&a))
            fail_msg("%s is not special", ordinary[i]);
    }
    assert_true(addr_is_special(&none));
}

/* Bit by bit, for networks of all lengths and addresses that differ from them in one bit or none. */
static void
test_networks(void **state)
{
    uint64_t random = 1;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned family = i % 2 ? 6 : 4, size = family == 4 ? 32 : 128, bits = i / 2 % (size + 1), flip;
        struct cidr net = { .base.family = (uint8_t)family, .bits = (uint8_t)bits };
        struct addr a = net.base;

        for (unsigned bit = 0; bit < size; bit++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            a.bytes[bit / 8] |= (uint8_t)((random >> 40 & 1) << (7 - bit % 8));
            if (bit < bits)
                net.base.bytes[bit / 8] = a.bytes[bit / 8] & (uint8_t)(0xff00U >> (bit % 8 + 1));
        }
        flip = (unsigned)(random >> 33) % (size + 1);
        if (flip < size)
            a.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
        if (cidr_has(&net, &a) != (flip >= bits))
            fail_msg("round %u: length %u, bit %u differs", i, bits, flip);
        a.family = family == 4 ? 6 : 4;
        assert_false(cidr_has(&net, &a));
    }
}

static void
test_unwrap(void **state)
{
    static const struct {
        const char *outer, *inner;
    } table[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "64:ff9b::192.0.2.1", "192.0.2.1" },
        { "64:ff9b::1:192.0.2.1", "64:ff9b::1:192.0.2.1" }, /* not in the /96 */
        { "64:ff9b:1::192.0.2.1", "64:ff9b:1::192.0.2.1" }, /* local use, RFC 8215 */
        { "2002:c000:201::", "192.0.2.1" },
        { "2002:c000:201:1:2:3:4:5", "192.0.2.1" },
        { "2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45" }, /* RFC 4380's example */
        { "2001:0:1:2:3:4:5:6", "255.250.255.249" },
        { "2001:1::3fff:fdfe", "2001:1::3fff:fdfe" },
        { "2001:db8::1", "2001:db8::1" },
        { "2003:c000:201::", "2003:c000:201::" },
        { "::192.0.2.1", "::192.0.2.1" },
    };
    struct addr none = { .family = 0 },
                raw = { .family = 6, .bytes = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1 } };
    struct addr inner = addr_unwrap(&none), v4 = geo_lib_addr("192.0.2.1");

    assert_int_equal(inner.family, 0);
    inner = addr_unwrap(&raw);
    assert_true(addr_eq(&inner, &v4));
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct addr outer = geo_lib_addr(table[i].outer), wanted = geo_lib_addr(table[i].inner);

        inner = addr_unwrap(&outer);
        if (!addr_eq(&inner, &wanted))
            fail_msg("%s", table[i].outer);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_continents),
        cmocka_unit_test(test_country_table),
        cmocka_unit_test(test_region_table),
        cmocka_unit_test(test_nearest_region),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_unwrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
