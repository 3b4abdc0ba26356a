/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "proxy/upstream/limit.h"

static const struct limit_conf conf = { .floor = 32, .ceiling = 1024, .tolerance = 2 };

static void
test_steps(void **state)
{
    static const struct {
        const char *what;
        double before, multiple;
        unsigned peak;
        double after;
        bool is_strained;
    } rows[] = {
        { "nothing known yet means the ceiling", 0, 1, 5, 1024, false },
        { "a limit out of reach stays", 100, 1, 79, 100, false },
        { "one in use grows by its root", 100, 1, 80, 110, true },
        { "also just below the tolerance", 100, 2, 100, 110, true },
        { "never past the ceiling", 1020, 1, 1020, 1024, false },
        { "slow: down from what was outstanding", 1024, 4, 400, 200, true },
        { "slow, out of reach: from the limit", 100, 2.5, 400, 80, true },
        { "never by more than half", 400, 10, 400, 200, true },
        { "never below the floor", 40, 10, 40, 32, true },
        { "a floor that was raised counts at once", 10, 1, 1, 32, false },
        { "a ceiling that was lowered too", 4000, 1, 1, 1024, false },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct limit l = { .now = rows[i].before };
        struct limit_window w = { rows[i].multiple, rows[i].peak };

        limit_step(&l, &conf, &w);
        if (l.now != rows[i].after || l.is_strained != rows[i].is_strained)
            fail_msg("%s: %.1f, strained %d", rows[i].what, l.now, l.is_strained);
    }
}

static void
test_slow_at_the_floor_means_that_it_is_not_the_load(void **state)
{
    struct limit l = { .now = 32 };
    struct limit_window slow = { 5, 32 }, fine = { 1, 10 };

    for (unsigned i = 1; i < LIMIT_AT_FLOOR; i++) {
        limit_step(&l, &conf, &slow);
        assert_false(l.must_relearn);
        assert_true(l.is_strained);
    }
    limit_step(&l, &conf, &slow);
    assert_true(l.must_relearn);
    assert_false(l.is_strained);
    limit_step(&l, &conf, &slow);
    assert_false(l.must_relearn);
    limit_step(&l, &conf, &fine);
    assert_int_equal(l.at_floor, 0);
}

static void
test_usual(void **state)
{
    struct usual u = { 0 };
    int64_t now = 1;

    for (unsigned i = 0; i < USUAL_SAMPLES; i++) {
        assert_false(usual_is_known(&u));
        usual_learn(&u, i % 2 ? 3000 : 1000, now);
    }
    assert_true(usual_is_known(&u));
    assert_in_range(u.us, 1900, 2100);
    /* From now on one sample a second: a burst of slow ones weighs as much as one. */
    for (unsigned i = 0; i < 1000; i++)
        usual_learn(&u, 100000, now);
    assert_in_range(u.us, 3400, 3700);
    for (unsigned i = 0; i < 1000; i++)
        usual_learn(&u, 8000, now += 1000000);
    assert_in_range(u.us, 7900, 8100);
}

/* A cluster that does `cores` requests at a time, each in 1 ms; more wait their turn inside it. Offered far more than it can
 * take, the limit settles where the times are twice the usual, and it finds back up when the cluster grows. */
static double
settle(struct limit *l, double cores, unsigned offered)
{
    for (unsigned i = 0; i < 100; i++) {
        double limit = l->now > 0 ? l->now : conf.ceiling;
        unsigned out = offered < limit ? offered : (unsigned)limit;
        struct limit_window w = { out > cores ? out / cores : 1, out };

        if (w.multiple > LIMIT_MULTIPLE_MAX)
            w.multiple = LIMIT_MULTIPLE_MAX;
        limit_step(l, &conf, &w);
    }
    return l->now;
}

static void
test_settles(void **state)
{
    struct limit l = { 0 };

    assert_in_range((int)settle(&l, 50, 5000), 75, 120);
    assert_in_range((int)settle(&l, 200, 5000), 300, 480);
    assert_in_range((int)settle(&l, 50, 5000), 75, 120);
    assert_in_range((int)settle(&l, 4, 5000), 32, 32);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_slow_at_the_floor_means_that_it_is_not_the_load),
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_settles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
