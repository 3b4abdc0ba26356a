/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/touch_fixture.h"

#define A "\"550e8400-e29b-41d4-a716-446655440000\""

/* `found`: as touch_fixture.h describes it; NULL: refused. */
static const struct {
    enum op_id op;
    const char *body, *found;
} bodies[] = {
    /* upsert, as a list */
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[0.1,0.2]}]}", "1" },
    { OP_UPSERT_POINTS,
        "{\"points\":[{\"id\":2,\"vector\":{}},{\"vectors\":[1],\"payload\":null,\"id\":1},{\"id\":2,\"vector\":[3]}]}",
        "1 2" },
    { OP_UPSERT_POINTS, " { \"points\" : [ { \"id\" : 18446744073709551615 , \"vector\" : [ 1 , 2 ] } ] } ",
        "18446744073709551615" },
    { OP_UPSERT_POINTS,
        "{\"points\":[{\"id\":\"550E8400E29B41D4A716446655440000\",\"vector\":[1]},{\"id\":" A ",\"vector\":[1]}]}",
        A },
    { OP_UPSERT_POINTS, "{\"points\":[]}", "" },
    { OP_UPSERT_POINTS,
        "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"b\":{\"indices\":[1],\"values\":[2]},\"c\":[[1,0],[0,1]]},"
        "\"payload\":{\"id\":9,\"model\":\"m\"}}]}",
        "1" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"text\":\"x\",\"model\":\"m\"}}]}", "1 state" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1],\"b\" : {\"object\":{},\"model\" : \"m\"}}}]}",
        "1 state" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"model\":[1],\"a\\\":b\" :[2]}}]}", "1" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[{\"image\":\"\",\"model\":\"\"}]}}]}", "1 state" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_filter\":{\"must\":[{\"has_id\":[2]}]}}",
        "1 state" },
    { OP_UPSERT_POINTS, "{\"update_mode\":\"insert_only\",\"points\":[{\"id\":1,\"vector\":[1]}]}", "1 state" },
    { OP_UPSERT_POINTS, "{\"update_mode\":\"update_only\",\"points\":[{\"id\":1,\"vector\":[1]}]}", "1 state" },
    { OP_UPSERT_POINTS,
        "{\"update_mode\":\"upsert\",\"update_filter\":null,\"shard_key\":null,\"points\":[{\"id\":1,\"vector\":[1]}]}",
        "1" },
    { OP_UPSERT_POINTS, "{\"update_mode\":\"other\",\"points\":[{\"id\":1,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"update_filter\":[],\"points\":[{\"id\":1,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1],\"vectors\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"id\":2,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"i\\u0064\":2,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1],\"score\":1}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1.0,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":null,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[[1,[0.1],{}]]}", NULL }, /* by position: Qdrant takes it */
    { OP_UPSERT_POINTS, "{\"points\":{\"id\":1,\"vector\":[1]}}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":null}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"points\":[{\"id\":2,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"filter\":null}", NULL },
    { OP_UPSERT_POINTS, "{\"points\":[1]}", NULL },
    { OP_UPSERT_POINTS, "{}", NULL },
    /* in columns */
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[3,1," A "],\"vectors\":[[1],[2],[3]],\"payloads\":[{\"a\":1},null,{}]}}",
        "1 3 " A },
    { OP_UPSERT_POINTS,
        "{\"batch\":{\"vectors\":{\"v\":[[1],{\"text\":\"t\",\"model\":\"m\"}]},\"ids\":[3,1]},\"shard_key\":\"k\"}",
        "\"k\"/1 \"k\"/3 state" },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[],\"vectors\":[]}}", "" },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":[[1]]},\"points\":[{\"id\":2,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":[[1]]},\"points\":null}",
        "1" }, /* what isn't there changes nothing */
    { OP_UPSERT_POINTS, "{\"batch\":null,\"points\":[{\"id\":2,\"vector\":[1]}]}", NULL },
    { OP_UPSERT_POINTS, "{\"batch\":{\"vectors\":[[1]]}}", NULL },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":[[1]],\"points\":[]}}", NULL },
    { OP_UPSERT_POINTS, "{\"batch\":[[1],[[1]]]}", NULL },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":1,\"vectors\":[[1]]}}", NULL },
    /* delete, clear payload */
    { OP_DELETE_POINTS, "{\"points\":[1,\"{550e8400-e29b-41d4-a716-446655440000}\",1]}", "1 " A },
    { OP_DELETE_POINTS, "{\"points\":[]}", "" },
    { OP_DELETE_POINTS, "{\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"value\":1}}]}}",
        "scan {\"must\":[{\"key\":\"a\",\"match\":{\"value\":1}}]}" },
    { OP_DELETE_POINTS, "{\"filter\":{}}", "scan {}" },
    { OP_DELETE_POINTS, "{\"points\":null,\"filter\":{}}", "scan {}" },
    { OP_DELETE_POINTS, "{\"points\":[1],\"filter\":null}", "1" },
    { OP_DELETE_POINTS, "{\"points\":[1],\"filter\":{}}", NULL }, /* which one counts? */
    { OP_DELETE_POINTS, "{\"points\":[\"x\"],\"filter\":{}}", NULL },
    { OP_DELETE_POINTS, "{\"filter\":null}", NULL },
    { OP_DELETE_POINTS, "{\"filter\":[]}", NULL },
    { OP_DELETE_POINTS, "{}", NULL },
    { OP_DELETE_POINTS, "[[1,2]]", NULL },
    { OP_DELETE_POINTS, "[1,2]", NULL },
    { OP_DELETE_POINTS, "{\"points\":[1],\"vectors\":[]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[[1]]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[{\"id\":1}]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[-1]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[18446744073709551616]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[\"7\"]}", NULL },
    { OP_DELETE_POINTS, "{\"points\":[1]} x", NULL },
    { OP_DELETE_POINTS, "{\"points\":[1]", NULL },
    { OP_DELETE_POINTS, "", NULL },
    { OP_DELETE_POINTS, "null", NULL },
    { OP_CLEAR_PAYLOAD, "{\"points\":[1,2]}", "1 2 payload" },
    { OP_CLEAR_PAYLOAD, "{\"filter\":{\"should\":[]}}", "scan {\"should\":[]} payload" },
    { OP_CLEAR_PAYLOAD, "{\"points\":[1],\"keys\":[\"a\"]}", NULL },
    /* shard keys */
    { OP_DELETE_POINTS, "{\"points\":[1],\"shard_key\":\"a\"}", "\"a\"/1" },
    { OP_DELETE_POINTS, "{\"shard_key\":7,\"points\":[1]}", "7/1" },
    { OP_DELETE_POINTS, "{\"shard_key\":\"7\",\"points\":[1]}", "\"7\"/1" },
    { OP_DELETE_POINTS, "{\"shard_key\":[\"a\",7],\"points\":[2,1]}", "\"a\"/1 \"a\"/2 7/1 7/2" },
    { OP_DELETE_POINTS, "{\"shard_key\":[\"a\",\"\\u0061\"],\"points\":[1]}", "\"a\"/1" },
    { OP_DELETE_POINTS, "{\"shard_key\":\"caf\\u00e9\",\"points\":[1]}", "\"caf\xc3\xa9\"/1" },
    { OP_DELETE_POINTS, "{\"shard_key\":{\"target\":\"a\",\"fallback\":\"b\"},\"points\":[1]}",
        "\"a\"/1 \"b\"/1 state" },
    { OP_DELETE_POINTS, "{\"filter\":{},\"shard_key\":\"a\"}", "scan \"a\"/ {}" },
    { OP_DELETE_POINTS, "{\"filter\":{},\"shard_key\":[\"a\"]}", "scan \"a\"/ {}" },
    { OP_DELETE_POINTS, "{\"filter\":{},\"shard_key\":[\"a\",\"b\"]}", NULL },
    { OP_DELETE_POINTS, "{\"filter\":{},\"shard_key\":{\"target\":\"a\",\"fallback\":\"b\"}}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":[],\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":[[\"a\"]],\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":[null],\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":true,\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":1.5,\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":{\"target\":\"a\"},\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":{\"target\":\"a\",\"fallback\":[\"b\"]},\"points\":[1]}", NULL },
    { OP_DELETE_POINTS, "{\"shard_key\":{\"target\":\"a\",\"fallback\":\"b\",\"x\":1},\"points\":[1]}", NULL },
    /* payload */
    { OP_SET_PAYLOAD, "{\"payload\":{\"points\":[9]},\"points\":[1]}", "1 payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"points\":[1],\"key\":\"a.b\",\"filter\":null}", "1 payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"points\":[]}", "payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"filter\":{\"must\":{\"has_id\":[1,2]}}}", "1 2 payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"filter\":{\"must\":[{\"has_id\":[1,2]}]}}", "1 2 payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"filter\":{\"must\":[{\"has_id\":[]}]}}", "payload" },
    { OP_SET_PAYLOAD,
        "{\"payload\":{\"a\":1},\"filter\":{\"must\":[{\"key\":\"a\",\"match\":{\"value\":2}},{\"has_id\":[1,2]}]}}",
        "1 2 payload state" },
    { OP_SET_PAYLOAD,
        "{\"payload\":{\"a\":1},\"filter\":{\"must\":[{\"has_id\":[1,2]}],\"must_not\":[{\"has_id\":[1]}]}}",
        "1 2 payload state" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"filter\":{\"must\":[{\"has_id\":[1,2]},{\"has_id\":[2,3]}]}}",
        "1 2 payload state" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"filter\":{\"should\":[{\"has_id\":[1,2]}]}}",
        "scan {\"should\":[{\"has_id\":[1,2]}]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must_not\":[{\"has_id\":[1]}]}}",
        "scan {\"must_not\":[{\"has_id\":[1]}]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"has_id\":[1],\"key\":\"a\"}]}}",
        "scan {\"must\":[{\"has_id\":[1],\"key\":\"a\"}]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"must\":[{\"has_id\":[1]}]}]}}",
        "scan {\"must\":[{\"must\":[{\"has_id\":[1]}]}]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"has_id\":[1]}],\"must\":[{\"has_id\":[2]}]}}",
        "scan {\"must\":[{\"has_id\":[1]}],\"must\":[{\"has_id\":[2]}]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"has_id\":[1]}],\"m\\u0075st\":[]}}",
        "scan {\"must\":[{\"has_id\":[1]}],\"m\\u0075st\":[]} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"has_id\":[\"x\"]}]}}", NULL },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":null}}", "scan {\"must\":null} payload" },
    { OP_SET_PAYLOAD, "{\"payload\":{}}", NULL },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"points\":[1],\"filter\":{}}", NULL },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"points\":[1],\"payload\":{}}", NULL },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"points\":1}", NULL },
    { OP_OVERWRITE_PAYLOAD, "{\"payload\":{},\"points\":[1],\"shard_key\":[\"x\",\"y\"]}", "\"x\"/1 \"y\"/1 payload" },
    { OP_OVERWRITE_PAYLOAD, "{\"payload\":{},\"filter\":{}}", "scan {} payload" },
    { OP_DELETE_PAYLOAD, "{\"keys\":[\"a\",\"b[].c\"],\"points\":[1]}", "1 payload" },
    { OP_DELETE_PAYLOAD, "{\"keys\":[\"a\"],\"filter\":{},\"points\":null}", "scan {} payload" },
    { OP_DELETE_PAYLOAD, "{\"keys\":[\"a\"],\"points\":[1],\"payload\":{}}", NULL },
    /* vectors */
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[1]}},{\"id\":2,\"vectors\":[1]}]}", "1 2" },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":{\"text\":\"t\",\"model\":\"m\"}}}]}", "1 state" },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_filter\":{}}", "1 state" },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{}}]}", NULL },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"filter\":{}}", NULL },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_mode\":\"upsert\"}", NULL },
    { OP_UPDATE_VECTORS, "{\"points\":[[1,[1]]]}", NULL },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"vector\":[\"a\"]}", "1" },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"vectors\":[\"a\"]}", "1" },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"vectors\":[\"a\"],\"filter\":{}}", "scan {} 1" },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"vectors\":[\"a\"],\"filter\":{\"must\":{\"has_id\":[2]}}}", "1 2" },
    { OP_DELETE_VECTORS, "{\"filter\":{\"must\":[]},\"vector\":[\"a\"],\"shard_key\":5}", "scan 5/ {\"must\":[]}" },
    { OP_DELETE_VECTORS, "{\"vector\":[\"a\"]}", NULL },
    { OP_DELETE_VECTORS, "{\"vector\":[\"a\"],\"points\":[1],\"vector\":[\"b\"]}", NULL },
    /* batches */
    { OP_BATCH_UPDATE, "{\"operations\":[]}", "" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},{\"delete\":{\"points\":[2]}},{\"set_"
        "payload\":{\"payload\":{},\"points\":[3]}},"
        "{\"overwrite_payload\":{\"payload\":{},\"points\":[4]}},{\"delete_payload\":{\"keys\":[],\"points\":[5]}},{"
        "\"clear_payload\":{\"points\":[6]}},"
        "{\"update_vectors\":{\"points\":[{\"id\":7,\"vector\":[1]}]}},{\"delete_vectors\":{\"points\":[8,1],"
        "\"vector\":[\"a\"]}}]}",
        "1 2 3 4 5 6 7 8" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"set_payload\":{\"payload\":{},\"points\":[3],\"shard_key\":\"a\"}},{\"clear_payload\":{"
        "\"points\":[3]}},{\"clear_payload\":{\"points\":[3],\"shard_key\":\"a\"}}]}",
        "3 \"a\"/3 payload" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"batch\":{\"ids\":[1],\"vectors\":[[1]]},\"update_mode\":\"insert_only\"}},{"
        "\"clear_payload\":{\"points\":[3]}}]}",
        "1 3 state" },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"delete\":{\"filter\":{\"must\":{\"has_id\":[1]}}}}]}", "1" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[ {\"delete\" : {\"points\":[1]} } ,{\"clear_payload\":{\"filter\":{},\"shard_key\":\"k\"}}]}",
        "[delete_points {\"points\":[1]}: 1] [clear_payload {\"filter\":{},\"shard_key\":\"k\"}: scan \"k\"/ {} "
        "payload]" },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"delete\":{\"points\":[1]},\"upsert\":{\"points\":[]}}]}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[{}]}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"replace\":{\"points\":[1]}}]}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"delete\":[1]}]}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[[{\"points\":[1]}]]}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":{\"delete\":{\"points\":[1]}}}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":null}", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[],\"operations\":[]}", NULL },
    { OP_BATCH_UPDATE, "{}", NULL },
    { OP_BATCH_UPDATE, "[[{\"delete\":{\"points\":[1]}}]]", NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"delete\":{\"points\":[1]}}]", NULL },
    /* no write of points */
    { OP_SCROLL_POINTS, "{\"points\":[1]}", NULL },
};

