/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written is read back through geo_db, so by libmaxminddb.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "geoip/mmdb_writer.h"
#include "test/unit/geo_lib.h"

static void
write_form(struct str text, unsigned record_size, bool is_geoip2, struct buf *out)
{
    struct mmdb_writer *w = mmdb_writer_new();
    const char *error = "";
    unsigned line = 0;

    if (!mmdb_writer_add(w, text, &line, &error))
        fail_msg("line %u: %s", line, error);
    mmdb_writer_set_record_size(w, record_size);
    if (is_geoip2)
        mmdb_writer_set_geoip2(w);
    mmdb_writer_write(w, 1234567890, STR("Test-Type"), out);
    mmdb_writer_free(w);
}

static void
write_text(struct str text, unsigned record_size, struct buf *out)
{
    write_form(text, record_size, false, out);
}

static struct geo_db *
load_form(struct str text, unsigned record_size, bool is_geoip2)
{
    struct buf bytes = { 0 };
    char error[200] = "";
    struct geo_db *db;

    write_form(text, record_size, is_geoip2, &bytes);
    db = geo_lib_load(buf_str(&bytes), error, sizeof(error));
    assert_string_equal(error, "");
    buf_fini(&bytes);
    return db;
}

static struct geo_db *
load_text(struct str text, unsigned record_size)
{
    return load_form(text, record_size, false);
}

static const char *
country_at(const struct geo_db *db, const char *address)
{
    static char country[3];
    struct addr a = geo_lib_addr(address);
    struct place p = { .country = "" };

    if (!geo_db_lookup(db, &a, &p))
        return "-";
    memcpy(country, p.country, sizeof(country));
    return country;
}

