/* SPDX-License-Identifier: Apache-2.0
 *
 * Disks that say no: what was acknowledged stays, a file that failed is never relied upon again, and everybody who waits is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>

#include "proxy/base/clock.h"
#include "test/crash/fault_lib.h"
#include "test/crash/journal_lib.h"

static struct fixture f;

static int
begin(void **state)
{
    fault_clear();
    if (fixture_begin(&f) || fixture_open(&f))
        return -1;
    fixture_append_all(&f, 20, 0);
    return 0;
}

static int
end(void **state)
{
    fault_clear();
    return fixture_end(&f);
}

static struct journal_stats
stats(void)
{
    struct journal_stats s;

    journal_stats(f.journal, &s);
    return s;
}

static void
reopen_to(uint64_t last_lsn)
{
    int error;

    journal_close(&f.journal);
    loop_settle(f.loop);
    fault_clear();
    error = fixture_open(&f);
    if (error)
        fail_msg("%d: " STR_FMT, error, STR_ARG(buf_str(&f.error)));
    assert_false(f.is_wrong);
    assert_int_equal(f.last_seen, last_lsn);
}

/* Poll what the journal's threads do, with a deadline. */
static void
wait_for(bool (*is)(void))
{
    int64_t until_us = clock_mono_us() + 20 * USEC_PER_SEC;

    while (!is()) {
        assert_true(clock_mono_us() < until_us);
        poll(NULL, 0, 2);
    }
}

static bool
has_spares(void)
{
    return stats().spares >= 2;
}

static void
test_a_file_that_failed_once_is_left(void **state)
{
    static const struct {
        enum fault_call call;
        int error;
    } cases[] = { { FAULT_FDATASYNC, EIO }, { FAULT_FDATASYNC, ENOSPC }, { FAULT_PWRITE, EIO },
        { FAULT_PWRITE, ENOSPC } };
    uint64_t last = 20;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t segments = stats().segments;

        fault_set(cases[i].call, "segment-", 0, 1, cases[i].error);
        fixture_append_all(&f, 3, 0);
        assert_int_equal(fault_hits(cases[i].call), 1);
        assert_int_equal(f.last_error, 0);
        assert_int_equal(f.acknowledged, last += 3);
        assert_int_equal(stats().segments, segments + 1);
        assert_int_equal(stats().poisoned, i + 1);
        fixture_append_all(&f, 3, 0);
        last += 3;
        assert_false(fault_was_poison_used());
    }
    reopen_to(last);
    assert_int_equal(f.seen, last);
}

static void
test_when_the_next_file_fails_too_all_are_told(void **state)
{
    fault_set(FAULT_FDATASYNC, NULL, 0, 100, EIO);
    f.last_error = 0;
    fixture_append_all(&f, 3, 0);
    assert_int_equal(f.n_done, 3);
    assert_int_equal(f.last_error, -EIO);
    assert_int_equal(f.acknowledged, 20);
    assert_int_equal(journal_error(f.journal), -EIO);
    assert_int_equal(fixture_append(&f, 0, false), 0);
    assert_false(journal_has_room(f.journal, 1));
    assert_false(fault_was_poison_used());
    journal_close(&f.journal);
    fault_clear();
    assert_int_equal(fixture_open(&f), 0);
    assert_false(f.is_wrong);
    assert_in_range(f.last_seen, 20, 23);
}

static void
test_the_directory_cannot_be_synced(void **state)
{
    wait_for(has_spares);
    fault_set(FAULT_FDATASYNC, "segment-", 0, 1, EIO);
    fault_set(FAULT_FSYNC, "/", 0, 1000, EIO);
    fixture_append_all(&f, 2, 0);
    assert_int_equal(f.last_error, -EIO);
    journal_close(&f.journal);
    loop_settle(f.loop);
    fault_clear();
    assert_int_equal(fixture_open(&f), 0);
    assert_false(f.is_wrong);
    assert_in_range(f.last_seen, 20, 22);
}

static void
test_writes_that_are_cut_short_go_on(void **state)
{
    fault_set(FAULT_PWRITE, NULL, 0, 50, 0);
    fixture_append_all(&f, 5, 4000);
    fixture_append_all(&f, 20, 4000);
    assert_int_equal(f.acknowledged, 45);
    assert_int_equal(stats().poisoned, 0);
    assert_true(fault_hits(FAULT_PWRITE) > 5);
    reopen_to(45);
}

