/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/base/mem.h"
#include "proxy/upstream/pressure.h"

static const struct limit_conf conf = { .floor = 8, .ceiling = 1000, .tolerance = 2 };

struct feed {
    struct pressure *p;
    int64_t now_us;
};

/* n answers of one operation over one second. */
static void
feed(struct feed *f, enum op_id op, unsigned n, int64_t took_us, unsigned outstanding)
{
    for (unsigned i = 0; i < n; i++) {
        pressure_peak(f->p, outstanding);
        pressure_sample(f->p, &conf, op, took_us, false, f->now_us += 1000000 / n);
    }
}

static double
limit(const struct feed *f)
{
    return atomic_load(&f->p->limit);
}

static void
test_nothing_is_judged_before_it_is_known(void **state)
{
    struct feed f = { MEM_NEW(struct pressure), 1000000 };

    feed(&f, OP_QUERY_POINTS, 10, 1000, 500);
    assert_int_equal(pressure_usual_us(f.p, OP_QUERY_POINTS), 0);
    feed(&f, OP_QUERY_POINTS, 4, 50000, 500);
    assert_true(limit(&f) == 0);
    mem_free(f.p);
}

static void
test_another_mix_is_no_load(void **state)
{
    struct feed f = { MEM_NEW(struct pressure), 1000000 };

    feed(&f, OP_QUERY_POINTS, 40, 1000, 500);
    feed(&f, OP_SCROLL_POINTS, 40, 100000, 500);
    feed(&f, OP_QUERY_POINTS, 40, 1000, 500);
    feed(&f, OP_SCROLL_POINTS, 400, 110000, 500);
    assert_true(limit(&f) == 1000);
    mem_free(f.p);
}

static void
test_slow_answers_lower_it_and_are_not_learned(void **state)
{
    struct feed f = { MEM_NEW(struct pressure), 1000000 };

    for (unsigned i = 0; i < 5; i++)
        feed(&f, OP_QUERY_POINTS, 100, 1000, 50);
    assert_true(limit(&f) == 1000);
    for (unsigned i = 0; i < 3; i++)
        feed(&f, OP_QUERY_POINTS, 100, 20000, 400);
    assert_true(limit(&f) < 250);
    assert_in_range(pressure_usual_us(f.p, OP_QUERY_POINTS), 900, 1700);
    mem_free(f.p);
}

static void
test_what_stays_slow_becomes_usual(void **state)
{
    struct feed f = { MEM_NEW(struct pressure), 1000000 };

    feed(&f, OP_QUERY_POINTS, 100, 1000, 50);
    for (unsigned i = 0; i < 60 && limit(&f) != 8; i++)
        feed(&f, OP_QUERY_POINTS, 100, 5000, 50);
    assert_true(limit(&f) == 8);
    for (unsigned i = 0; i < 30; i++)
        feed(&f, OP_QUERY_POINTS, 100, 5000, (unsigned)limit(&f));
    assert_in_range(pressure_usual_us(f.p, OP_QUERY_POINTS), 4500, 5500);
    assert_true(limit(&f) > 100);
    mem_free(f.p);
}

static void
test_waiting_that_was_given_up_counts_when_it_was_long(void **state)
{
    struct feed f = { MEM_NEW(struct pressure), 1000000 };

    feed(&f, OP_QUERY_POINTS, 100, 1000, 50);
    for (unsigned i = 0; i < 200; i++)
        pressure_sample(f.p, &conf, OP_QUERY_POINTS, 1500, true, f.now_us += 10000);
    assert_true(limit(&f) == 1000);
    for (unsigned i = 0; i < 200; i++)
        pressure_sample(f.p, &conf, OP_QUERY_POINTS, 30000, true, f.now_us += 10000);
    assert_true(limit(&f) < 1000);
    mem_free(f.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_judged_before_it_is_known),
        cmocka_unit_test(test_another_mix_is_no_load),
        cmocka_unit_test(test_slow_answers_lower_it_and_are_not_learned),
        cmocka_unit_test(test_what_stays_slow_becomes_usual),
        cmocka_unit_test(test_waiting_that_was_given_up_counts_when_it_was_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
