/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/quiet.h"

#define COLLECTION(status, shards, replicas, more, strict, queue) \
    "{\"result\":{\"status\":\"" status \
    "\",\"optimizer_status\":\"ok\",\"points_count\":3,\"config\":{\"params\":{\"vectors\":{}," \
    "\"shard_number\":" shards ",\"replication_factor\":" replicas more "}" strict "}" queue "},\"status\":\"ok\"}"
#define VECTORS(json) "{\"result\":{\"status\":\"green\",\"config\":{\"params\":{" json "}}}}"
#define EMPTY ",\"update_queue\":{\"length\":0}"
#define STRICT(enabled) \
    ",\"strict_mode_config\":{\"enabled\":" enabled ",\"upsert_max_batchsize\":10,\"max_timeout\":3}"

static void
test_collections(void **state)
{
    static const struct {
        const char *text;
        bool is_quiet, is_spread;
        uint64_t upsert_max;
    } rows[] = {
        { COLLECTION("green", "1", "1", "", "", EMPTY), true, false, 0 },
        { COLLECTION("yellow", "1", "1", "", STRICT("true"), EMPTY), true, false, 10 },
        { COLLECTION("grey", "1", "1", "", STRICT("false"), EMPTY), true, false, 0 },
        { COLLECTION("red", "1", "1", "", "", EMPTY), false, false, 0 },
        { COLLECTION("green", "1", "1", "", "", ",\"update_queue\":{\"length\":1}"), false, false, 0 },
        { COLLECTION("green", "1", "1", "", "", ",\"update_queue\":{}"), false, false, 0 },
        { COLLECTION("green", "1", "1", "", "", ",\"update_queue\":null"), false, false, 0 },
        { COLLECTION("green", "1", "1", "", "", ""), false, false, 0 },
        { COLLECTION("green", "2", "1", "", "", EMPTY), true, true, 0 },
        { COLLECTION("green", "1", "2", "", "", EMPTY), true, true, 0 },
        { COLLECTION("green", "1", "1", ",\"sharding_method\":\"custom\"", "", EMPTY), true, true, 0 },
        { COLLECTION("green", "1", "1", ",\"sharding_method\":\"auto\"", "", EMPTY), true, false, 0 },
        { "{\"result\":{\"status\":\"green\",\"config\":{\"params\":{}},"
          "\"update_queue\":{\"length\":0}}}",
            true, true, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct quiet_collection c;

        assert_true(quiet_read_collection(str_from(rows[i].text), &c));
        if (c.is_quiet != rows[i].is_quiet || c.is_spread != rows[i].is_spread || c.upsert_max != rows[i].upsert_max ||
            c.timeout_max_s != (rows[i].upsert_max ? 3 : 0))
            fail_msg("%s: %d %d %d", rows[i].text, c.is_quiet, c.is_spread, (int)c.upsert_max);
    }
}

static void
test_vectors_that_are_kept_as_they_came(void **state)
{
    static const struct {
        const char *text;
        bool is_plain;
    } rows[] = {
        { VECTORS("\"vectors\":{\"size\":2,\"distance\":\"Dot\"}"), true },
        { VECTORS("\"vectors\":{\"size\":2,\"distance\":\"Cosine\"}"), false },
        { VECTORS("\"vectors\":{}"), true },
        { VECTORS("\"vectors\":{\"a\":{\"size\":2,\"distance\":\"Euclid\"},\"b\":{\"distance\":\"Manhattan\"}}"),
            true },
        { VECTORS("\"vectors\":{\"a\":{\"size\":2,\"distance\":\"Dot\"},\"b\":{\"size\":2,\"distance\":\"Cosine\"}}"),
            false },
        { VECTORS("\"vectors\":{\"distance\":{\"size\":2,\"distance\":\"Cosine\"}}"), false },
        { VECTORS("\"vectors\":null"), false },
        { VECTORS("\"shard_number\":1"), false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct quiet_collection c;

        assert_true(quiet_read_collection(str_from(rows[i].text), &c));
        if (c.is_plain != rows[i].is_plain)
            fail_msg("%s: %d", rows[i].text, c.is_plain);
    }
}

static void
test_nodes(void **state)
{
    static const struct {
        const char *text;
        bool is_recent, is_alone;
    } rows[] = {
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"name\":\"qdrant\",\"version\":\"1.19.0\"},\"cluster\":{\"enabled\":"
          "false}}}",
            true, true },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"1.17.0-dev\"},\"cluster\":{\"enabled\":true}}}", true,
            false },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"1.16.9\"}}}", false, false },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"1.9.20\"},\"cluster\":{\"enabled\":false}}}", false,
            true },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"2.0\"},\"cluster\":{\"enabled\":false}}}", true, true },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"1\"}}}", false, false },
        { "{\"result\":{\"id\":\"a-b\",\"app\":{\"version\":\"dev\"}}}", false, false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct quiet_node node;

        assert_true(quiet_read_node(str_from(rows[i].text), &node));
        assert_string_equal(node.id, "a-b");
        if (node.is_recent != rows[i].is_recent || node.is_alone != rows[i].is_alone)
            fail_msg("%s: %d %d", rows[i].text, node.is_recent, node.is_alone);
    }
}

static const char long_id[] =
    "{\"result\":{\"id\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\"app\":{"
    "\"version\":\"1.19.0\"}}}";

static void
test_what_does_not_tell(void **state)
{
    static const char *const texts[] = {
        "",
        "no",
        "[]",
        "{}",
        "{\"result\":null}",
        "{\"result\":{\"status\":\"green\"}}",
        "{\"result\":{\"config\":{\"params\":{}}}}",
        "{\"result\":{\"id\":\"a\"}}",
        "{\"result\":{\"app\":{\"version\":\"1.19.0\"}}}",
        "{\"result\":{\"id\":7,\"app\":{\"version\":\"1.19.0\"}}}",
        "{\"result\":{\"id\":\"a\",\"app\":{\"version\":\"\"}}}",
        long_id,
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct quiet_collection c;
        struct quiet_node node;

        assert_false(quiet_read_collection(str_from(texts[i]), &c));
        assert_false(quiet_read_node(str_from(texts[i]), &node));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_vectors_that_are_kept_as_they_came),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_what_does_not_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