static void
test_bodies(void **state)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct arena arena = { 0 };
        struct touch touch = { .n_points = 77 };
        struct str error = STR_NONE;
        struct buf found = { 0 };
        enum fail fail = touch_of(bodies[i].op, str_from(bodies[i].body), &arena, &touch, &error);

        print_message("%s\n", bodies[i].body);
        assert_int_equal(fail, bodies[i].found ? FAIL_NONE : FAIL_BAD_BODY);
        if (bodies[i].found) {
            describe(&touch, &found);
            buf_putc(&found, '\0');
            assert_string_equal(buf_str(&found).p, bodies[i].found);
        } else {
            print_message("    " STR_FMT "\n", STR_ARG(error));
            assert_int_not_equal(error.len, 0);
            assert_int_equal(touch.n_points, 77);
        }
        buf_fini(&found);
        arena_fini(&arena);
    }
}

static const struct {
    enum op_id op;
    const char *body, *error;
} refusals[] = {
    { OP_DELETE_POINTS, "{\"points\":[1],\"points\":[2]}", "duplicate field `points`" },
    { OP_DELETE_POINTS, "{\"points\":[1],\"ids\":[2]}", "unknown field `ids`" },
    { OP_DELETE_POINTS, "{\"points\":[\"x\"]}", "\"x\" is no id of a point" },
    { OP_DELETE_POINTS, "{\"points\":[1,]}", "trailing comma is not allowed at byte 12" },
    { OP_DELETE_POINTS, "{\"points\":[1]}{", "unexpected content after document at byte 14" },
    { OP_DELETE_POINTS, "{\"points\":[1],\"filter\":{}}", "`points` and `filter` in one request" },
    { OP_DELETE_POINTS, "{}", "it names no points" },
    { OP_DELETE_POINTS, "[]", "it must be an object" },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"drop\":{}}]}", "unknown operation `drop`" },
};

