/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/base/varint.h"
#include "proxy/sync/record.h"

static const uint64_t numbers[] = { 0, 1, 127, 128, 300, UINT64_C(1) << 32, (UINT64_C(1) << 63) - 1, UINT64_MAX };

static void
test_varints(void **state)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        struct buf bytes = { 0 };
        struct str io, cut;
        uint64_t value = 0;

        varint_put(&bytes, numbers[i]);
        io = buf_str(&bytes);
        for (size_t len = 0; len < io.len; len++) {
            cut = str_make(io.p, len);
            assert_false(varint_take(&cut, UINT64_MAX, &value));
        }
        cut = io;
        assert_true(numbers[i] == 0 || !varint_take(&cut, numbers[i] - 1, &value));
        assert_true(varint_take(&io, numbers[i], &value));
        assert_int_equal(value, numbers[i]);
        assert_int_equal(io.len, 0);
        buf_fini(&bytes);
    }
}

static void
test_varints_refused(void **state)
{
    static const struct str bad[] = { { "\x80\x00", 2 }, { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
        { "\x05"
          "ab",
            3 } };
    struct str text;
    uint64_t value;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct str io = bad[i];

        assert_true(i == 3 ? !varint_take_str(&io, &text) : !varint_take(&io, UINT64_MAX, &value));
    }
}

static struct record_write
some_write(void)
{
    static const struct touch_point points[] = { { { 0, 0, false }, 0, 0 }, { { 0, UINT64_MAX, false }, 0, 0 },
        { { 1, 2, true }, 0, 0 }, { { 0, 7, false }, 2, 0 }, { { 0, 8, false }, 2, 0 },
        { { UINT64_MAX, 1, true }, 2, 0 } };
    static const struct str keys[] = { { "", 0 }, { "\"unused\"", 8 }, { "7", 1 } };

    static const struct str copies[] = { { "us", 2 }, { "ap", 2 } };

    return (struct record_write){
        .partition = STR("catalog europe"),
        .home = STR("eu"),
        .copies = copies,
        .n_copies = 2,
        .collection = STR("c\0d"),
        .incarnation = STR("i1"),
        .op = OP_SET_PAYLOAD,
        .flags = TOUCH_PAYLOAD_ONLY,
        .points = points,
        .n_points = 6,
        .shard_keys = keys,
        .n_shard_keys = 3,
        .query = STR("wait=true"),
        .content_type = STR("application/json"),
        .content_encoding = STR(""),
        .body = STR("{\"points\":[1]}"),
    };
}

static void
check_write(const struct record_write *got, const struct record_write *want)
{
    assert_true(str_eq(got->partition, want->partition) && str_eq(got->home, want->home));
    assert_true(str_eq(got->collection, want->collection) && str_eq(got->incarnation, want->incarnation));
    assert_true(got->op == want->op && got->flags == want->flags);
    assert_true(str_eq(got->query, want->query) && str_eq(got->content_type, want->content_type));
    assert_true(str_eq(got->content_encoding, want->content_encoding) && str_eq(got->body, want->body));
    assert_int_equal(got->n_copies, want->n_copies);
    for (unsigned i = 0; i < want->n_copies; i++)
        assert_true(str_eq(got->copies[i], want->copies[i]));
    assert_int_equal(got->n_points, want->n_points);
    for (unsigned i = 0; i < want->n_points; i++) {
        assert_true(point_eq(&got->points[i].id, &want->points[i].id));
        assert_int_equal(got->points[i].shard_key, want->points[i].shard_key);
    }
    assert_int_equal(got->n_shard_keys, want->n_shard_keys);
    for (unsigned i = 0; i < want->n_shard_keys; i++)
        assert_true(str_eq(got->shard_keys[i], want->shard_keys[i]));
}