static const struct {
    const char *text;
    struct {
        const char *address, *country;
    } expected[6];
} cases[] = {
    { "", { { "192.0.2.1", "-" }, { "2001:db8::1", "-" } } },
    { "# nothing\n\n  \t\n#\n", { { "192.0.2.1", "-" } } },
    { "16777216,16777471,AU",
        { { "0.255.255.255", "-" }, { "1.0.0.0", "AU" }, { "1.0.0.255", "AU" }, { "1.0.1.0", "-" } } },
    { "192.0.2.3,192.0.2.5,DE\n", { { "192.0.2.2", "-" }, { "192.0.2.3", "DE" }, { "192.0.2.4", "DE" },
                                      { "192.0.2.5", "DE" }, { "192.0.2.6", "-" } } },
    { "192.0.2.7,192.0.2.7,DE", { { "192.0.2.7", "DE" }, { "192.0.2.6", "-" }, { "192.0.2.8", "-" } } },
    { "0.0.0.0,255.255.255.255,DE",
        { { "0.0.0.0", "DE" }, { "255.255.255.255", "DE" }, { "2001:db8::", "-" }, { "::1:0:0:0", "-" } } },
    { "0,4294967295,DE", { { "0.0.0.0", "DE" }, { "128.0.0.0", "DE" }, { "255.255.255.255", "DE" } } },
    { "0.0.0.0/0,DE", { { "0.0.0.0", "DE" }, { "255.255.255.255", "DE" }, { "2001:db8::", "-" } } },
    { "255.255.255.255/32,DE", { { "255.255.255.254", "-" }, { "255.255.255.255", "DE" } } },
    { "192.0.2.0/24,DE\n192.0.2.128/25,FR\n",
        { { "192.0.2.127", "DE" }, { "192.0.2.128", "FR" }, { "192.0.3.0", "-" } } },
    { "192.0.2.128/25,FR\n192.0.2.0/24,DE\n", { { "192.0.2.127", "DE" }, { "192.0.2.128", "DE" } } },
    { "192.0.2.0/24,DE\n192.0.2.64/26,??\n",
        { { "192.0.2.63", "DE" }, { "192.0.2.64", "-" }, { "192.0.2.128", "DE" } } },
    { "2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,NL",
        { { "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "-" }, { "2001:db8::", "NL" },
            { "2001:db8:0:ffff:ffff:ffff:ffff:ffff", "NL" }, { "2001:db8:1::", "-" } } },
    { "2001:db8::1/128,NL", { { "2001:db8::", "-" }, { "2001:db8::1", "NL" }, { "2001:db8::2", "-" } } },
    { "::1:0:0,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,NL",
        { { "192.0.2.1", "-" }, { "::1:0:0", "NL" }, { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "NL" },
            { "8000::", "NL" } } },
    { "::ffff:192.0.2.0/120,DE\n", { { "192.0.2.1", "DE" } } },
    { "192.0.2.0/24 , de # a comment\r\n\r\n  198.51.100.0 ,\t198.51.100.255, FR\r\n",
        { { "192.0.2.1", "DE" }, { "198.51.100.0", "FR" } } },
    { "\xef\xbb\xbf"
      "192.0.2.0/24,DE",
        { { "192.0.2.1", "DE" } } },
    { "192.0.2.0/24,ZZ\n198.51.100.0/24,EU", { { "192.0.2.1", "-" }, { "198.51.100.1", "" } } },
};

static void
test_lines(void **state)
{
    /* Each case in both forms of records: what is read must be the same. */
    for (unsigned form = 0; form < 2 * sizeof(cases) / sizeof(cases[0]); form++) {
        unsigned i = form / 2;
        struct geo_db *db = load_form(str_from(cases[i].text), 24, form % 2);

        for (unsigned j = 0; j < 6 && cases[i].expected[j].address; j++) {
            const char *country = country_at(db, cases[i].expected[j].address);

            if (strcmp(country, cases[i].expected[j].country) != 0)
                fail_msg("case %u, form %u: %s is in %s", i, form % 2, cases[i].expected[j].address, country);
        }
        geo_db_free(db);
    }
}

static const struct {
    const char *text;
    unsigned line;
    const char *error;
} wrong[] = {
    { "192.0.2.0", 1, "range" },
    { "192.0.2.0,DE", 1, "range" },
    { "\n# x\n192.0.2.0/24,DE\n192.0.2.0/33,DE\n", 4, "not a network" },
    { "192.0.2.1/24,DE", 1, "not a network" },
    { "192.0.2.0/24", 1, "two-letter" },
    { "192.0.2.0/24,", 1, "two-letter" },
    { "192.0.2.0/24,DEU", 1, "two-letter" },
    { "192.0.2.0/24,D1", 1, "two-letter" },
    { "192.0.2.0/24,?D", 1, "two-letter" },
    { "\r\n\r\n192.0.2.9,192.0.2.1,DE", 3, "ends before it begins" },
    { "192.0.2.9,2001:db8::1,DE", 1, "range" },
    { "4294967296,4294967297,DE", 1, "range" },
    { "192.0.2.0,192.0.2.256,DE", 1, "range" },
    { "192.0.2.0/24,DE,50", 1, "latitude" },
    { "192.0.2.0/24,DE,50,", 1, "latitude" },
    { "192.0.2.0/24,DE,50,8,9", 1, "latitude" },
    { "192.0.2.0/24,DE,x,8", 1, "latitude" },
    { "192.0.2.0/24,DE,91,8", 1, "at most" },
    { "192.0.2.0/24,DE,50,-181", 1, "at most" },
    { "192.0.2.0/24,DE,nan,0", 1, "latitude" },
    { "::/0,DE", 1, "IPv4" },
    { "::1/128,DE", 1, "IPv4" },
    { "::,::2,DE", 1, "IPv4" },
};

static void
test_wrong_lines(void **state)
{
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct mmdb_writer *w = mmdb_writer_new();
        const char *error = "";
        unsigned line = 0;

        print_message("    %s\n", wrong[i].text);
        assert_false(mmdb_writer_add(w, str_from(wrong[i].text), &line, &error));
        assert_int_equal(line, wrong[i].line);
        assert_non_null(strstr(error, wrong[i].error));
        mmdb_writer_free(w);
    }
    mmdb_writer_free(NULL);
}