static void
test_a_seal_that_fails_loses_nothing(void **state)
{
    journal_close(&f.journal);
    f.lazy_us = 1000;
    assert_int_equal(fixture_open(&f), 0);
    fault_set(FAULT_FDATASYNC, "segment-", 1, 1, EIO); /* the record's is fine, the seal's is not */
    fixture_append_all(&f, 1, 0);
    for (int64_t until_us = clock_mono_us() + 20 * USEC_PER_SEC; stats().poisoned == 0; poll(NULL, 0, 1))
        assert_true(clock_mono_us() < until_us);
    fixture_append_all(&f, 2, 0);
    assert_int_equal(f.acknowledged, 23);
    assert_false(fault_was_poison_used());
    reopen_to(23);
}

static bool
has_no_room(void)
{
    return !journal_has_room(f.journal, 1000);
}

static bool
has_room(void)
{
    return journal_has_room(f.journal, 1000);
}

static void
test_a_full_disk_is_said_before_it_hurts(void **state)
{
    uint64_t last;

    wait_for(has_spares);
    fault_set(FAULT_FALLOCATE, NULL, 0, 1000000, ENOSPC);
    for (unsigned i = 0; i < 1000 && (i < 20 || journal_has_room(f.journal, 1000)); i++)
        fixture_append_all(&f, 1, 1000);
    wait_for(has_no_room);
    assert_int_equal(f.last_error, 0);
    /* One whole segment is left for the outcomes of what was begun. */
    last = f.acknowledged;
    for (unsigned i = 0; i < 55; i++)
        fixture_append_all(&f, 1, 1000);
    assert_int_equal(f.acknowledged, last + 55);
    assert_int_equal(f.last_error, 0);
    fault_clear();
    wait_for(has_room); /* by itself, when there is space again */
    fixture_append_all(&f, 200, 1000);
    assert_int_equal(f.acknowledged, last + 255);
    reopen_to(last + 255);
}

static void
test_a_checkpoint_that_fails_leaves_the_one_before(void **state)
{
    fixture_checkpoint(&f, 10);
    assert_int_equal(f.last_error, 0);
    fault_set(FAULT_PWRITE, "checkpoint-", 1, 1, ENOSPC);
    fixture_checkpoint(&f, 15);
    assert_int_equal(f.last_error, -ENOSPC);
    fault_set(FAULT_FDATASYNC, "checkpoint-", 0, 1, EIO);
    fixture_checkpoint(&f, 16);
    assert_int_equal(f.last_error, -EIO);
    assert_int_equal(stats().covers_lsn, 10);
    fixture_append_all(&f, 2, 0);
    assert_int_equal(f.last_error, 0);
    reopen_to(22);
    assert_int_equal(f.covers_lsn, 10);
    fixture_checkpoint(&f, 17);
    assert_int_equal(f.last_error, 0);
    reopen_to(22);
    assert_int_equal(f.covers_lsn, 17);
}

static void
expect_no_start(int error)
{
    assert_int_equal(fixture_open(&f), error);
    assert_true(buf_len(&f.error) > 0);
    assert_null(f.journal);
}

static void
test_a_start_that_cannot_sync_is_none(void **state)
{
    journal_close(&f.journal);
    fault_set(FAULT_FSYNC, "lock", 0, 1, EINVAL);
    expect_no_start(-EINVAL);
    fault_set(FAULT_FSYNC, "identity", 0, 1, EIO);
    expect_no_start(-EIO);
    fault_set(FAULT_FDATASYNC, "segment-", 0, 1, EIO);
    expect_no_start(-EIO);
    fault_set(FAULT_PWRITE, "segment-", 0, 1, ENOSPC);
    expect_no_start(-ENOSPC);
    fault_clear();
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.last_seen, 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_that_failed_once_is_left, begin, end),
        cmocka_unit_test_setup_teardown(test_when_the_next_file_fails_too_all_are_told, begin, end),
        cmocka_unit_test_setup_teardown(test_the_directory_cannot_be_synced, begin, end),
        cmocka_unit_test_setup_teardown(test_writes_that_are_cut_short_go_on, begin, end),
        cmocka_unit_test_setup_teardown(test_a_seal_that_fails_loses_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_said_before_it_hurts, begin, end),
        cmocka_unit_test_setup_teardown(test_a_checkpoint_that_fails_leaves_the_one_before, begin, end),
        cmocka_unit_test_setup_teardown(test_a_start_that_cannot_sync_is_none, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
