/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies searched for names of collections, and writes asked whether they may be repeated. The first byte picks the operation.
 * What is found must not depend on how the JSON is spelled: the same text printed again gives the same names and answer.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/base/json.h"
#include "proxy/route/operation.h"

static unsigned
depth_of(struct json v)
{
    unsigned deepest = 0;

    for (struct json_iter i = json_iter(v); json_next(&i);) {
        unsigned depth = depth_of(i.value);

        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static void
check_printed(const struct operation *op, struct str body, const struct name_list *names, struct arena *arena)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct buf printed = { 0 };
    struct json_writer w = json_writer(&printed);
    struct name_list again;
    struct str error;

    if (!doc)
        return;
    if (depth_of(json_root(doc)) < 60) {
        json_put_value(&w, json_root(doc));
        assert(operation_body_collections(op, buf_str(&printed), arena, &again, &error) == FAIL_NONE);
        assert(again.n == names->n);
        for (unsigned i = 0; i < again.n; i++)
            assert(str_eq(again.names[i], names->names[i]));
        assert(operation_is_idempotent(op, buf_str(&printed)) == operation_is_idempotent(op, body));
    }
    json_free(doc);
    buf_fini(&printed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = str_make((const char *)data + 1, size ? size - 1 : 0), error = STR_NONE;
    struct name_list names = { NULL, 0 };
    struct arena arena = { 0 };
    struct operation op = { .timeout_ms = -1 };

    if (size == 0)
        return 0;
    op.id = (enum op_id)(data[0] % OP_COUNT);
    op.info = op_info(op.id);
    op.scope = op.info->scope;
    if (operation_body_collections(&op, body, &arena, &names, &error) == FAIL_NONE)
        check_printed(&op, body, &names, &arena);
    else
        assert(error.len && names.n == 0);
    (void)operation_is_idempotent(&op, body);
    arena_fini(&arena);
    return 0;
}
