/* SPDX-License-Identifier: Apache-2.0
 *
 * sextant journal new: what becomes of what was there, and what the new journal may take over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/store/renew.h"
#include "test/crash/journal_lib.h"

static struct fixture f;
static struct buf out, err;

static int
begin(void **state)
{
    if (fixture_begin(&f) || fixture_open(&f))
        return -1;
    fixture_append_all(&f, 40, 3000);
    return 0;
}

static void
remove_aside(unsigned number)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/old-%u", f.dir, number);
    remove_files(path);
    (void)rmdir(path);
}

static int
end(void **state)
{
    for (unsigned i = 1; i < 6; i++)
        remove_aside(i);
    buf_fini(&out);
    buf_fini(&err);
    return fixture_end(&f);
}

static int
renew(bool replaces)
{
    buf_clear(&out);
    buf_clear(&err);
    return journal_renew(f.dir, replaces, &out, &err);
}

static bool
exists(const char *name)
{
    char path[256];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", f.dir, name);
    return stat(path, &st) == 0;
}

static bool
says(const struct buf *text, const char *what)
{
    struct str s = buf_str(text);

    return s.len && memmem(s.p, s.len, what, strlen(what));
}

static void
test_one_that_is_in_use_stays(void **state)
{
    assert_int_equal(renew(true), -EWOULDBLOCK);
    assert_true(says(&err, "another process has this journal open"));
    fixture_checkpoint(&f, 30);
    journal_close(&f.journal);
    assert_int_equal(renew(false), -EEXIST);
    assert_true(says(&err, "a journal of 40 records, which is whole"));
    assert_false(exists("old-1"));
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(f.last_seen, 40);
}

static void
test_it_is_put_aside(void **state)
{
    struct journal_stats before, after;

    journal_stats(f.journal, &before);
    fixture_checkpoint(&f, 30);
    journal_close(&f.journal);
    assert_int_equal(renew(true), 0);
    assert_true(says(&out, "a new journal, ") && says(&out, "old-1: what was there"));
    assert_true(
        exists("old-1/identity") && exists("old-1/segment-0000000000000001.log") && exists("old-1/checkpoint-1"));
    assert_false(exists("segment-0000000000000001.log") || exists("spare-0000000000000001.log") ||
                 exists("old-1/spare-0000000000000001.log"));
    f.seen = f.last_seen = 0;
    assert_int_equal(fixture_open(&f), 0);
    journal_stats(f.journal, &after);
    assert_memory_not_equal(&before.uuid, &after.uuid, sizeof(before.uuid));
    assert_int_equal(after.last_lsn, 0);
}

/* One that no owner has worked with, or that cannot be read, needs no more words. */
static void
test_what_is_worth_nothing(void **state)
{
    char c = 1;

    journal_close(&f.journal);
    assert_int_equal(renew(false), 0);
    assert_int_equal(fixture_open(&f), 0);
    fixture_append_all(&f, 40, 3000);
    fixture_checkpoint(&f, 30);
    journal_close(&f.journal);
    file_put(f.dir, "segment-0000000000000001.log", 4096 + 64 + 500, str_make(&c, 1));
    assert_int_equal(renew(false), 0);
    assert_true(exists("old-2/identity"));
    remove_aside(1);
    remove_aside(2);
    remove_files(f.dir);
    assert_int_equal(renew(false), 0);
    assert_false(exists("old-1"));
}

/* Whatever was put aside when it ended: no start takes what is left for a journal, or for an empty directory. */
static void
test_a_crash_on_the_way(void **state)
{
    static const char *const gone[] = { "identity", "checkpoint-1", "segment-0000000000000001.log" };
    char path[128];

    fixture_checkpoint(&f, 30);
    journal_close(&f.journal);
    for (unsigned i = 0; i < sizeof(gone) / sizeof(*gone); i++) {
        snprintf(path, sizeof(path), "%s/%s", f.dir, gone[i]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(fixture_open(&f), -EBADMSG);
    }
    assert_int_equal(renew(false), 0);
    assert_int_equal(fixture_open(&f), 0);
}

static void
test_what_it_takes_over(void **state)
{
    assert_false(journal_takes_over(f.journal, STR("eu"))); /* nobody said so */
    journal_close(&f.journal);
    assert_int_equal(renew(true), 0);
    assert_int_equal(fixture_open(&f), 0);
    assert_true(journal_takes_over(f.journal, STR("eu")) && journal_takes_over(f.journal, STR("us")));
    assert_int_equal(journal_took_over(f.journal, STR("eu"), false), 0);
    assert_false(journal_takes_over(f.journal, STR("eu")));
    assert_true(journal_takes_over(f.journal, STR("us")) && journal_takes_over(f.journal, STR("e")));
    journal_close(&f.journal);
    assert_int_equal(fixture_open(&f), 0);
    assert_false(journal_takes_over(f.journal, STR("eu")));
    assert_int_equal(journal_took_over(f.journal, STR("us"), true), 0);
    assert_false(journal_takes_over(f.journal, STR("sa")) || exists("takes-over"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_that_is_in_use_stays, begin, end),
        cmocka_unit_test_setup_teardown(test_it_is_put_aside, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_worth_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_a_crash_on_the_way, begin, end),
        cmocka_unit_test_setup_teardown(test_what_it_takes_over, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
