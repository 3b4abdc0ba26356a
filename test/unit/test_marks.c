/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/marks_fixture.h"

static void
test_a_mark_comes_and_goes(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;
    struct mark_view view;

    set(m, 7, 10, true);
    expect(m, 7, MARK_READY, 10, true);
    set(m, 7, 11, true);
    expect(m, 7, MARK_READY, 10, true);
    set(m, 7, 12, false);
    expect(m, 7, MARK_READY, 10, false);
    pick = pick_one(m, 7);
    assert_false(pick.payload_only);
    assert_int_equal(marks_pick(m, 1, &pick), 0);
    expect(m, 7, MARK_FLYING, 10, false);
    expect_oldest(m, MARKS_UNSHIPPED, 10);
    assert_true(land(m, &pick, 0));
    assert_false(land(m, &pick, 0));
    expect(m, 7, MARK_SETTLED, 10, false);
    expect_oldest(m, MARKS_OPEN, 0);
    marks_settle(m, 60 * second_us);
    assert_int_equal(marks_count(m, MARK_SETTLED), 1);
    marks_settle(m, 61 * second_us);
    assert_int_equal(marks_count(m, MARK_SETTLED), 0);
    assert_false(marks_get(m, &pick.key, &view));
    marks_free(m);
}

/* FRESH: landing never clears what was set after take-off. */
static void
test_what_came_meanwhile_stays(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick, again;

    set(m, 7, 10, false);
    pick = pick_one(m, 7);
    set(m, 7, 20, true);
    set(m, 7, 21, true);
    expect_oldest(m, MARKS_UNSHIPPED, 10);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_READY, 20, true); /* what was marked at take-off is there; what came since is not */
    again = pick_one(m, 7);
    assert_int_not_equal(again.number, pick.number);
    assert_false(land(m, &pick, 0)); /* of a flight that is over */
    assert_true(land(m, &again, 0));
    expect(m, 7, MARK_SETTLED, 20, true);

    set(m, 7, 30, true);
    pick = pick_one(m, 7);
    set(m, 7, 31, false);
    assert_true(marks_failed(m, &pick.key, pick.number, false));
    expect(m, 7, MARK_READY, 30, false);
    marks_free(m);
}

/* GATE: a write without its outcome at take-off keeps the mark, at its own age. */
static void
test_a_pending_write_keeps_it(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;

    set(m, 7, 10, false);
    set(m, 7, 12, false);
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 12));
    expect(m, 7, MARK_DELAYED, 12, false); /* of no use before that write has its outcome */
    assert_int_equal(marks_pick(m, 1, &pick), 0);
    marks_ready(m, &pick.key);
    pick = pick_one(m, 7);
    marks_ready(m, &pick.key); /* the outcome comes while it flies: nobody will say it again */
    assert_true(land(m, &pick, 12));
    pick = pick_one(m, 7);
    set(m, 7, 13, true);
    assert_true(land(m, &pick, 12));
    expect(m, 7, MARK_READY, 12, false); /* the pending write may have changed all */
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_SETTLED, 12, false);
    marks_free(m);
}

/* A write without its outcome: what nothing else is lacking of waits for it; what more is lacking of does not. */
static void
test_an_expected_outcome_is_waited_for(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;
    struct mark_key key = key_of(7);

    assert_true(marks_expect(m, &key, age_of(10), true));
    expect(m, 7, MARK_DELAYED, 10, true);
    expect_oldest(m, MARKS_UNSHIPPED, 10);
    assert_int_equal(marks_pick(m, 1, &pick), 0);
    marks_ready(m, &key);
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_SETTLED, 10, true);

    assert_true(marks_expect(m, &key, age_of(20), false)); /* from what has settled */
    expect(m, 7, MARK_DELAYED, 20, false);
    assert_true(
        marks_expect(m, &key, age_of(21), false)); /* another one in line: the first is what the copy will lack */
    expect(m, 7, MARK_READY, 20, false);
    pick = pick_one(m, 7);
    assert_true(marks_expect(m, &key, age_of(22), false));
    assert_true(land(m, &pick, 21));
    expect(m, 7, MARK_READY, 21, false);
    marks_free(m);
}

