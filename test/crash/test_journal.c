/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "test/crash/journal_lib.h"

static struct fixture f;

static int
begin(void **state)
{
    return fixture_begin(&f);
}

static int
end(void **state)
{
    return fixture_end(&f);
}

static void
open_ok(void)
{
    int error = fixture_open(&f);

    if (error)
        fail_msg("%d: " STR_FMT, error, STR_ARG(buf_str(&f.error)));
    assert_false(f.is_wrong);
}

static void
reopen(void)
{
    journal_close(&f.journal);
    loop_settle(f.loop);
    open_ok();
}

static void
test_what_was_appended_is_there_again(void **state)
{
    struct journal_stats stats;

    open_ok();
    assert_int_equal(f.seen, 0);
    fixture_append_all(&f, 100, 0);
    assert_int_equal(f.acknowledged, 100);
    assert_int_equal(journal_durable(f.journal), 100);
    journal_stats(f.journal, &stats);
    assert_true(stats.is_new);
    assert_int_equal(stats.starts, 1);
    assert_int_equal(stats.records, 100);
    assert_in_range(stats.commits, 1, 100);
    reopen();
    assert_int_equal(f.seen, 100);
    assert_int_equal(f.from_lsn, 1);
    journal_stats(f.journal, &stats);
    assert_false(stats.is_new);
    assert_int_equal(stats.starts, 2);
    assert_int_equal(fixture_append(&f, 0, false), 101);
    fixture_wait(&f, 101);
    reopen();
    assert_int_equal(f.last_seen, 101);
}

static void
test_records_go_over_segments(void **state)
{
    struct journal_stats stats;
    struct journal_record r;
    struct buf buf = { 0 };

    open_ok();
    fixture_append_all(&f, 60, 5000);
    fixture_append_all(&f, 200, 0);
    journal_stats(f.journal, &stats);
    assert_in_range(stats.segments, 5, 8);
    for (uint64_t lsn = 1; lsn <= 260; lsn++) {
        assert_int_equal(journal_read(f.journal, lsn, &r, &buf), 0);
        assert_int_equal(r.lsn, lsn);
        assert_true(str_eq(r.payload, payload_of(lsn, r.payload.len)));
    }
    assert_int_equal(journal_read(f.journal, 7, &r, &buf), 0);
    assert_int_equal(r.lsn, 7);
    assert_int_equal(journal_read(f.journal, 261, &r, &buf), -ENOENT);
    assert_int_equal(journal_read(f.journal, 0, &r, &buf), -ENOENT);
    reopen();
    assert_int_equal(f.seen, 260);
    for (uint64_t lsn = 260; lsn > 7; lsn -= 7)
        assert_int_equal(journal_read(f.journal, lsn, &r, &buf), 0);
    buf_fini(&buf);
}

static void
test_trimmed_segments_are_used_again(void **state)
{
    struct journal_stats stats;
    struct journal_record r;
    struct buf buf = { 0 };

    open_ok();
    for (unsigned round = 0; round < 12; round++) {
        fixture_append_all(&f, 60, 5000); /* five segments */
        fixture_checkpoint(&f, journal_durable(f.journal));
        assert_int_equal(f.last_error, 0);
        journal_trim(f.journal, journal_durable(f.journal));
    }
    journal_stats(f.journal, &stats);
    assert_true(stats.first_lsn > 500);
    assert_int_equal(stats.checkpoints, 12);
    assert_true(stats.file_bytes <= SMALL_QUOTA);
    assert_int_equal(journal_read(f.journal, 1, &r, &buf), -ENOENT);
    assert_int_equal(journal_read(f.journal, stats.first_lsn, &r, &buf), 0);
    reopen();
    assert_int_equal(f.covers_lsn, 720);
    assert_int_equal(f.seen, 0);
    f.want_from = 600; /* the older of two checkpoints covers 660, so that is where what is left begins at the latest */
    reopen();
    assert_in_range(f.from_lsn, 600, 661);
    assert_int_equal(f.last_seen, 720);
    buf_fini(&buf);
}

static void
test_lazy_records_go_with_others_or_after_a_while(void **state)
{
    struct journal_stats stats;

    open_ok();
    f.n_done = 0;
    for (unsigned i = 0; i < 10; i++)
        fixture_append(&f, 0, true);
    assert_int_equal(journal_durable(f.journal), 0);
    fixture_append(&f, 0, false);
    fixture_wait(&f, 11);
    journal_stats(f.journal, &stats);
    assert_int_equal(stats.commits, 1);
    fixture_append(&f, 0, true);
    f.want_done = 1000;        /* nothing that stops the loop before it runs */
    journal_close(&f.journal); /* what waits is written, and told of */
    assert_int_equal(f.acknowledged, 12);
    f.lazy_us = 20000;
    open_ok();
    assert_int_equal(f.last_seen, 12);
    fixture_append(&f, 0, true);
    fixture_wait(&f, 13);
    assert_int_equal(f.acknowledged, 13);
}

