/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/state.h"

#define UUID "550e8400-e29b-41d4-a716-446655440000"
#define ALL_ROWS ((const unsigned[]){ 0, 1, 2, 3 })

static struct state_point
number(uint64_t n, struct str key)
{
    return (struct state_point){ .id = { .lo = n }, .shard_key = key };
}

/* 42, a UUID, 2^64 - 1, 0 */
static struct state *
four(struct str key)
{
    struct state_point points[4] = { number(42, key), { .shard_key = key }, number(UINT64_MAX, key), number(0, key) };

    assert_true(point_of_uuid(STR(UUID), &points[1].id));
    return state_new(points, 4);
}

static bool
take(struct state *s, struct str text, struct buf *error)
{
    struct buf answer = { 0 };
    bool is_taken;

    buf_add(&answer, text);
    is_taken = state_take_answer(s, ALL_ROWS, s->n, &answer, error);
    assert_int_equal(buf_len(&answer), is_taken ? 0 : text.len);
    buf_fini(&answer);
    return is_taken;
}

static void
expect(const struct buf *out, const char *text)
{
    if (!str_eq(buf_str(out), str_from(text)))
        fail_msg("\n" STR_FMT "\ninstead of\n%s", STR_ARG(buf_str(out)), text);
}

static void
expect_write(const struct state *s, enum state_write write, const unsigned *rows, unsigned n, const char *text)
{
    struct buf out = { 0 };
    size_t bytes = 64;

    state_put_write(s, write, rows, n, &out);
    expect(&out, text);
    for (unsigned i = 0; i < n; i++)
        bytes += state_write_bytes(s, write, rows[i]);
    assert_true(bytes >= buf_len(&out));
    buf_fini(&out);
}

static void
test_read_bodies(void **state)
{
    struct state *plain = four(STR("")), *keyed = four(STR("\"a\\\"b\""));
    struct buf out = { 0 };

    state_put_read(plain, ALL_ROWS, 4, &out);
    expect(&out, "{\"ids\":[42,\"" UUID "\",18446744073709551615,0],\"with_payload\":true,\"with_vector\":true}");
    buf_clear(&out);
    state_put_read(keyed, &ALL_ROWS[3], 1, &out);
    expect(&out, "{\"ids\":[0],\"with_payload\":true,\"with_vector\":true,\"shard_key\":\"a\\\"b\"}");
    buf_fini(&out);
    state_unref(plain);
    state_unref(keyed);
}

#define PAYLOAD "{\"i\":9007199254740993,\"f\":1.0,\"e\":1e+300,\"s\":\"\\u0000\xc3\xa9\\\"}]\",\"n\":null,\"\":[{}]}"

static void
test_bytes_go_on_unchanged(void **state)
{
    struct state *s = four(STR(""));
    struct buf error = { 0 };

    assert_true(take(s,
        STR("{ \"usage\":{\"result\":[]}, \"result\":[{\"id\":18446744073709551615,\"payload\":" PAYLOAD
            ",\"vector\":[[1.0,0.0],[0,1]]},\n"
            "{\"vector\":{} , \"id\":\"" UUID "\",\"payload\":{}}],\"status\":\"ok\",\"time\":0.1}\n"),
        &error));
    assert_int_equal(s->rows[0].kind, STATE_ABSENT);
    assert_int_equal(s->rows[1].kind, STATE_PRESENT);
    assert_int_equal(s->rows[2].kind, STATE_PRESENT);
    assert_int_equal(s->rows[3].kind, STATE_ABSENT);
    expect_write(s, STATE_UPSERT, (const unsigned[]){ 2, 1 }, 2,
        "{\"points\":[{\"id\":18446744073709551615,\"vector\":[[1.0,0.0],[0,1]],\"payload\":" PAYLOAD
        "},{\"id\":\"" UUID "\",\"vector\":{},\"payload\":{}}]}");
    expect_write(s, STATE_PAYLOAD, (const unsigned[]){ 2, 1 }, 2,
        "{\"operations\":[{\"overwrite_payload\":{\"payload\":" PAYLOAD ",\"points\":[18446744073709551615]}},"
        "{\"overwrite_payload\":{\"payload\":{},\"points\":[\"" UUID "\"]}}]}");
    expect_write(s, STATE_DELETE, (const unsigned[]){ 3, 0 }, 2, "{\"points\":[0,42]}");
    state_unref(s);
    buf_fini(&error);
}

