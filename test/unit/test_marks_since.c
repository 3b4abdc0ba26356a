/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/marks_fixture.h"

/* Of what a walk read at home, at some moment, before it read the copy. */
static void
test_what_moved_since(void **state)
{
    struct marks *m = marks();
    struct mark_key key = key_of(7), other = key_of(8);
    uint64_t flights = marks_flights(m);
    struct mark_pick pick;

    assert_int_equal(marks_moves(m, &key, 300 * second_us), MARKS_RESTS);
    assert_int_equal(marks_moved(m, flights), 0);
    set(m, 7, 10, false);
    assert_int_equal(marks_moves(m, &key, 300 * second_us), MARKS_MOVES);
    assert_int_equal(marks_moves(m, &other, 300 * second_us), MARKS_RESTS);
    assert_int_equal(marks_moved(m, flights), 1);
    assert_int_equal(marks_pick(m, 1, &pick), 1);
    assert_int_equal(marks_moves(m, &key, 300 * second_us), MARKS_MOVES);
    assert_true(marks_shipped(m, &key, pick.number, NULL, 301 * second_us));
    assert_int_equal(marks_moves(m, &key, 240 * second_us), MARKS_MOVES);
    assert_int_equal(marks_moves(m, &key, 301 * second_us + 1), MARKS_MOVED_JUST_THEN);
    assert_int_equal(marks_moves(m, &key, 302 * second_us), MARKS_RESTS);
    assert_int_equal(marks_moves(m, &key, 362 * second_us), MARKS_RESTS);
    assert_int_equal(marks_moved(m, flights), 1); /* of the copy, then and now */
    assert_int_equal(marks_moved(m, marks_flights(m)), 0);
    marks_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_moved_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
