/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_AUTH_H
#define SEXTANT_ROUTE_AUTH_H

/* Who may ask, when this edge holds the keys, decided as Qdrant 1.19 decides (src/common/auth/mod.rs, src/actix/auth.rs);
 * and what each cluster is shown instead. Pure. */

#include "proxy/route/plan.h"
#include "proxy/route/token_cache.h"
#include "proxy/route/world.h"

enum auth_kind {
    AUTH_PASS_THROUGH, /* no keys here: clusters decide */
    AUTH_OPEN,         /* nothing is asked for: health, version, dashboard, preflight */
    AUTH_API,
    AUTH_ALT,
    AUTH_READ_ONLY,
    AUTH_TOKEN,
    AUTH_EDGE,    /* another edge, which has judged its client */
    AUTH_MISSING, /* refused: no credential */
    AUTH_INVALID, /* refused: an unknown key, or a token that is not good */
    AUTH_KINDS
};
const char *auth_kind_name(enum auth_kind kind); /* "api", "read-only", ...; for log and metrics, never a key */

struct identity {
    enum auth_kind kind;
    struct str token; /* AUTH_TOKEN: as it came, and its digest */
    struct digest digest;
    struct token_claims claims;
};

/* Kept by each thread for auth_check() and auth_credential(). */
struct auth_context {
    const struct world *world;
    struct token_cache *tokens;
    uint64_t now_s; /* wall clock, for tokens */
};

/* `op` may be of a target that could not be parsed (unknown, no path). FAIL_NONE, or the refusal. */
enum fail auth_check(
    const struct auth_context *c, const struct operation *op, const struct message *req, struct identity *ret_identity);
const char *auth_need(const struct operation *op); /* which key the operation needs, in words: "any" */
/* Does this field of a request go no further, as it is, or might be, a credential that was meant for this edge? */
bool auth_keeps_back(const struct world *w, const struct field *f);
/* What the cluster is shown as api-key; empty: nothing. */
struct str auth_credential(
    const struct auth_context *c, const struct identity *who, unsigned cluster, struct arena *arena);
/* Leaves only clusters that this caller can be sent to. FAIL_TOKEN_NOT_TAKEN when that leaves none; and what the plan would
 * tell about a collection that a token does not cover becomes Qdrant's 403. */
enum fail auth_narrow_plan(const struct world *w, const struct identity *who, const struct operation *op,
    struct arena *arena, struct plan *plan, struct str *ret_error);

#endif