static void
put_texts(const struct touch *t, struct buf *out)
{
    for (unsigned k = 0; t->texts && k < t->n_points; k++) {
        const struct touch_text *text = &t->texts[t->points[k].text];

        point_put_json(&t->points[k].id, out);
        if (text->vector.len)
            buf_printf(out, " " STR_FMT " " STR_FMT "; ", STR_ARG(text->vector), STR_ARG(text->payload));
        else
            buf_add(out, STR(" gone; "));
    }
    buf_add(out, t->leaves_none ? STR("all gone") : STR(""));
    buf_add(out, t->texts ? STR("") : STR("-"));
}

/* "id vector payload" of each point, in order; "-": it cannot be told. */
static const struct {
    enum op_id op;
    const char *body, *texts;
} afterwards[] = {
    { OP_UPSERT_POINTS,
        "{\"points\":[{\"payload\":{\"a\":1.0},\"id\":2,\"vector\":[1.0, "
        "2]},{\"id\":1,\"vectors\":{\"v\":[[1,0],[0,1]]}}]}",
        "1 {\"v\":[[1,0],[0,1]]} {}; 2 [1.0, 2] {\"a\":1.0}; " },
    { OP_UPSERT_POINTS, "{\"shard_key\":\"k\",\"points\":[{\"id\":1,\"vector\":{},\"payload\":null}]}", "1 {} {}; " },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]},{\"id\":2,\"vector\":[2]},{\"id\":1,\"vector\":[3]}]}",
        "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]},{\"id\":2}]}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":null}]}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":[]}]}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"text\":\"t\",\"model\":\"m\"}}]}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_mode\":\"insert_only\"}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_filter\":{\"must\":[]}}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1]}],\"shard_key\":[\"a\",\"b\"]}", "-" },
    { OP_UPSERT_POINTS, "{\"points\":[]}", "-" },
    { OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":[[1]]}}", "-" },
    { OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":[1]}]}", "-" },
    { OP_DELETE_POINTS, "{\"points\":[2,\"00000000-0000-0000-0000-000000000001\",1]}",
        "1 gone; 2 gone; \"00000000-0000-0000-0000-000000000001\" gone; all gone" },
    { OP_DELETE_POINTS, "{\"points\":[1,1]}", "-" },
    { OP_DELETE_POINTS, "{\"points\":[1],\"shard_key\":\"k\"}", "1 gone; all gone" },
    { OP_DELETE_POINTS, "{\"points\":[1,1],\"shard_key\":[\"a\",\"b\"]}", "-" },
    { OP_DELETE_POINTS, "{\"filter\":{\"must\":[{\"has_id\":[3]}]}}", "3 gone; all gone" },
    { OP_DELETE_POINTS, "{\"filter\":{\"must\":[{\"has_id\":[3]},{\"key\":\"a\",\"match\":{\"value\":1}}]}}", "-" },
    { OP_DELETE_POINTS, "{\"filter\":{}}", "-" },
    { OP_CLEAR_PAYLOAD, "{\"points\":[1]}", "-" },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"vector\":[\"a\"]}", "-" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":7,\"vector\":[1]},{\"id\":3,\"vector\":{}}]}},"
        "{\"delete\":{\"points\":[5,1]}},{\"upsert\":{\"points\":[{\"id\":6,\"payload\":{\"b\":2},\"vector\":[2]}]}"
        "}]}",
        "1 gone; 3 {} {}; 5 gone; 6 [2] {\"b\":2}; 7 [1] {}; " },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"delete\":{\"points\":[2]}},{\"delete\":{\"points\":[1]}}]}",
        "1 gone; 2 gone; all gone" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},{\"delete\":{\"points\":[1]}}]}", "-" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},{\"clear_payload\":{\"points\":[2]}"
        "}]}",
        "-" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},{\"upsert\":{\"points\":[{\"id\":2,"
        "\"vector\":[1]}],\"update_mode\":\"update_only\"}}]}",
        "-" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},{\"delete\":{\"filter\":{}}}]}", "-" },
    { OP_BATCH_UPDATE, /* as many texts as points */
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]},{\"id\":1,\"vector\":[2]}]}},"
        "{\"delete\":{\"points\":[2],\"shard_key\":[\"a\",\"b\"]}}]}",
        "-" },
    { OP_BATCH_UPDATE, "{\"operations\":[]}", "-" },
};

