/* SPDX-License-Identifier: Apache-2.0
 *
 * Search trees of all kinds, several files, what becomes of a file afterwards. Refused files: test_geo_db_refused.c; records:
 * test_geo_record.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/geo_lib.h"

/* "DE", "" for known without a country, "-" for unknown. */
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

static struct geo_db *
load(const struct geo_fixture *f)
{
    char error[200] = "";
    struct geo_db *db = geo_fixture_load(f, error, sizeof(error));

    assert_string_equal(error, "");
    assert_non_null(db);
    return db;
}

static void
add_networks(struct geo_fixture *f)
{
    geo_fixture_add(f, "192.0.2.0/25", "{country_code='DE'}");
    geo_fixture_add(f, "192.0.2.128/25", "{country_code='FR'}");
    geo_fixture_add(f, "203.0.113.7/32", "{country_code='JP'}");
    geo_fixture_add(f, "128.0.0.0/2", "{country_code='US'}");
}

static void
add_networks6(struct geo_fixture *f)
{
    geo_fixture_add(f, "2001:db8::/32", "{country_code='NL'}");
    geo_fixture_add(f, "2001:db8:0:1::/64", "{country_code='GB'}");
    geo_fixture_add(f, "2001:db8::1/128", "{country_code='IT'}");
    geo_fixture_add(f, "fc00::/7", "{country_code='SE'}");
}

