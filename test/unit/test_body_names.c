/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/base/buf.h"
#include "proxy/route/operation.h"

static struct operation
operation(enum op_id id)
{
    return (struct operation){ .id = id, .info = op_info(id), .scope = op_info(id)->scope };
}

/* `names` are joined by '|'; NULL: refused. */
static const struct {
    enum op_id id;
    const char *body, *names;
} bodies[] = {
    { OP_QUERY_POINTS, "{\"query\":[0.1,0.2],\"limit\":3}", "" },
    { OP_QUERY_POINTS, "{\"query\":1,\"lookup_from\":{\"collection\":\"other\",\"vector\":\"v\"}}", "other" },
    { OP_QUERY_POINTS, "{\"query\":1,\"lookup_\\u0066rom\":{\"c\\u006fllection\":\"oth\\u0065r\"}}", "other" },
    { OP_QUERY_POINTS, "{\"query\":1,\"lookup_from\":null}", "" },
    { OP_QUERY_POINTS, "{\"lookup_from\":\"plain\"}", "plain" },
    { OP_QUERY_POINTS,
        "{\"prefetch\":[{\"prefetch\":{\"query\":1,\"lookup_from\":{\"collection\":\"deep\"}},\"query\":2},"
        "{\"query\":3,\"lookup_from\":{\"collection\":\"wide\"}}],\"lookup_from\":{\"collection\":\"top\"}}",
        "deep|wide|top" },
    { OP_QUERY_POINTS,
        "{\"prefetch\":[{\"lookup_from\":{\"collection\":\"a\"}},{\"lookup_from\":{\"collection\":\"a\"}}]}", "a" },
    { OP_QUERY_POINTS, "{\"filter\":{\"must\":[{\"key\":\"lookup_from\",\"match\":{\"value\":\"x\"}}]}}", "" },
    { OP_QUERY_POINTS, "{\"lookup_from\":{\"collection\":7}}", "" }, /* Qdrant refuses it */
    { OP_QUERY_BATCH, "{\"searches\":[{\"query\":1},{\"query\":1,\"lookup_from\":{\"collection\":\"b\"}}]}", "b" },
    { OP_QUERY_GROUPS, "{\"group_by\":\"x\",\"with_lookup\":\"names\"}", "names" },
    { OP_QUERY_GROUPS,
        "{\"group_by\":\"x\",\"with_lookup\":{\"collection\":\"names\"},\"lookup_from\":{\"collection\":\"v\"}}",
        "names|v" },
    { OP_SEARCH_GROUPS, "{\"vector\":[1],\"with_lookup\":\"names\"}", "names" },
    { OP_RECOMMEND_POINTS, "{\"positive\":[1],\"lookup_from\":{\"collection\":\"r\"}}", "r" },
    { OP_RECOMMEND_BATCH, "{\"searches\":[{\"positive\":[1],\"lookup_from\":{\"collection\":\"r\"}}]}", "r" },
    { OP_RECOMMEND_GROUPS, "{\"positive\":[1],\"lookup_from\":{\"collection\":\"r\"},\"with_lookup\":\"s\"}", "r|s" },
    { OP_DISCOVER_POINTS, "{\"target\":1,\"lookup_from\":{\"collection\":\"d\"}}", "d" },
    { OP_DISCOVER_BATCH, "{\"searches\":[{\"target\":1,\"lookup_from\":{\"collection\":\"d\"}}]}", "d" },
    /* No names are looked for here: not even JSON is asked for. */
    { OP_SCROLL_POINTS, "{\"lookup_from\":{\"collection\":\"x\"}}", "" },
    { OP_UPSERT_POINTS, "not JSON", "" },
    /* refused */
    { OP_QUERY_POINTS, "", NULL },
    { OP_QUERY_POINTS, "{", NULL },
    { OP_QUERY_POINTS, "{} {}", NULL },
    { OP_QUERY_POINTS, "[]", NULL },
    { OP_QUERY_POINTS, "null", NULL },
    { OP_QUERY_POINTS, "{\"a\":\"\\ud800\"}", NULL },
    { OP_QUERY_POINTS, "{\"lookup_from\":{\"collection\":\"a\"},\"lookup_from\":{\"collection\":\"b\"}}", NULL },
    { OP_QUERY_POINTS, "{\"lookup_from\":{\"collection\":\"a\",\"collection\":\"b\"}}", NULL },
    { OP_QUERY_POINTS, "{\"lookup_from\":{\"collection\":\"a\",\"c\\u006fllection\":\"b\"}}", NULL },
    /* Structs written by position, which Qdrant's deserializer takes. */
    { OP_QUERY_POINTS, "{\"lookup_from\":[\"other\",null,null]}", NULL },
    { OP_QUERY_POINTS, "{\"prefetch\":[null,1,null,null,null,null,5,{\"collection\":\"other\"}]}", NULL },
    { OP_QUERY_POINTS, "{\"prefetch\":[[null,1,null,null,null,null,5,{\"collection\":\"other\"}]]}", NULL },
    { OP_QUERY_POINTS, "{\"prefetch\":{\"prefetch\":[[null,1,null,null,null,null,5,[\"other\"]]]}}", NULL },
    { OP_QUERY_BATCH, "[[{\"query\":1,\"lookup_from\":{\"collection\":\"other\"}}]]", NULL },
    { OP_QUERY_BATCH, "{\"searches\":[[null,1]]}", NULL },
    { OP_QUERY_GROUPS, "{\"with_lookup\":[\"other\",true,false]}", NULL },
    /* aliases */
    { OP_UPDATE_ALIASES, "{\"actions\":[{\"create_alias\":{\"collection_name\":\"c\",\"alias_name\":\"a\"}}]}", "c|a" },
    { OP_UPDATE_ALIASES,
        "{\"actions\":[{\"delete_alias\":{\"alias_name\":\"d\"}},"
        "{\"rename_alias\":{\"old_alias_name\":\"o\",\"new_alias_name\":\"n\"}}]}",
        "d|o|n" },
    { OP_UPDATE_ALIASES,
        "{\"actions\":[{\"create\\u005falias\":{\"collection_name\":\"c\",\"alias_name\":\"\\u0061\"}}]}", "c|a" },
    { OP_UPDATE_ALIASES, "{\"actions\":[]}", "" },
    { OP_UPDATE_ALIASES, "{}", "" },
    { OP_UPDATE_ALIASES, "{\"actions\":[{\"create_alias\":[\"c\",\"a\"]}]}", NULL },
    { OP_UPDATE_ALIASES, "{\"actions\":[[[\"c\",\"a\"]]]}", NULL },
    { OP_UPDATE_ALIASES, "{\"actions\":[[{\"collection_name\":\"c\",\"alias_name\":\"a\"}]]}", NULL },
    { OP_UPDATE_ALIASES, "[[{\"create_alias\":{\"collection_name\":\"c\",\"alias_name\":\"a\"}}]]", NULL },
    { OP_UPDATE_ALIASES, "{\"actions\":[],\"actions\":[]}", NULL },
};

