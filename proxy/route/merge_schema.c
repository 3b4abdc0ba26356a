/* SPDX-License-Identifier: Apache-2.0
 *
 * One verdict on a schema operation that went to every home.
 *
 *   each answer        all the same ──────────────────────────────► SAME
 *      │ no            (status and `result`; operation ids, times and error texts left out)
 *      ▼
 *   CHANGED, HAD or FAILED (a failure, or an answer that is not Qdrant's)
 *      ├─ some FAILED, or none CHANGED ───────────────────────────► FAILED, the first
 *      ├─ a HAD that its configuration must prove and doesn't ────► FAILED, that one
 *      └─ else ───────────────────────────────────────────────────► COMPLETED, the least that a CHANGED one promises
 *
 * HAD is what Qdrant says when the same request has been there before: a request that failed halfway can be repeated until
 * every region has it. Its words are only believed beside another cluster's success.
 */
#include "proxy/route/merge.h"

#include <assert.h>

#include "proxy/base/json.h"
#include "proxy/base/mem.h"

enum state { STATE_CHANGED, STATE_HAD, STATE_HAD_IF_EQUAL, STATE_FAILED };

struct outcome {
    struct json_doc *doc; /* NULL when there is none */
    struct json result;
    enum state state;
};

/* Does the error say "<anything>: Shard key <anything><words><anything>"? */
static bool
is_shard_key_error(struct str error, struct str words)
{
    struct str kind, text;

    if (error.len == 0 || !str_cut(error, ':', &kind, &text) || !str_starts(str_trim(text), STR("Shard key ")))
        return false;
    return memmem(text.p, text.len, words.p, words.len) != NULL;
}

static bool
is_alias_gone(struct str error)
{
    return str_starts(error, STR("Not found: Alias "));
}

static enum state
judge_refusal(const struct operation *op, int status, struct str error)
{
    bool had = false;

    switch (op->id) {
    case OP_CREATE_COLLECTION:
        return status == 409 ? STATE_HAD_IF_EQUAL : STATE_FAILED;
    case OP_DELETE_COLLECTION:
        had = status == 404 && str_starts(error, STR("Not found: Collection "));
        break;
    case OP_UPDATE_ALIASES: /* renamed before */
        had = status == 404 && is_alias_gone(error);
        break;
    case OP_CREATE_SHARD_KEY:
        had = status == 400 && is_shard_key_error(error, STR(" already exists"));
        break;
    case OP_DELETE_SHARD_KEY:
        had = status == 400 && is_shard_key_error(error, STR(" does not exist"));
        break;
    default:
        break;
    }
    return had ? STATE_HAD : STATE_FAILED;
}

static struct outcome
judge(const struct operation *op, const struct part *p)
{
    struct outcome o = { .state = STATE_FAILED };
    struct json root;

    if (p->fail != FAIL_NONE || p->status == 0)
        return o;
    o.doc = json_parse(p->body, NULL, NULL);
    if (!o.doc)
        return o;
    root = json_root(o.doc);
    o.result = json_get(root, "result");
    if (p->status < 200 || p->status > 299)
        o.state = judge_refusal(op, p->status, json_string(json_get(json_get(root, "status"), "error")));
    else if (str_eq(json_string(json_get(root, "status")), STR("ok")))
        o.state = STATE_CHANGED;
    return o;
}

static bool
results_equal(struct json a, struct json b)
{
    bool has_id = json_type(json_get(a, "operation_id")) != JSON_NONE;

    if (json_type(a) != JSON_OBJECT || json_type(b) != JSON_OBJECT)
        return json_equal(a, b);
    if (json_size(a) != json_size(b) || has_id != (json_type(json_get(b, "operation_id")) != JSON_NONE))
        return false;
    for (struct json_iter i = json_iter(a); json_next(&i);) {
        if (!str_eq(i.key, STR("operation_id")) && !json_equal(i.value, json_get_str(b, i.key)))
            return false;
    }
    return true;
}

static bool
all_same(const struct part *parts, const struct outcome *outcomes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].fail != FAIL_NONE || parts[i].status == 0 || parts[i].status != parts[0].status ||
            !results_equal(outcomes[0].result, outcomes[i].result))
            return false;
    }
    return true;
}

/* Which of several successes speaks for all: the one that promises least; but "false, there was nothing to do" only when
 * nobody did anything. */
