/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/base/json.h"

static void
compare(struct str value, struct str expected)
{
    struct buf out = { 0 };
    struct json_writer w = json_writer(&out);

    json_put_str(&w, value);
    if (!str_eq(buf_str(&out), expected))
        print_error("%.*s instead of %.*s\n", STR_ARG(buf_str(&out)), STR_ARG(expected));
    assert_true(str_eq(buf_str(&out), expected));
    buf_fini(&out);
}

static void
test_strings(void **state)
{
    static const struct {
        struct str value, expected;
    } cases[] = {
        { STR(""), STR("\"\"") },
        { STR("plain ~ text"), STR("\"plain ~ text\"") },
        { STR("\"\\\n\r\t\b\f/"), STR("\"\\\"\\\\\\n\\r\\t\\b\\f/\"") },
        { STR("a\0b\x1f\x7f"), STR("\"a\\u0000b\\u001f\\u007f\"") },
        { STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 end"), STR("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 end\"") },
        { STR("\xff\xc3"), STR("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
        { STR("\xed\xa0\x80"), STR("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        compare(cases[i].value, cases[i].expected);
}

/* What one byte becomes does not depend on where it stands. */
static void
test_every_byte_everywhere(void **state)
{
    enum { MOST = 20 };

    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c, text[MOST];
        struct buf alone = { 0 };
        struct json_writer w = json_writer(&alone);
        struct str is;

        json_put_str(&w, str_make(&byte, 1));
        is = str_make(buf_str(&alone).p + 1, buf_len(&alone) - 2);
        for (size_t len = 1; len <= MOST; len++) {
            for (size_t at = 0; at < len; at++) {
                struct buf expected = { 0 };

                memset(text, 'x', sizeof(text));
                text[at] = byte;
                buf_putc(&expected, '"');
                buf_append(&expected, "xxxxxxxxxxxxxxxxxxxxxx", at);
                buf_add(&expected, is);
                buf_append(&expected, "xxxxxxxxxxxxxxxxxxxxxx", len - at - 1);
                buf_putc(&expected, '"');
                compare(str_make(text, len), buf_str(&expected));
                buf_fini(&expected);
            }
        }
        buf_fini(&alone);
    }
}

static void
test_commas(void **state)
{
    struct buf out = { 0 };
    struct json_writer w = json_writer(&out);

    json_begin_object(&w);
    json_key(&w, "a");
    json_begin_array(&w);
    json_put_u64(&w, 1);
    json_put_str(&w, STR("x"));
    json_put_null(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_key_str(&w, STR("k\"\n"));
    json_put_bool(&w, true);
    json_member_str(&w, "c", STR("\t"));
    json_end_object(&w);
    assert_true(str_eq(buf_str(&out), STR("{\"a\":[1,\"x\",null,{}],\"k\\\"\\n\":true,\"c\":\"\\t\"}")));
    buf_fini(&out);
}

static void
test_times(void **state)
{
    static const struct {
        int64_t wall_us;
        struct str expected;
    } cases[] = {
        { 0, STR("\"1970-01-01T00:00:00.000Z\"") },
        { INT64_C(1700000000123999), STR("\"2023-11-14T22:13:20.123Z\"") },
        { INT64_C(1709251199999999), STR("\"2024-02-29T23:59:59.999Z\"") },
        { INT64_C(253402300799007000), STR("\"9999-12-31T23:59:59.007Z\"") },
        { INT64_C(253402300799999000), STR("\"9999-12-31T23:59:59.999Z\"") },
        { 0, STR("\"1970-01-01T00:00:00.000Z\"") },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = { 0 };
        struct json_writer w = json_writer(&out);

        json_put_time(&w, cases[i].wall_us);
        assert_true(str_eq(buf_str(&out), cases[i].expected));
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_every_byte_everywhere),
        cmocka_unit_test(test_commas),
        cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