static void
test_bodies(void **state)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct operation op = operation(bodies[i].id);
        struct arena arena = { 0 };
        struct name_list list = { NULL, 77 };
        struct str error = STR_NONE;
        struct buf text = { 0 };
        enum fail fail = operation_body_collections(&op, str_from(bodies[i].body), &arena, &list, &error);

        print_message("%s\n", bodies[i].body);
        assert_int_equal(fail, bodies[i].names ? FAIL_NONE : FAIL_BAD_BODY);
        if (!bodies[i].names) {
            assert_int_not_equal(error.len, 0);
            assert_int_equal(list.n, 77);
            arena_fini(&arena);
            continue;
        }
        for (unsigned j = 0; j < list.n; j++) {
            buf_add(&text, j ? STR("|") : STR(""));
            buf_add(&text, list.names[j]);
        }
        if (!str_eq(buf_str(&text), str_from(bodies[i].names)))
            fail_msg("got " STR_FMT ", want %s", STR_ARG(buf_str(&text)), bodies[i].names);
        buf_fini(&text);
        arena_fini(&arena);
    }
}

static void
test_duplicate_is_named(void **state)
{
    struct operation op = operation(OP_QUERY_POINTS);
    struct arena arena = { 0 };
    struct name_list list;
    struct str error;

    assert_int_equal(
        operation_body_collections(&op, STR("{\"limit\":1,\"limit\":2}"), &arena, &list, &error), FAIL_BAD_BODY);
    assert_true(str_eq(error, STR("duplicate field `limit`")));
    arena_fini(&arena);
}

static void
test_too_many_names(void **state)
{
    struct operation op = operation(OP_QUERY_BATCH);
    struct arena arena = { 0 };
    struct name_list list;
    struct str error;

    for (unsigned n = 256; n <= 257; n++) {
        struct buf body = { 0 };

        buf_add(&body, STR("{\"searches\":["));
        for (unsigned i = 0; i < n; i++)
            buf_add(&body, arena_printf(&arena, "%s{\"lookup_from\":{\"collection\":\"c%u\"}}", i ? "," : "", i));
        buf_add(&body, STR("]}"));
        assert_int_equal(operation_body_collections(&op, buf_str(&body), &arena, &list, &error),
            n == 256 ? FAIL_NONE : FAIL_BAD_BODY);
        assert_int_equal(list.n, 256);
        buf_fini(&body);
    }
    arena_fini(&arena);
}

