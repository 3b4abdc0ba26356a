/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. `api-key` counts; only without it `Authorization: Bearer …`, spelled so.
 * 2. Keys are compared as digests, all of them each time: neither length nor order shows in the time.
 * 3. What a read-only key may not, is refused here: clusters are shown a key that may do everything.
 * 4. What a token may not, clusters refuse: they are shown its claims, signed with a key that they know. One that would not
 *    look at them is not asked.
 */
#include "proxy/route/auth.h"

const char *
auth_kind_name(enum auth_kind kind)
{
    static const char *const names[AUTH_KINDS] = { "pass-through", "open", "api", "alt", "read-only", "token", "edge",
        "missing", "invalid" };

    return names[kind];
}

/* --- what needs no key ------------------------------------------------------------------------------------------- */

/* As Qdrant's CORS layer, which comes before its keys, knows a preflight. */
static bool
is_preflight(const struct operation *op, const struct message *req)
{
    return op->id == OP_PREFLIGHT && message_find(req, FIELD_ORIGIN) &&
           message_find_name(req, STR("access-control-request-method"));
}

/* Qdrant goes by the path there, whatever the method. */
static bool
is_open_path(const struct operation *op)
{
    static const char *const paths[] = { "/", "/healthz", "/livez", "/readyz", "/dashboard" };

    if (op->id != OP_UNKNOWN && op->id != OP_PREFLIGHT)
        return op->info->flags & OP_OPEN;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        if (str_eq(op->path, str_from(paths[i])))
            return true;
    }
    return str_starts(op->path, STR("/dashboard/"));
}

const char *
auth_need(const struct operation *op)
{
    if (is_open_path(op))
        return "none";
    if (op->id == OP_PREFLIGHT)
        return "none for a preflight";
    return op->id == OP_UNKNOWN || op->info->flags & OP_MANAGE ? "one that may write" : "any";
}

/* --- credentials ------------------------------------------------------------------------------------------------- */

/* What Qdrant can read as text: a value with other bytes counts as absent. */
static bool
is_visible(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.p[i] < 0x20 || s.p[i] > 0x7e) && s.p[i] != '\t')
            return false;
    }
    return true;
}

static bool
find_key(const struct message *req, struct str *ret_key)
{
    const struct field *f = message_find(req, FIELD_API_KEY);

    if (f && is_visible(f->value)) {
        *ret_key = f->value;
        return true;
    }
    f = message_find(req, FIELD_AUTHORIZATION);
    if (!f || !is_visible(f->value) || !str_starts(f->value, STR("Bearer ")))
        return false;
    *ret_key = str_skip(f->value, 7);
    return true;
}

static enum auth_kind
known_key(const struct keys *keys, const struct digest *digest)
{
    static const enum auth_kind kinds[KEYS_N] = { AUTH_API, AUTH_ALT, AUTH_READ_ONLY };
    enum auth_kind found = AUTH_INVALID;

    for (unsigned i = KEYS_N; i-- > 0;) {
        bool is_equal = digest_equal(&keys->client[i].digest, digest);

        found = is_equal && keys->client[i].secret.len ? kinds[i] : found;
    }
    return found;
}

/* By either key that may write; of two refusals the first is told. */
static enum fail
verify(const struct auth_context *c, struct identity *who)
{
    const struct keys *keys = c->world->keys;
    const struct token_claims *known = token_cache_find(c->tokens, &who->digest, c->world->generation, c->now_s);
    enum fail fail = FAIL_KEY_INVALID;

    if (known) {
        who->claims = *known;
        return FAIL_NONE;
    }
    for (unsigned i = KEYS_API; i <= KEYS_ALT; i++) {
        enum fail here = keys->client[i].secret.len
                             ? token_verify(who->token, keys->client[i].secret, c->now_s, &who->claims)
                             : FAIL_KEY_INVALID;

        if (here == FAIL_NONE) {
            token_cache_add(c->tokens, &who->digest, c->world->generation, &who->claims);
            return FAIL_NONE;
        }
        fail = fail == FAIL_KEY_INVALID ? here : fail;
    }
    return fail;
}

/* A route that Qdrant does not have is answered as it would, without asking: what clusters of another version make of it
 * is not known here. */
static enum fail
check_read_only(const struct operation *op)
{
    if (op->id == OP_UNKNOWN || op->id == OP_PREFLIGHT)
        return FAIL_METHOD_UNKNOWN;
    return op->info->flags & OP_MANAGE ? FAIL_KEY_FORBIDDEN : FAIL_NONE;
}