static unsigned
success_rank(struct json result)
{
    struct str status = json_string(json_get(result, "status"));

    if (json_type(result) == JSON_BOOL && !json_bool(result, true))
        return 1;
    if (str_eq(status, STR("wait_timeout")))
        return 4;
    return str_eq(status, STR("acknowledged")) ? 3 : 2;
}

static bool
pick_success(const struct outcome *outcomes, unsigned n, unsigned *ret_index)
{
    unsigned best = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned rank = outcomes[i].state == STATE_CHANGED ? success_rank(outcomes[i].result) : 0;

        if (rank > best) {
            best = rank;
            *ret_index = i;
        }
    }
    return best > 0;
}

static bool
first_in_state(const struct outcome *outcomes, unsigned n, enum state state, unsigned *ret_index)
{
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].state == state) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

/* The first one whose collection isn't proven to be the one that `model` has made. */
static bool
first_unequal(
    const struct outcome *outcomes, unsigned n, const struct part *configs, unsigned model, unsigned *ret_index)
{
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].state != STATE_HAD_IF_EQUAL)
            continue;
        if (configs[i].fail != FAIL_NONE || configs[i].status != 200 || configs[model].fail != FAIL_NONE ||
            configs[model].status != 200 || !merge_configs_equal(configs[i].body, configs[model].body)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static enum schema_verdict
conclude(const struct outcome *outcomes, unsigned n, const struct part *configs, unsigned *ret_index,
    bool *ret_needs_configs)
{
    unsigned success = 0;

    if (first_in_state(outcomes, n, STATE_FAILED, ret_index))
        return SCHEMA_FAILED;
    if (!pick_success(outcomes, n, &success)) {
        *ret_index = 0;
        return SCHEMA_FAILED;
    }
    if (!configs && first_in_state(outcomes, n, STATE_HAD_IF_EQUAL, ret_index)) {
        *ret_needs_configs = true;
        return SCHEMA_FAILED;
    }
    if (configs && first_unequal(outcomes, n, configs, success, ret_index))
        return SCHEMA_FAILED;
    *ret_index = success;
    return SCHEMA_COMPLETED;
}

enum schema_verdict
merge_schema(const struct operation *op, const struct part *parts, unsigned n, const struct part *configs,
    unsigned *ret_index, bool *ret_needs_configs)
{
    struct outcome *outcomes = mem_array(n, sizeof(*outcomes));
    enum schema_verdict verdict = SCHEMA_SAME;

    assert(n > 0);
    *ret_index = 0;
    *ret_needs_configs = false;
    for (unsigned i = 0; i < n; i++)
        outcomes[i] = judge(op, &parts[i]);
    if (!all_same(parts, outcomes, n))
        verdict = conclude(outcomes, n, configs, ret_index, ret_needs_configs);
    for (unsigned i = 0; i < n; i++)
        json_free(outcomes[i].doc);
    mem_free(outcomes);
    return verdict;
}

/* Qdrant leaves some members out and prints others as null: both mean "not set". */
static bool
members_equal(struct json a, struct json b, const char *const *keys)
{
    for (; *keys; keys++) {
        struct json x = json_get(a, *keys), y = json_get(b, *keys);
        bool x_unset = json_type(x) <= JSON_NULL, y_unset = json_type(y) <= JSON_NULL;

        if (x_unset != y_unset || (!x_unset && !json_equal(x, y)))
            return false;
    }
    return true;
}

bool
merge_configs_equal(struct str a, struct str b)
{
    static const char *const params[] = { "vectors", "sparse_vectors", "sharding_method", NULL };
    static const char *const config[] = { "metadata", "hnsw_config", "quantization_config", "strict_mode_config",
        NULL };
    struct json_doc *x = json_parse(a, NULL, NULL), *y = json_parse(b, NULL, NULL);
    struct json of_x = json_get(json_get(json_root(x), "result"), "config");
    struct json of_y = json_get(json_get(json_root(y), "result"), "config");
    bool equal;

    equal = json_type(of_x) == JSON_OBJECT && json_type(of_y) == JSON_OBJECT && members_equal(of_x, of_y, config) &&
            members_equal(json_get(of_x, "params"), json_get(of_y, "params"), params);
    json_free(x);
    json_free(y);
    return equal;
}