static void
test_a_hot_point_moves_on(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;

    set(m, 7, 1, false);
    for (uint64_t lsn = 2; lsn < 100; lsn++) {
        pick = pick_one(m, 7);
        set(m, 7, lsn, false);
        assert_true(land(m, &pick, lsn > 2 ? lsn - 1 : 0));
        expect_oldest(m, MARKS_OPEN, lsn > 2 ? lsn - 1 : 2);
    }
    marks_free(m);
}

/* AGAIN: a ship of unknown outcome is followed by another once it can't land any more. */
static void
test_unknown_is_shipped_again(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;

    set(m, 7, 10, true);
    pick = pick_one(m, 7);
    assert_true(marks_failed(m, &pick.key, pick.number, true));
    pick = pick_one(m, 7); /* tried again at once */
    assert_true(marks_failed(m, &pick.key, pick.number, true));
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_WAITING, 10, true);
    assert_true(marks_unsure(m, &pick.key));
    expect_oldest(m, MARKS_UNSHIPPED, 0);
    expect_oldest(m, MARKS_OPEN, 10);
    marks_settle(m, 1000 * second_us);
    marks_again(m, &pick.key);
    expect(m, 7, MARK_READY, 10, false);
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_WAITING, 10, false); /* the second one's quarantine */
    set(m, 7, 20, true);
    expect(m, 7, MARK_READY, 10, false);
    pick = pick_one(m, 7);
    marks_again(m, &pick.key); /* its end while in flight: the late one may have landed after this one's write */
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_READY, 10, false);
    pick = pick_one(m, 7);
    assert_true(land(m, &pick, 0));
    expect(m, 7, MARK_SETTLED, 10, false);
    assert_false(marks_unsure(m, &pick.key));
    marks_again(m, &pick.key);
    expect(m, 7, MARK_SETTLED, 10, false);
    marks_free(m);
}

/* SETTLE: what the copy may have lost comes back, whole, and the position falls. */
static void
test_revive(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;

    marks_settle(m, 1 * second_us);
    set(m, 1, 10, true);
    set(m, 2, 11, false);
    pick = pick_one(m, 1);
    assert_true(marks_shipped(m, &pick.key, pick.number, NULL, 10 * second_us));
    pick = pick_one(m, 2);
    assert_true(marks_shipped(m, &pick.key, pick.number, NULL, 10 * second_us));
    set(m, 2, 30, true);
    set(m, 3, 31, true);
    marks_settle(m, 20 * second_us);
    expect_oldest(m, MARKS_OPEN, 30);
    marks_revive(m);
    expect(m, 1, MARK_READY, 10, false);
    expect(m, 2, MARK_READY, 10, false); /* the change of 11 is lost too; nothing below 10 is */
    expect(m, 3, MARK_READY, 31, true);
    expect_oldest(m, MARKS_OPEN, 10);
    marks_free(m);
}

/* The moment stands still while the copy is away, and may then be minutes further: more than the seconds that a mark keeps. */
static void
test_a_copy_that_was_away(void **state)
{
    for (int64_t away = 0; away < 1000; away += 7) {
        struct marks *m = marks();
        struct mark_pick pick;

        marks_settle(m, 100 * second_us);
        set(m, 7, 10, false);
        pick = pick_one(m, 7);
        assert_true(marks_shipped(m, &pick.key, pick.number, NULL, 102 * second_us));
        marks_settle(m, 101 * second_us);
        assert_int_equal(marks_count(m, MARK_SETTLED), 1);
        marks_settle(m, (102 + away) * second_us);
        assert_int_equal(marks_count(m, MARK_SETTLED), away <= MARKS_SETTLE_SECONDS);
        marks_free(m);
    }
}

