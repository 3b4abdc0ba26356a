/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/flow/ship_lib.h"

#define READ "POST /collections/b%20%C3%A9%3F/points HTTP/1.1\r\n"
#define IDS(ids) "{\"ids\":[" ids "],\"with_payload\":true,\"with_vector\":true}"

static void
on_read(void *arg, struct state *state, const struct outcome *why)
{
    struct ship_fixture *f = arg;

    f->read = NULL;
    state_unref(f->state);
    f->state = state;
    ship_keep(f, why);
}

static void
begin_read(struct ship_fixture *f, const struct state_point *points, unsigned n)
{
    struct ship_read_spec spec = {
        .cluster = STR("eu"), .collection = STR("b \xc3\xa9?"), .points = points, .n = n, .timeout_us = 5 * SECOND
    };

    f->n_done = 0;
    f->read = ship_read_start(f->flow.up, &spec, on_read, f);
    assert_int_equal(f->n_done, 0);
    flow_settle(&f->flow);
}

/* Numbers from 1 on, without shard key. */
static void
begin_read_of(struct ship_fixture *f, unsigned n)
{
    struct state_point points[STATE_POINTS_MAX];

    for (unsigned i = 0; i < n; i++)
        points[i] = (struct state_point){ .id = { .lo = i + 1 } };
    begin_read(f, points, n);
}

static void
test_a_read(void **state)
{
    struct ship_fixture *f = *state;

    begin_read_of(f, 3);
    expect_asked(f, "eu/1", READ, IDS("1,2,3"));
    answer(f, "eu/1", 200, "", ANSWER(P("3") "," P("1")));
    assert_int_equal(f->n_done, 1);
    assert_int_equal(f->why.kind, OUTCOME_OK);
    assert_int_equal(f->state->rows[0].kind, STATE_PRESENT);
    assert_int_equal(f->state->rows[1].kind, STATE_ABSENT);
    assert_true(str_eq(f->state->rows[2].vector, STR("[3.0]")));
}

/* A read may be sent again: it is when a kept connection turns out closed. */
static void
test_a_read_over_a_stale_connection(void **state)
{
    struct ship_fixture *f = *state;

    begin_read_of(f, 1);
    answer(f, "eu/1", 200, "", ANSWER(""));
    begin_read_of(f, 1);
    end_close(flow_dial(&f->flow, STR("eu/1")), false);
    flow_settle(&f->flow);
    assert_int_equal(flow_dials(&f->flow, STR("eu/1")), 2);
    answer(f, "eu/1", 200, "", ANSWER(P("1")));
    assert_int_equal(f->why.kind, OUTCOME_OK);
    assert_int_equal(f->state->rows[0].kind, STATE_PRESENT);
}

static void
test_one_read_for_each_shard_key(void **state)
{
    static const struct state_point points[] = {
        { { .lo = 1 }, { "\"a\"", 3 } },
        { { .lo = 1 }, { "7", 1 } },
        { { .lo = 2 }, { "\"a\"", 3 } },
    };
    struct ship_fixture *f = *state;

    begin_read(f, points, 3);
    expect_asked(f, "eu/1", READ, "{\"ids\":[1,2],\"with_payload\":true,\"with_vector\":true,\"shard_key\":\"a\"}");
    answer(f, "eu/1", 200, "", ANSWER("{\"id\":2,\"payload\":{},\"vector\":{},\"shard_key\":\"a\"}"));
    assert_int_equal(f->n_done, 0);
    expect_asked(f, "eu/1", READ, "{\"ids\":[1],\"with_payload\":true,\"with_vector\":true,\"shard_key\":7}");
    answer(f, "eu/1", 200, "", ANSWER("{\"id\":1,\"payload\":{},\"vector\":{},\"shard_key\":7}"));
    assert_int_equal(f->why.kind, OUTCOME_OK);
    assert_int_equal(f->state->rows[0].kind, STATE_ABSENT);
    assert_int_equal(f->state->rows[1].kind, STATE_PRESENT);
    assert_int_equal(f->state->rows[2].kind, STATE_PRESENT);
}