static void
test_what_points_are_afterwards(void **state)
{
    for (size_t i = 0; i < sizeof(afterwards) / sizeof(*afterwards); i++) {
        struct arena arena = { 0 };
        struct buf out = { 0 };
        struct str error;
        struct touch t;

        assert_int_equal(touch_of(afterwards[i].op, str_from(afterwards[i].body), &arena, &t, &error), FAIL_NONE);
        put_texts(&t, &out);
        if (!str_eq(buf_str(&out), str_from(afterwards[i].texts)))
            fail_msg("%s: " STR_FMT, afterwards[i].body, STR_ARG(buf_str(&out)));
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void
test_refusals_say_why(void **state)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        struct arena arena = { 0 };
        struct touch touch;
        struct str error = STR_NONE;

        assert_int_equal(touch_of(refusals[i].op, str_from(refusals[i].body), &arena, &touch, &error), FAIL_BAD_BODY);
        if (!str_eq(error, str_from(refusals[i].error)))
            fail_msg("got " STR_FMT ", want %s", STR_ARG(error), refusals[i].error);
        arena_fini(&arena);
    }
}

/* "[1,1,…": n ids in `before` and `after`. */
static enum fail
touch_many(const char *before, const char *after, unsigned n, struct touch *ret_touch, struct arena *arena)
{
    struct buf body = { 0 };
    struct str error = STR_NONE;
    enum fail fail;

    buf_add(&body, str_from(before));
    for (unsigned i = 0; i < n; i++)
        buf_printf(&body, "%s%u", i ? "," : "", i);
    buf_add(&body, str_from(after));
    fail = touch_of(OP_DELETE_POINTS, buf_str(&body), arena, ret_touch, &error);
    buf_fini(&body);
    return fail;
}

