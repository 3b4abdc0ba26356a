/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are refused, each with its reason, and wrong bytes of every kind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "test/unit/geo_lib.h"

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
expect_refusal(const struct geo_fixture *f, const char *reason)
{
    char error[200] = "";
    struct geo_db *db = geo_fixture_load(f, error, sizeof(error));

    assert_null(db);
    if (!strstr(error, reason))
        fail_msg("expected \"%s\", got \"%s\"", reason, error);
}

static void
add_networks(struct geo_fixture *f)
{
    geo_fixture_add(f, "192.0.2.0/25", "{country_code='DE'}");
    geo_fixture_add(f, "192.0.2.128/25", "{country={iso_code='FR'},location=*{latitude=d50,longitude=d8}}");
}

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
expect_path_refused(struct str path, const char *reason)
{
    char error[200] = "";

    assert_null(geo_db_load(&path, 1, error, sizeof(error)));
    assert_memory_equal(error, path.p, path.len);
    if (!strstr(error, reason))
        fail_msg("expected \"%s\", got \"%s\"", reason, error);
}

static void
test_paths(void **state)
{
    struct geo_fixture f;
    char error[200];
    struct str path;
    struct geo_db *db;

    expect_path_refused(STR("/tmp/geo-test/no/such/file"), "No such file");
    expect_path_refused(STR("/tmp"), "not a regular file");
    expect_path_refused(STR("/dev/zero"), "not a regular file");
    path = geo_lib_file(STR(""));
    expect_path_refused(path, "it is empty");
    if (truncate(path.p, (off_t)(INT64_C(4) << 30)) == 0) /* a file system that can't is no fault */
        expect_path_refused(path, "4 GiB");
    unlink(path.p);
    assert_int_equal(mkfifo(path.p, 0600), 0);
    expect_path_refused(path, "not a regular file");
    geo_lib_drop(path);

    geo_fixture_init(&f, 4, 24);
    add_networks(&f);
    path = file_of(&f);
    chmod(path.p, 0602);
    expect_path_refused(path, "anybody may write to it");
    chmod(path.p, 0664);
    db = geo_db_load(&path, 1, error, sizeof(error));
    assert_non_null(db);
    geo_db_free(db);
    geo_lib_drop(path);
}

static void
test_truncated(void **state)
{
    struct geo_fixture f;
    struct buf bytes = { 0 };
    char error[200];

    geo_fixture_init(&f, 6, 24);
    add_networks(&f);
    geo_fixture_write(&f, &bytes);
    for (size_t n = 1; n < buf_len(&bytes); n++)
        assert_null(geo_lib_load(str_make(buf_str(&bytes).p, n), error, sizeof(error)));
    buf_fini(&bytes);
    geo_fixture_fini(&f);
}

/* Every byte wrong in two ways: refused, or taken and answering something. Nothing else happens; the sanitizers see to it. */
static void
test_wrong_bytes(void **state)
{
    struct geo_fixture f;
    struct buf bytes = { 0 };
    struct addr a = geo_lib_addr("192.0.2.1");
    struct place p;
    unsigned refused = 0, n = 0;

    geo_fixture_init(&f, 4, 28);
    geo_fixture_add(&f, "192.0.2.0/24", "{country={iso_code='DE'},location=*{latitude=d50,longitude=d8}}");
    geo_fixture_write(&f, &bytes);
    for (size_t i = 0; i < buf_len(&bytes); i++) {
        for (unsigned how = 0; how < 2; how++) {
            char right = bytes.data[i], error[200];
            struct geo_db *db;

            bytes.data[i] = how ? (char)~right : (char)(right ^ 1);
            db = geo_lib_load(buf_str(&bytes), error, sizeof(error));
            bytes.data[i] = right;
            refused += !db;
            n++;
            if (db)
                geo_db_lookup(db, &a, &p);
            geo_db_free(db);
        }
    }
    assert_in_range(refused, n / 4, n - 1);
    buf_fini(&bytes);
    geo_fixture_fini(&f);
}

