/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "proxy/flow/census.h"

static struct addr
v4(unsigned n)
{
    return (struct addr){ .family = 4, .bytes = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

static void
test_counts_one_address(void **state)
{
    struct census *c = census_new();
    struct addr a = v4(1), b = v4(2);
    unsigned count = 0;
    atomic_ulong *first = census_enter(c, &a, &count), *second;

    assert_int_equal(count, 1);
    second = census_enter(c, &a, &count);
    assert_int_equal(count, 2);
    assert_ptr_equal(first, second);
    census_leave(census_enter(c, &b, &count));
    assert_int_equal(count, 1);
    census_leave(first);
    census_leave(second);
    census_leave(census_enter(c, &a, &count));
    assert_int_equal(count, 1);
    census_leave(NULL);
    census_free(c);
}

static void
test_a_subscriber_of_ipv6_is_one(void **state)
{
    struct census *c = census_new();
    struct addr a = { .family = 6, .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } }, b = a, other = a;
    unsigned count = 0;

    b.bytes[9] = 7;
    other.bytes[7] = 7;
    census_enter(c, &a, &count);
    census_enter(c, &b, &count);
    assert_int_equal(count, 2);
    census_enter(c, &other, &count);
    assert_int_equal(count, 1);
    census_free(c);
}

/* More addresses than there are entries: some are not counted, none is counted for another, and all that was counted can
 * be taken back. */
static void
test_never_grows(void **state)
{
    enum { N = 200000 };
    static atomic_ulong *entries[N];
    struct census *c = census_new();
    unsigned uncounted = 0, count;

    for (unsigned i = 0; i < N; i++) {
        struct addr a = v4(i);

        entries[i] = census_enter(c, &a, &count);
        assert_int_equal(count, entries[i] ? 1 : 0);
        uncounted += !entries[i];
    }
    assert_true(uncounted >= N - 16384 * 8);
    for (unsigned i = 0; i < N; i++)
        census_leave(entries[i]);
    for (unsigned i = 0; i < 1000; i++) {
        struct addr a = v4(i);

        census_enter(c, &a, &count);
        assert_int_equal(count, 1);
    }
    census_free(c);
}

static void *
come_and_go(void *arg)
{
    struct addr a = v4(7);
    unsigned count, highest = 0;

    for (int i = 0; i < 20000; i++) {
        atomic_ulong *entry = census_enter(arg, &a, &count);

        highest = count > highest ? count : highest;
        census_leave(entry);
    }
    return (void *)(uintptr_t)highest;
}

static void
test_threads_leave_nothing_behind(void **state)
{
    struct census *c = census_new();
    struct addr a = v4(7);
    pthread_t threads[4];
    unsigned count = 0;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, c), 0);
    for (int i = 0; i < 4; i++) {
        void *highest;

        pthread_join(threads[i], &highest);
        assert_in_range((uintptr_t)highest, 1, 4);
    }
    census_enter(c, &a, &count);
    assert_int_equal(count, 1);
    census_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_one_address),
        cmocka_unit_test(test_a_subscriber_of_ipv6_is_one),
        cmocka_unit_test(test_never_grows),
        cmocka_unit_test(test_threads_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
