/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/base/crc32c.h"

/* RFC 3720 appendix B.4, and the check value of the catalogue of parametrised CRC algorithms. */
static void
test_published_values(void **state)
{
    char bytes[32] = { 0 };

    assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, str_make(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, str_make(bytes, 32)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    assert_int_equal(crc32c(0, str_make(bytes, 32)), 0x46dd794e);
    assert_int_equal(crc32c_table(0, str_make(bytes, 32)), 0x46dd794e);
    assert_int_equal(crc32c(0, STR("")), 0);
}

static void
test_both_ways_and_in_pieces_agree(void **state)
{
    char bytes[4099];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 2654435761U >> 13);
    for (size_t len = 0; len < sizeof(bytes) - 7; len += 1 + len / 9) {
        struct str s = str_make(bytes + len % 7, len);
        uint32_t whole = crc32c(0, s);

        assert_int_equal(crc32c_table(0, s), whole);
        assert_int_equal(crc32c(crc32c(0, str_make(s.p, len / 3)), str_skip(s, len / 3)), whole);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_values),
        cmocka_unit_test(test_both_ways_and_in_pieces_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
