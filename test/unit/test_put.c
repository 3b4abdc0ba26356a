/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/put.h"

enum { MOST = 40 };

/* As many bytes as were given, and none beside them. The memory ends where they end, so that a sanitizer sees who looks further. */
static void
test_any_length(void **state)
{
    for (size_t len = 0; len <= MOST; len++) {
        char *from = malloc(len ? len : 1), into[MOST + 2], expected[MOST + 2];

        for (size_t i = 0; i < len; i++)
            from[i] = (char)('a' + i % 26);
        memset(into, '.', sizeof(into));
        memset(expected, '.', sizeof(expected));
        memcpy(expected + 1, from, len);
        assert_ptr_equal(put_str(into + 1, str_make(from, len)), into + 1 + len);
        assert_memory_equal(into, expected, sizeof(into));
        free(from);
    }
}

static void
check_number(uint64_t value)
{
    char into[STR_U64_MAX + 1], expected[STR_U64_MAX + 2];
    int len = snprintf(expected, sizeof(expected), "%" PRIu64 ".", value) - 1;

    memset(into, '.', sizeof(into));
    assert_ptr_equal(put_u64(into, value), into + len);
    assert_memory_equal(into, expected, (size_t)len + 1);
}

/* All short ones, and those at which a digit is added. */
static void
test_numbers(void **state)
{
    for (uint64_t value = 0; value <= 12000; value++)
        check_number(value);
    for (uint64_t power = 1;; power *= 10) {
        check_number(power - 1);
        check_number(power);
        check_number(power + 1);
        if (power > UINT64_MAX / 10)
            break;
    }
    check_number(UINT64_MAX);
}

/* Wherever they stand, and however many: 16 counters hold 255 each. */
static void
test_controls(void **state)
{
    static char many[3 * 16 * 255 + 7];
    char text[MOST];

    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < MOST; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(str_controls(str_make(text, MOST)), c < 0x20 && c != '\t');
            assert_int_equal(str_controls(str_make(text, at)), 0);
        }
    }
    for (size_t len = 0; len <= sizeof(many); len++)
        assert_int_equal(str_controls(str_make(many, len)), len);
}

static void
test_literals(void **state)
{
    char into[] = "......";

    assert_ptr_equal(PUT(into + 1, "abc"), into + 4);
    assert_string_equal(into, ".abc..");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_length),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_literals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
