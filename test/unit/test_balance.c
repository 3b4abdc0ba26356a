/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/upstream/balance.h"

static unsigned
share_of(const struct choice *choices, unsigned n, int which)
{
    uint64_t random = 1;
    unsigned hits = 0;

    for (int i = 0; i < 10000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        hits += balance_pick(choices, n, random ^ random >> 29) == which;
    }
    return hits;
}

static void
test_only_eligible_ones(void **state)
{
    struct choice choices[] = { { false, 0, 0, 1 }, { true, 9, 9000, 1 }, { false, 0, 0, 1 } };

    assert_int_equal(share_of(choices, 3, 1), 10000);
    choices[1].is_eligible = false;
    assert_int_equal(balance_pick(choices, 3, 5), -1);
    assert_int_equal(balance_pick(choices, 0, 5), -1);
}

static void
test_the_less_loaded_of_two(void **state)
{
    struct choice busy[] = { { true, 5, 1000, 1 }, { true, 1, 1000, 1 } };
    struct choice slow[] = { { true, 0, 9000, 1 }, { true, 2, 1000, 1 } };

    assert_int_equal(share_of(busy, 2, 1), 10000);
    assert_int_equal(share_of(slow, 2, 1), 10000);
}

static void
test_the_worst_of_three_is_never_chosen(void **state)
{
    struct choice choices[] = { { true, 9, 1000, 1 }, { true, 1, 1000, 1 }, { true, 1, 1000, 1 } };

    assert_int_equal(share_of(choices, 3, 0), 0);
}

static void
test_weight_draws(void **state)
{
    struct choice choices[] = { { true, 0, 1000, 8 }, { true, 0, 1000, 1 }, { true, 0, 1000, 1 } };

    assert_true(share_of(choices, 3, 0) > 7500);
}

static void
test_rank_moves_after_three_probes(void **state)
{
    struct rank r;

    rank_init(&r, 6000);
    assert_float_equal(rank_cost_ms(&r, 0), 101, 1e-9);
    rank_sample(&r, 50, 5);
    assert_float_equal(rank_cost_ms(&r, 0), 50, 1e-9); /* a seed gives way at once */
    assert_float_equal(rank_cost_ms(&r, 20), 40, 1e-9);
    rank_sample(&r, 200, 5);
    rank_sample(&r, 200, 5);
    assert_float_equal(rank_cost_ms(&r, 0), 50, 1e-9);
    rank_sample(&r, 200, 5);
    assert_true(rank_cost_ms(&r, 0) > 100);
}

static void
test_rank_stays_within_its_margin(void **state)
{
    struct rank r;

    rank_init(&r, -1);
    rank_sample(&r, 10, 5);
    for (int i = 0; i < 100; i++)
        rank_sample(&r, 14, 5);
    assert_float_equal(rank_cost_ms(&r, 0), 10, 1e-9);
}

/* What was measured once fades into what distance says, and yields to the first measurement. */
static void
test_rank_remembers(void **state)
{
    static const struct {
        double trust, cost;
    } rows[] = { { 1, 41 }, { 0, 101 }, { 0.5, 71 } };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rank r;

        rank_init(&r, 6000);
        rank_remember(&r, 41, rows[i].trust);
        assert_float_equal(rank_cost_ms(&r, 0), rows[i].cost, 1e-9);
        assert_float_equal(r.rtt_ms, -1, 1e-9);
        rank_sample(&r, 7, 5);
        assert_float_equal(rank_cost_ms(&r, 0), 7, 1e-9);
        rank_remember(&r, 41, 1);
        assert_float_equal(rank_cost_ms(&r, 0), 7, 1e-9);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_eligible_ones),
        cmocka_unit_test(test_the_less_loaded_of_two),
        cmocka_unit_test(test_the_worst_of_three_is_never_chosen),
        cmocka_unit_test(test_weight_draws),
        cmocka_unit_test(test_rank_moves_after_three_probes),
        cmocka_unit_test(test_rank_stays_within_its_margin),
        cmocka_unit_test(test_rank_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
