/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/base/clock.h"
#include "proxy/obs/rates.h"

enum { STEP_US = RATES_STEP_S * USEC_PER_SEC };

static int
per_minute(const struct rates *r, unsigned series, unsigned seconds)
{
    return (int)(rates_per_s(r, series, seconds) * 60 + 0.5);
}

static void
test_nothing_is_known_at_first(void **state)
{
    struct rates *r = rates_new(2);

    assert_int_equal(per_minute(r, 0, 10), 0);
    assert_int_equal(rates_total(r, 1), 0);
    rates_sample(r, 5)[1] = 1000;
    assert_int_equal(per_minute(r, 1, 10), 0);
    assert_int_equal(rates_total(r, 1), 1000);
    rates_free(r);
}

/* Ten a second for a minute, then nothing: the short window forgets first. */
static void
test_windows(void **state)
{
    struct rates *r = rates_new(2);
    int64_t now = 17;
    uint64_t total = 500;

    for (int i = 0; i < 100; i++, now += STEP_US, total += 20)
        rates_sample(r, now)[1] = total;
    total -= 20;
    assert_int_equal(per_minute(r, 1, 10), 600);
    assert_int_equal(per_minute(r, 1, 60), 600);
    assert_int_equal(per_minute(r, 0, 60), 0);
    for (int i = 0; i < 5; i++, now += STEP_US)
        rates_sample(r, now)[1] = total;
    assert_int_equal(per_minute(r, 1, 10), 0);
    assert_int_equal(per_minute(r, 1, 60), 500);
    assert_int_equal(rates_total(r, 1), total);
    rates_free(r);
}

/* The clock that is read counts, not the number of samples. */
static void
test_late_samples(void **state)
{
    struct rates *r = rates_new(1);

    rates_sample(r, 0)[0] = 0;
    rates_sample(r, 40 * USEC_PER_SEC)[0] = 40;
    assert_int_equal(per_minute(r, 0, 10), 60);
    rates_sample(r, 40 * USEC_PER_SEC)[0] = 90;
    assert_int_equal(per_minute(r, 0, 1), 0);
    rates_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_late_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