static void
test_reads_that_fail(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum outcome_kind kind;
    } rows[] = {
        { 200, ANSWER(P("9")), OUTCOME_UNKNOWN },
        { 200, "{\"result\":[]", OUTCOME_UNKNOWN },
        { 400, "{\"status\":{\"error\":\"Bad request: Shard key not found\"}}", OUTCOME_REFUSED },
        { 403, "", OUTCOME_DENIED },
        { 404, "", OUTCOME_REFUSED },
        { 429, "", OUTCOME_THROTTLED },
        { 503, "", OUTCOME_UNREACHABLE },
    };
    struct ship_fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_read_of(f, 2);
        answer(f, "eu/1", rows[i].status, "connection: close\r\nretry-after: 3\r\n", rows[i].body);
        assert_int_equal(f->n_done, 1);
        assert_int_equal(f->why.kind, rows[i].kind);
        assert_int_equal(f->why.status, rows[i].status);
        assert_int_equal(f->why.retry_after_us, rows[i].status == 429 ? 3 * SECOND : 0);
        assert_false(f->why.may_land_later);
        assert_int_equal(f->state->rows[0].kind, STATE_UNREAD);
        assert_int_equal(f->state->rows[1].kind, STATE_UNREAD);
    }
    begin_read_of(f, 1);
    flow_wait(&f->flow, 6 * SECOND);
    assert_int_equal(f->why.kind, OUTCOME_UNREACHABLE);
    assert_int_equal(f->why.fail, FAIL_UPSTREAM_SILENT);
}

