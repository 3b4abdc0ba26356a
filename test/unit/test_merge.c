/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/route/merge.h"

enum { PARTS = 3 };

static struct part
answered(int status, const char *body)
{
    return (struct part){ .cluster = STR("c"), .status = status, .body = str_from(body) };
}

static struct part
failed(enum fail fail)
{
    return (struct part){ .cluster = STR("c"), .fail = fail };
}

/* --- lists ------------------------------------------------------------------------------------------------------------- */

/* Part 0 keeps all but what begins with x, part 1 only what does. */
static bool
keep(void *arg, struct str name, unsigned part)
{
    bool is_x = name.len && name.p[0] == 'x';

    return (part == 0) != is_x;
}

static const struct {
    enum op_id id;
    const char *parts[2]; /* NULL: only one part */
    const char *want;     /* NULL: refused */
    unsigned bad;
} lists[] = {
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":[]},\"status\":\"ok\",\"time\":1.5e-05}", NULL },
        "{\"result\":{\"collections\":[]},\"status\":\"ok\",\"time\":0.250000000}", 0 },
    { OP_LIST_COLLECTIONS,
        { "{\"result\":{\"collections\":[{\"name\":\"b\"},{\"name\":\"x1\"},{\"name\":\"a\",\"more\":[[]]}]}}",
            "{\"result\":{\"collections\":[{\"name\":\"x2\"},{\"name\":\"a\"},{\"name\":\"x2\"}]},\"extra\":{}}" },
        "{\"result\":{\"collections\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"x2\"}]},\"status\":\"ok\","
        "\"time\":0.250000000}",
        0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":[{\"name\":\"caf\\u00e9 \\\"\\n\\u0000\"}]}}", NULL },
        "{\"result\":{\"collections\":[{\"name\":\"caf\xc3\xa9 "
        "\\\"\\n\\u0000\"}]},\"status\":\"ok\",\"time\":0.250000000}",
        0 },
    { OP_LIST_ALIASES,
        { "{\"result\":{\"aliases\":[{\"alias_name\":\"b\",\"collection_name\":\"v\"},"
          "{\"collection_name\":\"v\",\"alias_name\":\"a\"},{\"alias_name\":\"xa\",\"collection_name\":\"v\"},"
          "{\"alias_name\":\"c\",\"collection_name\":\"xv\"}]}}",
            "{\"result\":{\"aliases\":[{\"alias_name\":\"xb\",\"collection_name\":\"xv\"}]}}" },
        "{\"result\":{\"aliases\":[{\"alias_name\":\"a\",\"collection_name\":\"v\"},{\"alias_name\":\"b\",\"collection_"
        "name\":"
        "\"v\"},{\"alias_name\":\"xb\",\"collection_name\":\"xv\"}]},\"status\":\"ok\",\"time\":0.250000000}",
        0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":[]}}", "" }, NULL, 1 },
    { OP_LIST_COLLECTIONS, { "", "{\"result\":{\"collections\":[]}}" }, NULL, 0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":{}}}", NULL }, NULL, 0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":[\"a\"]}}", NULL }, NULL, 0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":{\"collections\":[{\"name\":\"a\"},{\"name\":7}]}}", NULL }, NULL, 0 },
    { OP_LIST_COLLECTIONS, { "{\"result\":[]}", NULL }, NULL, 0 },
    { OP_LIST_COLLECTIONS, { "[]", NULL }, NULL, 0 },
    { OP_LIST_ALIASES, { "{\"result\":{\"collections\":[]}}", NULL }, NULL, 0 },
    { OP_LIST_ALIASES, { "{\"result\":{\"aliases\":[{\"alias_name\":\"a\"}]}}", NULL }, NULL, 0 },
    { OP_LIST_ALIASES, { "{\"result\":{\"aliases\":[{\"alias_name\":null,\"collection_name\":\"v\"}]}}", NULL }, NULL,
        0 },
};

