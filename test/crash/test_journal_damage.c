/* SPDX-License-Identifier: Apache-2.0
 *
 * A journal as a crash left it, damaged in every way that we can think of: nothing that was acknowledged is lost without a word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "test/crash/journal_lib.h"

#define SEGMENT(n) "segment-000000000000000" #n ".log"

static struct fixture base, f; /* the journal that is copied, and the copy */

/* 1..40: 20 batches in three segments, a checkpoint at 10, a trim of nothing, then two batches of three. No seal behind them. */
static int
begin_group(void **state)
{
    if (fixture_begin(&base) || fixture_begin(&f) || fixture_open(&base))
        return -1;
    for (unsigned i = 0; i < 20; i++)
        fixture_append_all(&base, 2, i < 13 ? 5000 : 0);
    fixture_checkpoint(&base, 10);
    fixture_append_all(&base, 1, 60);
    fixture_append_all(&base, 3, 60);
    fixture_append_all(&base, 3, 33);
    return journal_last(base.journal) == 47 ? 0 : -1;
}

static int
end_group(void **state)
{
    return fixture_end(&f) + fixture_end(&base);
}

static int
begin(void **state)
{
    copy_files(base.dir, f.dir);
    f.want_from = 1;
    f.acknowledged = 0;
    return 0;
}

static int
end(void **state)
{
    journal_close(&f.journal);
    loop_settle(f.loop);
    return 0;
}

static void
expect_opens_with(uint64_t last_lsn)
{
    int error = fixture_open(&f);

    if (error)
        fail_msg("refused: " STR_FMT, STR_ARG(buf_str(&f.error)));
    assert_false(f.is_wrong);
    assert_int_equal(f.last_seen, last_lsn);
    assert_int_equal(f.from_lsn, 1);
}

static bool
contains(struct str text, const char *what)
{
    struct buf copy = { 0 };
    bool found;

    buf_add(&copy, text);
    buf_putc(&copy, '\0');
    found = strstr(buf_str(&copy).p, what) != NULL;
    buf_fini(&copy);
    return found;
}

static void
expect_refused(const char *why)
{
    int error = fixture_open(&f);

    if (error != -EBADMSG || !contains(buf_str(&f.error), why))
        fail_msg("%d, last %d, instead of %s: " STR_FMT, error, (int)f.last_seen, why, STR_ARG(buf_str(&f.error)));
}

/* Where record `lsn` begins, in which segment. */
struct where {
    char name[FOLDER_NAME_BYTES];
    uint64_t lsn;
    size_t at, bytes;
};

static int
find(const struct record *record, size_t at, void *arg)
{
    struct where *w = arg;

    if (record->lsn != w->lsn)
        return 0;
    w->at = at;
    w->bytes = record->bytes;
    return 1;
}

static struct where
where_is(uint64_t lsn)
{
    struct where w = { .lsn = lsn };
    struct identity identity;
    struct folder folder;
    struct segment_scan s;
    struct buf error = { 0 };
    struct chain chain;
    bool found = false;

    assert_int_equal(folder_open_to_read(&folder, base.dir, &error), 0);
    assert_int_equal(identity_read(&folder, &identity, &error), 0);
    assert_int_equal(chain_load(&chain, &folder, &identity, &error), 0);
    for (unsigned i = 0; i < chain.n_segments && !found; i++) {
        found = chain_scan(&chain, i, find, &w, &s, &error) == 1;
        folder_segment_name(chain.segments[i].generation, w.name);
    }
    assert_true(found);
    chain_fini(&chain);
    folder_close(&folder);
    buf_fini(&error);
    return w;
}

static void
flip(const char *name, uint64_t at, unsigned bit)
{
    char c = (char)(file_get(f.dir, name, at) ^ (char)(1 << bit));

    file_put(f.dir, name, at, str_make(&c, 1));
}

