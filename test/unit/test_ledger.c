/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "proxy/sync/ledger.h"

enum { WRITES = 400, POINTS = 4, IDS = 7 };

struct write {
    struct ledger_write w;
    struct mark_key keys[POINTS];
    bool is_sent, is_out;
};

static struct mark_key
key(uint32_t collection, uint64_t id)
{
    struct mark_key k;

    memset(&k, 0xa5, sizeof(k)); /* padding must not count */
    k.collection = collection;
    k.shard_key = 0;
    k.point = (struct point_id){ .lo = id };
    return k;
}

static struct ledger_write *
enter(struct ledger *l, struct write *w, uint64_t lsn, uint64_t a, uint64_t b)
{
    *w = (struct write){ .keys = { key(1, a), key(1, b) } };
    w->w.points = w->keys;
    w->w.n_points = b ? 2 : 1;
    w->w.age.lsn = lsn;
    ledger_enter(l, &w->w);
    return &w->w;
}

static void
test_nothing_is_sent_before_it_is_durable(void **state)
{
    struct ledger *l = ledger_new();
    struct write w;

    enter(l, &w, 1, 5, 0);
    assert_null(ledger_take_ready(l));
    ledger_durable(l, &w.w);
    assert_ptr_equal(ledger_take_ready(l), &w.w);
    assert_null(ledger_take_ready(l));
    assert_int_equal(ledger_open(l), 1);
    ledger_leave(l, &w.w);
    assert_int_equal(ledger_open(l), 0);
    ledger_free(l);
}

static void
test_one_at_a_time_for_each_point(void **state)
{
    struct ledger *l = ledger_new();
    struct write a, b, c;

    enter(l, &a, 1, 5, 6);
    enter(l, &b, 2, 6, 7);
    enter(l, &c, 3, 7, 5);
    ledger_durable(l, &a.w);
    ledger_durable(l, &b.w);
    ledger_durable(l, &c.w);
    assert_ptr_equal(ledger_take_ready(l), &a.w);
    assert_null(ledger_take_ready(l));
    assert_ptr_equal(ledger_pending(l, &b.keys[0]), &a.w);
    ledger_leave(l, &a.w);
    assert_ptr_equal(ledger_take_ready(l), &b.w);
    assert_null(ledger_take_ready(l)); /* c waits for 7 */
    ledger_leave(l, &b.w);
    assert_ptr_equal(ledger_take_ready(l), &c.w);
    ledger_leave(l, &c.w);
    assert_null(ledger_pending(l, &a.keys[0]));
    ledger_free(l);
}

static void
test_withdrawn_from_the_middle(void **state)
{
    struct ledger *l = ledger_new();
    struct write a, b, c;

    enter(l, &a, 1, 5, 0);
    enter(l, &b, 2, 5, 6);
    enter(l, &c, 3, 6, 0);
    ledger_durable(l, &a.w);
    ledger_durable(l, &c.w);
    assert_ptr_equal(ledger_take_ready(l), &a.w);
    ledger_leave(l, &b.w);
    assert_ptr_equal(ledger_take_ready(l), &c.w);
    ledger_leave(l, &a.w);
    ledger_leave(l, &c.w);
    ledger_free(l);
}

static void
test_hold(void **state)
{
    struct ledger *l = ledger_new();
    struct ledger_hold *hold;
    struct write a, b, c;

    enter(l, &a, 1, 5, 6);
    enter(l, &b, 2, 6, 0);
    ledger_durable(l, &a.w);
    ledger_durable(l, &b.w);
    assert_ptr_equal(ledger_take_ready(l), &a.w);
    hold = ledger_hold(l, &a.w);
    assert_null(ledger_take_ready(l));
    assert_true(ledger_is_held(l, &a.keys[0]));
    assert_false(ledger_may_enter(l, &a.keys[0], 1, NULL));
    assert_int_equal(ledger_oldest_lsn(l), 1);
    enter(l, &c, 3, 9, 0);
    ledger_durable(l, &c.w);
    assert_ptr_equal(ledger_take_ready(l), &c.w); /* another point goes on */
    ledger_release(l, hold);
    assert_ptr_equal(ledger_take_ready(l), &b.w);
    assert_true(ledger_may_enter(l, &a.keys[0], 1, NULL));
    ledger_leave(l, &b.w);
    ledger_leave(l, &c.w);
    ledger_free(l);
}