static void
test_lists(void **state)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct part parts[2] = { answered(200, lists[i].parts[0]), answered(200, lists[i].parts[1]) };
        struct buf out = { 0 };
        unsigned bad = 77;
        bool ok = merge_lists(lists[i].id, parts, lists[i].parts[1] ? 2 : 1, keep, NULL, 0.25, &out, &bad);

        print_message("%zu\n", i);
        assert_int_equal(ok, lists[i].want != NULL);
        if (!ok)
            assert_int_equal(bad, lists[i].bad);
        if (!str_eq(buf_str(&out), str_from(lists[i].want)))
            fail_msg("got " STR_FMT, STR_ARG(buf_str(&out)));
        buf_fini(&out);
    }
}

static void
test_list_failures(void **state)
{
    const char *good = "{\"result\":{\"collections\":[{\"name\":\"a\"}]}}";
    struct part bads[] = { failed(FAIL_CONNECT_REFUSED), answered(0, good), answered(500, good), answered(403, "{}") };

    for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
        struct part parts[2] = { answered(200, good), bads[i] };
        struct buf out = { 0 };
        unsigned bad = 77;

        assert_false(merge_lists(OP_LIST_COLLECTIONS, parts, 2, keep, NULL, 0, &out, &bad));
        assert_int_equal(bad, 1);
        assert_int_equal(buf_len(&out), 0);
    }
}

static void
test_long_list(void **state)
{
    struct arena arena = { 0 };
    struct buf body = { 0 }, out = { 0 };
    struct part part;
    unsigned bad;

    buf_add(&body, STR("{\"result\":{\"collections\":["));
    for (unsigned i = 0; i < 1000; i++)
        buf_add(&body, arena_printf(&arena, "%s{\"name\":\"c%03u\"}", i ? "," : "", 999 - i));
    buf_add(&body, STR("]}}"));
    part = (struct part){ .status = 200, .body = buf_str(&body) };
    assert_true(merge_lists(OP_LIST_COLLECTIONS, &part, 1, keep, NULL, 0, &out, &bad));
    assert_true(
        str_starts(buf_str(&out), STR("{\"result\":{\"collections\":[{\"name\":\"c000\"},{\"name\":\"c001\"}")));
    assert_non_null(memmem(out.data, buf_len(&out), "{\"name\":\"c999\"}]", 16));
    buf_fini(&body);
    buf_fini(&out);
    arena_fini(&arena);
}

/* --- schema ------------------------------------------------------------------------------------------------------------ */

#define TRUE_ "{\"result\":true,\"status\":\"ok\",\"time\":0.01}"
#define TRUE_2 "{\"result\":true,\"status\":\"ok\",\"time\":0.77}"
#define FALSE_ "{\"result\":false,\"status\":\"ok\",\"time\":0.01}"
#define DONE "{\"result\":{\"operation_id\":4,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.01}"
#define DONE_2 "{\"result\":{\"status\":\"completed\",\"operation_id\":9},\"status\":\"ok\",\"time\":0.02}"
#define ACKED "{\"result\":{\"operation_id\":4,\"status\":\"acknowledged\"},\"status\":\"ok\",\"time\":0.01}"
#define WAITED "{\"result\":{\"operation_id\":4,\"status\":\"wait_timeout\"},\"status\":\"ok\",\"time\":0.01}"
#define ERROR(text) "{\"status\":{\"error\":\"" text "\"},\"time\":0.0}"
#define EXISTS ERROR("Wrong input: Collection `c` already exists!")
#define MISSING ERROR("Not found: Collection `c` doesn't exist!")
#define NO_ALIAS ERROR("Not found: Alias live does not exists!")