static void
test_each_use_of_a_file_has_a_stamp_of_its_own(void **state)
{
    struct identity identity;
    struct folder folder;
    struct buf error = { 0 };
    struct chain chain;

    assert_int_equal(folder_open_to_read(&folder, base.dir, &error), 0);
    assert_int_equal(identity_read(&folder, &identity, &error), 0);
    assert_int_equal(chain_load(&chain, &folder, &identity, &error), 0);
    assert_int_equal(chain.n_segments, 3);
    assert_true(
        chain.segments[0].stamp != chain.segments[1].stamp && chain.segments[1].stamp != chain.segments[2].stamp);
    assert_true(chain.segments[0].stamp != chain.segments[2].stamp && chain.segments[0].stamp > UINT32_MAX);
    chain_fini(&chain);
    folder_close(&folder);
}

/* --- torn ends --------------------------------------------------------------------------------------------------- */

static void
test_as_it_was_left(void **state)
{
    struct journal_record r;
    struct buf buf = { 0 };

    expect_opens_with(47);
    assert_int_equal(f.covers_lsn, 10);
    assert_int_equal(f.seen, 47);
    assert_int_equal(journal_read(f.journal, 47, &r, &buf), 0);
    buf_fini(&buf);
}

/* Every length that the disk may have taken of the last batch, what follows being zeros or what was there before; then life goes
 * on, and the next start finds it so. */
static void
test_each_torn_length_of_the_last_batch(void **state)
{
    struct where first = where_is(45), last = where_is(47);
    size_t end_at = last.at + last.bytes;
    char old[512];

    memset(old, 0x5a, sizeof(old));
    for (size_t cut = first.at; cut < end_at; cut++) {
        bool is_old = cut % 3 == 0;
        char *rest = is_old ? old : memset(old + 256, 0, 256);
        uint64_t whole = cut < first.at + first.bytes ? 44 : cut < last.at ? 45 : 46;
        struct where second = where_is(46);

        if (whole == 45 && cut >= second.at + second.bytes)
            whole = 46;
        copy_files(base.dir, f.dir);
        file_put(f.dir, last.name, cut, str_make(rest, end_at - cut < 256 ? end_at - cut : 256));
        if (is_old && cut % 8)
            memset(old + 256, 0, 256);
        assert_int_equal(fixture_open(&f), 0);
        assert_false(f.is_wrong);
        /* The zeros that a record ends with may be those which we put there. */
        assert_in_range(f.last_seen, whole, whole + 1);
        whole = f.last_seen;
        if (cut % 5 == 0) {
            assert_int_equal(fixture_append(&f, 60, false), whole + 1);
            f.acknowledged = 0;
            f.n_done = 0;
            fixture_wait(&f, 1);
            assert_int_equal(f.acknowledged, whole + 1);
            end(NULL);
            assert_int_equal(fixture_open(&f), 0);
            assert_int_equal(f.last_seen, whole + 1);
        }
        end(NULL);
    }
}

static void
test_zeroed_pages(void **state)
{
    struct where middle = where_is(43), last = where_is(46), early = where_is(3);
    char zeros[4096] = { 0 };

    file_put(f.dir, last.name, last.at, str_make(zeros, sizeof(zeros)));
    expect_opens_with(45);
    end(NULL);
    begin(NULL);
    file_put(f.dir, middle.name, middle.at, str_make(zeros, 16));
    expect_refused("LSN 43 cannot be read: no record begins there; LSN 45 at offset");
    begin(NULL);
    file_put(f.dir, early.name, early.at / 4096 * 4096 + 4096, str_make(zeros, sizeof(zeros)));
    expect_refused("the next segment begins with LSN");
}

/* The disk kept the end of a batch and lost its beginning: nobody was told of any of it. */
static void
test_a_batch_of_which_the_beginning_is_lost(void **state)
{
    struct where first = where_is(45);
    char zeros[64] = { 0 };

    file_put(f.dir, first.name, first.at, str_make(zeros, sizeof(zeros)));
    expect_opens_with(44);
    /* What follows has the same length, so that the rest of the old batch lies just behind it. */
    assert_int_equal(fixture_append(&f, 33, false), 45);
    f.n_done = 0;
    f.acknowledged = 0;
    fixture_wait(&f, 1);
    copy_files(f.dir, base.dir); /* as a crash here would leave it: without a seal */
    end(NULL);
    copy_files(base.dir, f.dir);
    expect_opens_with(45);
}

