/* SPDX-License-Identifier: Apache-2.0
 *
 * What is taken from the records of each family of databases, through a file as it is in use.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "test/unit/geo_lib.h"

#define NOTHING "", CONTINENT_NONE, 0, 0
#define GERMANY "DE", CONTINENT_EUROPE, 52.5F, 13.37F /* its own point: Berlin */

static const struct {
    const char *name, *record, *country;
    enum continent continent;
    float lat, lon; /* 0,0: no point */
} cases[] = {
    { "MaxMind City",
        "{city={geoname_id=w5,names={en='x',de='y'}},continent={code='NA',names={en='North America'}},"
        "country={geoname_id=w6252001,iso_code='US',names={en='United States'}},"
        "location={accuracy_radius=u20,latitude=d39.04,longitude=d-77.49,time_zone='America/New_York'},"
        "registered_country={iso_code='GB'},subdivisions=[{iso_code='VA'}]}",
        "US", CONTINENT_NORTH_AMERICA, 39.04F, -77.49F },
    { "MaxMind City, everything shared",
        "*{continent=*{code=*'SA'},country=*{iso_code=*'BR'},location=*{latitude=*d-22.9,longitude=*d-43.2}}", "BR",
        CONTINENT_SOUTH_AMERICA, -22.9F, -43.2F },
    { "ip-location-db", "{city='',country_code='JP',latitude=f35.5,longitude=f139.5,postcode='',state1='',timezone=''}",
        "JP", CONTINENT_ASIA, 35.5F, 139.5F },
    { "IPinfo Lite: names beside codes",
        "{asn='AS1',continent='Europe',continent_code='EU',country='Germany',country_code='DE'}", GERMANY },
    { "IPinfo older: code in country, point as text", "{city='x',country='AU',lat='-33.5',lng='151.25'}", "AU",
        CONTINENT_OCEANIA, -33.5F, 151.25F },
    { "IPinfo older: a name for country only", "{country='Germany'}", NOTHING },
    { "country only", "{country_code='DE'}", GERMANY },
    { "lower case", "{country_code='de'}", GERMANY },
    { "integers", "{country_code='DE',latitude=i-5,longitude=u7}", "DE", CONTINENT_EUROPE, -5, 7 },
    { "only registered_country", "{registered_country={iso_code='DE'}}", GERMANY },
    { "country before registered_country", "{registered_country={iso_code='FR'},country={iso_code='DE'}}", GERMANY },
    { "a pseudo country beside a registered one", "{country={iso_code='EU'},registered_country={iso_code='DE'}}",
        GERMANY },
    { "represented_country does not count", "{represented_country={iso_code='DE'}}", NOTHING },
    { "EU", "{country_code='EU'}", "", CONTINENT_EUROPE, 50.11F, 8.68F },
    { "EU with a point", "{country_code='EU',latitude=d48,longitude=d2}", "", CONTINENT_EUROPE, 48, 2 },
    { "AP may be Asia or Oceania", "{country_code='AP'}", "", CONTINENT_NONE, 1.35F, 103.82F },
    { "AP in a continent", "{country_code='AP',continent_code='OC'}", "", CONTINENT_OCEANIA, 1.35F, 103.82F },
    { "ZZ", "{country_code='ZZ'}", NOTHING },
    { "XX", "{country_code='XX'}", NOTHING },
    { "A1", "{country_code='A1'}", NOTHING },
    { "T1", "{country_code='T1'}", NOTHING },
    { "question marks", "{country_code='?\?'}", NOTHING },
    { "no such country", "{country_code='QQ'}", NOTHING },
    { "three letters", "{country_code='DEU'}", NOTHING },
    { "one letter", "{country_code='D'}", NOTHING },
    { "a number for country", "{country_code=u49}", NOTHING },
    { "a country lies where it lies", "{country_code='DE',continent_code='AS'}", GERMANY },
    { "continent only", "{continent={code='AF'}}", "", CONTINENT_AFRICA, 0, 0 },
    { "continent only, flat", "{continent='AN'}", "", CONTINENT_ANTARCTICA, 0, 0 },
    { "Null Island", "{country_code='DE',latitude=d0,longitude=d0}", GERMANY },
    { "Null Island as text", "{country_code='DE',lat='0.0',lng='0'}", GERMANY },
    { "on the equator", "{country_code='DE',latitude=d0,longitude=d9.5}", "DE", CONTINENT_EUROPE, 0, 9.5F },
    { "on the meridian of Greenwich", "{country_code='GB',latitude=d51.5,longitude=d0}", "GB", CONTINENT_EUROPE, 51.5F,
        0 },
    { "latitude 91", "{country_code='DE',latitude=d91,longitude=d9}", GERMANY },
    { "longitude -180.5", "{country_code='DE',latitude=d9,longitude=d-180.5}", GERMANY },
    { "a pole", "{latitude=d-90,longitude=d0}", "", CONTINENT_NONE, -90, 0 },
    { "179.9 east", "{country_code='FJ',latitude=d-17,longitude=d179.9}", "FJ", CONTINENT_OCEANIA, -17, 179.9F },
    { "179.9 west", "{country_code='FJ',latitude=d-17,longitude=d-179.9}", "FJ", CONTINENT_OCEANIA, -17, -179.9F },
    { "not a number", "{country_code='DE',latitude=x687ff8000000000000,longitude=d9}", GERMANY },
    { "infinite", "{country_code='DE',latitude=x687ff0000000000000,longitude=d9}", GERMANY },
    { "text that is no number", "{country_code='DE',lat='north',lng='9'}", GERMANY },
    { "half a point", "{country_code='DE',latitude=d48}", GERMANY },
    { "halves of two points", "{country_code='DE',latitude=d48,lng='9'}", GERMANY },
    { "nested before flat", "{latitude=d1,longitude=d2,location={latitude=d3,longitude=d4}}", "", CONTINENT_NONE, 3,
        4 },
    { "radius 1000: the country's default",
        "{country={iso_code='DE'},location={accuracy_radius=u1000,latitude=d51,longitude=d9}}", GERMANY },
    { "radius 500", "{country={iso_code='DE'},location={accuracy_radius=u500,latitude=d51,longitude=d9}}", GERMANY },
    { "radius 499", "{country={iso_code='DE'},location={accuracy_radius=u499,latitude=d51,longitude=d9}}", "DE",
        CONTINENT_EUROPE, 51, 9 },
    { "radius 1000 without a country", "{location={accuracy_radius=u1000,latitude=d51,longitude=d9}}", NOTHING },
    { "an empty map", "{}", NOTHING },
    { "not a map", "'DE'", NOTHING },
    { "a list", "[{country_code='DE'}]", NOTHING },
    { "maps where text is meant", "{country_code={x='DE'},latitude={},longitude=[]}", NOTHING },
    { "text where maps are meant", "{continent='x',location='y',registered_country='DE'}", NOTHING },
};