static const struct {
    const char *what;
    enum op_id id;
    struct {
        int status; /* negative: a failure */
        const char *body;
    } parts[PARTS];
    enum schema_verdict verdict;
    unsigned index;
    bool needs_configs;
} schemas[] = {
    { "all true", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 200, TRUE_2 }, { 200, TRUE_ } }, SCHEMA_SAME, 0, false },
    { "all had it", OP_CREATE_COLLECTION, { { 409, EXISTS }, { 409, EXISTS }, { 409, EXISTS } }, SCHEMA_SAME, 0,
        false },
    { "all refuse", OP_CREATE_COLLECTION, { { 400, ERROR("a: 1") }, { 400, ERROR("a: 2") }, { 400, ERROR("a: 3") } },
        SCHEMA_SAME, 0, false },
    { "all say 401 in plain text", OP_CREATE_COLLECTION,
        { { 401, "Invalid API key" }, { 401, "Invalid API key" }, { 401, "Invalid API key" } }, SCHEMA_SAME, 0, false },
    { "one refuses", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 400, ERROR("no") }, { 500, ERROR("x") } }, SCHEMA_FAILED,
        1, false },
    { "one is not reached", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 200, TRUE_ }, { -FAIL_CONNECT_REFUSED, "" } },
        SCHEMA_FAILED, 2, false },
    { "one is not tried", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 0, "" }, { 200, TRUE_ } }, SCHEMA_FAILED, 1,
        false },
    { "none is reached", OP_CREATE_COLLECTION,
        { { -FAIL_CONNECT_REFUSED, "" }, { -FAIL_CONNECT_REFUSED, "" }, { -FAIL_CONNECT_REFUSED, "" } }, SCHEMA_FAILED,
        0, false },
    { "none is tried", OP_CREATE_COLLECTION, { { 0, "" }, { 0, "" }, { 0, "" } }, SCHEMA_FAILED, 0, false },
    { "one had it", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 409, EXISTS }, { 200, TRUE_ } }, SCHEMA_FAILED, 1, true },
    { "one had it, one fails", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 409, EXISTS }, { 500, ERROR("x") } },
        SCHEMA_FAILED, 2, false },
    { "one had it, none made it", OP_CREATE_COLLECTION, { { 409, EXISTS }, { 409, EXISTS }, { 500, ERROR("x") } },
        SCHEMA_FAILED, 2, false },
    { "a proxy's 200", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 200, "<html>" }, { 200, TRUE_ } }, SCHEMA_FAILED, 1,
        false },
    { "a 200 of another shape", OP_CREATE_COLLECTION, { { 200, TRUE_ }, { 200, "{\"result\":7}" }, { 200, TRUE_ } },
        SCHEMA_FAILED, 1, false },
    { "409 elsewhere is a refusal", OP_UPDATE_ALIASES, { { 200, TRUE_ }, { 409, EXISTS }, { 200, TRUE_ } },
        SCHEMA_FAILED, 1, false },

    { "deleted before in one", OP_DELETE_COLLECTION, { { 200, FALSE_ }, { 200, TRUE_ }, { 200, TRUE_ } },
        SCHEMA_COMPLETED, 1, false },
    { "deleted before in all", OP_DELETE_COLLECTION, { { 200, FALSE_ }, { 200, FALSE_ }, { 200, FALSE_ } }, SCHEMA_SAME,
        0, false },
    { "404 is deleted, too", OP_DELETE_COLLECTION, { { 404, MISSING }, { 200, FALSE_ }, { 200, TRUE_ } },
        SCHEMA_COMPLETED, 2, false },
    { "an empty 404 is not", OP_DELETE_COLLECTION, { { 200, TRUE_ }, { 404, "" }, { 200, TRUE_ } }, SCHEMA_FAILED, 1,
        false },
    { "404 of PATCH is a refusal", OP_UPDATE_COLLECTION, { { 200, TRUE_ }, { 404, MISSING }, { 200, TRUE_ } },
        SCHEMA_FAILED, 1, false },

    { "renamed before in one", OP_UPDATE_ALIASES, { { 404, NO_ALIAS }, { 200, TRUE_ }, { 200, TRUE_ } },
        SCHEMA_COMPLETED, 1, false },
    { "renamed before in all", OP_UPDATE_ALIASES, { { 404, NO_ALIAS }, { 404, NO_ALIAS }, { 404, NO_ALIAS } },
        SCHEMA_SAME, 0, false },
    { "alias of a missing collection", OP_UPDATE_ALIASES, { { 404, MISSING }, { 200, TRUE_ }, { 200, TRUE_ } },
        SCHEMA_FAILED, 0, false },

    { "other operation ids", OP_CREATE_INDEX, { { 200, DONE }, { 200, DONE_2 }, { 200, DONE } }, SCHEMA_SAME, 0,
        false },
    { "one only waited", OP_CREATE_INDEX, { { 200, DONE }, { 200, ACKED }, { 200, WAITED } }, SCHEMA_COMPLETED, 2,
        false },
    { "one only took it", OP_DELETE_INDEX, { { 200, DONE }, { 200, ACKED }, { 200, DONE } }, SCHEMA_COMPLETED, 1,
        false },

    { "shard key there", OP_CREATE_SHARD_KEY,
        { { 400, ERROR("Bad request: Shard key \\\"a\\\" already exists") }, { 200, TRUE_ }, { 200, TRUE_ } },
        SCHEMA_COMPLETED, 1, false },
    { "no custom sharding", OP_CREATE_SHARD_KEY,
        { { 400, ERROR("Bad request: Shard Key a cannot be created with Auto sharding method") }, { 200, TRUE_ },
            { 200, TRUE_ } },
        SCHEMA_FAILED, 0, false },
    { "shard key gone", OP_DELETE_SHARD_KEY,
        { { 200, TRUE_ }, { 400, ERROR("Wrong input: Shard key a does not exist for collection c") }, { 200, TRUE_ } },
        SCHEMA_COMPLETED, 0, false },
};

