/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and addresses as text, against what the C library prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"

static void
test_numbers(void **state)
{
    static const uint64_t values[] = { 0, 1, 9, 10, 99, 100, 4294967295, 4294967296, UINT64_MAX - 1, UINT64_MAX };
    char room[STR_U64_MAX], expected[32];

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(expected, sizeof(expected), "%" PRIu64, values[i]);
        assert_true(str_eq(str_of_u64(values[i], room), str_from(expected)));
    }
}

static void
test_ipv4(void **state)
{
    char text[ADDR_TEXT_MAX], expected[ADDR_TEXT_MAX];

    for (unsigned byte = 0; byte < 256; byte++) {
        struct addr a = { .family = 4, .bytes = { (uint8_t)byte, 0, 255, (uint8_t)(255 - byte) } };

        snprintf(expected, sizeof(expected), "%u.0.255.%u", byte, 255 - byte);
        assert_string_equal(addr_print(&a, -1, text), expected);
        snprintf(expected, sizeof(expected), "%u.0.255.%u:65535", byte, 255 - byte);
        assert_string_equal(addr_print(&a, 65535, text), expected);
    }
}

static void
test_other_addresses(void **state)
{
    char text[ADDR_TEXT_MAX];
    struct addr a = { 0 };

    assert_string_equal(addr_print(&a, 1, text), "unknown");
    assert_true(addr_parse(STR("2001:0DB8::1"), &a));
    assert_string_equal(addr_print(&a, -1, text), "2001:db8::1");
    assert_string_equal(addr_print(&a, 80, text), "[2001:db8::1]:80");
    assert_true(addr_parse(STR("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), &a));
    assert_string_equal(addr_print(&a, 65535, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void
test_joined(void **state)
{
    struct arena a = { 0 };

    assert_true(str_eq(arena_join(&a, STR("a"), STR(", "), STR("b")), STR("a, b")));
    assert_true(str_eq(arena_join(&a, STR_NONE, STR("x"), STR_NONE), STR("x")));
    assert_int_equal(arena_join(&a, STR_NONE, STR_NONE, STR_NONE).len, 0);
    assert_true(str_eq(arena_u64(&a, 307), STR("307")));
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_other_addresses),
        cmocka_unit_test(test_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
