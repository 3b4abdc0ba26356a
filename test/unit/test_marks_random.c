/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/marks_fixture.h"

/* Bytes a mark, in every state, and once most have gone. */
static void
test_memory(void **state)
{
    enum { MANY = 300000 };
    struct marks *m = marks();
    struct mark_pick picks[256];
    unsigned n;

    for (uint64_t i = 0; i < MANY; i++)
        set(m, i * 7919, i + 1, false);
    print_message("ready: %.1f bytes a mark\n", (double)marks_memory(m) / MANY);
    assert_true(marks_memory(m) <= (size_t)40 * MANY);
    while ((n = marks_pick(m, 256, picks)) > 0) {
        for (unsigned i = 0; i < n; i++)
            assert_true(marks_shipped(m, &picks[i].key, picks[i].number, NULL, 0));
        assert_true(marks_memory(m) <= (size_t)40 * MANY + 65536);
    }
    print_message("settled: %.1f bytes a mark\n", (double)marks_memory(m) / MANY);
    marks_settle(m, 61 * second_us);
    assert_true(marks_memory(m) < 2 << 20);
    marks_free(m);
}

/* Against a simple model: the same operations, drawn at random, on an array. */
enum { POINTS = 200, ROUNDS = 200000 };

struct model {
    bool is_there;
    enum mark_state state;
    uint64_t lsn;
    uint64_t flight;
    uint64_t since;
};

static uint64_t
draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % below;
}

static struct mark_key
any_key(uint64_t i)
{
    return (struct mark_key){ 1 + i % 3, i % 2, { i % 5 == 0 ? i : 0, i, i % 5 == 0 } };
}

static void
model_set(struct model *p, uint64_t lsn)
{
    if (p->is_there && p->state == MARK_FLYING) {
        p->since = p->since ? p->since : lsn;
        return;
    }
    if (!p->is_there || p->state == MARK_SETTLED)
        p->lsn = lsn;
    p->is_there = true;
    p->state = MARK_READY;
}

static void
model_land(struct model *p)
{
    p->state = p->since ? MARK_READY : MARK_SETTLED;
    p->lsn = p->since ? p->since : p->lsn;
    p->since = 0;
}

static void
check_model(const struct marks *m, const struct model *model)
{
    uint64_t oldest = 0;

    for (uint64_t i = 0; i < POINTS; i++) {
        struct mark_key key = any_key(i);
        struct mark_view view;

        assert_int_equal(marks_get(m, &key, &view), model[i].is_there);
        if (!model[i].is_there)
            continue;
        assert_int_equal(view.state, model[i].state);
        assert_int_equal(view.age.lsn, model[i].lsn);
        if (model[i].state != MARK_SETTLED && (oldest == 0 || model[i].lsn < oldest))
            oldest = model[i].lsn;
    }
    expect_oldest(m, MARKS_OPEN, oldest);
}

static void
step_model(struct marks *m, struct model *model, uint64_t *seed, uint64_t lsn)
{
    uint64_t i = draw(seed, POINTS);
    struct mark_key key = any_key(i);
    struct mark_pick pick;

    switch (draw(seed, 4)) {
    case 0:
        assert_true(marks_set(m, &key, age_of(lsn), false));
        model_set(&model[i], lsn);
        break;
    case 1:
        assert_int_equal(marks_take(m, &key, &pick), model[i].is_there && model[i].state == MARK_READY);
        if (model[i].is_there && model[i].state == MARK_READY) {
            model[i].state = MARK_FLYING;
            model[i].flight = pick.number;
        }
        break;
    case 2:
        if (model[i].is_there && model[i].state == MARK_FLYING) {
            assert_true(marks_shipped(m, &key, model[i].flight, NULL, 0));
            model_land(&model[i]);
        }
        break;
    default:
        if (model[i].is_there && model[i].state == MARK_FLYING) {
            assert_true(marks_failed(m, &key, model[i].flight, false));
            model[i].state = MARK_READY;
            model[i].since = 0;
        }
    }
}

static void
forget_settled(struct marks *m, struct model *model)
{
    marks_settle(m, 61 * second_us);
    for (uint64_t i = 0; i < POINTS; i++)
        model[i].is_there = model[i].is_there && model[i].state != MARK_SETTLED;
}

static void
test_random_operations(void **state)
{
    struct marks *m = marks();
    struct model *model = mem_array(POINTS, sizeof(*model));
    uint64_t seed = 1;

    for (uint64_t round = 1; round <= ROUNDS; round++) {
        step_model(m, model, &seed, round);
        if (draw(&seed, 100) == 0)
            forget_settled(m, model);
        if (draw(&seed, 50) == 0)
            check_model(m, model);
    }
    mem_free(model);
    marks_free(m);
}

/* Saved in pieces between which marks come and go: what was there at the start and still is comes back. */
static void
test_save_while_it_changes(void **state)
{
    struct marks *m = marks();
    struct model *model = mem_array(POINTS, sizeof(*model)), *before = mem_array(POINTS, sizeof(*model));
    uint64_t seed = 5, lsn = 0;

    for (unsigned turn = 0; turn < 200; turn++) {
        struct marks *loaded = marks();
        struct buf bytes = { 0 };
        struct str io;

        for (unsigned i = 0; i < 300; i++)
            step_model(m, model, &seed, ++lsn);
        memcpy(before, model, POINTS * sizeof(*model));
        marks_save_start(m);
        while (marks_save_put(m, 10, &bytes)) {
            for (unsigned i = 0; i < 20; i++)
                step_model(m, model, &seed, ++lsn);
            forget_settled(m, model);
        }
        io = buf_str(&bytes);
        assert_int_equal(marks_load(loaded, &io, 0), MARKS_LOADED);
        assert_int_equal(io.len, 0);
        for (uint64_t i = 0; i < POINTS; i++) {
            struct mark_key key = any_key(i);
            struct mark_view view;
            bool is_open = before[i].is_there && before[i].state != MARK_SETTLED && model[i].is_there &&
                           model[i].state != MARK_SETTLED && model[i].lsn == before[i].lsn;

            if (!is_open)
                continue;
            assert_true(marks_get(loaded, &key, &view));
            assert_int_equal(view.state, MARK_READY);
            assert_int_equal(view.age.lsn, model[i].lsn);
        }
        buf_fini(&bytes);
        marks_free(loaded);
    }
    mem_free(before);
    mem_free(model);
    marks_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_save_while_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