static struct operation
operation(enum op_id id)
{
    return (struct operation){ .id = id, .info = op_info(id), .scope = op_info(id)->scope };
}

static void
test_schemas(void **state)
{
    for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++) {
        struct operation op = operation(schemas[i].id);
        struct part parts[PARTS];
        unsigned index = 77;
        bool needs_configs = true;

        for (unsigned j = 0; j < PARTS; j++) {
            int status = schemas[i].parts[j].status;

            parts[j] = status < 0 ? failed((enum fail) - status) : answered(status, schemas[i].parts[j].body);
        }
        print_message("%s\n", schemas[i].what);
        assert_int_equal(merge_schema(&op, parts, PARTS, NULL, &index, &needs_configs), schemas[i].verdict);
        assert_int_equal(index, schemas[i].index);
        assert_int_equal(needs_configs, schemas[i].needs_configs);
    }
}

#define CONFIG(size, shards, hnsw, rest) \
    "{\"result\":{\"status\":\"green\",\"points_count\":" shards \
    ",\"config\":{\"params\":{\"vectors\":{\"size\":" size ",\"distance\":\"Dot\"},\"shard_number\":" shards \
    "},\"hnsw_config\":{\"m\":" hnsw "},\"optimizer_config\":{\"x\":" shards "}" rest \
    "}},\"status\":\"ok\",\"time\":" shards "}"

static void
test_configs_decide(void **state)
{
    struct operation op = operation(OP_CREATE_COLLECTION);
    struct part parts[PARTS] = { answered(409, EXISTS), answered(200, TRUE_), answered(409, EXISTS) };
    struct part equal[PARTS] = { answered(200, CONFIG("4", "1", "16", "")), answered(200, CONFIG("4", "2", "16", "")),
        answered(200, CONFIG("4", "3", "16", ",\"quantization_config\":null")) };
    struct part odd[PARTS] = { equal[0], equal[1], answered(200, CONFIG("8", "3", "16", "")) };
    struct part lost[PARTS] = { equal[0], equal[1], failed(FAIL_UPSTREAM_RESET) };
    struct part no_model[PARTS] = { equal[0], answered(500, CONFIG("4", "2", "16", "")), equal[2] };
    struct part none[PARTS] = { answered(0, ""), answered(0, ""), answered(0, "") };
    unsigned index;
    bool needs;

    assert_int_equal(merge_schema(&op, parts, PARTS, NULL, &index, &needs), SCHEMA_FAILED);
    assert_true(needs);
    assert_int_equal(merge_schema(&op, parts, PARTS, equal, &index, &needs), SCHEMA_COMPLETED);
    assert_int_equal(index, 1);
    assert_false(needs);
    assert_int_equal(merge_schema(&op, parts, PARTS, odd, &index, &needs), SCHEMA_FAILED);
    assert_int_equal(index, 2);
    assert_int_equal(merge_schema(&op, parts, PARTS, lost, &index, &needs), SCHEMA_FAILED);
    assert_int_equal(index, 2);
    assert_int_equal(merge_schema(&op, parts, PARTS, no_model, &index, &needs), SCHEMA_FAILED);
    assert_int_equal(index, 0);
    assert_int_equal(merge_schema(&op, parts, PARTS, none, &index, &needs), SCHEMA_FAILED);
    assert_false(needs);
}