static void
test_the_floor_follows(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;

    for (uint64_t i = 0; i < 10; i++) { /* every 61 s one write, shipped at once */
        int64_t now_us = (int64_t)(1 + i * 61) * second_us;

        marks_settle(m, now_us);
        set(m, 7, 100 + i, false);
        pick = pick_one(m, 7);
        assert_true(marks_shipped(m, &pick.key, pick.number, NULL, now_us));
    }
    set(m, 7, 200, true);
    marks_revive(m);
    expect_oldest(m, MARKS_OPEN, 108); /* the last but one minute began with nothing open, and 107 the newest */
    pick = pick_one(m, 7);
    assert_false(pick.payload_only);
    marks_free(m);
}

static void
test_order_and_promotion(void **state)
{
    struct marks *m = marks();
    struct mark_pick picks[8];
    struct mark_key key = { 2, 0, { 0, 4, false } };

    set(m, 1, 30, false);
    set(m, 2, 10, false);
    set(m, 3, 20, false);
    assert_true(marks_set(m, &key, age_of(5), false));
    assert_int_equal(marks_pick(m, 8, picks), 1); /* the oldest, and all of its collection */
    assert_int_equal(picks[0].key.collection, 2);
    assert_true(marks_failed(m, &key, picks[0].number, false));
    key = key_of(1);
    marks_promote(m, &key);
    assert_int_equal(marks_pick(m, 2, picks), 2);
    assert_int_equal(picks[0].key.point.lo, 1);
    assert_int_equal(picks[1].key.point.lo, 2);
    assert_true(marks_failed(m, &picks[0].key, picks[0].number, false));
    assert_true(marks_failed(m, &picks[1].key, picks[1].number, false));
    expect_oldest(m, MARKS_OPEN, 5);
    assert_int_equal(marks_pick(m, 1, picks), 1);
    assert_int_equal(picks[0].key.point.lo, 1); /* still waited for */
    assert_int_equal(marks_pick(m, 1, picks + 1), 1);
    assert_int_equal(picks[1].key.point.lo, 4); /* one of four goes by age alone */
    key = key_of(2);
    assert_true(marks_take(m, &key, &picks[2]));
    assert_false(marks_take(m, &key, &picks[2]));
    marks_free(m);
}

static void
test_shard_keys_and_blocks(void **state)
{
    struct marks *m = marks();
    struct mark_pick picks[8];
    struct mark_key a = { 1, 1, { 0, 7, false } }, b = { 1, 2, { 0, 7, false } }, c = { 2, 0, { 9, 7, true } };

    assert_true(marks_set(m, &a, age_of(1), false) && marks_set(m, &b, age_of(2), false));
    marks_block(m, 2, true);
    assert_true(marks_set(m, &c, age_of(1), false));
    assert_int_equal(marks_pick(m, 8, picks), 1);
    assert_int_equal(picks[0].key.shard_key, 1);
    assert_false(marks_take(m, &c, &picks[1]));
    marks_block(m, 1, true);
    assert_int_equal(marks_pick(m, 8, picks + 1), 0);
    marks_block(m, 1, false);
    assert_int_equal(marks_pick(m, 8, picks + 1), 1);
    assert_int_equal(picks[1].key.shard_key, 2);
    marks_drop(m, 1);
    assert_false(land(m, &picks[0], 0));
    assert_int_equal(marks_count(m, MARK_FLYING), 0);
    marks_block(m, 2, false);
    assert_true(marks_take(m, &c, &picks[0]));
    assert_true(point_eq(&picks[0].key.point, &c.point));
    marks_free(m);
}

static void
test_parking(void **state)
{
    struct marks *m = marks();
    struct mark_pick pick;
    struct mark_view view;

    set(m, 7, 10, true);
    pick = pick_one(m, 7);
    assert_true(marks_park(m, &pick.key, pick.number, 3));
    assert_int_equal(marks_pick(m, 1, &pick), 0);
    expect_oldest(m, MARKS_UNSHIPPED, 10);
    assert_true(marks_get(m, &pick.key, &view) && view.reason == 3);
    assert_true(marks_unpark(m, &pick.key));
    pick = pick_one(m, 7);
    set(m, 7, 12, false);
    assert_true(marks_park(m, &pick.key, pick.number, 3));
    expect(m, 7, MARK_READY, 10, false); /* it isn't any more what was refused */
    marks_free(m);
}

