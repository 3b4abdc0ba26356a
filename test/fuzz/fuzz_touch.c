/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of writes. The first byte picks the operation. Whatever is accepted must hold every id that a reader of another kind
 * (a tree, not a walk) finds in its place; its spelling must not matter; and with other ids in it, it must be about those.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/sync/touch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum op_id ops[] = { OP_UPSERT_POINTS, OP_DELETE_POINTS, OP_UPDATE_VECTORS, OP_DELETE_VECTORS,
    OP_SET_PAYLOAD, OP_OVERWRITE_PAYLOAD, OP_DELETE_PAYLOAD, OP_CLEAR_PAYLOAD, OP_BATCH_UPDATE };
enum { OPS = sizeof(ops) / sizeof(*ops) };

static bool
holds(const struct touch *t, const struct point_id *id)
{
    for (unsigned i = 0; i < t->n_points; i++) {
        if (point_eq(&t->points[i].id, id))
            return true;
    }
    for (unsigned i = 0; i < t->n_parts; i++) {
        if (holds(&t->parts[i].touch, id))
            return true;
    }
    return false;
}

static void
check_ids(const struct touch *t, struct json list)
{
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct json value = json_type(i.value) == JSON_OBJECT ? json_get(i.value, "id") : i.value;
        struct point_id id;

        assert(point_of_json(value, &id) && holds(t, &id));
    }
}

static void
check_tree(const struct touch *t, struct json body)
{
    if (json_type(json_get(body, "points")) == JSON_ARRAY)
        check_ids(t, json_get(body, "points"));
    check_ids(t, json_get(json_get(body, "batch"), "ids"));
    for (struct json_iter i = json_iter(json_get(body, "operations")); json_next(&i);) {
        for (struct json_iter j = json_iter(i.value); json_next(&j);)
            check_tree(t, j.value);
    }
}

static void
check_order(const struct touch *t)
{
    for (unsigned i = 0; i < t->n_points; i++) {
        assert(t->points[i].shard_key < t->n_shard_keys);
        if (i == 0 || t->points[i - 1].shard_key < t->points[i].shard_key)
            continue;
        assert(t->points[i - 1].shard_key == t->points[i].shard_key);
        assert(point_compare(&t->points[i - 1].id, &t->points[i].id) < 0);
    }
    assert(t->n_shard_keys > 0 && t->shard_keys[0].len == 0);
    assert((t->kind == TOUCH_SCAN) == (t->filter.len > 0) && t->scan_key < t->n_shard_keys);
    assert(t->kind == TOUCH_PARTS || t->n_parts == 0);
}

static void
check_other_ids(enum op_id op, struct str body, enum touch_form form, struct arena *arena)
{
    static const struct point_id ids[] = { { 0, 7, false }, { 1, 2, true } };

    for (unsigned n = 0; n <= 2; n++) {
        struct buf made = { 0 };
        struct touch touch;
        struct str error;

        if (touch_with_ids(op, body, form, ids, n, &made)) {
            assert(touch_of(op, buf_str(&made), arena, &touch, &error) == FAIL_NONE && touch.kind == TOUCH_POINTS);
            for (unsigned i = 0; i < n; i++)
                assert(holds(&touch, &ids[i]));
            for (unsigned i = 0; i < touch.n_points; i++)
                assert(point_eq(&touch.points[i].id, &ids[0]) || point_eq(&touch.points[i].id, &ids[1]));
        }
        buf_fini(&made);
    }
}

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

/* Where neither has escapes: a filter whose keys have some is not looked into, so that less is known of it. */
static void
check_printed(enum op_id op, struct json root, bool has_escapes, const struct touch *t, struct arena *arena)
{
    struct buf printed = { 0 };
    struct json_writer w = json_writer(&printed);
    struct touch again;
    struct str error;

    if (depth_of(root) >= 60)
        return;
    json_put_value(&w, root);
    assert(touch_of(op, buf_str(&printed), arena, &again, &error) == FAIL_NONE);
    if (has_escapes || str_find(buf_str(&printed), '\\') >= 0)
        goto out;
    assert(again.kind == t->kind && again.flags == t->flags && again.n_parts == t->n_parts);
    assert(again.n_points == t->n_points && again.n_shard_keys == t->n_shard_keys);
    for (unsigned i = 0; i < t->n_points; i++) {
        assert(point_eq(&again.points[i].id, &t->points[i].id));
        assert(again.points[i].shard_key == t->points[i].shard_key);
    }
out:
    buf_fini(&printed);
}

static void
check_accepted(enum op_id op, struct str body, const struct touch *t, struct arena *arena)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);

    check_order(t);
    if (doc) { /* not with half a surrogate pair in it, say: then Qdrant doesn't take it either */
        check_tree(t, json_root(doc));
        check_printed(op, json_root(doc), str_find(body, '\\') >= 0, t, arena);
    }
    for (unsigned i = 0; i < t->n_parts; i++)
        check_order(&t->parts[i].touch);
    check_other_ids(op, body, TOUCH_FORM_IDS, arena);
    check_other_ids(op, body, TOUCH_FORM_EXISTING, arena);
    json_free(doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_make((const char *)data + 1, size ? size - 1 : 0), error = STR_NONE;
    struct touch_query query;
    struct arena arena = { 0 };
    struct touch touch;
    enum op_id op;

    if (size == 0)
        return 0;
    op = ops[data[0] % OPS];
    if (touch_of(op, bytes, &arena, &touch, &error) == FAIL_NONE)
        check_accepted(op, bytes, &touch, &arena);
    else
        assert(error.len);
    if (touch_query_of(bytes, &arena, &query, &error) == FAIL_NONE) {
        struct touch_query again;

        assert(touch_query_of(query.waiting, &arena, &again, &error) == FAIL_NONE && again.wait);
        assert(again.timeout_s == query.timeout_s && again.ordering == query.ordering);
        assert(str_eq(again.waiting, query.waiting));
    }
    arena_fini(&arena);
    return 0;
}
