/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/upstream/upstream.h"

enum { PERCENT = 20, MINIMUM = 3 };

static unsigned
retries_left(struct budget *b, int64_t now_us)
{
    unsigned n = 0;

    while (n < 1000 && budget_retry(b, PERCENT, MINIMUM, now_us))
        n++;
    return n;
}

static void
test_minimum_and_share(void **state)
{
    struct budget b = { 0 };
    int64_t now = 1000 * USEC_PER_SEC;

    assert_int_equal(retries_left(&b, now), MINIMUM);
    for (int i = 0; i < 100; i++)
        budget_request(&b, now);
    assert_int_equal(retries_left(&b, now), 20 - MINIMUM);
}

static void
test_forgets_after_ten_seconds(void **state)
{
    struct budget b = { 0 };
    int64_t now = 1000 * USEC_PER_SEC;

    assert_int_equal(retries_left(&b, now), MINIMUM);
    assert_int_equal(retries_left(&b, now + 9 * USEC_PER_SEC), 0);
    assert_int_equal(retries_left(&b, now + 10 * USEC_PER_SEC), MINIMUM);
    assert_int_equal(retries_left(&b, now + 5000 * USEC_PER_SEC), MINIMUM);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimum_and_share),
        cmocka_unit_test(test_forgets_after_ten_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
