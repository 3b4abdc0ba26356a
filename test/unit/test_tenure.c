/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims on a home, case by case: edges that start, pause, end and are copied. Times in seconds.
 */
#include "test/unit/tenure_home.h"

/* All that is to be done at this moment, by a home that answers at once. */
static enum tenure_do
settle(struct tenure *t, struct notes *home, int64_t now)
{
    int64_t wait;

    for (unsigned i = 0; i < 20; i++) {
        enum tenure_do todo = tenure_next(t, now, &wait);

        if (todo == TENURE_WAIT || todo == TENURE_NOTHING)
            return todo;
        if (todo == TENURE_READ) {
            tenure_read(t, home, now);
            continue;
        }
        struct write w = written(t, todo);
        land(home, &w);
        tenure_wrote(t, true, now);
    }
    fail_msg("it never rests");
    return TENURE_NOTHING;
}

/* From `now` on, ten times a second; the end. */
static int64_t
live(struct tenure *t, struct notes *home, int64_t now, int64_t seconds)
{
    for (int64_t i = 0; i <= seconds * 10; i++)
        settle(t, home, now + i * S / 10);
    return now + seconds * S;
}

static void
expect(const struct tenure *t, enum tenure_state state, enum tenure_why why)
{
    assert_string_equal(tenure_state_name(t->state), tenure_state_name(state));
    assert_string_equal(tenure_sentence(t->why), tenure_sentence(why));
}

/* --- the cases --------------------------------------------------------------------------------------------------- */

static void
test_a_new_home(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S);
    uint64_t counter;
    int64_t now;

    assert_false(tenure_may_send(&a, S));
    settle(&a, &home, S);
    expect(&a, TENURE_HELD, TENURE_FINE);
    assert_string_equal(home.identity, CLUSTER_X);
    assert_string_equal(a.self.identity, CLUSTER_X);
    assert_int_equal(home.claim.lsn, 100);
    counter = home.claim.counter;
    tenure_set_lsn(&a, 120, 60);
    now = live(&a, &home, S, 20);
    assert_int_equal(home.claim.counter, counter + 10);
    assert_int_equal(home.claim.lsn, 120);
    assert_true(tenure_may_send(&a, now));
    assert_true(tenure_may_send(&a, now + 4 * S - 1));
    assert_false(tenure_may_send(&a, now + 4 * S));
}

static void
test_released_and_taken_at_once(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b;

    settle(&a, &home, S);
    tenure_release(&a, 2 * S);
    assert_false(tenure_may_send(&a, 2 * S));
    settle(&a, &home, 2 * S);
    expect(&a, TENURE_RELEASED, TENURE_FINE);
    assert_true(home.claim.is_released);
    b = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 2 * S);
    settle(&b, &home, 2 * S);
    expect(&b, TENURE_HELD, TENURE_FINE);
    assert_false(home.claim.is_released);
}

/* By order, for whoever comes first; not before it was held. */
static void
test_given_up(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b = edge(JOURNAL_B, "b1", 1, "", S), c;

    tenure_give_up(&b, S);
    expect(&b, TENURE_RELEASED, TENURE_FINE);
    settle(&a, &home, S);
    tenure_give_up(&a, 2 * S);
    assert_false(tenure_may_send(&a, 2 * S));
    settle(&a, &home, 2 * S);
    expect(&a, TENURE_RELEASED, TENURE_FINE);
    assert_true(home.claim.is_released && home.claim.is_free);
    b = edge(JOURNAL_B, "b2", 2, "", 3 * S);
    settle(&b, &home, 3 * S);
    expect(&b, TENURE_HELD, TENURE_FINE);
    assert_false(home.claim.is_released || home.claim.is_free);
    c = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 4 * S);
    c.self.has_claimed = true;
    settle(&c, &home, 4 * S);
    expect(&c, TENURE_FROZEN, TENURE_FOREIGN);
    tenure_give_up(&b, 5 * S); /* by it, too: who had it must have given it up as well */
    settle(&b, &home, 5 * S);
    c = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 5 * S);
    settle(&c, &home, 5 * S);
    expect(&c, TENURE_FROZEN, TENURE_FOREIGN);
    b = edge(JOURNAL_B, "b3", 2, CLUSTER_X, 5 * S); /* the same process takes it back */
    b.self.has_claimed = false;
    settle(&b, &home, 5 * S);
    expect(&b, TENURE_HELD, TENURE_FINE);
    tenure_release(&b, 5 * S); /* at a stop, and nobody else may */
    settle(&b, &home, 5 * S);
    c = edge(JOURNAL_A, "a3", 3, CLUSTER_X, 6 * S);
    settle(&c, &home, 6 * S);
    expect(&c, TENURE_FROZEN, TENURE_FOREIGN);
}