/* --- damage ------------------------------------------------------------------------------------------------------ */

static void
test_each_field_of_a_record_in_the_middle(void **state)
{
    struct where w = where_is(43);
    char why[64];

    for (size_t at = w.at; at < w.at + w.bytes; at++) {
        flip(w.name, at, (unsigned)(at % 8));
        snprintf(why, sizeof(why), "offset %zu: LSN 43 cannot be read", w.at);
        expect_refused(why);
        flip(w.name, at, (unsigned)(at % 8));
    }
    expect_opens_with(47);
}

static void
test_records_that_a_checkpoint_covers_are_looked_at_when_asked_for(void **state)
{
    struct where w = where_is(1);
    struct journal_record r;
    struct buf buf = { 0 };

    assert_string_equal(w.name, SEGMENT(1));
    expect_opens_with(47);
    fixture_checkpoint(&f, 30);
    end(NULL);
    flip(w.name, w.at + RECORD_HEADER_BYTES + 100, 3);
    expect_refused("LSN 1 cannot be read: the sum of the record's payload is wrong");
    f.want_from = 0; /* nobody wants the first segment */
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.from_lsn, 31);
    assert_int_equal(f.last_seen, 47);
    assert_int_equal(journal_read(f.journal, 1, &r, &buf), -EBADMSG);
    assert_int_equal(journal_read(f.journal, 2, &r, &buf), 0);
    buf_fini(&buf);
}

static void
test_headers_of_segments(void **state)
{
    for (size_t at = 0; at < 80; at++) {
        flip(SEGMENT(2), at, (unsigned)(at % 8));
        expect_refused(SEGMENT(2) ": offset 0: ");
        flip(SEGMENT(2), at, (unsigned)(at % 8));
    }
    expect_opens_with(47);
}

static void
test_files_cut_short(void **state)
{
    static const uint64_t lengths[] = { 0, 100, 4095, 4096, 30000, SMALL_SEGMENT - 1 };

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        begin(NULL);
        file_cut(f.dir, SEGMENT(1), lengths[i]);
        expect_refused(SEGMENT(1) ": offset");
        begin(NULL);
        file_cut(f.dir, SEGMENT(3), lengths[i]);
        expect_refused(SEGMENT(3) ": offset");
    }
    begin(NULL);
    file_cut(f.dir, SEGMENT(3), 2 * SMALL_SEGMENT);
    expect_refused("it was cut short or grew");
}

static void
remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", f.dir, name);
    assert_int_equal(unlink(path), 0);
}

static void
test_files_that_are_gone(void **state)
{
    remove_file(SEGMENT(2));
    expect_refused("the next segment begins with LSN");
    begin(NULL);
    remove_file(SEGMENT(3));
    expect_refused("the next segment is missing: this one says that there is one");
    begin(NULL);
    remove_file(SEGMENT(1));
    expect_refused("were trimmed, and no checkpoint covers them");
    begin(NULL);
    remove_file("identity");
    expect_refused("identity: it is missing, but there are segments");
    begin(NULL);
    remove_file(SEGMENT(1));
    remove_file(SEGMENT(2));
    remove_file(SEGMENT(3));
    expect_refused("all segments are gone");
    begin(NULL);
    flip("identity", 30, 0);
    expect_refused("identity: it is damaged");
    begin(NULL);
    remove_files(f.dir);
    assert_int_equal(
        fixture_open_with(&f, (struct journal_options){ .quota_bytes = SMALL_QUOTA, .segment_bytes = SMALL_SEGMENT }),
        -ENOENT);
}

static void
rename_file(const char *from, const char *to)
{
    char a[128], b[128];

    snprintf(a, sizeof(a), "%s/%s", f.dir, from);
    snprintf(b, sizeof(b), "%s/%s", f.dir, to);
    assert_int_equal(rename(a, b), 0);
}

