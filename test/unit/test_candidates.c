/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of candidates against the words of candidates.h, over random health, costs, holds and masks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "proxy/route/candidates.h"

static uint64_t random_state = 1;

static uint64_t
draw(uint64_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % n;
}

/* Few different costs, so that there are ties; none, tiny and infinite ones too. */
static double
draw_cost(void)
{
    static const double costs[] = { 0, -0.0, 1e-300, 0.01, 1, 1.0000000001, 20, 20.5, 1e9, INFINITY };

    return costs[draw(sizeof(costs) / sizeof(costs[0]))];
}

static unsigned
verdict(const struct cluster_view *v)
{
    return v->is_up ? 0 : v->is_ejected ? 1 : 2;
}

/* Does a stand before b? `at` is where each cluster stands in the configured order. */
static bool
is_ordered(const struct cluster_view *views, unsigned a, unsigned b, const unsigned *at)
{
    if (verdict(&views[a]) != verdict(&views[b]))
        return verdict(&views[a]) < verdict(&views[b]);
    if (views[a].cost_ms < views[b].cost_ms || views[b].cost_ms < views[a].cost_ms)
        return views[a].cost_ms < views[b].cost_ms;
    return at[a] < at[b];
}

static void
test_order(void **state)
{
    for (unsigned round = 0; round < 5000; round++) {
        struct cluster_view views[CLUSTERS_MAX] = { { .cost_ms = 0 } };
        unsigned n = 1 + (unsigned)draw(CLUSTERS_MAX), at[CLUSTERS_MAX], wanted = 0, n_up = 0;
        uint8_t from[CLUSTERS_MAX];
        uint64_t mask = round % 3 ? UINT64_MAX : draw(UINT64_C(1) << 31) << 31 | draw(UINT64_C(1) << 31);
        struct candidates c;

        for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
            views[i] = (struct cluster_view){ .is_up = draw(2), .is_ejected = draw(2), .cost_ms = draw_cost() };
            views[i].hold = draw(8) ? HOLD_NONE : HOLD_DRAIN;
            from[i] = (uint8_t)i;
        }
        for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
            unsigned other = (unsigned)draw(CLUSTERS_MAX);
            uint8_t kept = from[i];

            from[i] = from[other];
            from[other] = kept;
        }
        for (unsigned i = 0; i < n; i++) {
            at[from[i]] = i;
            wanted += (mask >> from[i] & 1) && views[from[i]].hold == HOLD_NONE;
        }
        candidates_by_cost(views, from, n, mask, &c);
        assert_int_equal(c.n, wanted);
        for (unsigned i = 0; i < c.n; i++) {
            assert_true((mask >> c.list[i] & 1) && views[c.list[i]].hold == HOLD_NONE);
            if (i && !is_ordered(views, c.list[i - 1], c.list[i], at))
                fail_msg("round %u: %u before %u", round, c.list[i - 1], c.list[i]);
        }
        while (
            n_up < c.n && verdict(&views[c.list[0]]) < 2 && verdict(&views[c.list[n_up]]) == verdict(&views[c.list[0]]))
            n_up++;
        assert_int_equal(c.n_up, n_up);
    }
}

static void
test_behind_last(void **state)
{
    struct cluster_view views[4] = { { .is_up = true, .is_behind = true }, { .is_up = true }, { .is_up = true },
        { 0 } };
    struct candidates c = { .list = { 0, 1, 2, 3 }, .n = 4, .n_up = 3 };

    candidates_behind_last(views, &c);
    assert_memory_equal(c.list, ((uint8_t[]){ 1, 2, 0, 3 }), 4);
    assert_int_equal(c.n_up, 2);
    c = (struct candidates){ .list = { 0, 3 }, .n = 2, .n_up = 1 }; /* nobody else is up */
    candidates_behind_last(views, &c);
    assert_memory_equal(c.list, ((uint8_t[]){ 0, 3 }), 2);
    assert_int_equal(c.n_up, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behind_last),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
