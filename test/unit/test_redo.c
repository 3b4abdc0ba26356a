/* SPDX-License-Identifier: Apache-2.0 */
#include "touch_fixture.h"

#include "proxy/sync/redo.h"

static const struct row {
    enum op_id op;
    const char *body, *expected; /* "name body" a line; NULL: it is refused */
} rows[] = {
    { OP_UPSERT_POINTS, "{\"points\":[{\"id\":1,\"vector\":[1.0]}]}",
        "upsert_points {\"points\":[{\"id\":1,\"vector\":[1.0]}]}\n" },
    { OP_DELETE_POINTS, "{\"points\":[1,2]}", "delete_points {\"points\":[1,2]}\n" },
    { OP_SET_PAYLOAD, "{\"payload\":{\"a\":1.0},\"points\":[2,1],\"key\":\"x.y\"}",
        "set_payload {\"filter\":{\"must\":[{\"has_id\":[1,2]}]},\"payload\":{\"a\":1.0},\"key\":\"x.y\"}\n" },
    { OP_SET_PAYLOAD, "{\"payload\":{},\"filter\":{\"must\":[{\"has_id\":[3]}]}}",
        "set_payload {\"filter\":{\"must\":[{\"has_id\":[3]}]},\"payload\":{}}\n" },
    { OP_CLEAR_PAYLOAD, "{\"points\":[7],\"shard_key\":\"a\"}",
        "clear_payload {\"filter\":{\"must\":[{\"has_id\":[7]}]},\"shard_key\":\"a\"}\n" },
    { OP_DELETE_VECTORS, "{\"points\":[7],\"vector\":[\"b\"]}",
        "delete_vectors {\"filter\":{\"must\":[{\"has_id\":[7]}]},\"vector\":[\"b\"]}\n" },
    { OP_UPDATE_VECTORS, "{\"shard_key\":5,\"points\":[{\"id\":1,\"vector\":[1]},{\"id\":2,\"vector\":[2]}]}",
        "update_vectors {\"points\":[{\"id\":1,\"vector\":[1]}],\"shard_key\":5}\n"
        "update_vectors {\"points\":[{\"id\":2,\"vector\":[2]}],\"shard_key\":5}\n" },
    { OP_BATCH_UPDATE,
        "{\"operations\":[{\"delete\":{\"points\":[1]}},{\"set_payload\":{\"points\":[4],\"payload\":{}}}]}",
        "delete_points {\"points\":[1]}\nset_payload {\"filter\":{\"must\":[{\"has_id\":[4]}]},\"payload\":{}}\n" },
    { OP_BATCH_UPDATE, "{\"operations\":[]}", "" },
    { OP_BATCH_UPDATE, "{\"operations\":[{\"unheard_of\":{}}]}", NULL },
    { OP_SET_PAYLOAD, "{\"points\":", NULL },
};

static void
test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = { 0 };
        struct redo_piece *pieces = NULL;
        struct buf out = { 0 };
        unsigned n = 0;
        bool is_good = redo_pieces(rows[i].op, str_from(rows[i].body), &arena, &pieces, &n);

        assert_int_equal(is_good, rows[i].expected != NULL);
        for (unsigned k = 0; k < n; k++)
            buf_printf(&out, "%s " STR_FMT "\n", op_info(pieces[k].op)->name, STR_ARG(pieces[k].body));
        buf_putc(&out, '\0');
        if (is_good)
            assert_string_equal(buf_str(&out).p, rows[i].expected);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
