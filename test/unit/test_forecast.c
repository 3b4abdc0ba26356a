/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/base/clock.h"
#include "proxy/obs/forecast.h"

#define S USEC_PER_SEC

/* `lost` a second, with `lump` given back whenever as much was lost. */
static void
run(struct forecast *f, int64_t seconds, uint64_t left, double lost, uint64_t lump)
{
    double gone = 0;

    for (int64_t i = 0; i <= seconds; i++) {
        forecast_note(f, i * S, left - (uint64_t)gone);
        gone += lost;
        if (lump && gone >= (double)lump)
            gone -= (double)lump;
    }
}

static void
test_what_gets_less(void **state)
{
    struct forecast f = { .n = 0 };

    run(&f, 50, 100000, 10, 0);
    assert_int_equal(forecast_us(&f), -1); /* too short a time */
    run(&f, 200, 100000, 10, 0);
    assert_true(forecast_us(&f) > 9000 * S && forecast_us(&f) < 10600 * S);
    f = (struct forecast){ .n = 0 };
    run(&f, 5000, 100000, 10, 0); /* the ring went round */
    assert_true(forecast_us(&f) > 4600 * S && forecast_us(&f) < 5400 * S);
    forecast_note(&f, 5010 * S, 0);
    assert_int_equal(forecast_us(&f), 0);
}

static void
test_what_comes_back(void **state)
{
    struct forecast f = { .n = 0 };

    assert_int_equal(forecast_us(&f), -1);
    run(&f, 600, 100000, 0, 0);
    assert_int_equal(forecast_us(&f), -1);
    f = (struct forecast){ .n = 0 };
    run(&f, 3000, 100000, 100, 5000); /* a segment every fifty seconds */
    assert_true(forecast_us(&f) == -1 || forecast_us(&f) > 100000 * S);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_gets_less),
        cmocka_unit_test(test_what_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