static void
test_limits(void **state)
{
    struct arena arena = { 0 };
    struct touch touch;

    assert_int_equal(touch_many("{\"points\":[", "]}", TOUCH_POINTS_MAX, &touch, &arena), FAIL_NONE);
    assert_int_equal(touch.n_points, TOUCH_POINTS_MAX);
    assert_int_equal(touch_many("{\"points\":[", "]}", TOUCH_POINTS_MAX + 1, &touch, &arena), FAIL_BODY_TOO_LARGE);
    assert_int_equal(
        touch_many("{\"points\":[1,2],\"shard_key\":[", "]}", TOUCH_SHARD_KEYS_MAX, &touch, &arena), FAIL_NONE);
    assert_int_equal(touch.n_points, 2 * TOUCH_SHARD_KEYS_MAX);
    assert_int_equal(touch_many("{\"points\":[1,2],\"shard_key\":[", "]}", TOUCH_SHARD_KEYS_MAX + 1, &touch, &arena),
        FAIL_BODY_TOO_LARGE);
    assert_int_equal(
        touch_many("{\"shard_key\":[\"a\",\"b\",\"c\"],\"points\":[", "]}", TOUCH_POINTS_MAX / 3 + 1, &touch, &arena),
        FAIL_BODY_TOO_LARGE);
    arena_fini(&arena);
}

