/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/flow/ship_lib.h"

#define DONE "{\"result\":{\"operation_id\":4,\"status\":\"completed\"},\"status\":\"ok\"}"

static void
on_write(void *arg, const struct ship_part *parts, unsigned n_parts)
{
    struct ship_fixture *f = arg;

    f->write = NULL;
    f->n_done++;
    buf_clear(&f->parts);
    for (unsigned i = 0; i < n_parts; i++) {
        const struct outcome *o = &parts[i].outcome;

        buf_add(&f->parts, i ? STR("; ") : STR(""));
        for (unsigned j = 0; j < parts[i].n; j++)
            buf_printf(&f->parts, "%s%u", j ? "," : "", parts[i].rows[j]);
        buf_printf(&f->parts, " %s", outcome_name(o->kind));
        if (o->status)
            buf_printf(&f->parts, " %d", o->status);
        if (o->may_land_later)
            buf_add(&f->parts, STR(" later"));
        if (o->retry_after_us)
            buf_printf(&f->parts, " after %d", (int)(o->retry_after_us / SECOND));
    }
}

/* A state of n points, of which those below `absent` are there, and are as large as asked. */
static void
make_state(struct ship_fixture *f, unsigned n, unsigned absent, size_t bytes)
{
    struct state_point points[STATE_POINTS_MAX];
    unsigned rows[STATE_POINTS_MAX];
    struct buf text = { 0 }, error = { 0 };

    buf_add(&text, STR("{\"status\":\"ok\",\"result\":["));
    for (unsigned i = 0; i < n; i++) {
        points[i] = (struct state_point){ .id = { .lo = i + 1 } };
        rows[i] = i;
        if (i >= absent)
            continue;
        buf_printf(&text, "%s{\"id\":%u,\"payload\":{\"n\":%u},\"vector\":[%u.0", i ? "," : "", i + 1, i + 1, i + 1);
        for (size_t j = 0; j < bytes; j += 4)
            buf_add(&text, STR(",2.0"));
        buf_add(&text, STR("]}"));
    }
    buf_add(&text, STR("]}"));
    state_unref(f->state);
    f->state = state_new(points, n);
    assert_true(state_take_answer(f->state, rows, n, &text, &error));
}

static void
begin_write(struct ship_fixture *f, unsigned n, const bool *payload_only, unsigned max_points, bool is_spread)
{
    unsigned rows[STATE_POINTS_MAX];
    struct ship_write_spec spec = {
        .cluster = STR("us"),
        .collection = STR("books"),
        .state = f->state,
        .rows = rows,
        .n = n,
        .payload_only = payload_only,
        .max_points = max_points,
        .is_spread = is_spread,
        .timeout_us = 7 * SECOND,
    };

    for (unsigned i = 0; i < n; i++)
        rows[i] = i;
    f->n_done = 0;
    f->write = ship_write_start(f->flow.up, &spec, on_write, f);
    assert_int_equal(f->n_done, 0);
    flow_settle(&f->flow);
}

static void
expect_parts(struct ship_fixture *f, const char *text)
{
    assert_int_equal(f->n_done, 1);
    if (!str_eq(buf_str(&f->parts), str_from(text)))
        fail_msg(STR_FMT " instead of %s", STR_ARG(buf_str(&f->parts)), text);
}

#define QUERY "?wait=true&timeout=7 HTTP/1.1\r\n"
#define UPSERT "PUT /collections/books/points" QUERY
#define DELETE "POST /collections/books/points/delete" QUERY
#define BATCH "POST /collections/books/points/batch" QUERY
#define W(id) "{\"id\":" id ",\"vector\":[" id ".0],\"payload\":{\"n\":" id "}}"
#define O(id) "{\"overwrite_payload\":{\"payload\":{\"n\":" id "},\"points\":[" id "]}}"

static void
test_upserts_and_deletes_at_once(void **state)
{
    struct ship_fixture *f = *state;

    make_state(f, 4, 2, 0);
    begin_write(f, 4, NULL, 0, false);
    expect_asked(f, "us/1#1", UPSERT, "{\"points\":[" W("1") "," W("2") "]}");
    expect_asked(f, "us/1#2", DELETE, "{\"points\":[3,4]}");
    answer(f, "us/1#2", 200, "", DONE);
    assert_int_equal(f->n_done, 0);
    answer(f, "us/1#1", 400, "", "{\"status\":{\"error\":\"Wrong input\"}}");
    expect_parts(f, "0,1 refused 400; 2,3 ok 200");
}