static const struct {
    bool yes;
    enum op_id id;
    const char *body;
} writes[] = {
    { true, OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[0.1],\"payload\":{\"model\":\"x\"}}]}" },
    { true, OP_UPSERT_POINTS,
        "{\"points\":[{\"id\":1,\"vector\":{\"model\":[0.1],\"s\":{\"indices\":[1],\"values\":[1]}}}]}" },
    { true, OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":[[1,2]]},\"shard_key\":\"k\"}" },
    { true, OP_UPSERT_POINTS, "{\"points\":[],\"update_filter\":null,\"update_mode\":null,\"shard_key\":null}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"update_filter\":{\"must\":[]}}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"update_mode\":\"insert_only\"}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"shard_key\":{\"target\":\"a\",\"fallback\":\"b\"}}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"unheard_of\":1}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"unheard_of\":null}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"points\":[]}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[],\"batch\":{}}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[[1,[0.1],null]]}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"text\":\"t\",\"model\":\"m\"}}]}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":{\"text\":\"t\",\"model\":\"m\"}}}]}" },
    { false, OP_UPSERT_POINTS, "{\"batch\":{\"ids\":[1],\"vectors\":{\"a\":[{\"text\":\"t\",\"model\":\"m\"}]}}}" },
    { false, OP_UPSERT_POINTS, "[[],null]" },
    { false, OP_UPSERT_POINTS, "{}" },
    { false, OP_UPSERT_POINTS, "{\"points\":[" },
    { false, OP_UPSERT_POINTS, "" },
    { true, OP_DELETE_POINTS, "{\"points\":[1,\"5c56c793-69f3-4fbf-87e6-c4bf54c28c26\"]}" },
    { false, OP_DELETE_POINTS, "{\"filter\":{}}" },
    { false, OP_DELETE_POINTS, "{\"points\":[1],\"filter\":{}}" },
    { false, OP_DELETE_POINTS, "{\"points\":[1],\"batch\":{}}" },
    { true, OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vector\":{\"a\":[[1.0,2.0]]}}]}" },
    { false, OP_UPDATE_VECTORS, "{\"points\":[{\"id\":1,\"vectors\":{\"a\":{\"image\":\"i\",\"model\":\"m\"}}}]}" },
    { false, OP_UPDATE_VECTORS, "{\"points\":[],\"update_filter\":{}}" },
    { true, OP_DELETE_VECTORS, "{\"points\":[1],\"vector\":[\"a\"]}" },
    { false, OP_DELETE_VECTORS, "{\"filter\":{},\"vector\":[\"a\"]}" },
    { true, OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"points\":[1],\"key\":null}" },
    { false, OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"points\":[1],\"key\":\"a.b\"}" },
    { false, OP_SET_PAYLOAD, "{\"payload\":{\"a\":1},\"points\":null,\"filter\":{}}" },
    { true, OP_OVERWRITE_PAYLOAD, "{\"payload\":{},\"points\":[1]}" },
    { true, OP_DELETE_PAYLOAD, "{\"keys\":[\"a\"],\"points\":[1]}" },
    { true, OP_CLEAR_PAYLOAD, "{\"points\":[1]}" },
    { false, OP_CLEAR_PAYLOAD, "{\"filter\":{}}" },
    { true, OP_BATCH_UPDATE,
        "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"set_payload\":{\"payload\":{},\"points\":[1]}}]}" },
    { true, OP_BATCH_UPDATE, "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"delete\":{\"points\":[1]}}]}" },
    { false, OP_BATCH_UPDATE,
        "{\"operations\":[{\"set_payload\":{\"payload\":{},\"points\":[1]}},{\"delete\":{\"points\":[1]}}]}" },
    { false, OP_BATCH_UPDATE, "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"delete\":{\"filter\":{}}}]}" },
    { false, OP_BATCH_UPDATE, "{\"operations\":[{\"upsert\":{\"points\":[]},\"delete\":{\"points\":[]}}]}" },
    { false, OP_BATCH_UPDATE, "{\"operations\":[{\"invent\":{\"points\":[]}}]}" },
    { false, OP_BATCH_UPDATE, "{\"operations\":[[]]}" },
    { false, OP_BATCH_UPDATE, "{}" },
    { true, OP_UPDATE_ALIASES, "{\"actions\":[{\"create_alias\":{}},{\"delete_alias\":{}}]}" },
    { false, OP_UPDATE_ALIASES, "{\"actions\":[{\"rename_alias\":{}}]}" },
    { false, OP_UPDATE_ALIASES, "{\"actions\":[{\"create_alias\":{}},{\"rename_alias\":{}}]}" },
    { false, OP_UPDATE_ALIASES, "{}" },
    { true, OP_UPDATE_COLLECTION, "" },
    { true, OP_CREATE_INDEX, "" },
    { true, OP_DELETE_VECTOR_NAME, "" },
    { false, OP_CREATE_COLLECTION, "{}" },
    { false, OP_DELETE_COLLECTION, "" },
    { false, OP_CREATE_SNAPSHOT, "" },
    { false, OP_UNKNOWN, "{\"points\":[1]}" },
    { true, OP_QUERY_POINTS, "{}" },
};

static void
test_idempotent(void **state)
{
    for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++) {
        struct operation op = operation(writes[i].id);

        print_message("%s %s\n", op.info->name, writes[i].body);
        assert_int_equal(operation_is_idempotent(&op, str_from(writes[i].body)), writes[i].yes);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_duplicate_is_named),
        cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_idempotent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
