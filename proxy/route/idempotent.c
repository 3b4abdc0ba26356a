/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a write may be sent a second time to the cluster that may have applied it already. Yes means: it says by id what
 * the points shall be, whatever they are now. Everything that isn't known to be so is a no:
 *
 *  - a filter, update_filter or update_mode, as they look at the present state; a payload `key`, whose path may run through
 *    values of any type; a shard key with a fallback, as it depends on which shards there are;
 *  - vectors to be made by inference, which may come out differently and are billed again;
 *  - a batch that deletes points and also patches some: the second time the patch may find nothing, and stop the batch;
 *  - members that Qdrant 1.19 does not have, as a later one may give them a meaning; members named twice.
 *
 * Renaming an alias fails the second time; creating and deleting aliases sets them.
 */
#include "proxy/base/json.h"
#include "proxy/route/write_rule.h"

enum { INFERENCE_DEPTH_MAX = 6 };

/* An object to be embedded ({"text": ..., "model": ...}) somewhere in the vectors? */
static bool
has_inference(struct json v, unsigned depth)
{
    enum json_type type = json_type(v);

    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return false;
    if (depth > INFERENCE_DEPTH_MAX || json_type(json_get(v, "model")) == JSON_STRING)
        return true;
    for (struct json_iter i = json_iter(v); json_next(&i);) {
        if (has_inference(i.value, depth + 1))
            return true;
    }
    return false;
}

static bool
points_are_plain(struct json points)
{
    for (struct json_iter i = json_iter(points); json_next(&i);) {
        if (json_type(i.value) != JSON_OBJECT || has_inference(json_get(i.value, "vector"), 0) ||
            has_inference(json_get(i.value, "vectors"), 0))
            return false;
    }
    return true;
}

static bool
is_allowed(const struct write_rule *rule, struct str key)
{
    return str_eq(key, STR("points")) || str_eq(key, STR("shard_key")) || write_rule_has_content(rule, key);
}

/* Is this member the first of its name? json_get() gives the first. */
static bool
is_first(struct json object, const struct json_iter *member)
{
    return json_get_str(object, member->key).val == member->value.val;
}

static bool
is_by_ids(const struct write_rule *rule, struct json body)
{
    struct json points = json_get(body, "points"), batch = json_get(body, "batch");
    bool has_batch = rule->id == OP_UPSERT_POINTS && json_type(batch) == JSON_OBJECT;

    if (json_type(body) != JSON_OBJECT || (json_type(points) == JSON_ARRAY) == has_batch)
        return false;
    for (struct json_iter i = json_iter(body); json_next(&i);) {
        bool is_none = write_rule_has_condition(rule, i.key) && json_type(i.value) == JSON_NULL;

        if ((!is_allowed(rule, i.key) && !is_none) || !is_first(body, &i))
            return false;
    }
    if (json_type(json_get(body, "shard_key")) == JSON_OBJECT)
        return false;
    if (has_batch)
        return !has_inference(json_get(batch, "vectors"), 0);
    return !(rule->flags & WRITE_VECTORS) || points_are_plain(points);
}

static bool
is_batch_by_ids(struct json body)
{
    struct json operations = json_get(body, "operations");
    unsigned flags = 0;

    if (json_size(body) != 1 || json_type(operations) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(operations); json_next(&i);) {
        struct json_iter part = json_iter(i.value);
        const struct write_rule *rule;

        if (json_type(i.value) != JSON_OBJECT || json_size(i.value) != 1 || !json_next(&part))
            return false;
        rule = write_rule_named(part.key);
        if (!rule || !is_by_ids(rule, part.value))
            return false;
        flags |= rule->flags;
    }
    return !((flags & WRITE_DELETES) && (flags & WRITE_PATCHES));
}

static bool
has_no_rename(struct json body)
{
    struct json actions = json_get(body, "actions");

    if (json_size(body) != 1 || json_type(actions) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(actions); json_next(&i);) {
        bool sets = json_type(json_get(i.value, "create_alias")) == JSON_OBJECT ||
                    json_type(json_get(i.value, "delete_alias")) == JSON_OBJECT;

        if (json_size(i.value) != 1 || !sets)
            return false;
    }
    return true;
}

static bool
is_body_idempotent(enum op_id id, struct json body)
{
    const struct write_rule *rule = write_rule_of(id);

    if (id == OP_UPDATE_ALIASES)
        return has_no_rename(body);
    if (id == OP_BATCH_UPDATE)
        return is_batch_by_ids(body);
    return rule && is_by_ids(rule, body);
}

bool
operation_is_idempotent(const struct operation *op, struct str body)
{
    struct json_doc *doc;
    bool is_idempotent;

    switch (op->id) {
    case OP_UPDATE_COLLECTION: /* these set what they name, whatever the body says */
    case OP_CREATE_INDEX:
    case OP_DELETE_INDEX:
    case OP_CREATE_VECTOR_NAME:
    case OP_DELETE_VECTOR_NAME:
        return true;
    default:
        break;
    }
    if (op->info->resend != RESEND_BODY)
        return op->info->resend == RESEND_SAFE;
    if (body.len == 0)
        return false;
    doc = json_parse(body, NULL, NULL);
    is_idempotent = doc && is_body_idempotent(op->id, json_root(doc));
    json_free(doc);
    return is_idempotent;
}
