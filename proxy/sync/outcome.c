/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/outcome.h"

#include "proxy/base/json.h"

enum { TEXT_MAX = 500, RETRY_AFTER_MAX = 3600, SECOND_US = 1000000 };

const char *
outcome_name(enum outcome_kind kind)
{
    static const char *const names[] = { "ok", "refused", "unreachable", "unknown", "throttled", "denied" };

    return names[kind];
}

void
outcome_fini(struct outcome *o)
{
    buf_fini(&o->text);
}

static void
put_text(struct outcome *o, struct str text)
{
    buf_clear(&o->text);
    buf_append(&o->text, text.p, text.len < TEXT_MAX ? text.len : TEXT_MAX);
}

/* {"status":{"error":"…"}}, else the body as it is. */
static void
take_text(struct outcome *o, struct str body)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct str error = doc ? json_string(json_get(json_get(json_root(doc), "status"), "error")) : STR_NONE;

    put_text(o, error.len ? error : body);
    json_free(doc);
}

static int64_t
retry_after_us(struct str text)
{
    uint64_t seconds;

    if (!str_to_u64(str_trim(text), &seconds))
        return 0;
    return (int64_t)(seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX) * SECOND_US;
}

/* False when there is an answer, to be judged by what it says. */
static bool
judge_failure(const struct outcome_facts *f, struct outcome *o)
{
    *o = (struct outcome){ .fail = f->fail, .status = f->fail == FAIL_NONE ? f->status : 0 };
    if (f->fail == FAIL_NONE)
        return false;
    o->kind = f->sent_nothing ? OUTCOME_UNREACHABLE : OUTCOME_UNKNOWN;
    o->may_land_later = !f->sent_nothing;
    put_text(o, str_from(fail_info(f->fail)->sentence));
    return true;
}

static bool
is_completed(struct json result)
{
    return str_eq(json_string(json_get(result, "status")), STR("completed"));
}

static bool
is_all_completed(struct json root, unsigned n_parts)
{
    struct json result = json_get(root, "result");

    if (n_parts == 0)
        return is_completed(result);
    if (json_type(result) != JSON_ARRAY || json_size(result) != n_parts)
        return false;
    for (struct json_iter i = json_iter(result); json_next(&i);) {
        if (!is_completed(i.value))
            return false;
    }
    return true;
}

static void
judge_success(const struct outcome_facts *f, unsigned n_parts, struct outcome *o)
{
    struct json_doc *doc = json_parse(f->body, NULL, NULL);
    bool is_ok = doc && is_all_completed(json_root(doc), n_parts);

    json_free(doc);
    if (is_ok)
        return;
    o->kind = OUTCOME_UNKNOWN;
    o->may_land_later = true;
    put_text(o, f->body);
}

static bool
is_unknown(int status)
{
    return status < 400 || status == 408 || status >= 500;
}

static enum outcome_kind
kind_of_refusal(int status)
{
    if (status == 401 || status == 403)
        return OUTCOME_DENIED;
    return status == 429 ? OUTCOME_THROTTLED : OUTCOME_REFUSED;
}

static bool
names_collection(struct str text)
{
    return str_starts(text, STR("Not found: Collection ")) && str_ends(text, STR(" doesn't exist!"));
}

static bool
may_be_partial(const struct outcome *o)
{
    return o->status == 400 || o->status == 429 || (o->status == 404 && !names_collection(buf_str(&o->text)));
}

void
outcome_of_write(const struct outcome_facts *f, unsigned n_parts, bool is_spread, struct outcome *ret)
{
    if (judge_failure(f, ret))
        return;
    if (f->status == 200) {
        judge_success(f, n_parts, ret);
        return;
    }
    take_text(ret, f->body);
    ret->kind = is_unknown(f->status) ? OUTCOME_UNKNOWN : kind_of_refusal(f->status);
    ret->may_land_later = ret->kind == OUTCOME_UNKNOWN || (is_spread && may_be_partial(ret));
    if (ret->kind == OUTCOME_THROTTLED)
        ret->retry_after_us = retry_after_us(f->retry_after);
}

void
outcome_of_read(const struct outcome_facts *f, struct outcome *ret)
{
    bool has_failed = judge_failure(f, ret);

    ret->may_land_later = false;
    if (has_failed) {
        ret->kind = OUTCOME_UNREACHABLE;
        return;
    }
    if (f->status == 200)
        return;
    take_text(ret, f->body);
    ret->kind = is_unknown(f->status) ? OUTCOME_UNREACHABLE : kind_of_refusal(f->status);
    if (ret->kind == OUTCOME_THROTTLED)
        ret->retry_after_us = retry_after_us(f->retry_after);
}

void
outcome_distrust(struct outcome *o, struct str why)
{
    o->kind = OUTCOME_UNKNOWN;
    put_text(o, why);
}