static const struct {
    const char *address, *country;
} expected4[] = {
    { "192.0.2.0", "DE" },
    { "192.0.2.127", "DE" },
    { "192.0.2.128", "FR" },
    { "192.0.2.255", "FR" },
    { "192.0.3.0", "-" },
    { "203.0.113.7", "JP" },
    { "203.0.113.6", "-" },
    { "203.0.113.8", "-" },
    { "128.0.0.0", "US" },
    { "191.255.255.255", "US" },
    { "127.255.255.255", "-" },
    { "::ffff:192.0.2.1", "DE" },
    { "64:ff9b::192.0.2.129", "FR" },                 /* NAT64 */
    { "2002:c000:0201::1", "DE" },                    /* 6to4 */
    { "2001:0:1:2:3:4:3fff:fdfe", "DE" },             /* Teredo, inverted 192.0.2.1 */
    { "0.0.0.0", "-" },
    { "255.255.255.255", "-" },
}, expected6[] = {
    { "2001:db8::", "NL" },
    { "2001:db8::1", "IT" },
    { "2001:db8::2", "NL" },
    { "2001:db8:0:1::", "GB" },
    { "2001:db8:0:1:ffff:ffff:ffff:ffff", "GB" },
    { "2001:db8:0:2::", "NL" },
    { "2001:db9::", "-" },
    { "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "-" },
    { "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "SE" },
    { "fe00::", "-" },
    { "::", "-" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-" },
};

static void
expect_v4(const struct geo_db *db)
{
    for (unsigned i = 0; i < sizeof(expected4) / sizeof(expected4[0]); i++)
        assert_string_equal(country_at(db, expected4[i].address), expected4[i].country);
}

static void
expect_v6(const struct geo_db *db)
{
    for (unsigned i = 0; i < sizeof(expected6) / sizeof(expected6[0]); i++)
        assert_string_equal(country_at(db, expected6[i].address), expected6[i].country);
}

static void
test_record_sizes(void **state)
{
    for (unsigned size = 24; size <= 32; size += 4) {
        struct geo_fixture f;
        struct geo_db *db;

        geo_fixture_init(&f, 6, size);
        add_networks(&f);
        add_networks6(&f);
        db = load(&f);
        expect_v4(db);
        expect_v6(db);
        geo_db_free(db);
        geo_fixture_fini(&f);

        geo_fixture_init(&f, 4, size);
        add_networks(&f);
        db = load(&f);
        expect_v4(db);
        assert_string_equal(country_at(db, "2001:db8::1"), "-");
        geo_db_free(db);
        geo_fixture_fini(&f);
    }
}

/* MaxMind's files lead from these to the IPv4 tree: no more memory, the same answers. */
static void
test_aliases(void **state)
{
    static const char *const aliases[] = { "::ffff:0:0/96", "2002::/16", "2001::/32" };
    struct geo_fixture f;
    struct geo_db *plain, *aliased;

    geo_fixture_init(&f, 6, 28);
    add_networks(&f);
    add_networks6(&f);
    plain = load(&f);
    geo_fixture_network(&f, aliases[1], geo_fixture_node_at(&f, "::/96"));
    geo_fixture_network(&f, aliases[2], geo_fixture_node_at(&f, "::/96"));
    { /* cidr_parse() makes IPv4 of mapped addresses, so the last one is written from its neighbours */
        uint32_t over = geo_fixture_node_at(&f, "::fffe:0:0/95"), v4 = geo_fixture_node_at(&f, "::/96");

        f.nodes[over][1] = v4;
    }
    aliased = load(&f);
    expect_v4(aliased);
    expect_v6(aliased);
    assert_in_range(geo_db_memory(aliased), geo_db_memory(plain), geo_db_memory(plain) + 400);
    geo_db_free(plain);
    geo_db_free(aliased);
    geo_fixture_fini(&f);
}

static void
test_above_ipv4(void **state)
{
    struct geo_fixture f;
    struct geo_db *db;

    geo_fixture_init(&f, 6, 24);
    geo_fixture_add(&f, "::/8", "{country_code='DE'}");
    db = load(&f);
    assert_string_equal(country_at(db, "192.0.2.1"), "DE");
    assert_string_equal(country_at(db, "1234::"), "-");
    geo_db_free(db);
    geo_fixture_fini(&f);
}

static void
test_info(void **state)
{
    const struct geo_db_info *infos;
    struct geo_fixture f;
    struct geo_db *db;

    geo_fixture_init(&f, 6, 24);
    add_networks(&f);
    add_networks6(&f);
    db = load(&f);
    assert_int_equal(geo_db_files(db, &infos), 1);
    assert_true(str_eq(infos[0].type, STR("Test")));
    assert_true(str_starts(infos[0].path, STR("/tmp/geo-test-")));
    assert_int_equal(infos[0].build_epoch, 1750000000);
    assert_true(infos[0].networks >= 8);
    assert_in_range(geo_db_memory(db), 3 << 19, (3 << 19) + 90 * 1024);
    geo_db_free(db);
    geo_fixture_fini(&f);
}

/* --- several files ----------------------------------------------------------------------------------------------- */

static struct str
file_of(struct geo_fixture *f)
{
    struct buf bytes = { 0 };
    struct str path;

    geo_fixture_write(f, &bytes);
    path = geo_lib_file(buf_str(&bytes));
    buf_fini(&bytes);
    geo_fixture_fini(f);
    return path;
}

static void
test_two_files(void **state)
{
    struct geo_fixture f;
    struct str paths[2];
    char error[200] = "";
    struct geo_db *db;

    geo_fixture_init(&f, 4, 24);
    geo_fixture_add(&f, "192.0.2.0/25", "{country_code='DE'}");
    geo_fixture_add(&f, "198.51.100.0/24", "{country_code='ZZ'}");
    paths[0] = file_of(&f);
    geo_fixture_init(&f, 6, 24);
    geo_fixture_add(&f, "192.0.2.0/24", "{country_code='FR'}");
    geo_fixture_add(&f, "198.51.100.0/24", "{country_code='PL'}");
    geo_fixture_add(&f, "2001:db8::/32", "{country_code='NL'}");
    paths[1] = file_of(&f);
    db = geo_db_load(paths, 2, error, sizeof(error));
    assert_non_null(db);
    assert_string_equal(country_at(db, "192.0.2.1"), "DE");
    assert_string_equal(country_at(db, "192.0.2.200"), "FR");
    assert_string_equal(country_at(db, "198.51.100.1"), "PL"); /* what is of no use is no answer */
    assert_string_equal(country_at(db, "2001:db8::1"), "NL");
    geo_db_free(db);

    chmod(paths[1].p, 0666);
    assert_null(geo_db_load(paths, 2, error, sizeof(error)));
    assert_non_null(strstr(error, paths[1].p));
    geo_lib_drop(paths[0]);
    geo_lib_drop(paths[1]);
}

static void
test_no_files(void **state)
{
    const struct geo_db_info *infos;
    char error[200] = "";
    struct geo_db *db = geo_db_load(NULL, 0, error, sizeof(error));

    assert_non_null(db);
    assert_int_equal(geo_db_files(db, &infos), 0);
    assert_string_equal(country_at(db, "192.0.2.1"), "-");
    geo_db_free(db);
    geo_db_free(NULL);
}

static void
test_later_changes(void **state)
{
    struct geo_fixture f;
    struct str path;
    char error[200];
    struct geo_db *db;

    geo_fixture_init(&f, 6, 24);
    add_networks(&f);
    add_networks6(&f);
    path = file_of(&f);
    db = geo_db_load(&path, 1, error, sizeof(error));
    assert_non_null(db);
    assert_int_equal(truncate(path.p, 0), 0);
    expect_v4(db);
    expect_v6(db);
    geo_lib_drop(path);
    expect_v4(db);
    geo_db_free(db);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_sizes),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_above_ipv4),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_no_files),
        cmocka_unit_test(test_later_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
