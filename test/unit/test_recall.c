/* SPDX-License-Identifier: Apache-2.0
 *
 * What was written last is never thought older than it is, whoever shares its cell.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/flow/recall.h"

enum { HOME = 3, JOURNAL = 0x7001 };

static uint64_t
lsn_of(const struct recall *r, uint64_t name)
{
    struct recalled got = recall_look(r, HOME, name, JOURNAL);

    assert_false(got.is_of_other);
    return got.lsn;
}

static void
test_the_last_write(void **state)
{
    struct recall *r = recall_new();

    assert_int_equal(lsn_of(r, 1), 0);
    recall_note(r, HOME, 1, JOURNAL, 10);
    recall_note(r, HOME, 1, JOURNAL, 12);
    recall_note(r, HOME, 1, JOURNAL, 11); /* told late */
    assert_int_equal(lsn_of(r, 1), 12);
    assert_int_equal(lsn_of(r, 2), 0);
    assert_int_equal(recall_look(r, HOME + 1, 1, JOURNAL).lsn, 0);
    recall_note(r, HOME, 1 + RECALL_CELLS, JOURNAL, 20);
    assert_int_equal(lsn_of(r, 1), 20);
    recall_free(r);
    recall_free(NULL);
}

static void
test_another_journal(void **state)
{
    struct recall *r = recall_new();

    recall_note(r, HOME, 1, JOURNAL, 10);
    assert_true(recall_look(r, HOME, 1, JOURNAL + 1).is_of_other);
    recall_note(r, HOME, 1, JOURNAL + 1, 2); /* it has begun anew */
    assert_int_equal(recall_look(r, HOME, 1, JOURNAL + 1).lsn, 2);
    assert_true(recall_look(r, HOME, 1, JOURNAL).is_of_other);
    recall_free(r);
}

static void *
write_many(void *arg)
{
    for (unsigned i = 1; i <= 20000; i++)
        recall_note(arg, HOME, i % 3, JOURNAL, i);
    return NULL;
}

static void
test_several_threads(void **state)
{
    struct recall *r = recall_new();
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, r);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(lsn_of(r, 0), 19998);
    assert_int_equal(lsn_of(r, 1), 19999);
    assert_int_equal(lsn_of(r, 2), 20000);
    recall_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_write),
        cmocka_unit_test(test_another_journal),
        cmocka_unit_test(test_several_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