static void
test_points(void **state)
{
    static const char text[] = "192.0.2.0/25,DE,50.11,8.68\n192.0.2.128/25,FJ,-17.5,-179.9\n198.51.100.0/24,DE\n"
                               "203.0.113.0/24,DE,0,0\n2001:db8::/32,DE,-90,180\n";
    static const struct {
        const char *address;
        float lat, lon;
    } expected[] = { { "192.0.2.1", 50.11F, 8.68F }, { "192.0.2.129", -17.5F, -179.9F },
        { "198.51.100.1", 52.5F, 13.37F }, { "203.0.113.1", 52.5F, 13.37F }, { "2001:db8::1", -90, 180 } };

    for (unsigned form = 0; form < 2; form++) {
        struct geo_db *db = load_form(str_from(text), 24, form);

        for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
            struct addr a = geo_lib_addr(expected[i].address);
            struct place p;

            assert_true(geo_db_lookup(db, &a, &p));
            assert_true(
                p.has_point && fabsf(p.lat - expected[i].lat) < 0.01F && fabsf(p.lon - expected[i].lon) < 0.01F);
        }
        geo_db_free(db);
    }
}

/* The names that readers of each form look for, and none of the other's. */
static void
test_names(void **state)
{
    static const char *const names[2] = { "country_code", "iso_code" };
    struct buf forms[2] = { { 0 }, { 0 } };

    for (unsigned form = 0; form < 2; form++)
        write_form(STR("192.0.2.0/24,DE,50,8\n"), 24, form, &forms[form]);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned form = 0; form < 2; form++) {
            struct buf *f = &forms[form];
            const char *name = names[i];

            assert_int_equal(memmem(f->data, buf_len(f), name, strlen(name)) != NULL, i == form);
        }
    }
    buf_fini(&forms[0]);
    buf_fini(&forms[1]);
}

static void
test_metadata(void **state)
{
    struct geo_db *db = load_text(STR("192.0.2.0/24,DE"), 24);
    const struct geo_db_info *infos;

    assert_int_equal(geo_db_files(db, &infos), 1);
    assert_int_equal(infos[0].build_epoch, 1234567890);
    assert_true(str_eq(infos[0].type, STR("Test-Type")));
    geo_db_free(db);
}

/* The same lines give the same bytes, and what says the same takes no more room. */
static void
test_bytes(void **state)
{
    static const char one[] = "192.0.2.0/24,DE,50,8\n198.51.100.0/24,DE,50,8\n203.0.113.0/24,FR\n";
    static const char same[] =
        "# other lines\n192.0.2.0/25,DE,50,8\n192.0.2.128,192.0.2.255,DE,50.0,8.0\n198.51.100.0/24,DE,50,8\n"
        "203.0.113.0/24,FR\n";
    static const char forgotten[] = "2001:db8::/32,NL\n2001:db8::/32,??\n";
    struct buf a = { 0 }, b = { 0 }, c = { 0 }, none = { 0 }, d = { 0 };

    write_text(str_from(one), 24, &a);
    write_text(str_from(one), 24, &b);
    write_text(str_from(same), 24, &c);
    write_text(STR(""), 24, &none);
    write_text(STR("198.18.0.0/15,??"), 24, &d);
    assert_true(str_eq(buf_str(&none), buf_str(&d)));
    buf_clear(&d);
    write_text(str_from(forgotten), 24, &d);
    assert_null(memmem(d.data, buf_len(&d), "??", 2));
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    assert_true(str_eq(buf_str(&a), buf_str(&c)));
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
    buf_fini(&none);
    buf_fini(&d);
}