static void
test_files_of_others(void **state)
{
    rename_file(SEGMENT(3), SEGMENT(4));
    expect_refused("it was renamed by somebody");
    begin(NULL);
    rename_file("checkpoint-1", "checkpoint-0");
    expect_opens_with(47); /* it is not needed */
    assert_int_equal(f.covers_lsn, 0);
}

/* Trimmed as far as its owner lets it, with the checkpoints 60 and 90. */
static void
make_trimmed(void)
{
    expect_opens_with(47);
    fixture_append_all(&f, 50, 2000);
    fixture_checkpoint(&f, 60);
    fixture_checkpoint(&f, 90);
    journal_trim(f.journal, 97);
    end(NULL);
    f.want_from = 0;
}

static void
test_a_damaged_checkpoint_has_one_behind_it(void **state)
{
    make_trimmed();
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.covers_lsn, 90);
    end(NULL);
    flip("checkpoint-1", 100, 3); /* number 3: the newest */
    assert_int_equal(fixture_open(&f), 0);
    assert_false(f.is_wrong);
    assert_int_equal(f.covers_lsn, 60);
    assert_int_equal(f.from_lsn, 61);
    assert_int_equal(f.last_seen, 97);
    end(NULL);
    flip("checkpoint-0", 40, 3);
    expect_refused("were trimmed, and no checkpoint covers them: checkpoint-0: the sum of its header is wrong");
    begin(NULL);
    flip("checkpoint-1", 20, 0);
    expect_opens_with(47); /* nothing was trimmed, so none is needed */
    assert_int_equal(f.covers_lsn, 0);
}

static void
test_each_byte_of_a_checkpoint(void **state)
{
    make_trimmed();
    for (size_t at = 0; at < 96 + 1000; at += at < 96 ? 1 : 37) {
        flip("checkpoint-1", at, (unsigned)(at % 8));
        assert_int_equal(fixture_open(&f), 0);
        assert_int_equal(f.covers_lsn, 60);
        end(NULL);
        flip("checkpoint-1", at, (unsigned)(at % 8));
    }
    file_cut(f.dir, "checkpoint-1", 500);
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.covers_lsn, 60);
}

/* The files are those of an earlier moment, a checkpoint apart, which knows better. */
static void
test_an_end_that_a_checkpoint_knows_to_be_too_early(void **state)
{
    char fresh[SMALL_SEGMENT] = { 0 };
    struct where w = where_is(47);

    expect_opens_with(47);
    fixture_append_all(&f, 2, 10);
    fixture_checkpoint(&f, 40);
    end(NULL);
    file_put(f.dir, w.name, w.at + w.bytes, str_make(fresh, SMALL_SEGMENT - w.at - w.bytes));
    expect_refused("LSN 48 cannot be read: no record begins there; it was durable: a checkpoint was written at LSN 49");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_as_it_was_left, begin, end),
        cmocka_unit_test(test_each_use_of_a_file_has_a_stamp_of_its_own),
        cmocka_unit_test_setup_teardown(test_each_torn_length_of_the_last_batch, begin, end),
        cmocka_unit_test_setup_teardown(test_zeroed_pages, begin, end),
        cmocka_unit_test_setup_teardown(test_each_field_of_a_record_in_the_middle, begin, end),
        cmocka_unit_test_setup_teardown(test_records_that_a_checkpoint_covers_are_looked_at_when_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(test_headers_of_segments, begin, end),
        cmocka_unit_test_setup_teardown(test_files_cut_short, begin, end),
        cmocka_unit_test_setup_teardown(test_files_that_are_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_files_of_others, begin, end),
        cmocka_unit_test_setup_teardown(test_a_damaged_checkpoint_has_one_behind_it, begin, end),
        cmocka_unit_test_setup_teardown(test_each_byte_of_a_checkpoint, begin, end),
        cmocka_unit_test_setup_teardown(test_an_end_that_a_checkpoint_knows_to_be_too_early, begin, end),
        cmocka_unit_test_setup_teardown(
            test_a_batch_of_which_the_beginning_is_lost, begin, end), /* last: it changes the base */
    };

    return cmocka_run_group_tests(tests, begin_group, end_group);
}
