/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "proxy/obs/events.h"

static struct event got[EVENTS_KEPT + 1];

static void
test_newest_first_and_repeats_are_counted(void **state)
{
    assert_int_equal(events_recent(got, 10), 0);
    events_add(EVENT_START, STR_NONE, "ready: %d", 1);
    for (int i = 0; i < 3; i++)
        events_add(EVENT_ENDPOINT_DOWN, STR("eu/1"), "it is %s", "refused");
    events_add(EVENT_ENDPOINT_UP, STR("eu/1"), "back");
    assert_int_equal(events_recent(got, 10), 3);
    assert_string_equal(events_kind_name(got[0].kind), "endpoint-up");
    assert_string_equal(events_level_name(got[0].kind), "good");
    assert_string_equal(got[1].text, "it is refused");
    assert_string_equal(got[1].subject, "eu/1");
    assert_int_equal(got[1].times, 3);
    assert_int_equal(got[1].number, 2);
    assert_int_equal(got[2].times, 1);
    assert_string_equal(got[2].subject, "");
    assert_true(got[0].wall_us >= got[2].wall_us && got[2].wall_us > 0);
    assert_int_equal(events_recent(got, 1), 1);
    assert_int_equal(got[0].number, 3);
}

static void
test_long_texts_are_cut(void **state)
{
    char text[2 * EVENT_TEXT];

    memset(text, 'x', sizeof(text));
    events_add(EVENT_RELOAD, str_make(text, sizeof(text)), STR_FMT, (int)sizeof(text), text);
    assert_int_equal(events_recent(got, 1), 1);
    assert_int_equal(strlen(got[0].text), EVENT_TEXT - 1);
    assert_int_equal(strlen(got[0].subject), EVENT_SUBJECT - 1);
}

enum { THREADS = 4, EACH = 500 };

static void *
add_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        events_add(EVENT_RELOAD, STR("thread"), "%d of %d", i, *(int *)arg);
    return NULL;
}

/* The ring keeps the last ones, in order, whoever adds. */
static void
test_the_ring_goes_round(void **state)
{
    pthread_t threads[THREADS];
    int ids[THREADS];
    uint64_t before;

    events_recent(got, 1);
    before = got[0].number;
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(events_recent(got, EVENTS_KEPT + 1), EVENTS_KEPT);
    assert_int_equal(got[0].number, before + THREADS * EACH);
    for (int i = 1; i < EVENTS_KEPT; i++)
        assert_int_equal(got[i].number + 1, got[i - 1].number);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_first_and_repeats_are_counted),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_the_ring_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