static void
test_killed_and_started_again(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b;

    settle(&a, &home, S);
    b = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 2 * S);
    live(&b, &home, 2 * S, 5);
    expect(&b, TENURE_WATCHING, TENURE_FINE);
    live(&b, &home, 7 * S, 1);
    expect(&b, TENURE_HELD, TENURE_FINE);
    /* The one that was only paused finds out, and is allowed nothing before. */
    assert_false(tenure_may_send(&a, 8 * S));
    settle(&a, &home, 8 * S);
    expect(&a, TENURE_FROZEN, TENURE_COPIED);
}

static void
test_two_owners(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b = edge(JOURNAL_B, "b1", 1, "", S);

    settle(&a, &home, S);
    settle(&b, &home, 2 * S);
    expect(&b, TENURE_FROZEN, TENURE_FOREIGN);
    live(&a, &home, 2 * S, 10);
    expect(&a, TENURE_HELD, TENURE_FINE);
    /* An operator said that b may take over: it sees that a lives. */
    b = edge(JOURNAL_B, "b2", 2, "", 13 * S);
    b.self.may_replace = true;
    for (int i = 0; i < 100; i++) {
        settle(&a, &home, 13 * S + i * S / 10);
        settle(&b, &home, 13 * S + i * S / 10);
    }
    expect(&a, TENURE_HELD, TENURE_FINE);
    expect(&b, TENURE_FROZEN, TENURE_ALIVE);
    /* Once a is gone it may. */
    b = edge(JOURNAL_B, "b3", 3, "", 30 * S);
    b.self.may_replace = true;
    live(&b, &home, 30 * S, 7);
    expect(&b, TENURE_HELD, TENURE_FINE);
    settle(&a, &home, 40 * S);
    expect(&a, TENURE_FROZEN, TENURE_FOREIGN);
}

/* Both make the first claim: what each reads afterwards is the same. */
static void
test_two_first_claims(void **state)
{
    struct notes home = { .has_collection = true, .identity = CLUSTER_X };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b = edge(JOURNAL_B, "b1", 1, "", S);
    struct write first, second;
    int64_t wait;

    tenure_next(&a, S, &wait);
    tenure_next(&b, S, &wait);
    tenure_read(&a, &home, S);
    tenure_read(&b, &home, S);
    first = written(&b, tenure_next(&b, S, &wait));
    second = written(&a, tenure_next(&a, S, &wait));
    land(&home, &first);
    land(&home, &second);
    tenure_wrote(&a, true, S);
    tenure_wrote(&b, true, S);
    settle(&a, &home, S);
    settle(&b, &home, S);
    expect(&a, TENURE_FROZEN, TENURE_FOREIGN);
    expect(&b, TENURE_HELD, TENURE_FINE);
}

static void
test_a_copied_directory(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a7", 7, "", S), copy;

    settle(&a, &home, S);
    /* the same count of starts, or an older copy */
    for (uint64_t starts = 6; starts <= 7; starts++) {
        copy = edge(JOURNAL_A, "c", starts, CLUSTER_X, 2 * S);
        settle(&copy, &home, 2 * S);
        expect(&copy, TENURE_FROZEN, TENURE_COPIED);
    }
    /* a copy that was started more often meanwhile, beside the living */
    copy = edge(JOURNAL_A, "c", 9, CLUSTER_X, 3 * S);
    for (int i = 0; i < 50; i++) {
        settle(&a, &home, 3 * S + i * S / 10);
        settle(&copy, &home, 3 * S + i * S / 10);
    }
    expect(&a, TENURE_HELD, TENURE_FINE);
    expect(&copy, TENURE_FROZEN, TENURE_ALIVE);
    /* and after it was killed: the copy lacks its newest records */
    tenure_set_lsn(&a, 150, 50);
    live(&a, &home, 8 * S, 4);
    copy = edge(JOURNAL_A, "c", 10, CLUSTER_X, 13 * S);
    settle(&copy, &home, 13 * S);
    expect(&copy, TENURE_FROZEN, TENURE_BEHIND);
    /* nor may it, but by order, and not while the other lives */
    copy = edge(JOURNAL_A, "d", 10, "", 14 * S);
    copy.self.may_replace = true;
    for (int i = 0; i < 50; i++) {
        settle(&a, &home, 14 * S + i * S / 10);
        settle(&copy, &home, 14 * S + i * S / 10);
    }
    expect(&copy, TENURE_FROZEN, TENURE_ALIVE);
    copy = edge(JOURNAL_A, "e", 1, "", 20 * S);
    copy.self.may_replace = true;
    live(&copy, &home, 20 * S, 7);
    expect(&copy, TENURE_HELD, TENURE_FINE);
}