static void
test_budget(void **state)
{
    struct marks *m = marks_new(1 << 20, &hash_key);
    struct mark_key key;
    uint64_t n = 0;

    for (key = key_of(0); marks_set(m, &key, age_of(n + 1), false); key = key_of(++n))
        ;
    assert_in_range(n, (1 << 20) / 40 - 2000, 1 << 15);
    assert_true(marks_memory(m) <= (1 << 20) + 65536);
    key = key_of(n / 2);
    assert_true(marks_set(m, &key, age_of(n + 5), false)); /* a known one always */
    marks_clear(m);
    assert_int_equal(marks_count(m, MARK_READY), 0);
    assert_true(marks_set(m, &key, age_of(n + 6), false));
    marks_free(m);
}

static void
test_saved_states(void **state)
{
    struct marks *m = marks(), *loaded = marks(), *small = marks_new(1, &hash_key);
    struct mark_pick pick;
    struct mark_view view;
    struct buf bytes = { 0 };
    struct str io;

    for (uint64_t i = 1; i <= 6; i++)
        set(m, i, i, true);
    pick = pick_one(m, 1);
    assert_true(land(m, &pick, 0)); /* 1 settled */
    pick = pick_one(m, 2);
    assert_true(marks_park(m, &pick.key, pick.number, 9)); /* 2 parked */
    pick = pick_one(m, 3);
    assert_true(marks_failed(m, &pick.key, pick.number, true));
    pick = pick_one(m, 3);
    assert_true(land(m, &pick, 0)); /* 3 waiting */
    pick = pick_one(m, 4);
    assert_true(land(m, &pick, 4)); /* 4 delayed */
    pick_one(m, 5);                 /* 5 flying, and changed meanwhile */
    set(m, 5, 7, false);
    marks_save_start(m);
    assert_false(marks_save_put(m, 100, &bytes));
    io = buf_str(&bytes);
    assert_int_equal(marks_load(loaded, &io, 100 * second_us), MARKS_LOADED);
    expect(loaded, 1, MARK_SETTLED, 1, true);
    expect(loaded, 2, MARK_PARKED, 2, true);
    expect(loaded, 3, MARK_WAITING, 3, true);
    expect(loaded, 4, MARK_READY, 4, true);
    expect(loaded, 5, MARK_READY, 5, false);
    expect(loaded, 6, MARK_READY, 6, true);
    assert_true(marks_get(loaded, &(struct mark_key){ 1, 0, { 0, 2, false } }, &view) && view.reason == 9);
    marks_settle(loaded, 160 * second_us);
    assert_int_equal(marks_count(loaded, MARK_SETTLED), 1); /* its minute begins anew */
    io = buf_str(&bytes);
    assert_int_equal(marks_load(small, &io, 0), MARKS_TOO_MANY);
    for (size_t len = 0; len < buf_len(&bytes); len++) {
        struct marks *cut = marks();

        io = str_make(buf_str(&bytes).p, len);
        assert_int_equal(marks_load(cut, &io, 0), MARKS_DAMAGED);
        marks_free(cut);
    }
    buf_fini(&bytes);
    marks_free(small);
    marks_free(loaded);
    marks_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mark_comes_and_goes),
        cmocka_unit_test(test_what_came_meanwhile_stays),
        cmocka_unit_test(test_a_pending_write_keeps_it),
        cmocka_unit_test(test_an_expected_outcome_is_waited_for),
        cmocka_unit_test(test_a_hot_point_moves_on),
        cmocka_unit_test(test_unknown_is_shipped_again),
        cmocka_unit_test(test_revive),
        cmocka_unit_test(test_a_copy_that_was_away),
        cmocka_unit_test(test_the_floor_follows),
        cmocka_unit_test(test_order_and_promotion),
        cmocka_unit_test(test_shard_keys_and_blocks),
        cmocka_unit_test(test_parking),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_saved_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
