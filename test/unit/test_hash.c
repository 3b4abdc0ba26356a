/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/base/hash.h"

/* Key 00 01 … 0f, input 00 01 … of growing length: from the vectors that come with the reference implementation. */
static void
test_known_answers(void **state)
{
    const struct hash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    static const struct {
        size_t len;
        uint64_t want;
    } rows[] = {
        { 0, UINT64_C(0x726fdb47dd0e0e31) },
        { 1, UINT64_C(0x74f839c593dc67fd) },
        { 7, UINT64_C(0xab0200f58b01d137) },
        { 8, UINT64_C(0x93f5f5799a932462) },
        { 15, UINT64_C(0xa129ca6149be45e5) },
    };
    char input[16];

    for (int i = 0; i < 16; i++)
        input[i] = (char)i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(hash_keyed(&key, str_make(input, rows[i].len)), rows[i].want);
}

static void
test_drawn_keys_differ(void **state)
{
    struct hash_key a, b;

    hash_key_draw(&a);
    hash_key_draw(&b);
    assert_true(a.k0 != b.k0 || a.k1 != b.k1);
    assert_int_not_equal(hash_keyed(&a, STR("x")), hash_keyed(&b, STR("x")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_drawn_keys_differ) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
