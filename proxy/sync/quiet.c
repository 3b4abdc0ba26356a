/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/quiet.h"

#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/ask.h"

enum { RECENT_MAJOR = 1, RECENT_MINOR = 17, ANSWER_BYTES = 8 << 20 };

/* --- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t
number(struct json v, uint64_t otherwise)
{
    uint64_t value;

    return str_to_u64(json_number(v), &value) ? value : otherwise;
}

static bool
copy(char *to, size_t max, struct str text)
{
    if (text.len == 0 || text.len > max)
        return false;
    memcpy(to, text.p, text.len);
    to[text.len] = 0;
    return true;
}

/* {"size":…,"distance":…}, or such objects by name. */
static bool
is_plain(struct json vectors)
{
    struct str distance = json_string(json_get(vectors, "distance"));

    if (json_type(vectors) != JSON_OBJECT)
        return false;
    if (distance.len)
        return !str_eq(distance, STR("Cosine"));
    for (struct json_iter i = json_iter(vectors); json_next(&i);) {
        if (str_eq(json_string(json_get(i.value, "distance")), STR("Cosine")))
            return false;
    }
    return true;
}

bool
quiet_read_collection(struct str body, struct quiet_collection *ret)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json result = doc ? json_get(json_root(doc), "result") : (struct json){ NULL };
    struct json params = json_get(json_get(result, "config"), "params");
    struct json strict = json_get(json_get(result, "config"), "strict_mode_config");
    struct str status = json_string(json_get(result, "status"));
    bool is_one = status.len && json_type(params) == JSON_OBJECT, is_strict;

    if (is_one) {
        ret->is_quiet = !str_eq(status, STR("red")) &&
                        number(json_get(json_get(result, "update_queue"), "length"), UINT64_MAX) == 0;
        ret->is_spread = number(json_get(params, "shard_number"), 0) != 1 ||
                         number(json_get(params, "replication_factor"), 0) != 1 ||
                         str_eq(json_string(json_get(params, "sharding_method")), STR("custom"));
        ret->is_plain = is_plain(json_get(params, "vectors"));
        is_strict = json_bool(json_get(strict, "enabled"), false);
        ret->upsert_max = is_strict ? number(json_get(strict, "upsert_max_batchsize"), 0) : 0;
        ret->incarnation[0] = '\0';
        copy(ret->incarnation, QUIET_ID_MAX,
            json_string(json_get(json_get(json_get(json_get(result, "config"), "metadata"), "_sextant"), "inc")));
        ret->timeout_max_s = is_strict ? number(json_get(strict, "max_timeout"), 0) : 0;
    }
    json_free(doc);
    return is_one;
}

/* "1.19.0", "1.17.0-dev" */
static bool
is_recent(struct str version)
{
    struct str major_text, minor_text;
    uint64_t major, minor;

    str_cut(version, '.', &major_text, &version);
    str_cut(version, '.', &minor_text, &version);
    if (!str_to_u64(major_text, &major) || !str_to_u64(minor_text, &minor))
        return false;
    return major > RECENT_MAJOR || (major == RECENT_MAJOR && minor >= RECENT_MINOR);
}

bool
quiet_read_node(struct str body, struct quiet_node *ret)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json result = doc ? json_get(json_root(doc), "result") : (struct json){ NULL };
    struct str version = json_string(json_get(json_get(result, "app"), "version"));
    struct quiet_node node;
    bool is_one = copy(node.id, QUIET_ID_MAX, json_string(json_get(result, "id"))) &&
                  copy(node.version, QUIET_VERSION_MAX, version);

    if (is_one) {
        node.is_recent = is_recent(version);
        node.is_alone = !json_bool(json_get(json_get(result, "cluster"), "enabled"), true);
        *ret = node;
    }
    json_free(doc);
    return is_one;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

struct quiet {
    struct upstream *up;
    struct ask *ask;
    quiet_collection_fn *on_collection;
    quiet_node_fn *on_node;
    void *arg;
    struct task release;
};

static void
release(void *arg)
{
    mem_free(arg);
}

static void
tell(struct quiet *q, struct str body, struct outcome *why)
{
    struct quiet_collection collection;
    struct quiet_node node;
    bool is_ok = why->kind == OUTCOME_OK;
    bool is_read = q->on_node ? is_ok && quiet_read_node(body, &node)
                              : is_ok && quiet_read_collection(body, &collection);

    if (is_ok && !is_read)
        outcome_distrust(why, STR("the answer does not tell what it should"));
    if (q->on_node)
        q->on_node(q->arg, why, is_read ? &node : NULL);
    else
        q->on_collection(q->arg, why, is_read ? &collection : NULL);
}

static void
on_answer(void *arg, const struct ask_answer *answer)
{
    struct quiet *q = arg;
    struct outcome_facts facts = { .fail = answer->fail, .status = answer->status, .body = answer->body };
    struct outcome why;

    q->ask = NULL;
    if (answer->fail == FAIL_NONE)
        facts.retry_after = message_value(answer->head, FIELD_RETRY_AFTER);
    outcome_of_read(&facts, &why);
    task_schedule(q->up->loop, &q->release, release, q);
    tell(q, answer->body, &why);
    outcome_fini(&why);
}

static struct quiet *
start(struct upstream *up, struct str cluster, unsigned endpoint, struct str target, int64_t timeout_us)
{
    struct quiet *q = MEM_NEW(struct quiet);
    struct ask_spec spec = {
        .cluster = cluster,
        .endpoint = endpoint,
        .method = METHOD_GET,
        .target = target,
        .limit = ANSWER_BYTES,
        .timeout_us = timeout_us,
        .may_repeat = true,
    };

    q->up = up;
    q->ask = ask_start(up, &spec, on_answer, q);
    return q;
}

struct quiet *
quiet_ask_collection(struct upstream *up, struct str cluster, struct str collection, int64_t timeout_us,
    quiet_collection_fn *on_done, void *arg)
{
    struct arena arena = { 0 };
    struct str target = arena_join(&arena, STR("/collections/"), path_encode(collection, &arena), STR(""));
    struct quiet *q = start(up, cluster, 0, target, timeout_us);

    q->on_collection = on_done;
    q->arg = arg;
    arena_fini(&arena);
    return q;
}

struct quiet *
quiet_ask_node(
    struct upstream *up, struct str cluster, unsigned endpoint, int64_t timeout_us, quiet_node_fn *on_done, void *arg)
{
    struct quiet *q = start(up, cluster, endpoint, STR("/telemetry"), timeout_us);

    q->on_node = on_done;
    q->arg = arg;
    return q;
}

void
quiet_cancel(struct quiet **qp)
{
    struct quiet *q = *qp;

    *qp = NULL;
    if (!q)
        return;
    ask_cancel(&q->ask);
    task_schedule(q->up->loop, &q->release, release, q);
}