static void
test_write(void **state)
{
    struct record_write want = some_write(), got;
    struct arena arena = { 0 };
    struct buf payload = { 0 };

    record_put_write(&want, &payload);
    for (size_t len = 0; len < buf_len(&payload); len++)
        assert_false(record_take_write(str_make(buf_str(&payload).p, len), &arena, &got));
    buf_add(&payload, want.body);
    assert_true(record_take_write(buf_str(&payload), &arena, &got));
    check_write(&got, &want);
    buf_putc(&payload, 'x');
    assert_false(record_take_write(buf_str(&payload), &arena, &got));
    buf_truncate(&payload, buf_len(&payload) - 1);
    payload.data[payload.start] = 2; /* another version */
    assert_false(record_take_write(buf_str(&payload), &arena, &got));
    buf_fini(&payload);
    arena_fini(&arena);
}

static void
test_write_of_nothing(void **state)
{
    struct record_write want = { .op = OP_BATCH_UPDATE, .partition = STR(""), .home = STR("") }, got;
    struct arena arena = { 0 };
    struct buf payload = { 0 };

    record_put_write(&want, &payload);
    assert_true(record_take_write(buf_str(&payload), &arena, &got));
    assert_int_equal(got.n_points, 0);
    assert_int_equal(got.n_shard_keys, 1);
    assert_int_equal(got.shard_keys[0].len, 0);
    buf_fini(&payload);
    arena_fini(&arena);
}

/* A hundred neighbours take little more than a byte each. */
static void
test_points_are_small(void **state)
{
    struct touch_point points[100];
    struct record_write w = some_write();
    struct buf payload = { 0 };
    size_t without;

    for (unsigned i = 0; i < 100; i++)
        points[i] = (struct touch_point){ .id = { 0, 1000000 + 10 * i, false } };
    w.points = points;
    w.n_points = 0;
    record_put_write(&w, &payload);
    without = buf_len(&payload);
    buf_clear(&payload);
    w.n_points = 100;
    record_put_write(&w, &payload);
    assert_in_range(buf_len(&payload) - without, 100, 110);
    buf_fini(&payload);
}

#define EVERY_CUT(payload, take) \
    do { \
        for (size_t len = 0; len < buf_len(&(payload)); len++) \
            assert_false(take(str_make(buf_str(&(payload)).p, len), &got)); \
        buf_putc(&(payload), 0); \
        assert_false(take(buf_str(&(payload)), &got)); \
        buf_truncate(&(payload), buf_len(&(payload)) - 1); \
        assert_true(take(buf_str(&(payload)), &got)); \
    } while (0)

static void
test_outcome(void **state)
{
    struct record_outcome want = { RECORD_REJECTED, 404 }, got;
    struct buf payload = { 0 };

    record_put_outcome(&want, &payload);
    EVERY_CUT(payload, record_take_outcome);
    assert_true(got.result == want.result && got.status == want.status);
    buf_fini(&payload);
}

static void
test_schema(void **state)
{
    const struct str copies[] = { STR("us"), STR("ap") };
    struct record_schema want = { STR("p"), STR("eu"), STR("c"), copies, 2, STR("old"), STR("new"), true,
        OP_DELETE_COLLECTION, STR("/collections/c"), STR("application/json"), STR("{}") },
                         got;
    struct buf payload = { 0 };
    struct arena arena = { 0 };

    record_put_schema(&want, &payload);
    buf_add(&payload, want.body);
#define TAKE(payload, got) record_take_schema(payload, &arena, got)
    EVERY_CUT(payload, TAKE);
    assert_true(got.n_copies == 2 && str_eq(got.copies[1], STR("ap")));
    assert_true(str_eq(got.partition, want.partition) && str_eq(got.home, want.home));
    assert_true(str_eq(got.collection, want.collection) && str_eq(got.incarnation, want.incarnation));
    assert_true(str_eq(got.new_incarnation, want.new_incarnation) && got.removes && got.op == want.op);
    assert_true(str_eq(got.target, want.target) && str_eq(got.content_type, want.content_type));
    assert_true(str_eq(got.body, want.body));
    buf_fini(&payload);
    arena_fini(&arena);
}

