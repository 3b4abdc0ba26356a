/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "proxy/flow/quota.h"

static void
test_a_burst_then_a_rate(void **state)
{
    static const struct {
        int64_t at_us, wait_us;
    } rows[] = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 100000 }, { 40000, 60000 }, { 100000, 0 }, { 100000, 100000 },
        { 250000, 0 }, { 250000, 50000 }, { 10000000, 0 }, { 10000000, 0 }, { 10000000, 0 }, { 10000000, 100000 } };
    struct quota *q = quota_new();

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(quota_take(q, 7, 10, 3, 1000000 + rows[i].at_us), rows[i].wait_us);
    assert_int_equal(quota_take(q, 8, 10, 3, 1000000), 0);
    quota_free(q);
}

static void
test_no_more_in_the_long_run(void **state)
{
    struct quota *q = quota_new();
    unsigned taken = 0;

    for (int64_t us = 0; us < 10000000; us += 100)
        taken += quota_take(q, 7, 300, 50, 1 + us) == 0;
    assert_in_range(taken, 3040, 3051);
    quota_free(q);
}

/* More names than buckets: those that owe nothing give way first, and whoever sends steadily stays limited. */
static void
test_never_grows_and_keeps_those_that_owe(void **state)
{
    struct quota *q = quota_new();
    unsigned taken = 0;

    for (unsigned i = 0; i < 400000; i++) {
        int64_t now_us = 1000000 + (int64_t)i * 50;

        quota_take(q, 1000 + i * UINT64_C(0x9e3779b97f4a7c15), 1000, 1, now_us);
        if (i % 4 == 0)
            taken += quota_take(q, 7, 10, 20, now_us) == 0;
    }
    assert_in_range(taken, 210, 225); /* 20 s at 10, and the burst */
    quota_free(q);
}

static struct quota *shared;

static void *
take_many(void *arg)
{
    uintptr_t taken = 0;

    for (int i = 0; i < 20000; i++)
        taken += quota_take(shared, 7, 1, 1000, 1000000) == 0;
    return (void *)taken;
}

static void
test_threads_share_a_bucket(void **state)
{
    pthread_t threads[4];
    uintptr_t total = 0;

    shared = quota_new();
    quota_take(shared, 7, 1, 1000, 1000000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *taken;

        pthread_join(threads[i], &taken);
        total += (uintptr_t)taken;
    }
    assert_int_equal(total, 999);
    quota_free(shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_a_rate),
        cmocka_unit_test(test_no_more_in_the_long_run),
        cmocka_unit_test(test_never_grows_and_keeps_those_that_owe),
        cmocka_unit_test(test_threads_share_a_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