enum fail
auth_check(
    const struct auth_context *c, const struct operation *op, const struct message *req, struct identity *ret_identity)
{
    struct identity who = { .kind = AUTH_PASS_THROUGH };
    enum fail fail = FAIL_NONE;
    struct str key;

    if (!c->world->keys->is_on) {
        who.kind = AUTH_PASS_THROUGH;
    } else if (is_open_path(op) || is_preflight(op, req)) {
        who.kind = AUTH_OPEN;
    } else if (!find_key(req, &key)) {
        who.kind = AUTH_MISSING;
        fail = FAIL_KEY_MISSING;
    } else {
        who.digest = digest_sha256(key);
        who.kind = known_key(c->world->keys, &who.digest);
        if (who.kind == AUTH_READ_ONLY)
            fail = check_read_only(op);
        if (who.kind == AUTH_INVALID) {
            who.token = key;
            fail = verify(c, &who);
            who.kind = fail == FAIL_NONE ? AUTH_TOKEN : AUTH_INVALID;
        }
    }
    *ret_identity = who;
    return fail;
}

bool
auth_keeps_back(const struct world *w, const struct field *f)
{
    return w->keys->is_on && (f->id == FIELD_API_KEY || f->id == FIELD_AUTHORIZATION);
}

struct str
auth_credential(const struct auth_context *c, const struct identity *who, unsigned cluster, struct arena *arena)
{
    const struct cluster_conf *conf = &c->world->topology->clusters[cluster];

    switch (who->kind) {
    case AUTH_API:
    case AUTH_ALT:
    case AUTH_READ_ONLY:
    case AUTH_EDGE:
        return conf->options.api_key;
    case AUTH_TOKEN:
        return token_cache_sign(c->tokens, &who->digest, c->world->generation, who->token, conf, arena);
    default:
        return STR_NONE;
    }
}

/* --- tokens and plans -------------------------------------------------------------------------------------------- */

static bool
takes_tokens(const struct world *w, unsigned cluster)
{
    return w->topology->clusters[cluster].options.jwt_rbac;
}

/* Those that take tokens, in the same order; how many. */
static unsigned
narrow(const struct world *w, uint8_t *candidates, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (takes_tokens(w, candidates[i]))
            candidates[kept++] = candidates[i];
    }
    return kept;
}

static bool
narrow_forward(const struct world *w, struct plan *plan)
{
    unsigned n_up = 0, before = plan->n_candidates;

    if (before == 0)
        return true;
    if (!plan->may_move)
        return takes_tokens(w, plan->candidates[0]);
    for (unsigned i = 0; i < plan->n_up; i++)
        n_up += takes_tokens(w, plan->candidates[i]);
    plan->n_candidates = narrow(w, plan->candidates, before);
    plan->n_up = n_up;
    return plan->n_candidates > 0;
}

static bool
narrow_all(const struct world *w, struct plan *plan)
{
    for (unsigned i = 0; i < plan->n_candidates; i++) {
        if (!takes_tokens(w, plan->candidates[i]))
            return false;
    }
    for (unsigned i = 0; i < plan->n_parts && plan->shape == PLAN_LISTS; i++) {
        struct plan_part *part = &plan->parts[i];

        if (part->n_candidates == 0)
            continue;
        part->n_candidates = narrow(w, part->candidates, part->n_candidates);
        if (part->n_candidates == 0)
            return false;
    }
    return true;
}

enum fail
auth_narrow_plan(const struct world *w, const struct identity *who, const struct operation *op, struct arena *arena,
    struct plan *plan, struct str *ret_error)
{
    bool is_own_answer = plan->shape == PLAN_REFUSE || plan->shape == PLAN_LOCAL;

    if (who->kind != AUTH_TOKEN)
        return FAIL_NONE;
    if (is_own_answer) {
        if (!who->claims.is_limited || op->collection.len == 0 || token_covers(who->token, op->collection))
            return FAIL_NONE;
        *ret_error = arena_printf(
            arena, "Forbidden: Access to collection " STR_FMT " is required", STR_ARG(op->collection));
        return FAIL_KEY_FORBIDDEN;
    }
    if (plan->shape == PLAN_FORWARD || plan->shape == PLAN_EDGE ? narrow_forward(w, plan) : narrow_all(w, plan))
        return FAIL_NONE;
    return FAIL_TOKEN_NOT_TAKEN;
}