static void
test_hold_of_a_former_life_beside_one_of_this(void **state)
{
    struct ledger *l = ledger_new();
    struct mark_key k = key(1, 5);
    struct ledger_hold *first = ledger_hold_points(l, &k, 1, (struct mark_age){ 7, 0 });
    struct ledger_hold *second = ledger_hold_points(l, &k, 1, (struct mark_age){ 9, 0 });

    assert_int_equal(ledger_oldest_lsn(l), 7);
    ledger_release(l, first);
    assert_true(ledger_is_held(l, &k));
    ledger_release(l, second);
    assert_false(ledger_is_held(l, &k));
    ledger_free(l);
}

static void
test_a_ready_write_is_held_back(void **state)
{
    struct ledger *l = ledger_new();
    struct ledger_hold *hold;
    struct write a;

    enter(l, &a, 1, 5, 0);
    ledger_durable(l, &a.w);
    hold = ledger_hold_points(l, a.keys, 1, (struct mark_age){ 0, 0 });
    assert_null(ledger_take_ready(l));
    ledger_release(l, hold);
    assert_ptr_equal(ledger_take_ready(l), &a.w);
    hold = ledger_hold_points(l, a.keys, 1, (struct mark_age){ 0, 0 });
    ledger_release(l, hold);
    assert_null(ledger_take_ready(l)); /* not a second time */
    ledger_leave(l, &a.w);
    ledger_free(l);
}

static void
test_gate(void **state)
{
    struct ledger *l = ledger_new();
    struct ledger_gate gate = { .collection = 1 }, next = { .collection = 1 };
    struct mark_key other = key(2, 5);
    struct write a, b;

    enter(l, &a, 1, 5, 0);
    ledger_gate(l, &gate);
    ledger_gate(l, &next);
    assert_null(ledger_take_gate(l));
    assert_false(ledger_may_enter(l, a.keys, 1, NULL));
    assert_true(ledger_may_enter(l, &other, 1, NULL));
    ledger_durable(l, &a.w);
    assert_ptr_equal(ledger_take_ready(l), &a.w);
    ledger_leave(l, &a.w);
    assert_ptr_equal(ledger_take_gate(l), &gate);
    assert_null(ledger_take_gate(l));
    assert_true(ledger_may_enter(l, a.keys, 1, &gate));
    enter(l, &b, 2, 6, 0);
    ledger_leave(l, &b.w);
    ledger_gate_end(l, &gate);
    assert_ptr_equal(ledger_take_gate(l), &next);
    ledger_gate_end(l, &next);
    ledger_gate_end(l, &next);
    assert_true(ledger_may_enter(l, a.keys, 1, NULL));
    ledger_free(l);
}

/* Many writes of random points, outcomes in random order: what is sent for a point is sent one at a time and in the order of
 * LSNs, never while it is held, and in the end all have been sent. */
/* It is done, and was an upsert, whose number is all that its points are. */
static void
leave_known(struct ledger *l, struct ledger_write *w, size_t body, unsigned n_lanes)
{
    struct buf text = { 0 };
    struct known *k;

    buf_reserve(&text, body);
    buf_printf(&text, "%llu", (unsigned long long)w->age.lsn);
    k = known_new(&text, w->n_points, (int64_t)w->age.lsn);
    for (unsigned i = 0; i < w->n_points; i++)
        k->rows[i].vector = buf_str(&k->text->bytes);
    ledger_leave_known(l, w, k, n_lanes);
}

/* Of which write a point is; 0: that is not known. */
static uint64_t
known(const struct ledger *l, uint64_t id)
{
    struct mark_key point = key(1, id);
    const struct ledger_write *pending;
    const struct known_row *row = ledger_look(l, &point, &pending);
    uint64_t lsn = 0;

    assert_true(!row || (!pending && !ledger_is_held(l, &point) && str_to_u64(row->vector, &lsn)));
    return lsn;
}

static void
test_what_is_known(void **state)
{
    struct ledger *l = ledger_new();
    const struct ledger_write *pending;
    struct write a, b, c;

    enter(l, &a, 1, 5, 6);
    assert_int_equal(known(l, 5), 0);
    enter(l, &b, 2, 6, 7);
    leave_known(l, &a.w, 0, 2);
    assert_int_equal(known(l, 5), 1);
    assert_int_equal(known(l, 6), 0); /* another is on its way */
    leave_known(l, &b.w, 0, 2);
    assert_int_equal(known(l, 6), 2);
    enter(l, &c, 3, 5, 0); /* even if it does nothing in the end */
    assert_int_equal(known(l, 5), 0);
    ledger_leave(l, &c.w);
    assert_int_equal(known(l, 5), 0);

    ledger_taken(l, ledger_look(l, &b.keys[0], &pending), 1);
    assert_int_equal(known(l, 6), 2);
    ledger_taken(l, ledger_look(l, &b.keys[0], &pending), 1);
    assert_int_equal(known(l, 6), 0);
    assert_int_equal(known(l, 7), 2);
    ledger_forget(l, 2);
    assert_int_equal(known(l, 7), 2);
    ledger_forget(l, 3);
    assert_int_equal(known(l, 7), 0);
    ledger_free(l);
}