static void
check_case(unsigned i, const struct geo_db *db)
{
    struct addr a = geo_lib_addr("192.0.2.1");
    struct place p = { .country = "" };
    bool is_known = cases[i].country[0] || cases[i].continent || cases[i].lat != 0 || cases[i].lon != 0;
    bool has_point = cases[i].lat != 0 || cases[i].lon != 0;

    assert_int_equal(geo_db_lookup(db, &a, &p), is_known);
    if (!is_known)
        return;
    assert_string_equal(p.country, cases[i].country);
    assert_int_equal(p.continent, cases[i].continent);
    assert_int_equal(p.source, PLACE_DATABASE);
    assert_int_equal(p.has_point, has_point);
    assert_true(!has_point || (fabsf(p.lat - cases[i].lat) < 0.05F && fabsf(p.lon - cases[i].lon) < 0.05F));
}

static void
test_records(void **state)
{
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct geo_fixture f;
        char error[200] = "";
        struct geo_db *db;

        print_message("    %s\n", cases[i].name);
        geo_fixture_init(&f, 4, 24);
        geo_fixture_add(&f, "192.0.2.0/24", cases[i].record);
        db = geo_fixture_load(&f, error, sizeof(error));
        assert_string_equal(error, "");
        assert_non_null(db);
        check_case(i, db);
        geo_db_free(db);
        geo_fixture_fini(&f);
    }
}