static void
test_what_came_of_writes(void **state)
{
    static const struct {
        int status;
        const char *fields, *body, *parts;
    } rows[] = {
        { 200, "", DONE, "0,1 ok 200" },
        { 200, "", "{\"result\":{\"operation_id\":4,\"status\":\"wait_timeout\"},\"status\":\"ok\"}",
            "0,1 unknown 200 later" },
        { 400, "", "", "0,1 refused 400" },
        { 401, "", "", "0,1 denied 401" },
        { 403, "", "", "0,1 denied 403" },
        { 408, "", "", "0,1 unknown 408 later" },
        { 429, "retry-after: 9\r\n", "", "0,1 throttled 429 after 9" },
        { 500, "", "", "0,1 unknown 500 later" },
        { 503, "", "", "0,1 unknown 503 later" },
    };
    struct ship_fixture *f = *state;

    make_state(f, 2, 2, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf fields = { 0 };

        buf_printf(&fields, "connection: close\r\n%s", rows[i].fields);
        buf_putc(&fields, 0);
        begin_write(f, 2, NULL, 0, false);
        answer(f, "us/1", rows[i].status, fields.data, rows[i].body);
        expect_parts(f, rows[i].parts);
        buf_fini(&fields);
    }
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), sizeof(rows) / sizeof(rows[0]));
}

/* None of them is sent twice. */
static void
test_writes_without_an_answer(void **state)
{
    struct ship_fixture *f = *state;

    make_state(f, 1, 1, 0);
    begin_write(f, 1, NULL, 0, false);
    end_close(flow_dial(&f->flow, STR("us/1")), true);
    flow_settle(&f->flow);
    expect_parts(f, "0 unknown later");
    begin_write(f, 1, NULL, 0, false);
    end_send(
        &f->flow, flow_dial(&f->flow, STR("us/1")), STR("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"result\""));
    end_close(flow_dial(&f->flow, STR("us/1")), false);
    flow_settle(&f->flow);
    expect_parts(f, "0 unknown later");
    begin_write(f, 1, NULL, 0, false);
    flow_wait(&f->flow, 9 * SECOND);
    assert_int_equal(f->n_done, 0);
    flow_wait(&f->flow, 2 * SECOND);
    expect_parts(f, "0 unknown later");
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 3);
    f->flow.is_refused[flow_backend(&f->flow, STR("us/1"))->id] = true;
    begin_write(f, 1, NULL, 0, false);
    expect_parts(f, "0 unreachable");
}

static void
test_requests_are_divided(void **state)
{
    struct ship_fixture *f = *state;

    make_state(f, 5, 5, 0);
    begin_write(f, 5, NULL, 2, false);
    expect_asked(f, "us/1#1", UPSERT, "{\"points\":[" W("1") "," W("2") "]}");
    expect_asked(f, "us/1#2", UPSERT, "{\"points\":[" W("3") "," W("4") "]}");
    expect_asked(f, "us/1#3", UPSERT, "{\"points\":[" W("5") "]}");
    answer(f, "us/1#3", 200, "", DONE);
    answer(f, "us/1#1", 429, "", "");
    answer(f, "us/1#2", 200, "", DONE);
    expect_parts(f, "0,1 throttled 429; 2,3 ok 200; 4 ok 200");
}

/* 4 MiB hold two of 1.5 MiB each; one of 5 MiB goes alone. */
static void
test_requests_are_divided_by_bytes(void **state)
{
    struct ship_fixture *f = *state;

    make_state(f, 3, 3, 3 << 19);
    begin_write(f, 3, NULL, 0, false);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 2);
    answer(f, "us/1#1", 200, "", DONE);
    answer(f, "us/1#2", 200, "", DONE);
    expect_parts(f, "0,1 ok 200; 2 ok 200");
    make_state(f, 2, 2, 5 << 20);
    begin_write(f, 2, NULL, 0, false);
    answer(f, "us/1#1", 200, "", DONE);
    answer(f, "us/1#2", 200, "", DONE);
    expect_parts(f, "0 ok 200; 1 ok 200");
}

