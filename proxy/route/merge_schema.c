/* SPDX-License-Identifier: Apache-2.0
 *
 * A schema operation went to every home. Each answer is one of: it changed something, there was nothing to change (it had
 * it already), or it failed. All the same is that answer; changes and nothing-to-change together are a success; a failure
 * among others is a failure, and the same request again completes what is missing.
 */
#include "proxy/base/json.h"
#include "proxy/route/merge.h"

enum outcome { CHANGED, HAD_IT, NEEDS_CONFIG, REJECTED, BROKEN };

/* {"result":X,...}: is X true? */
static bool
result_is(struct str body, bool value)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json result = json_get(json_root(doc), "result");
    bool is = doc && json_type(result) == JSON_BOOL && json_bool(result, !value) == value;

    json_free(doc);
    return is;
}

static bool
is_rename_or_delete_alias(const struct operation *op, const struct part *p)
{
    return op->id == OP_UPDATE_ALIASES && p->status == 404;
}

static bool
body_says(const struct part *p, struct str text)
{
    for (size_t i = 0; i + text.len <= p->body.len; i++) {
        if (str_eq(str_make(p->body.p + i, text.len), text))
            return true;
    }
    return false;
}

static enum outcome
outcome_of(const struct operation *op, const struct part *p)
{
    if (p->fail != FAIL_NONE)
        return BROKEN;
    if (p->status == 200)
        return op->id == OP_DELETE_COLLECTION && result_is(p->body, false) ? HAD_IT : CHANGED;
    if (p->status == 409)
        return op->id == OP_CREATE_COLLECTION ? NEEDS_CONFIG : REJECTED;
    if (op->id == OP_DELETE_COLLECTION && p->status == 404)
        return HAD_IT;
    if ((op->id == OP_CREATE_SHARD_KEY && body_says(p, STR("already exists"))) ||
        (op->id == OP_DELETE_SHARD_KEY && body_says(p, STR("does not exist"))))
        return HAD_IT;
    if (is_rename_or_delete_alias(op, p) && body_says(p, STR("Alias")))
        return HAD_IT;
    return p->status >= 500 ? BROKEN : REJECTED;
}

/* --- equal answers ----------------------------------------------------------------------------------------------- */

static bool
results_equal(struct json a, struct json b)
{
    struct json x = json_get(a, "result"), y = json_get(b, "result");
    struct json x_status = json_get(x, "status"), y_status = json_get(y, "status");

    /* {"operation_id":N,"status":"completed"}: the number is each cluster's own. */
    if (json_type(json_get(x, "operation_id")) != JSON_NONE)
        return json_equal(x_status, y_status);
    return json_equal(x, y) && json_equal(json_get(a, "status"), json_get(b, "status"));
}

static bool
answers_equal(const struct part *a, const struct part *b)
{
    struct json_doc *x, *y;
    bool equal;

    if (a->fail != FAIL_NONE || b->fail != FAIL_NONE || a->status != b->status)
        return false;
    if (str_eq(a->body, b->body))
        return true;
    x = json_parse(a->body, NULL, NULL);
    y = json_parse(b->body, NULL, NULL);
    equal = x && y && results_equal(json_root(x), json_root(y));
    json_free(x);
    json_free(y);
    return equal;
}

/* --- configurations ---------------------------------------------------------------------------------------------- */

static const char *const portable_params[] = { "vectors", "sparse_vectors", "sharding_method", "on_disk_payload" };
static const char *const portable[] = { "hnsw_config", "quantization_config", "strict_mode_config", "metadata" };

bool
merge_configs_equal(struct str a, struct str b)
{
    struct json_doc *x = json_parse(a, NULL, NULL), *y = json_parse(b, NULL, NULL);
    struct json cx = json_get(json_get(json_root(x), "result"), "config");
    struct json cy = json_get(json_get(json_root(y), "result"), "config");
    bool equal = json_type(cx) == JSON_OBJECT && json_type(cy) == JSON_OBJECT;

    for (unsigned i = 0; equal && i < sizeof(portable_params) / sizeof(portable_params[0]); i++)
        equal = json_equal(
            json_get(json_get(cx, "params"), portable_params[i]), json_get(json_get(cy, "params"), portable_params[i]));
    for (unsigned i = 0; equal && i < sizeof(portable) / sizeof(portable[0]); i++)
        equal = json_equal(json_get(cx, portable[i]), json_get(cy, portable[i]));
    json_free(x);
    json_free(y);
    return equal;
}

static bool
all_configs_equal(const struct part *configs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (configs[i].fail != FAIL_NONE || configs[i].status != 200 ||
            !merge_configs_equal(configs[0].body, configs[i].body))
            return false;
    }
    return true;
}

/* --- the verdict ------------------------------------------------------------------------------------------------- */

static bool
all_equal(const struct part *parts, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        if (!answers_equal(&parts[0], &parts[i]))
            return false;
    }
    return n > 0 && parts[0].fail == FAIL_NONE;
}

enum schema_verdict
merge_schema(const struct operation *op, const struct part *parts, unsigned n, const struct part *configs,
    unsigned *ret_index, bool *ret_needs_configs)
{
    int first_failed = -1, first_changed = -1, first_unsure = -1;

    *ret_index = 0;
    *ret_needs_configs = false;
    if (all_equal(parts, n))
        return SCHEMA_SAME;
    for (unsigned i = 0; i < n; i++) {
        enum outcome o = outcome_of(op, &parts[i]);

        if (o == CHANGED && first_changed < 0)
            first_changed = (int)i;
        if (o == NEEDS_CONFIG && first_unsure < 0)
            first_unsure = (int)i;
        if ((o == REJECTED || o == BROKEN) && first_failed < 0)
            first_failed = (int)i;
    }
    if (first_failed < 0 && first_changed >= 0 && first_unsure >= 0 && !(configs && all_configs_equal(configs, n))) {
        *ret_needs_configs = !configs;
        first_failed = first_unsure;
    }
    if (first_failed < 0 && first_changed >= 0) {
        *ret_index = (unsigned)first_changed;
        return SCHEMA_COMPLETED;
    }
    *ret_index = (unsigned)(first_failed >= 0 ? first_failed : 0);
    return SCHEMA_FAILED;
}

void
merge_outcomes(const struct part *parts, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        struct json_doc *doc;
        struct str error;

        buf_printf(out, "%s" STR_FMT ": ", i ? "; " : "", STR_ARG(parts[i].cluster));
        if (parts[i].fail != FAIL_NONE) {
            buf_add(out, str_from(fail_info(parts[i].fail)->code));
            continue;
        }
        buf_printf(out, "%d", parts[i].status);
        doc = json_parse(parts[i].body, NULL, NULL);
        error = json_string(json_get(json_get(json_root(doc), "status"), "error"));
        if (error.len)
            buf_printf(out, " " STR_FMT, STR_ARG(str_make(error.p, error.len < 300 ? error.len : 300)));
        else if (parts[i].status == 200)
            buf_add(out, STR(" ok"));
        json_free(doc);
    }
}