static const struct {
    enum op_id op;
    const char *body;
    unsigned n;
    enum touch_form form;
    const char *made;
} forms[] = {
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\": 1.0},\"filter\":{\"must\":[]},\"key\":\"x\"}", 2, TOUCH_FORM_IDS,
        "{\"points\":[7," A "],\"payload\":{\"a\": 1.0},\"key\":\"x\"}" },
    { OP_SET_PAYLOAD, "{\"filter\":{},\"payload\":{}}", 0, TOUCH_FORM_IDS,
        "{\"filter\":{\"must\":[{\"has_id\":[]}]},\"payload\":{}}" },
    { OP_DELETE_POINTS, "{ \"filter\" : {} , \"shard_key\" : \"k\" }", 1, TOUCH_FORM_IDS,
        "{\"points\":[7],\"shard_key\":\"k\"}" },
    { OP_DELETE_VECTORS, "{\"points\":[1],\"filter\":{},\"vector\":[\"a\"]}", 2, TOUCH_FORM_IDS,
        "{\"points\":[7," A "],\"vector\":[\"a\"]}" },
    { OP_CLEAR_PAYLOAD, "{\"points\":[7]}", 1, TOUCH_FORM_EXISTING, "{\"filter\":{\"must\":[{\"has_id\":[7]}]}}" },
    { OP_DELETE_PAYLOAD, "{\"keys\":[\"\\u0061\"],\"points\":[7]}", 2, TOUCH_FORM_EXISTING,
        "{\"filter\":{\"must\":[{\"has_id\":[7," A "]}]},\"keys\":[\"\\u0061\"]}" },
    { OP_UPSERT_POINTS, "{\"points\":[]}", 1, TOUCH_FORM_IDS, NULL },
    { OP_UPDATE_VECTORS, "{\"points\":[]}", 1, TOUCH_FORM_IDS, NULL },
    { OP_BATCH_UPDATE, "{\"operations\":[]}", 1, TOUCH_FORM_IDS, NULL },
};

