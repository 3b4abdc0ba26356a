/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/marks_fixture.h"

/* For a walk, which begins when nothing can land late any more: what is in the air keeps its mark. */
static void
test_shedding(void **state)
{
    struct marks *m = marks();
    struct mark_pick settled, unknown, flying;
    struct mark_key key = key_of(4);
    size_t before;

    set(m, 1, 10, false);
    settled = pick_one(m, 1);
    assert_true(land(m, &settled, 0));
    set(m, 2, 11, false);
    unknown = pick_one(m, 2);
    assert_true(marks_failed(m, &unknown.key, unknown.number, true));
    unknown = pick_one(m, 2);
    assert_true(land(m, &unknown, 0));
    set(m, 3, 12, false);
    flying = pick_one(m, 3);
    assert_true(marks_failed(m, &flying.key, flying.number, true));
    flying = pick_one(m, 3);
    for (uint64_t i = 4; i < 20000; i++)
        set(m, i, 13, true);
    before = marks_memory(m);
    marks_shed(m);
    assert_true(marks_memory(m) < before / 4);
    expect(m, 3, MARK_FLYING, 12, false);
    assert_int_equal(marks_count(m, MARK_WAITING), 0);
    assert_false(marks_get(m, &key, &(struct mark_view){ .reason = 0 }));
    assert_int_equal(marks_count(m, MARK_SETTLED) + marks_count(m, MARK_READY), 0);
    assert_true(land(m, &flying, 0));
    expect(m, 3, MARK_WAITING, 12, false);
    marks_again(m, &flying.key); /* of a quarantine that counts for all of them now */
    expect(m, 3, MARK_WAITING, 12, false);
    set(m, 2, 14, false);
    unknown = pick_one(m, 2);
    assert_true(marks_failed(m, &unknown.key, unknown.number, true));
    marks_again_all(m);
    expect(m, 3, MARK_READY, 12, false);
    flying = pick_one(m, 3);
    assert_true(land(m, &flying, 0));
    unknown = pick_one(m, 2);
    assert_true(land(m, &unknown, 0));
    expect(m, 2, MARK_WAITING, 14, false); /* its own has not ended */
    marks_again(m, &unknown.key);
    expect(m, 2, MARK_READY, 14, false);
    marks_free(m);
}

static void
test_settled_ones_make_room(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;
    size_t before;

    for (uint64_t i = 1; i <= 5000; i++)
        set(m, i, i, false);
    for (uint64_t i = 1; i <= 4000; i++) {
        pick = pick_one(m, i);
        assert_true(land(m, &pick, 0));
    }
    before = marks_memory(m);
    marks_forget_settled(m);
    assert_int_equal(marks_count(m, MARK_SETTLED), 0);
    assert_int_equal(marks_count(m, MARK_READY), 1000);
    assert_true(marks_memory(m) < before / 2);
    marks_free(m);
}

/* TAINT: after a start nothing is known to have landed. */
static void
test_taint(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick, fresh;

    for (uint64_t i = 1; i <= 3; i++)
        set(m, i, i, true);
    pick = pick_one(m, 1);
    assert_true(land(m, &pick, 0));
    marks_taint(m);
    expect(m, 1, MARK_WAITING, 1, true);
    pick = pick_one(m, 2);
    assert_true(land(m, &pick, 0));
    expect(m, 2, MARK_WAITING, 2, true);
    pick = pick_one(m, 3);
    set(m, 4, 4, true); /* and fails by itself: that has its own quarantine */
    fresh = pick_one(m, 4);
    assert_true(marks_failed(m, &fresh.key, fresh.number, true));
    marks_again_all(m);
    assert_true(land(m, &pick, 0));
    for (uint64_t i = 1; i <= 3; i++)
        expect(m, i, MARK_READY, i, false);
    for (uint64_t i = 1; i <= 4; i++) {
        pick = pick_one(m, i);
        assert_true(land(m, &pick, 0));
    }
    expect(m, 4, MARK_WAITING, 4, true);
    marks_again(m, &fresh.key);
    expect(m, 4, MARK_READY, 4, false);
    pick = pick_one(m, 4);
    assert_true(land(m, &pick, 0));
    assert_int_equal(marks_count(m, MARK_SETTLED), 4);
    marks_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shedding),
        cmocka_unit_test(test_settled_ones_make_room),
        cmocka_unit_test(test_taint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