static const struct {
    bool equal;
    const char *a, *b;
} configs[] = {
    { true, CONFIG("4", "1", "16", ""), CONFIG("4", "2", "16", "") },
    { true, CONFIG("4", "1", "16", ",\"metadata\":null"), CONFIG("4", "1", "16", "") },
    { true, CONFIG("4", "1", "16", ",\"metadata\":{\"a\":1,\"b\":2}"),
        CONFIG("4", "1", "16", ",\"metadata\":{\"b\":2,\"a\":1}") },
    { false, CONFIG("4", "1", "16", ",\"metadata\":{\"a\":1}"), CONFIG("4", "1", "16", "") },
    { false, CONFIG("4", "1", "16", ",\"metadata\":{\"a\":1}"), CONFIG("4", "1", "16", ",\"metadata\":{\"a\":2}") },
    { false, CONFIG("4", "1", "16", ""), CONFIG("5", "1", "16", "") },
    { false, CONFIG("4", "1", "16", ""), CONFIG("4", "1", "32", "") },
    { false, CONFIG("4", "1", "16", ",\"strict_mode_config\":{\"enabled\":true}"), CONFIG("4", "1", "16", "") },
    { false, CONFIG("4", "1", "16", ",\"quantization_config\":{\"scalar\":{}}"), CONFIG("4", "1", "16", "") },
    { false, "", "" },
    { false, "{}", "{}" },
    { false, MISSING, MISSING },
    { false, "{\"result\":{\"config\":[]}}", "{\"result\":{\"config\":[]}}" },
};

static void
test_configs(void **state)
{
    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        print_message("%zu\n", i);
        assert_int_equal(merge_configs_equal(str_from(configs[i].a), str_from(configs[i].b)), configs[i].equal);
        assert_int_equal(merge_configs_equal(str_from(configs[i].b), str_from(configs[i].a)), configs[i].equal);
    }
}

static void
test_outcomes(void **state)
{
    struct part parts[] = { answered(200, TRUE_), failed(FAIL_CONNECT_REFUSED), answered(0, ""), answered(409, EXISTS),
        answered(404, "") };
    struct str want = STR(
        "eu: 200 ok; us: 502 CONNECT_REFUSED; ap: not tried; sa: 409 Wrong input: Collection `c` already "
        "exists!; af: 404");
    const char *names[] = { "eu", "us", "ap", "sa", "af" };
    struct buf out = { 0 };
    char text[700];
    int len;

    for (unsigned i = 0; i < 5; i++)
        parts[i].cluster = str_from(names[i]);
    merge_outcomes(parts, 5, &out);
    if (!str_eq(buf_str(&out), want))
        fail_msg("got " STR_FMT, STR_ARG(buf_str(&out)));
    buf_clear(&out);

    /* Long texts are cut between characters: 199 bytes and then two that belong together. */
    len = snprintf(text, sizeof(text), "{\"status\":{\"error\":\"%0199d\xc3\xa9%0300d\"}}", 0, 0);
    parts[0] = (struct part){ .cluster = STR("eu"), .status = 500, .body = str_make(text, (size_t)len) };
    merge_outcomes(parts, 1, &out);
    assert_int_equal(buf_len(&out), strlen("eu: 500 ") + 199);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_failures),
        cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_configs_decide),
        cmocka_unit_test(test_configs),
        cmocka_unit_test(test_outcomes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