/* What is known is not asked for, and lives as long as the state does. */
static void
test_known_rows(void **state)
{
    struct state *s = four(STR(""));
    struct buf body = { 0 }, error = { 0 }, answer = { 0 };
    struct state_text *text;

    buf_add(&body, STR("[1,0]{\"a\":1}{}"));
    text = state_text_new(&body);
    state_know(s, 0, str_make(buf_str(&text->bytes).p, 5), str_make(buf_str(&text->bytes).p + 5, 7), text);
    state_know(s, 2, str_make(buf_str(&text->bytes).p, 5), str_make(buf_str(&text->bytes).p + 12, 2), text);
    state_know(s, 1, STR_NONE, STR_NONE, text);
    state_text_unref(text);
    buf_add(&answer, STR("{\"result\":[{\"id\":0,\"payload\":{},\"vector\":[2]}],\"status\":\"ok\"}"));
    assert_true(state_take_answer(s, (const unsigned[]){ 3 }, 1, &answer, &error));
    assert_int_equal(s->rows[1].kind, STATE_ABSENT);
    expect_write(s, STATE_DELETE, (const unsigned[]){ 1 }, 1, "{\"points\":[\"" UUID "\"]}");
    expect_write(s, STATE_UPSERT, (const unsigned[]){ 0, 2, 3 }, 3,
        "{\"points\":[{\"id\":42,\"vector\":[1,0],\"payload\":{\"a\":1}},{\"id\":18446744073709551615,\"vector\":[1,0],"
        "\"payload\":{}},{\"id\":0,\"vector\":[2],\"payload\":{}}]}");
    state_unref(s);
    buf_fini(&error);
}

static void
test_shard_keys(void **state)
{
    struct state *s = four(STR("\"a\""));
    struct buf error = { 0 };

    assert_true(take(s,
        STR("{\"result\":[{\"id\":42,\"payload\":{},\"vector\":[1.0],\"shard_key\":\"\\u0061\"},"
            "{\"id\":0,\"payload\":{},\"vector\":{},\"shard_key\":\"a\"}],\"status\":\"ok\"}"),
        &error));
    expect_write(s, STATE_UPSERT, (const unsigned[]){ 0 }, 1,
        "{\"points\":[{\"id\":42,\"vector\":[1.0],\"payload\":{}}],\"shard_key\":\"a\"}");
    expect_write(s, STATE_PAYLOAD, (const unsigned[]){ 3 }, 1,
        "{\"operations\":[{\"overwrite_payload\":{\"payload\":{},\"points\":[0],\"shard_key\":\"a\"}}]}");
    expect_write(s, STATE_DELETE, (const unsigned[]){ 1 }, 1, "{\"points\":[\"" UUID "\"],\"shard_key\":\"a\"}");
    state_unref(s);
    buf_fini(&error);
}

/* One id under two keys is two points; each answer is about those that were asked for. */
static void
test_two_reads_make_one_state(void **state)
{
    struct state_point points[3] = { number(1, STR("7")), number(1, STR("\"7\"")), number(2, STR("7")) };
    struct state *s = state_new(points, 3);
    struct buf error = { 0 }, answer = { 0 };
    const unsigned first[] = { 0, 2 }, second[] = { 1 };

    buf_add(&answer,
        STR("{\"status\":\"ok\",\"result\":[{\"id\":1,\"payload\":{\"a\":7},\"vector\":{},\"shard_key\":7}]}"));
    assert_true(state_take_answer(s, first, 2, &answer, &error));
    assert_int_equal(s->rows[0].kind, STATE_PRESENT);
    assert_int_equal(s->rows[1].kind, STATE_UNREAD);
    assert_int_equal(s->rows[2].kind, STATE_ABSENT);
    buf_add(&answer,
        STR("{\"status\":\"ok\",\"result\":[{\"id\":1,\"payload\":{\"b\":8},\"vector\":{},\"shard_key\":\"7\"}]}"));
    assert_true(state_take_answer(s, second, 1, &answer, &error));
    assert_true(str_eq(s->rows[0].payload, STR("{\"a\":7}")));
    assert_true(str_eq(s->rows[1].payload, STR("{\"b\":8}")));
    assert_true(s->bytes > 100);
    assert_ptr_equal(state_ref(s), s);
    state_unref(s);
    state_unref(s);
    state_unref(NULL);
    buf_fini(&error);
}

#define P(id) "{\"id\":" id ",\"payload\":{},\"vector\":[1.0]}"
#define ANSWER(result) "{\"result\":" result ",\"status\":\"ok\",\"time\":0.1}"