static void
test_trees(void **state)
{
    struct geo_fixture f;
    uint32_t at;

    geo_fixture_init(&f, 4, 24);
    at = geo_fixture_node(&f);
    f.nodes[0][0] = at;
    f.nodes[at][1] = at;
    expect_refusal(&f, "leads back to itself");
    f.nodes[at][1] = 0; /* libmaxminddb has a look at this one itself */
    expect_refusal(&f, "leads out of it");
    f.nodes[0][0] = GEO_LIB_EMPTY;
    f.raw_half = f.n_nodes + 1; /* into the separator */
    expect_refusal(&f, "damaged");
    f.raw_half = f.n_nodes + 15;
    expect_refusal(&f, "damaged");
    f.raw_half = 0xffffff; /* out of the file */
    expect_refusal(&f, "leads out of it");
    geo_fixture_fini(&f);
}

static void
test_deep_tree(void **state)
{
    for (unsigned version = 4; version <= 6; version += 2) {
        for (unsigned levels = version == 4 ? 32 : 128; levels < 200; levels = levels < 150 ? levels + 1 : 200) {
            bool fits = levels == (version == 4 ? 32 : 128);
            struct geo_fixture f;
            uint32_t at = 0;

            geo_fixture_init(&f, version, 24);
            for (unsigned i = 1; i < levels; i++, at++) {
                uint32_t next = geo_fixture_node(&f);

                f.nodes[at][1] = next;
            }
            f.nodes[at][1] = GEO_LIB_DATA | geo_fixture_record(&f, "{country_code='DE'}");
            if (fits)
                geo_db_free(load(&f));
            else
                expect_refusal(&f, "too deep");
            geo_fixture_fini(&f);
        }
    }
}

/* Both halves of every node lead to the same next one: 2^100 networks in 128 nodes. */
static void
test_shared_subtrees(void **state)
{
    struct geo_fixture f;
    uint32_t at = 0;

    geo_fixture_init(&f, 6, 24);
    for (unsigned i = 1; i < 128; i++, at++) {
        uint32_t next = geo_fixture_node(&f);

        f.nodes[at][0] = f.nodes[at][1] = next;
    }
    f.nodes[at][0] = GEO_LIB_DATA | geo_fixture_record(&f, "{country_code='DE'}");
    expect_refusal(&f, "tangled up");
    geo_fixture_fini(&f);
}

#define VERSIONS "binary_format_major_version=u2,binary_format_minor_version=u0,"
#define REST "node_count=w33,record_size=u24,ip_version=u4,build_epoch=q1,"
#define TEXTS "database_type='T',languages=['en'],description={en='x'}"