/* So many records that 24 bits do not reach the last of them. */
static void
test_large(void **state)
{
    enum { LINES = 310000, FEW = 8000 };
    struct buf text = { 0 }, bytes = { 0 };
    char error[200] = "";
    struct geo_db *db;

    for (unsigned i = 0; i < FEW; i++)
        buf_printf(&text, "%u,%u,DE,%u.5,%u\n", (10U << 24) + i, (10U << 24) + i, i % 80 + 1, i / 80);
    for (unsigned i = 0; i < LINES; i++)
        buf_printf(&text, "%u,%u,FR,%u.%05u,1\n", (11U << 24) + i, (11U << 24) + i, i % 80 + 1, i);
    write_text(buf_str(&text), 24, &bytes);
    assert_true(memmem(bytes.data, buf_len(&bytes), "record_size\xa2\x00\x1c", 14) != NULL);
    db = geo_lib_load(buf_str(&bytes), error, sizeof(error));
    assert_string_equal(error, "");
    for (unsigned i = 0; i < LINES; i += 997) {
        struct addr a = { .family = 4, .bytes = { 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };
        struct place p = { .lat = 0 };

        assert_true(geo_db_lookup(db, &a, &p));
        assert_string_equal(p.country, "FR");
        assert_true((unsigned)p.lat == i % 80 + 1);
        a.bytes[0] = 10;
        assert_int_equal(geo_db_lookup(db, &a, &p), i < FEW);
        assert_true(i >= FEW || ((unsigned)p.lat == i % 80 + 1 && (unsigned)p.lon == i / 80));
    }
    geo_db_free(db);
    buf_fini(&text);
    buf_fini(&bytes);
}

static uint32_t
draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33);
}

enum { SPACE = 4096, RANGES = 300 };

/* Ranges over each other in a space of 4096 addresses; line by line what the space then looks like. */
static void
draw_ranges(uint64_t *random, bool is_v6, struct buf *text, char country[SPACE][3])
{
    memset(country, 0, (size_t)SPACE * 3);
    for (unsigned i = 0; i < RANGES; i++) {
        static const char codes[][3] = { "DE", "FR", "JP", "US", "??" };
        unsigned from = draw(random) % SPACE, to = from + draw(random) % (i % 3 ? 40 : 1000);
        const char *code = codes[draw(random) % 5];

        to = to < SPACE ? to : SPACE - 1;
        if (is_v6)
            buf_printf(text, "2001:db8:%x::,2001:db8:%x:ffff:ffff:ffff:ffff:ffff,%s\n", from, to, code);
        else if (from == to)
            buf_printf(text, "10.0.%u.%u/32,%s\n", from >> 8, from & 255, code);
        else
            buf_printf(text, "10.0.%u.%u,%u,%s\n", from >> 8, from & 255, (10U << 24) + to, code);
        for (unsigned at = from; at <= to; at++)
            memcpy(country[at], code[0] == '?' ? "-\0" : code, 3);
    }
}

static void
expect_space(const struct geo_db *db, bool is_v6, char country[SPACE][3])
{
    for (unsigned at = 0; at < SPACE; at++) {
        char address[64];
        const char *found;

        if (is_v6)
            snprintf(address, sizeof(address), "2001:db8:%x:%x::1", at, at * 7 % 65536);
        else
            snprintf(address, sizeof(address), "10.0.%u.%u", at >> 8, at & 255);
        found = country_at(db, address);
        if (strcmp(found, country[at][0] ? country[at] : "-") != 0)
            fail_msg("%s is in %s, not %s", address, found, country[at]);
    }
}

static void
test_random(void **state)
{
    static char country[SPACE][3];
    uint64_t random = 7;

    for (unsigned round = 0; round < 12; round++) {
        struct buf text = { 0 };
        struct geo_db *db;

        draw_ranges(&random, round % 2, &text, country);
        db = load_text(buf_str(&text), 24 + 4 * (round % 3));
        expect_space(db, round % 2, country);
        geo_db_free(db);
        buf_fini(&text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
