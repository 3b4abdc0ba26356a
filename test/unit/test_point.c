/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/sync/point.h"

static bool
read_id(const char *json, struct point_id *ret_id)
{
    struct json_doc *doc = json_parse(str_from(json), NULL, NULL);
    bool is_id;

    assert_non_null(doc);
    is_id = point_of_json(json_root(doc), ret_id);
    json_free(doc);
    return is_id;
}

/* `printed` NULL: refused. */
static const struct {
    const char *json, *printed;
} ids[] = {
    { "0", "0" },
    { "7", "7" },
    { "9007199254740993", "9007199254740993" }, /* 2^53 + 1: no double has it */
    { "18446744073709551615", "18446744073709551615" },
    { "18446744073709551616", NULL },
    { "-1", NULL },
    { "-0", NULL },
    { "1.0", NULL },
    { "1e2", NULL },
    { "null", NULL },
    { "true", NULL },
    { "[1]", NULL },
    { "{\"num\":1}", NULL },
    { "\"7\"", NULL },
    { "\"\"", NULL },
    { "\"550e8400-e29b-41d4-a716-446655440000\"", "\"550e8400-e29b-41d4-a716-446655440000\"" },
    { "\"550E8400-E29B-41D4-A716-44665544ABCD\"", "\"550e8400-e29b-41d4-a716-44665544abcd\"" },
    { "\"550e8400e29b41d4a716446655440000\"", "\"550e8400-e29b-41d4-a716-446655440000\"" },
    { "\"urn:uuid:550e8400-e29b-41d4-a716-446655440000\"", "\"550e8400-e29b-41d4-a716-446655440000\"" },
    { "\"{550e8400-e29b-41d4-a716-446655440000}\"", "\"550e8400-e29b-41d4-a716-446655440000\"" },
    { "\"\\u0035\\u00350e8400e29b41d4a716446655440000\"", "\"550e8400-e29b-41d4-a716-446655440000\"" },
    { "\"00000000-0000-0000-0000-000000000007\"", "\"00000000-0000-0000-0000-000000000007\"" },
    { "\"{550e8400e29b41d4a716446655440000}\"", NULL },
    { "\"urn:uuid:550e8400e29b41d4a716446655440000\"", NULL },
    { "\"URN:UUID:550e8400-e29b-41d4-a716-446655440000\"", NULL },
    { "\"{550e8400-e29b-41d4-a716-446655440000\"", NULL },
    { "\"550e8400e29b-41d4-a716-4466-55440000\"", NULL },
    { "\"550e8400-e29b-41d4-a716-44665544000g\"", NULL },
    { "\"550e8400-e29b-41d4-a716-44665544000\"", NULL },
    { "\" 550e8400-e29b-41d4-a716-446655440000\"", NULL },
    { "\"550e8400-e29b-41d4-a716_446655440000\"", NULL },
};

static void
test_spellings(void **state)
{
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        struct point_id id = { 1, 2, false }, again;
        struct buf out = { 0 };

        print_message("%s\n", ids[i].json);
        assert_int_equal(read_id(ids[i].json, &id), ids[i].printed != NULL);
        if (ids[i].printed) {
            point_put_json(&id, &out);
            buf_putc(&out, '\0');
            assert_string_equal(buf_str(&out).p, ids[i].printed);
            assert_true(read_id(buf_str(&out).p, &again));
            assert_true(point_eq(&id, &again));
        }
        buf_fini(&out);
    }
}

static void
test_order(void **state)
{
    static const char *const ordered[] = { "0", "7", "10", "18446744073709551615",
        "\"00000000-0000-0000-0000-000000000007\"", "\"00000000-0000-0000-0000-000000000008\"",
        "\"00000000-0000-0001-0000-000000000000\"", "\"ffffffff-0000-0000-0000-000000000000\"" };
    enum { N = sizeof(ordered) / sizeof(*ordered) };
    struct point_id points[N];

    for (int i = 0; i < N; i++)
        assert_true(read_id(ordered[i], &points[i]));
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            assert_int_equal(point_compare(&points[i], &points[j]), (i > j) - (i < j));
            assert_int_equal(point_eq(&points[i], &points[j]), i == j);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