static void
test_with_ids(void **state)
{
    static const struct point_id ids[] = { { 0, 7, false },
        { UINT64_C(0x550e8400e29b41d4), UINT64_C(0xa716446655440000), true } };

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct buf made = { 0 };

        assert_int_equal(touch_with_ids(forms[i].op, str_from(forms[i].body), forms[i].form, ids, forms[i].n, &made),
            forms[i].made != NULL);
        if (forms[i].made) {
            buf_putc(&made, '\0');
            assert_string_equal(buf_str(&made).p, forms[i].made);
        }
        buf_fini(&made);
    }
}

static const struct {
    const char *query, *waiting; /* NULL: refused */
    bool wait, has_timeout;
    uint64_t timeout_s;
    enum touch_ordering ordering;
} queries[] = {
    { "", "wait=true", false, false, 0, TOUCH_WEAK },
    { "wait=true", "wait=true", true, false, 0, TOUCH_WEAK },
    { "wait=false", "wait=true", false, false, 0, TOUCH_WEAK },
    { "ordering=strong&wait=false&timeout=5", "wait=true&ordering=strong&timeout=5", false, true, 5, TOUCH_STRONG },
    { "w%61it=true&timeout=%35", "wait=true&timeout=%35", true, true, 5, TOUCH_WEAK },
    { "timeout=0&ordering=medium", "wait=true&timeout=0&ordering=medium", false, true, 0, TOUCH_MEDIUM },
    { "&&x=1&y&z=", "wait=true&x=1&y&z=", false, false, 0, TOUCH_WEAK },
    { "wait=", NULL, false, false, 0, TOUCH_WEAK },
    { "wait", NULL, false, false, 0, TOUCH_WEAK },
    { "wait=True", NULL, false, false, 0, TOUCH_WEAK },
    { "wait=1", NULL, false, false, 0, TOUCH_WEAK },
    { "wait=true&w%61it=true", NULL, false, false, 0, TOUCH_WEAK },
    { "timeout=1&timeout=1", NULL, false, false, 0, TOUCH_WEAK },
    { "timeout=-1", NULL, false, false, 0, TOUCH_WEAK },
    { "timeout=1.5", NULL, false, false, 0, TOUCH_WEAK },
    { "ordering=Weak", NULL, false, false, 0, TOUCH_WEAK },
};

static void
test_queries(void **state)
{
    for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
        struct arena arena = { 0 };
        struct touch_query q = { .timeout_s = 77 };
        struct str error = STR_NONE;
        enum fail fail = touch_query_of(str_from(queries[i].query), &arena, &q, &error);

        print_message("%s\n", queries[i].query);
        assert_int_equal(fail, queries[i].waiting ? FAIL_NONE : FAIL_BAD_TARGET);
        if (queries[i].waiting) {
            assert_true(str_eq(q.waiting, str_from(queries[i].waiting)));
            assert_int_equal(q.wait, queries[i].wait);
            assert_int_equal(q.has_timeout, queries[i].has_timeout);
            assert_int_equal(q.timeout_s, queries[i].timeout_s);
            assert_int_equal(q.ordering, queries[i].ordering);
        } else {
            assert_int_not_equal(error.len, 0);
            assert_int_equal(q.timeout_s, 77);
        }
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_what_points_are_afterwards),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_with_ids),
        cmocka_unit_test(test_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