static void
test_a_renewal_can_be_hurried(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S);
    int64_t wait, confirmed_us;

    tenure_hurry(&a, S);
    settle(&a, &home, S);
    confirmed_us = a.confirmed_us;
    assert_int_equal(tenure_next(&a, S + S / 10, &wait), TENURE_WAIT);
    tenure_hurry(&a, S + S / 10);
    settle(&a, &home, S + S / 10);
    assert_int_equal(a.confirmed_us, confirmed_us + S / 10);
}

static void
test_a_home_that_is_not_what_it_was(void **state)
{
    struct notes home = { 0 }, empty = { 0 }, bare = { .has_collection = true, .identity = CLUSTER_X };
    struct notes other = { .has_collection = true, .identity = CLUSTER_Y };
    struct tenure held = edge(JOURNAL_A, "a1", 1, "", S), t;
    const struct {
        const struct notes *notes;
        enum tenure_why why;
    } cases[] = { { &empty, TENURE_MISSING }, { &bare, TENURE_MISSING }, { &other, TENURE_OTHER_CLUSTER } };

    settle(&held, &home, S);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        t = held; /* while it is held */
        home = *cases[i].notes;
        settle(&t, &home, 3 * S);
        expect(&t, TENURE_FROZEN, cases[i].why);
        assert_false(tenure_may_send(&t, 3 * S));
        t = edge(JOURNAL_A, "a2", 2, CLUSTER_X, S); /* at a start */
        home = *cases[i].notes;
        settle(&t, &home, S);
        expect(&t, TENURE_FROZEN, cases[i].why);
        assert_memory_equal(&home, cases[i].notes, sizeof(home)); /* nothing was written */
    }
}

/* A loss of power takes some seconds, a restored snapshot more than the records that are still there. */
static void
test_the_past(void **state)
{
    struct notes home = { 0 }, past;
    struct tenure a = edge(JOURNAL_A, "a2", 2, "", S), t;

    settle(&a, &home, S);
    past = home;
    live(&a, &home, S, 9);
    tenure_set_lsn(&a, 200, 90);
    home = past;
    t = a;
    live(&t, &home, 11 * S, 2);
    expect(&t, TENURE_HELD, TENURE_FINE);
    assert_int_equal(t.n_rewinds, 1);
    assert_true(home.claim.counter > past.claim.counter + 4);
    home = past;
    home.claim.lsn = 89;
    settle(&a, &home, 12 * S);
    expect(&a, TENURE_FROZEN, TENURE_RESTORED);
    /* at a start */
    a = edge(JOURNAL_A, "a3", 3, CLUSTER_X, 13 * S);
    tenure_set_lsn(&a, 200, 90);
    settle(&a, &home, 13 * S);
    expect(&a, TENURE_FROZEN, TENURE_RESTORED);
    /* back to before this start claimed it: whoever that was is watched first */
    home = past;
    memcpy(home.claim.start, "00000000000000aa", 17);
    home.claim.starts = 1;
    t.confirmed_us = t.drafted_us = 20 * S;
    t.todo_at_us = 0;
    tenure_set_lsn(&t, 200, 90);
    settle(&t, &home, 20 * S);
    expect(&t, TENURE_WATCHING, TENURE_FINE);
    assert_false(tenure_may_send(&t, 20 * S));
    live(&t, &home, 20 * S, 6);
    expect(&t, TENURE_HELD, TENURE_FINE);
}

/* The claim of a dead one, watched by its successor: as the home loses its last seconds it falls back, and rests. */
static void
test_what_falls_back_does_not_live(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b;
    struct claim_note past;

    settle(&a, &home, S);
    past = home.claim;
    live(&a, &home, S, 5);
    b = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 7 * S);
    live(&b, &home, 7 * S, 4);
    home.claim = past;
    live(&b, &home, 11 * S, 7);
    expect(&b, TENURE_WATCHING, TENURE_FINE); /* for three periods from then on */
    live(&b, &home, 18 * S, 2);
    expect(&b, TENURE_HELD, TENURE_FINE);
    /* another one lives, and goes on from where it fell to */
    live(&b, &home, 20 * S, 8);
    past = home.claim;
    live(&b, &home, 28 * S, 4);
    a = edge(JOURNAL_A, "a3", 3, CLUSTER_X, 32 * S);
    settle(&a, &home, 32 * S);
    home.claim = past;
    for (int i = 0; i < 80; i++) {
        settle(&b, &home, 33 * S + i * S / 10);
        settle(&a, &home, 33 * S + i * S / 10);
    }
    expect(&a, TENURE_FROZEN, TENURE_ALIVE);
    expect(&b, TENURE_HELD, TENURE_FINE);
}