static const struct {
    const char *text, *why;
} refused[] = {
    { "", "is not JSON" },
    { "<html>", "is not JSON" },
    { "[]", "is not JSON" },
    { "{}", "has no result" },
    { "{\"result\":[]}", "has no result" },
    { "{\"status\":\"ok\"}", "has no result" },
    { "{\"result\":[],\"status\":\"ok\"", "is not JSON" },
    { "{\"result\":[],\"status\":\"ok\"}x", "is not one JSON object" },
    { "{\"result\":[],\"result\":[],\"status\":\"ok\"}", "has no result" },
    { "{\"result\":[],\"status\":{\"error\":\"x\"}}", "has no result" },
    { ANSWER("null"), "has a result that is no list" },
    { ANSWER("{}"), "has a result that is no list" },
    { ANSWER("[null]"), "has a point that is none" },
    { ANSWER("[" P("42") "," P("42") "]"), "has a point twice: 42" },
    { ANSWER("[" P("\"" UUID "\"") "," P("\"550E8400E29B41D4A716446655440000\"") "]"), "has a point twice: " },
    { ANSWER("[" P("43") "]"), "has a point that was not asked for: 43" },
    { ANSWER("[" P("\"42\"") "]"), "has a point without an id: \"42\"" },
    { ANSWER("[" P("42.0") "]"), "has a point without an id: 42.0" },
    { ANSWER("[" P("-1") "]"), "has a point without an id: -1" },
    { ANSWER("[" P("18446744073709551616") "]"), "has a point without an id: 18446744073709551616" },
    { ANSWER("[" P("null") "]"), "has a point without an id: null" },
    { ANSWER("[{\"payload\":{},\"vector\":[1.0]}]"), "has a point without an id: " },
    { ANSWER("[{\"id\":42,\"vector\":[1.0]}]"), "lacks vector or payload of point 42" },
    { ANSWER("[{\"id\":42,\"payload\":{}}]"), "lacks vector or payload of point 42" },
    { ANSWER("[{\"id\":42,\"payload\":null,\"vector\":[1.0]}]"), "lacks vector or payload of point 42" },
    { ANSWER("[{\"id\":42,\"payload\":{},\"vector\":null}]"), "lacks vector or payload of point 42" },
    { ANSWER("[{\"id\":42,\"payload\":[],\"vector\":[]}]"), "lacks vector or payload of point 42" },
    { ANSWER("[{\"id\":42,\"payload\":{},\"vector\":{},\"payload\":{}}]"), "has a point with a field twice: payload" },
    { ANSWER("[{\"id\":42,\"payload\":{},\"vector\":{},\"version\":3}]"),
        "has a point with a field that is not known here: version" },
    { ANSWER("[{\"id\":42,\"payload\":{},\"vector\":{},\"shard_key\":\"a\"}]"),
        "has a point of another shard key: 42" },
    { ANSWER("[" P("42") ","
                         "{\"id\":0,\"payload\":{\"a\":tru},\"vector\":{}}]"),
        "is not JSON" },
    { ANSWER("[" P("42") "]]"), "is not JSON" },
    { ANSWER("[" P("42") ",]"), "has a point that is none" },
};

/* Nothing of such an answer is believed, neither what is there nor what is absent. */
static void
test_answers_that_are_refused(void **state)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct state *s = four(STR(""));
        struct buf error = { 0 };
        size_t before = STR("the answer to a read of points ").len;

        if (take(s, str_from(refused[i].text), &error))
            fail_msg("taken: %s", refused[i].text);
        if (!str_starts(str_skip(buf_str(&error), before), str_from(refused[i].why)))
            fail_msg("%s: " STR_FMT " instead of %s", refused[i].text, STR_ARG(buf_str(&error)), refused[i].why);
        for (unsigned row = 0; row < 4; row++)
            assert_int_equal(s->rows[row].kind, STATE_UNREAD);
        assert_int_equal(s->bytes, 0);
        state_unref(s);
        buf_fini(&error);
    }
}

/* A point of the state that this request did not name is as foreign as any other. */
static void
test_a_row_that_was_not_asked_for(void **state)
{
    struct state *s = four(STR(""));
    struct buf error = { 0 }, answer = { 0 };

    buf_add(&answer, STR(ANSWER("[" P("0") "]")));
    assert_false(state_take_answer(s, (const unsigned[]){ 0, 1 }, 2, &answer, &error));
    assert_int_equal(s->rows[3].kind, STATE_UNREAD);
    state_unref(s);
    buf_fini(&answer);
    buf_fini(&error);
}

static void
test_a_key_that_is_lacking_or_another(void **state)
{
    static const char *const texts[] = {
        ANSWER("[" P("42") "]"),
        ANSWER("[{\"id\":42,\"payload\":{},\"vector\":{},\"shard_key\":\"b\"}]"),
        ANSWER("[{\"id\":42,\"payload\":{},\"vector\":{},\"shard_key\":7}]"),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct state *s = four(STR("\"7\""));
        struct buf error = { 0 };

        assert_false(take(s, str_from(texts[i]), &error));
        state_unref(s);
        buf_fini(&error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_bodies),
        cmocka_unit_test(test_bytes_go_on_unchanged),
        cmocka_unit_test(test_known_rows),
        cmocka_unit_test(test_shard_keys),
        cmocka_unit_test(test_two_reads_make_one_state),
        cmocka_unit_test(test_answers_that_are_refused),
        cmocka_unit_test(test_a_row_that_was_not_asked_for),
        cmocka_unit_test(test_a_key_that_is_lacking_or_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