static void
test_what_is_known_is_bounded(void **state)
{
    struct ledger *l = ledger_new();
    struct write w[5];

    for (uint64_t i = 0; i < 5; i++) {
        enter(l, &w[i], i + 1, i, 100 + i);
        leave_known(l, &w[i].w, 8 << 20, 1);
    }
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(known(l, i), i < 2 ? 0 : i + 1); /* 32 MiB, with what else they need */
    ledger_hold_points(l, w[4].keys, 1, (struct mark_age){ 9, 9 });
    assert_int_equal(known(l, 4), 0);
    assert_int_equal(known(l, 104), 5);
    ledger_free(l);
}

static bool
meet(const struct write *a, const struct write *b)
{
    for (unsigned i = 0; i < a->w.n_points; i++) {
        for (unsigned k = 0; k < b->w.n_points; k++) {
            if (a->keys[i].point.lo == b->keys[k].point.lo)
                return true;
        }
    }
    return false;
}

static void
check_sent(struct write *writes, unsigned n, const struct write *sent)
{
    for (unsigned i = 0; i < n; i++) {
        const struct write *w = &writes[i];

        if (w == sent || w->is_out || !meet(w, sent))
            continue;
        assert_false(w->is_sent);
        assert_false(w->w.age.lsn < sent->w.age.lsn);
    }
}

static void
fill(struct write *w, uint64_t lsn)
{
    unsigned n = 1 + (unsigned)lrand48() % POINTS, start = (unsigned)lrand48();

    *w = (struct write){ .w.n_points = n, .w.age.lsn = lsn };
    for (unsigned i = 0; i < n; i++)
        w->keys[i] = key(1, (start + i) % IDS);
    w->w.points = w->keys;
}

/* What is known of a point is of the last write that was recorded on it. */
static void
check_known(const struct ledger *l, const struct write *writes, unsigned n)
{
    for (uint64_t id = 0; id < IDS; id++) {
        uint64_t lsn = known(l, id), last = 0;

        for (unsigned i = 0; i < n; i++) {
            for (unsigned k = 0; k < writes[i].w.n_points; k++)
                last = writes[i].keys[k].point.lo == id ? writes[i].w.age.lsn : last;
        }
        assert_true(lsn == 0 || (lsn == last && writes[lsn - 1].is_out));
    }
}

static void
test_random(void **state)
{
    struct write *writes = calloc(WRITES, sizeof(*writes));
    struct ledger_hold *hold = NULL;
    struct ledger *l = ledger_new();
    unsigned n = 0, n_out = 0;

    srand48(20261126);
    while (n_out < WRITES) {
        struct ledger_write *ready;
        unsigned pick = (unsigned)lrand48() % WRITES;

        if (n < WRITES && lrand48() % 2) {
            fill(&writes[n], n + 1);
            if (ledger_may_enter(l, writes[n].keys, writes[n].w.n_points, NULL)) {
                ledger_enter(l, &writes[n].w);
                ledger_durable(l, &writes[n].w);
                n++;
            }
        }
        while (lrand48() % 3 && (ready = ledger_take_ready(l))) {
            struct write *w = (struct write *)ready;

            for (unsigned i = 0; i < w->w.n_points; i++)
                assert_false(ledger_is_held(l, &w->keys[i]));
            check_sent(writes, n, w);
            w->is_sent = true;
        }
        if (hold && lrand48() % 4 == 0) {
            ledger_release(l, hold);
            hold = NULL;
        }
        if (pick >= n || !writes[pick].is_sent || writes[pick].is_out)
            continue;
        writes[pick].is_out = true;
        n_out++;
        if (!hold && lrand48() % 5 == 0)
            hold = ledger_hold(l, &writes[pick].w);
        else if (lrand48() % 2)
            ledger_leave(l, &writes[pick].w);
        else
            leave_known(l, &writes[pick].w, 0, 1);
        check_known(l, writes, n);
    }
    assert_int_equal(ledger_open(l), 0);
    ledger_free(l);
    free(writes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_sent_before_it_is_durable),
        cmocka_unit_test(test_one_at_a_time_for_each_point),
        cmocka_unit_test(test_withdrawn_from_the_middle),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_hold_of_a_former_life_beside_one_of_this),
        cmocka_unit_test(test_a_ready_write_is_held_back),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_what_is_known),
        cmocka_unit_test(test_what_is_known_is_bounded),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