static const struct {
    const char *metadata, *reason; /* NULL: taken */
} metadata_cases[] = {
    { "{" VERSIONS REST TEXTS "}", NULL }, { "{" VERSIONS REST TEXTS ",more={a=[{b=u1}]},even=q5}", NULL },
    { "{" VERSIONS REST "database_type='T',languages=[],description={}}", NULL }, { "{}", "incomplete" },
    { "[]", "damaged" }, { "{" REST TEXTS "}", "incomplete" }, { "{" VERSIONS TEXTS "}", "incomplete" },
    { "{" VERSIONS REST "database_type='T',languages=['en']}", "incomplete" },
    { "{" VERSIONS REST "database_type=u7,languages=['en'],description={}}", "damaged" },
    { "{" VERSIONS REST "database_type='T',languages=[u7],description={}}", "damaged" },
    { "{" VERSIONS REST "database_type='T',languages=['en'],description={en=u7}}", "damaged" },
    { "{" VERSIONS REST "database_type='T',languages=['en'],description={en={en={en='x'}}}}", "damaged" },
    { "{" VERSIONS REST "database_type='T',languages=[['en']],description={}}", "damaged" },
    { "{" VERSIONS REST "database_type='T',languages=x01042000,description={}}",
        "damaged" }, /* a pointer to the whole */
    { "{" VERSIONS REST TEXTS ",languages=['de']}", "damaged" }, { "{" VERSIONS REST TEXTS ",cut=x5c}", "damaged" },
    { "{binary_format_major_version=u3,binary_format_minor_version=u0," REST TEXTS "}", "format version" },
    { "{" VERSIONS "node_count=w33,record_size=u24,ip_version=u4,build_epoch=q0," TEXTS "}", "build time" },
    { "{" VERSIONS "node_count=w33,record_size=u20,ip_version=u4,build_epoch=q1," TEXTS "}", "record size" },
    { "{" VERSIONS "node_count=w33,record_size=u24,ip_version=u5,build_epoch=q1," TEXTS "}", "IP version" },
    { "{" VERSIONS "node_count=w0,record_size=u24,ip_version=u4,build_epoch=q1," TEXTS "}", "search tree is empty" },
    { "{" VERSIONS "node_count=u33,record_size=u24,ip_version=u4,build_epoch=q1," TEXTS "}", "damaged" },
    { "{" VERSIONS "node_count=w3000,record_size=u24,ip_version=u4,build_epoch=q1," TEXTS "}", "missing" },
    { "{" VERSIONS "node_count=w4294967295,record_size=u32,ip_version=u4,build_epoch=q1," TEXTS "}", "missing" },
    { "{" VERSIONS "node_count=w1073741824,record_size=u32,ip_version=u4,build_epoch=q1," TEXTS "}",
        "missing" }, /* 2^32 * 8 */
};

static void
test_metadata(void **state)
{
    for (unsigned i = 0; i < sizeof(metadata_cases) / sizeof(metadata_cases[0]); i++) {
        struct geo_fixture f;

        print_message("    %s\n", metadata_cases[i].metadata);
        geo_fixture_init(&f, 4, 24);
        geo_fixture_add(&f, "192.0.2.0/24", "{country_code='DE'}");
        while (f.n_nodes < 33)
            geo_fixture_node(&f);
        f.metadata = metadata_cases[i].metadata;
        if (metadata_cases[i].reason)
            expect_refusal(&f, metadata_cases[i].reason);
        else
            geo_db_free(load(&f));
        geo_fixture_fini(&f);
    }
}

static void
test_metadata_alone(void **state)
{
    struct geo_fixture f;
    struct buf bytes = { 0 };
    char error[200] = "";

    geo_fixture_init(&f, 4, 24);
    geo_fixture_write(&f, &bytes);
    assert_null(geo_lib_load(str_skip(buf_str(&bytes), 6 + 16), error, sizeof(error)));
    assert_non_null(strstr(error, "a part of it is missing"));
    assert_null(geo_lib_load(STR("\xab\xcd\xefMaxMind.com"), error, sizeof(error)));
    assert_non_null(strstr(error, "damaged"));
    assert_null(geo_lib_load(STR("<html>not found</html>"), error, sizeof(error)));
    assert_non_null(strstr(error, "not a MaxMind database"));
    buf_fini(&bytes);
    geo_fixture_fini(&f);
}

static void
test_nested_metadata(void **state)
{
    enum { LEVELS = 40000 };
    struct buf text = { 0 };
    struct geo_fixture f;

    buf_add(&text, STR("{" VERSIONS REST TEXTS ",deep=x"));
    for (unsigned i = 0; i < LEVELS; i++)
        buf_add(&text, STR("e14161"));
    buf_add(&text, STR("40}"));
    geo_fixture_init(&f, 4, 24);
    while (f.n_nodes < 33)
        geo_fixture_node(&f);
    f.metadata = buf_take(&text);
    expect_refusal(&f, "damaged");
    mem_free((void *)(uintptr_t)f.metadata);
    geo_fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_deep_tree),
        cmocka_unit_test(test_shared_subtrees),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_metadata_alone),
        cmocka_unit_test(test_nested_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