/* An answer as long as `bytes`, of which point `id` has all. */
static void
answer_long(struct ship_fixture *f, unsigned id, size_t bytes)
{
    struct buf body = { 0 }, text = { 0 };

    buf_printf(&body, "{\"status\":\"ok\",\"result\":[{\"id\":%u,\"payload\":{\"a\":\"", id);
    while (buf_len(&body) < bytes)
        buf_add(
            &body, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    buf_add(&body, STR("\"},\"vector\":{}}]}"));
    buf_printf(&text, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n", buf_len(&body));
    buf_add(&text, buf_str(&body));
    end_send(&f->flow, flow_dial(&f->flow, STR("eu/1")), buf_str(&text));
    flow_settle(&f->flow);
    buf_fini(&body);
    buf_fini(&text);
}

/* Fewer points are asked for at once when an answer is too long, and what no longer fits is left for another read. */
static void
test_long_answers(void **state)
{
    struct ship_fixture *f = *state;

    begin_read_of(f, 4);
    expect_asked(f, "eu/1", READ, IDS("1,2,3,4"));
    answer_long(f, 1, SHIP_READ_BYTES);
    expect_asked(f, "eu/1", READ, IDS("1,2"));
    answer_long(f, 1, SHIP_READ_BYTES);
    expect_asked(f, "eu/1", READ, IDS("1"));
    answer_long(f, 1, SHIP_READ_BYTES - 1000);
    expect_asked(f, "eu/1", READ, IDS("2"));
    assert_int_equal(f->n_done, 0);
    answer_long(f, 2, SHIP_READ_BYTES + 1000);
    assert_int_equal(f->n_done, 1);
    assert_int_equal(f->why.kind, OUTCOME_OK);
    assert_int_equal(f->state->rows[0].kind, STATE_PRESENT);
    assert_int_equal(f->state->rows[1].kind, STATE_PRESENT);
    assert_int_equal(f->state->rows[2].kind, STATE_UNREAD);
    assert_int_equal(f->state->rows[3].kind, STATE_UNREAD);
}

static void
test_a_point_that_is_too_large(void **state)
{
    struct ship_fixture *f = *state;

    begin_read_of(f, 1);
    end_send(&f->flow, flow_dial(&f->flow, STR("eu/1")), STR("HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n"));
    assert_int_equal(f->n_done, 0);
    for (unsigned i = 0; i < 1025 && f->n_done == 0; i++) {
        static char piece[65536];

        end_send(&f->flow, flow_dial(&f->flow, STR("eu/1")), str_make(piece, sizeof(piece)));
    }
    assert_int_equal(f->n_done, 1);
    assert_int_equal(f->why.kind, OUTCOME_REFUSED);
    assert_int_equal(f->why.status, 0);
    assert_true(str_eq(buf_str(&f->why.text), STR("the point 1 is larger than 64 MiB")));
}

static void
test_cancel_a_read(void **state)
{
    struct ship_fixture *f = *state;

    begin_read_of(f, 2);
    ship_read_cancel(&f->read);
    flow_settle(&f->flow);
    assert_int_equal(f->n_done, 0);
    assert_true(flow_dial(&f->flow, STR("eu/1"))->has_ended);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

static void
on_collection(void *arg, const struct outcome *why, const struct quiet_collection *c)
{
    struct ship_fixture *f = arg;

    f->quiet = NULL;
    ship_keep(f, why);
    f->is_told = c != NULL;
    if (c)
        f->collection = *c;
}

static void
on_node(void *arg, const struct outcome *why, const struct quiet_node *node)
{
    struct ship_fixture *f = arg;

    f->quiet = NULL;
    ship_keep(f, why);
    f->is_told = node != NULL;
    if (node)
        f->node = *node;
}

static void
test_is_it_quiet(void **state)
{
    struct ship_fixture *f = *state;

    f->quiet = quiet_ask_collection(f->flow.up, STR("eu"), STR("a b"), 5 * SECOND, on_collection, f);
    flow_settle(&f->flow);
    expect_asked(f, "eu/1", "GET /collections/a%20b HTTP/1.1\r\n", "\r\n\r\n");
    answer(f, "eu/1", 200, "",
        "{\"result\":{\"status\":\"green\",\"config\":{\"params\":{\"shard_number\":1,\"replication_factor\":1}},"
        "\"update_queue\":{\"length\":0}}}");
    assert_true(f->is_told && f->collection.is_quiet && !f->collection.is_spread);
    f->quiet = quiet_ask_collection(f->flow.up, STR("eu"), STR("a b"), 5 * SECOND, on_collection, f);
    flow_settle(&f->flow);
    answer(f, "eu/1", 404, "", "");
    assert_false(f->is_told);
    assert_int_equal(f->why.kind, OUTCOME_REFUSED);
    assert_int_equal(f->why.status, 404);
    f->quiet = quiet_ask_collection(f->flow.up, STR("eu"), STR("a b"), 5 * SECOND, on_collection, f);
    flow_settle(&f->flow);
    answer(f, "eu/1", 200, "", "{\"result\":true}");
    assert_false(f->is_told);
    assert_int_equal(f->why.kind, OUTCOME_UNKNOWN);
}

static void
test_which_process_is_it(void **state)
{
    struct ship_fixture *f = *state;

    f->quiet = quiet_ask_node(f->flow.up, STR("eu"), 1, 5 * SECOND, on_node, f);
    flow_settle(&f->flow);
    expect_asked(f, "eu/1", "GET /telemetry HTTP/1.1\r\n", "\r\n\r\n");
    answer(f, "eu/1", 200, "",
        "{\"result\":{\"id\":\"abc\",\"app\":{\"version\":\"1.19.0\"},\"cluster\":{\"enabled\":false}},\"status\":"
        "\"ok\"}");
    assert_true(f->is_told && f->node.is_recent && f->node.is_alone);
    assert_string_equal(f->node.id, "abc");
    f->n_done = 0;
    f->quiet = quiet_ask_node(f->flow.up, STR("eu"), 1, 5 * SECOND, on_node, f);
    flow_settle(&f->flow);
    quiet_cancel(&f->quiet);
    flow_settle(&f->flow);
    assert_int_equal(f->n_done, 0);
    assert_true(flow_dial(&f->flow, STR("eu/1"))->has_ended);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, ship_set_up, ship_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_read),
        TEST(test_a_read_over_a_stale_connection),
        TEST(test_one_read_for_each_shard_key),
        TEST(test_reads_that_fail),
        TEST(test_long_answers),
        TEST(test_a_point_that_is_too_large),
        TEST(test_is_it_quiet),
        TEST(test_which_process_is_it),
        TEST(test_cancel_a_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