static void
test_freeze_and_identity(void **state)
{
    struct buf payload = { 0 };

    {
        struct record_freeze want = { STR("eu"), STR("restore"), true }, got;

        record_put_freeze(&want, &payload);
        EVERY_CUT(payload, record_take_freeze);
        assert_true(str_eq(got.home, want.home) && str_eq(got.reason, want.reason) && got.is_frozen);
    }
    buf_clear(&payload);
    {
        struct record_identity want = { STR("us"), STR("550e8400") }, got;

        record_put_identity(&want, &payload);
        EVERY_CUT(payload, record_take_identity);
        assert_true(str_eq(got.cluster, want.cluster) && str_eq(got.identity, want.identity));
    }
    buf_fini(&payload);
}

static void
test_states(void **state)
{
    struct buf payload = { 0 };
    struct str io, body;
    enum op_id op;

    record_begin_state(&payload);
    record_put_state(OP_UPSERT_POINTS, STR("{}"), &payload);
    record_put_state(OP_DELETE_POINTS, STR("{1}"), &payload);
    io = buf_str(&payload);
    assert_true(record_enter_state(&io));
    assert_true(record_take_state(&io, &op, &body) && op == OP_UPSERT_POINTS && str_eq(body, STR("{}")));
    assert_true(record_take_state(&io, &op, &body) && op == OP_DELETE_POINTS && str_eq(body, STR("{1}")));
    assert_int_equal(io.len, 0);
    io = str_make(buf_str(&payload).p, buf_len(&payload) - 1);
    assert_true(record_enter_state(&io) && record_take_state(&io, &op, &body));
    assert_false(record_take_state(&io, &op, &body));
    buf_fini(&payload);
}

static void
test_processes(void **state)
{
    struct record_process want = { STR("eu"), STR("550e8400") }, got;
    struct buf payload = { 0 };

    record_put_process(&want, &payload);
    EVERY_CUT(payload, record_take_process);
    assert_true(str_eq(got.home, want.home) && str_eq(got.text, want.text));
    buf_fini(&payload);
}

/* The first version had no flags, and is read still. */
static void
test_restores(void **state)
{
    struct record_restore want = { STR("eu"), STR("us"), RECORD_RESTORE_DELETES | RECORD_RESTORE_OFF }, got;
    struct record_process old = { STR("eu"), STR("us") };
    struct buf payload = { 0 };

    record_put_restore(&want, &payload);
    EVERY_CUT(payload, record_take_restore);
    assert_true(str_eq(got.home, want.home) && str_eq(got.from, want.from));
    assert_int_equal(got.flags, want.flags);
    buf_clear(&payload);
    record_put_process(&old, &payload);
    EVERY_CUT(payload, record_take_restore);
    assert_true(str_eq(got.home, old.home) && str_eq(got.from, old.text));
    assert_int_equal(got.flags, 0);
    buf_fini(&payload);
}

static void
test_frozen_and_homes(void **state)
{
    struct record_frozen want = { STR("eu"), STR("a,b-*"), STR("*"), STR("us"), STR("away"), STR("me"), STR("\1a"),
        1790000000000000, RECORD_DRAINED };
    struct record_frozen got;
    struct record_home home = { STR("eu"), true }, back;
    struct buf payload = { 0 };

    record_put_frozen(&want, &payload);
    EVERY_CUT(payload, record_take_frozen);
    assert_true(str_eq(got.home, want.home) && str_eq(got.line, want.line) && str_eq(got.partition, want.partition));
    assert_true(str_eq(got.without, want.without) && str_eq(got.reason, want.reason) && str_eq(got.by, want.by));
    assert_true(str_eq(got.collections, want.collections) && got.since_us == want.since_us);
    assert_int_equal(got.state, RECORD_DRAINED);
    buf_clear(&payload);
    record_put_home(&home, &payload);
    assert_true(record_take_home(buf_str(&payload), &back));
    assert_true(str_eq(back.home, STR("eu")) && back.is_given_up);
    for (size_t n = 0; n < buf_len(&payload); n++)
        assert_false(record_take_home(str_make(buf_str(&payload).p, n), &back));
    buf_fini(&payload);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_varints_refused),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_of_nothing),
        cmocka_unit_test(test_points_are_small),
        cmocka_unit_test(test_outcome),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_freeze_and_identity),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_restores),
        cmocka_unit_test(test_frozen_and_homes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
