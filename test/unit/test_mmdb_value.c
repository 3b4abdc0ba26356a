/* SPDX-License-Identifier: Apache-2.0
 *
 * Each way to write sizes, pointers and numbers, byte by byte; what lies outside of the bytes is never touched.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "geoip/mmdb_value.h"
#include "proxy/base/mem.h"

static const struct {
    const char *name;
    struct str bytes;
    enum mmdb_type type;
    uint32_t size;
    size_t at, after;
} heads[] = {
    /* at offset 0 of a section of 600000 zero bytes */
    { "empty text", STR("\x40"), MMDB_UTF8, 0, 1, 1 },
    { "28 bytes", STR("\x5c"), MMDB_UTF8, 28, 1, 29 },
    { "29", STR("\x5d\x00"), MMDB_UTF8, 29, 2, 31 },
    { "284", STR("\x5d\xff"), MMDB_UTF8, 284, 2, 286 },
    { "285", STR("\x5e\x00\x00"), MMDB_UTF8, 285, 3, 288 },
    { "65820", STR("\x5e\xff\xff"), MMDB_UTF8, 65820, 3, 65823 },
    { "65821", STR("\x5f\x00\x00\x00"), MMDB_UTF8, 65821, 4, 65825 },
    { "131357", STR("\x5f\x01\x00\x00"), MMDB_UTF8, 131357, 4, 131361 },
    { "double", STR("\x68"), MMDB_DOUBLE, 8, 1, 9 },
    { "bytes", STR("\x83"), MMDB_BYTES, 3, 1, 4 },
    { "map", STR("\xe2"), MMDB_MAP, 2, 1, 1 },
    { "int32", STR("\x04\x01"), MMDB_INT32, 4, 2, 6 },
    { "uint64", STR("\x08\x02"), MMDB_UINT64, 8, 2, 10 },
    { "uint128", STR("\x10\x03"), MMDB_UINT128, 16, 2, 18 },
    { "array", STR("\x03\x04"), MMDB_ARRAY, 3, 2, 2 },
    { "true", STR("\x01\x07"), MMDB_BOOLEAN, 1, 2, 2 },
    { "float", STR("\x04\x08"), MMDB_FLOAT, 4, 2, 6 },
    { "long array", STR("\x1e\x04\x00\x01"), MMDB_ARRAY, 286, 4, 4 },
    { "pointer of 11 bits", STR("\x27\xff"), MMDB_POINTER, 0, 2047, 2 },
    { "pointer of 19 bits", STR("\x28\x00\x00"), MMDB_POINTER, 0, 2048, 3 },
    { "pointer of 19 bits, largest", STR("\x2f\xff\xff"), MMDB_POINTER, 0, 526335, 3 },
    { "pointer of 27 bits", STR("\x30\x00\x00\x00"), MMDB_POINTER, 0, 526336, 4 },
    { "pointer of 27 bits and more", STR("\x30\x01\x00\x01"), MMDB_POINTER, 0, 591873, 4 },
    { "pointer of 32 bits", STR("\x38\x00\x09\x00\x00"), MMDB_POINTER, 0, 589824, 5 },
    { "pointer of 32 bits, three bits of no meaning", STR("\x3f\x00\x00\x00\x07"), MMDB_POINTER, 0, 7, 5 },
};

static void
test_heads(void **state)
{
    enum { SIZE = 600000 };

    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        uint8_t *data = mem_alloc(SIZE);
        struct mmdb_reader r = { data, SIZE, 10 };
        struct mmdb_value v;

        print_message("    %s\n", heads[i].name);
        memcpy(data, heads[i].bytes.p, heads[i].bytes.len);
        assert_true(mmdb_read(&r, 0, &v));
        assert_int_equal(v.type, heads[i].type);
        assert_int_equal(v.size, heads[i].size);
        assert_int_equal(v.at, heads[i].at);
        assert_int_equal(v.after, heads[i].after);
        assert_int_equal(r.steps_left, 9);
        mem_free(data);
    }
}

/* Cut off anywhere, in memory of just that size: false, and the sanitizer sees reads beyond. */
static void
test_cut(void **state)
{
    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        size_t needed = heads[i].type == MMDB_POINTER ? heads[i].bytes.len : heads[i].after;

        for (size_t n = 0; n < needed && n < 300; n++) {
            uint8_t *data = mem_alloc(n);
            struct mmdb_reader r = { data, n, 10 };
            struct mmdb_value v;

            memcpy(data, heads[i].bytes.p, n < heads[i].bytes.len ? n : heads[i].bytes.len);
            assert_false(mmdb_read(&r, 0, &v));
            mem_free(data);
        }
    }
}

static void
test_numbers(void **state)
{
    static const struct {
        struct str bytes;
        bool ok;
        double number;
    } table[] = {
        { STR("\x68\x40\x49\x0e\x14\x7a\xe1\x47\xae"), true, 50.11 },
        { STR("\x68\x7f\xf0\x00\x00\x00\x00\x00\x00"), false, 0 }, /* infinite */
        { STR("\x68\x7f\xf8\x00\x00\x00\x00\x00\x00"), false, 0 }, /* not a number */
        { STR("\x64\x40\x49\x0e\x14"), false, 0 },                 /* a double of four bytes */
        { STR("\x04\x08\x41\x0a\x00\x00"), true, 8.625 },
        { STR("\x04\x08\x7f\x80\x00\x00"), false, 0 },
        { STR("\x04\x01\xff\xff\xff\xfb"), true, -5 },
        { STR("\x01\x01\x05"), true, 5 },
        { STR("\x05\x01\x00\x00\x00\x00\x05"), false, 0 }, /* int32 of five bytes */
        { STR("\xa0"), true, 0 },
        { STR("\xa2\x01\x02"), true, 258 },
        { STR("\xa3\x00\x01\x02"), false, 0 }, /* uint16 of three bytes */
        { STR("\xc4\xff\xff\xff\xff"), true, 4294967295.0 },
        { STR("\x08\x02\x00\x00\x00\x01\x00\x00\x00\x00"), true, 4294967296.0 },
        { STR("\x45"
              "-33.5"),
            true, -33.5 },
        { STR("\x43nan"), false, 0 },
        { STR("\x40"), false, 0 },
        { STR("\x81\x05"), false, 0 },
        { STR("\x01\x07"), false, 0 },
        { STR("\xe0"), false, 0 },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct mmdb_reader r = { (const uint8_t *)table[i].bytes.p, table[i].bytes.len, 10 };
        struct mmdb_value v;
        double number = 0;

        assert_true(mmdb_read(&r, 0, &v));
        assert_int_equal(mmdb_number(&r, &v, &number), table[i].ok);
        if (table[i].ok && !(fabs(number - table[i].number) <= 1e-9))
            fail_msg("case %u: %f", i, number);
    }
}

static void
test_steps(void **state)
{
    struct str list = STR("\x05\x04\xa0\xa0\xa0\xa0\xa0"); /* five numbers */
    struct mmdb_reader r = { (const uint8_t *)list.p, list.len, 6 };
    size_t after;

    assert_true(mmdb_skip(&r, 0, &after));
    assert_int_equal(after, list.len);
    assert_int_equal(r.steps_left, 0);
    r.steps_left = 5;
    assert_false(mmdb_skip(&r, 0, &after));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