/* What a dead one sent last is late: it lands while its successor watches. A second move is not its own. */
static void
test_a_late_renewal_is_no_life(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S), b, c;
    struct write late;
    int64_t wait;

    settle(&a, &home, S);
    assert_int_equal(tenure_next(&a, 3 * S, &wait), TENURE_CLAIM);
    late = written(&a, TENURE_CLAIM);
    b = edge(JOURNAL_A, "a2", 2, CLUSTER_X, 4 * S);
    live(&b, &home, 4 * S, 5);
    land(&home, &late);
    live(&b, &home, 9 * S, 6);
    expect(&b, TENURE_WATCHING, TENURE_FINE);
    live(&b, &home, 15 * S, 2);
    expect(&b, TENURE_HELD, TENURE_FINE);
    c = edge(JOURNAL_A, "a3", 3, CLUSTER_X, 17 * S);
    for (int i = 0; i < 60; i++) {
        settle(&b, &home, 17 * S + i * S / 10);
        settle(&c, &home, 17 * S + i * S / 10);
    }
    expect(&c, TENURE_FROZEN, TENURE_ALIVE);
}

static void
test_unreachable(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S);
    struct write late;
    int64_t wait, now;

    settle(&a, &home, S);
    assert_int_equal(tenure_next(&a, 3 * S, &wait), TENURE_CLAIM);
    late = written(&a, TENURE_CLAIM);
    tenure_wrote(&a, false, 4 * S);
    assert_int_equal(tenure_next(&a, 4 * S, &wait), TENURE_WAIT);
    for (now = 4 * S + wait; now < 30 * S; now += wait + 1) {
        if (tenure_next(&a, now, &wait) == TENURE_READ)
            tenure_failed(&a, now);
    }
    expect(&a, TENURE_HELD, TENURE_FINE);
    assert_false(tenure_may_send(&a, 5 * S));
    /* Back again, and the lost renewal lands at last: it allows what it allowed when it began, which is over. */
    land(&home, &late);
    tenure_read(&a, &home, now);
    assert_false(tenure_may_send(&a, now));
    settle(&a, &home, now);
    assert_true(tenure_may_send(&a, now));
}

/* A lost attempt that lands while the next one is under way makes that one fail, and is not taken for it. */
static void
test_attempts_are_told_apart(void **state)
{
    struct notes home = { 0 };
    struct tenure a = edge(JOURNAL_A, "a1", 1, "", S);
    struct write first, second;
    int64_t wait;

    settle(&a, &home, S);
    assert_int_equal(tenure_next(&a, 3 * S, &wait), TENURE_CLAIM);
    first = written(&a, TENURE_CLAIM);
    tenure_wrote(&a, false, 5 * S);
    tenure_next(&a, 5 * S + S / 4, &wait);
    tenure_read(&a, &home, 5 * S + S / 4);
    assert_int_equal(tenure_next(&a, 6 * S, &wait), TENURE_CLAIM);
    second = written(&a, TENURE_CLAIM);
    land(&home, &first);
    land(&home, &second);
    assert_int_equal(home.claim.counter, first.draft.counter);
    tenure_wrote(&a, true, 6 * S);
    tenure_read(&a, &home, 6 * S);
    assert_false(tenure_may_send(&a, 6 * S));
    settle(&a, &home, 7 * S);
    assert_true(tenure_may_send(&a, 7 * S));
    assert_int_equal(home.claim.counter, second.draft.counter + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_home),
        cmocka_unit_test(test_released_and_taken_at_once),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_killed_and_started_again),
        cmocka_unit_test(test_two_owners),
        cmocka_unit_test(test_two_first_claims),
        cmocka_unit_test(test_a_copied_directory),
        cmocka_unit_test(test_a_renewal_can_be_hurried),
        cmocka_unit_test(test_a_home_that_is_not_what_it_was),
        cmocka_unit_test(test_the_past),
        cmocka_unit_test(test_what_falls_back_does_not_live),
        cmocka_unit_test(test_a_late_renewal_is_no_life),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_attempts_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