static void
test_payload_alone(void **state)
{
    static const bool payload_only[] = { true, false, true, true };
    struct ship_fixture *f = *state;

    make_state(f, 4, 3, 0);
    begin_write(f, 4, payload_only, 0, false);
    expect_asked(f, "us/1#1", UPSERT, "{\"points\":[" W("2") "]}");
    expect_asked(f, "us/1#2", BATCH, "{\"operations\":[" O("1") "," O("3") "]}");
    expect_asked(f, "us/1#3", DELETE, "{\"points\":[4]}");
    for (unsigned i = 1; i <= 3; i++) {
        const char *names[] = { "us/1#1", "us/1#2", "us/1#3" };

        answer(f, names[i - 1], 200, "",
            i == 2 ? "{\"result\":[{\"status\":\"completed\"},{\"status\":\"completed\"}],\"status\":\"ok\"}" : DONE);
    }
    expect_parts(f, "1 ok 200; 0,2 ok 200; 3 ok 200");
}

#define NO_POINT "{\"status\":{\"error\":\"Not found: No point with id 3 found\"},\"time\":0.0}"

static void
one_is_lacking(struct ship_fixture *f, bool is_spread)
{
    static const bool payload_only[] = { true, true, true };

    make_state(f, 3, 3, 0);
    begin_write(f, 3, payload_only, 2, is_spread);
    expect_asked(f, "us/1#1", BATCH, "{\"operations\":[" O("1") "," O("2") "]}");
    expect_asked(f, "us/1#2", BATCH, "{\"operations\":[" O("3") "]}");
    answer(f, "us/1#2", 404, "", NO_POINT);
    expect_asked(f, "us/1#2", UPSERT, "{\"points\":[" W("3") "]}");
    answer(
        f, "us/1#1", 200, "", "{\"result\":[{\"status\":\"completed\"},{\"status\":\"completed\"}],\"status\":\"ok\"}");
    assert_int_equal(f->n_done, 0);
    answer(f, "us/1#2", 200, "", DONE);
}

/* The target lacks one of them: all of its request go whole, from the same read. */
static void
test_payload_of_a_point_that_is_lacking(void **state)
{
    struct ship_fixture *f = *state;

    one_is_lacking(f, false);
    expect_parts(f, "0,1 ok 200; 2 ok 200");
}

/* The first request may still be at work at another shard. */
static void
test_payload_of_a_point_that_is_lacking_where_it_is_spread(void **state)
{
    struct ship_fixture *f = *state;

    one_is_lacking(f, true);
    expect_parts(f, "0,1 ok 200; 2 ok 200 later");
}

/* Whole they need more room: what was one request becomes two. */
static void
test_whole_points_are_larger(void **state)
{
    static const bool payload_only[] = { true, true, true };
    struct ship_fixture *f = *state;

    make_state(f, 3, 3, 3 << 19);
    begin_write(f, 3, payload_only, 0, false);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 1);
    answer(f, "us/1#1", 404, "", NO_POINT);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 2);
    answer(f, "us/1#2", 200, "", DONE);
    answer(f, "us/1#1", 404, "", NO_POINT);
    expect_parts(f, "0,1 refused 404; 2 ok 200");
}

static void
test_cancel_a_write(void **state)
{
    struct ship_fixture *f = *state;

    make_state(f, 4, 2, 0);
    begin_write(f, 4, NULL, 1, false);
    assert_int_equal(flow_dials(&f->flow, STR("us/1")), 4);
    answer(f, "us/1#2", 200, "", DONE);
    ship_write_cancel(&f->write);
    flow_settle(&f->flow);
    assert_int_equal(f->n_done, 0);
    assert_true(flow_dial(&f->flow, STR("us/1#1"))->has_ended);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, ship_set_up, ship_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_upserts_and_deletes_at_once),
        TEST(test_what_came_of_writes),
        TEST(test_writes_without_an_answer),
        TEST(test_requests_are_divided),
        TEST(test_requests_are_divided_by_bytes),
        TEST(test_payload_alone),
        TEST(test_payload_of_a_point_that_is_lacking),
        TEST(test_payload_of_a_point_that_is_lacking_where_it_is_spread),
        TEST(test_whole_points_are_larger),
        TEST(test_cancel_a_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