static void
test_sizes(void **state)
{
    struct str large, parts[3] = { STR(""), STR_NONE, STR("") };
    struct journal_record r;
    struct buf buf = { 0 };
    char *bytes;
    size_t most;

    open_ok();
    most = journal_payload_max(f.journal);
    assert_in_range(most, SMALL_SEGMENT - 5000, SMALL_SEGMENT);
    bytes = mem_alloc(most + 1);
    memset(bytes, 'x', most + 1);
    large = str_make(bytes, most + 1);
    assert_int_equal(journal_append(f.journal, 1, 0, false, &large, 1, NULL, NULL), 0);
    assert_false(journal_has_room(f.journal, most + 1));
    assert_true(journal_has_room(f.journal, most));
    large.len = most;
    assert_int_equal(journal_append(f.journal, 255, 7, true, &large, 1, NULL, NULL), 1);
    assert_int_equal(journal_append(f.journal, 1, 0, true, parts, 3, NULL, NULL), 2);
    assert_int_equal(journal_append(f.journal, 1, 0, true, NULL, 0, NULL, NULL), 3);
    assert_int_equal(journal_append(f.journal, 9, 0, true, &large, 1, NULL, NULL), 4);
    f.n_done = 0;
    fixture_append(&f, 10, false);
    fixture_wait(&f, 1);
    assert_int_equal(journal_read(f.journal, 1, &r, &buf), 0);
    assert_true(r.kind == 255 && r.ref == 7 && str_eq(r.payload, large));
    assert_int_equal(journal_read(f.journal, 3, &r, &buf), 0);
    assert_int_equal(r.payload.len, 0);
    assert_int_equal(journal_read(f.journal, 4, &r, &buf), 0);
    assert_int_equal(r.payload.len, most);
    mem_free(bytes);
    buf_fini(&buf);
}

static void
test_options_that_make_no_sense(void **state)
{
    assert_int_equal(fixture_open_with(&f,
                         (struct journal_options){ .quota_bytes = 3 * SMALL_SEGMENT, .segment_bytes = SMALL_SEGMENT }),
        -EINVAL);
    assert_int_equal(
        fixture_open_with(&f, (struct journal_options){ .quota_bytes = SMALL_QUOTA, .segment_bytes = 5000 }), -EINVAL);
    assert_int_equal(
        fixture_open_with(&f, (struct journal_options){ .quota_bytes = SMALL_QUOTA, .segment_bytes = SMALL_SEGMENT }),
        -ENOENT);
    assert_true(str_ends(buf_str(&f.error), STR("there is no journal")));
}

static void
test_file_systems(void **state)
{
    assert_string_equal(folder_type_refused(0x6969), "NFS");
    assert_string_equal(folder_type_refused(0xff534d42), "CIFS");
    assert_string_equal(folder_type_refused((uint64_t)(int32_t)0xff534d42), "CIFS"); /* f_type is signed in places */
    assert_string_equal(folder_type_refused(0x65735546), "FUSE");
    assert_null(folder_type_refused(0xef53)); /* ext4 */
    assert_null(folder_type_refused(0x58465342));
    assert_null(folder_type_refused(0x794c7630)); /* overlayfs */
    assert_true(folder_type_is_memory(0x01021994));
    assert_false(folder_type_is_memory(0xef53));
}

static void
test_one_process_has_it(void **state)
{
    struct fixture other = { .loop = f.loop };

    open_ok();
    memcpy(other.dir, f.dir, sizeof(other.dir));
    assert_int_equal(fixture_open(&other), -EWOULDBLOCK);
    assert_true(str_ends(buf_str(&other.error), STR("another process has this journal open")));
    buf_fini(&other.error);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_appended_is_there_again, begin, end),
        cmocka_unit_test_setup_teardown(test_records_go_over_segments, begin, end),
        cmocka_unit_test_setup_teardown(test_trimmed_segments_are_used_again, begin, end),
        cmocka_unit_test_setup_teardown(test_lazy_records_go_with_others_or_after_a_while, begin, end),
        cmocka_unit_test_setup_teardown(test_sizes, begin, end),
        cmocka_unit_test_setup_teardown(test_options_that_make_no_sense, begin, end),
        cmocka_unit_test(test_file_systems),
        cmocka_unit_test_setup_teardown(test_one_process_has_it, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