static const struct {
    const char *name, *record;
} damaged[] = {
    { "cut off text", "x4a4142" },
    { "a map with a pair missing", "xe242414141420000" },
    { "a key that is no text", "xe1a10141" },
    { "a pointer out of the file", "x3801000000" },
    { "a pointer to a pointer", "**'DE'" },
    { "a key that points to a number", NULL },
    { "an unknown type", "x0009" },
    { "type 7 spelt long", "x0000" },
    { "a map of sixteen million", "xffffffff" },
    { "text of sixteen million", "x5fffffff" },
};

static void
test_damaged(void **state)
{
    for (unsigned i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct geo_fixture f;
        char error[200] = "";

        print_message("    %s\n", damaged[i].name);
        geo_fixture_init(&f, 4, 24);
        if (!damaged[i].record) {
            uint32_t to = geo_fixture_record(&f, "u7"), at = geo_fixture_record(&f, "xe12000");

            assert_int_equal(to, 0);
            geo_fixture_network(&f, "192.0.2.0/24", GEO_LIB_DATA | at);
        } else {
            geo_fixture_add(&f, "192.0.2.0/24", damaged[i].record);
        }
        assert_null(geo_fixture_load(&f, error, sizeof(error)));
        assert_non_null(strstr(error, ": a record is damaged"));
        geo_fixture_fini(&f);
    }
}

/* levels maps one in the other, as the value of the only key of the record. */
static void
add_nested(struct geo_fixture *f, unsigned levels)
{
    uint32_t offset = (uint32_t)buf_len(&f->records);

    for (unsigned i = 0; i < levels; i++)
        buf_add(&f->records, STR("\xe1\x41"
                                 "a"));
    buf_add(&f->records, STR("\x41"
                             "b"));
    geo_fixture_network(f, "192.0.2.0/24", GEO_LIB_DATA | offset);
}

static void
test_nesting(void **state)
{
    static const struct {
        unsigned levels;
        bool ok;
    } table[] = { { 1, true }, { 20, true }, { 32, true }, { 40, false }, { 1000, false }, { 100000, false },
        { 1000000, false } };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct geo_fixture f;
        char error[200] = "";
        struct geo_db *db;

        geo_fixture_init(&f, 4, 28);
        add_nested(&f, table[i].levels);
        db = geo_fixture_load(&f, error, sizeof(error));
        assert_int_equal(db != NULL, table[i].ok);
        assert_int_equal(strstr(error, ": a record is damaged") != NULL, !table[i].ok);
        geo_db_free(db);
        geo_fixture_fini(&f);
    }
}

/* Many records that share one large value through pointers: each alone is little work, all of them a thousand times too much. */
static void
test_tangled_records(void **state)
{
    enum { VALUES = 5000, RECORDS = 4096 };
    struct geo_fixture f;
    char error[200] = "";
    uint32_t large;

    geo_fixture_init(&f, 4, 32);
    large = (uint32_t)buf_len(&f.records);
    buf_add(&f.records, STR("\xfe\x12\x6b")); /* a map of 285 + 0x126b = 5000 pairs, each two empty texts */
    for (unsigned i = 0; i < VALUES; i++)
        buf_add(&f.records, STR("\x40\x40"));
    assert_int_equal(large, 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        char network[32];

        snprintf(network, sizeof(network), "10.%u.%u.0/24", i >> 8, i & 255);
        geo_fixture_network(&f, network, GEO_LIB_DATA | (uint32_t)buf_len(&f.records));
        buf_add(&f.records, STR("\xe1\x48location\x20\x00"));
    }
    assert_null(geo_fixture_load(&f, error, sizeof(error)));
    assert_non_null(strstr(error, ": its records are tangled up"));
    geo_fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_tangled_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
