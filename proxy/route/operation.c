/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes are compiled once into segments; a request is compared with those of its method and length, literals before
 * placeholders, as actix does by the order of registration.
 */
#include "proxy/route/operation.h"

#include "proxy/base/mem.h"
#include "proxy/route/path.h"

enum { SEGMENTS = 7 };

static struct op_info infos[OP_COUNT] = {
    [OP_UNKNOWN] = { "unknown", METHOD_OTHER, "", OP_WRITE, SCOPE_ANY, RESEND_NEVER, 0 },
#define OP(id, method, path, kind, scope, resend, flags) \
    [OP_##id] = { #id, METHOD_##method, path, OP_##kind, SCOPE_##scope, RESEND_##resend, flags },
#include "proxy/route/qdrant.def"
#undef OP
    [OP_PREFLIGHT] = { "preflight", METHOD_OPTIONS, "", OP_SERVICE, SCOPE_ANY, RESEND_SAFE, 0 },
    [OP_DASHBOARD] = { "dashboard", METHOD_GET, "", OP_SERVICE, SCOPE_ANY, RESEND_SAFE, 0 },
    [OP_UNKNOWN_READ] = { "unknown", METHOD_GET, "", OP_READ, SCOPE_ANY, RESEND_NEVER, 0 },
};

/* A route's segments; a placeholder has no text. */
static struct route {
    struct str segments[SEGMENTS];
    unsigned n, n_literal;
} routes[OP_ROUTES];

static char names[OP_ROUTES][32];

__attribute__((constructor)) static void
compile(void)
{
    for (unsigned id = OP_UNKNOWN + 1; id < OP_ROUTES; id++) {
        struct str rest = str_skip(str_from(infos[id].pattern), 1), segment;
        struct route *r = &routes[id];

        for (size_t i = 0; infos[id].name[i]; i++) {
            char c = infos[id].name[i];

            names[id][i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        infos[id].name = names[id];
        while (rest.len) {
            str_cut(rest, '/', &segment, &rest);
            r->segments[r->n++] = segment.p[0] == '{' ? STR_NONE : segment;
            r->n_literal += segment.p[0] != '{';
        }
    }
}

const struct op_info *
op_info(enum op_id id)
{
    return &infos[id];
}

const char *
op_kind_name(enum op_kind kind)
{
    static const char *const kinds[OP_KIND_COUNT] = { "read", "write", "schema", "cluster", "snapshot", "service" };

    return kinds[kind];
}

static bool
matches(const struct route *r, const struct path *p)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (r->segments[i].p && !str_eq(r->segments[i], p->segments[i]))
            return false;
    }
    return true;
}

static enum op_id
find(enum method method, const struct path *p)
{
    enum op_id best = OP_UNKNOWN;

    for (unsigned id = OP_UNKNOWN + 1; id < OP_ROUTES; id++) {
        const struct route *r = &routes[id];

        if (infos[id].method != method || r->n != p->n || !matches(r, p))
            continue;
        if (best == OP_UNKNOWN || r->n_literal > routes[best].n_literal)
            best = (enum op_id)id;
    }
    return best;
}

static enum op_id
find_special(enum method method, const struct path *p)
{
    if (method == METHOD_OPTIONS)
        return OP_PREFLIGHT;
    if (method == METHOD_GET && p->n && str_eq(p->segments[0], STR("dashboard")))
        return OP_DASHBOARD;
    return method == METHOD_GET || method == METHOD_HEAD ? OP_UNKNOWN_READ : OP_UNKNOWN;
}

/* Seconds of timeout=N; twice or not a number is Qdrant's business to refuse. */
static int64_t
timeout_of(struct str query)
{
    int64_t ms = -1;
    struct str pair, key, value;
    uint64_t seconds;

    while (query.len) {
        str_cut(query, '&', &pair, &query);
        if (!str_cut(pair, '=', &key, &value) || !str_eq(key, STR("timeout")))
            continue;
        if (ms >= 0 || !str_to_u64(value, &seconds) || seconds > 86400)
            return -1;
        ms = (int64_t)seconds * 1000;
    }
    return ms;
}

enum fail
operation_parse(enum method method, struct str target, struct arena *arena, struct operation *ret_op)
{
    struct operation op = { .id = OP_UNKNOWN };
    struct str raw;
    struct path path;
    enum fail fail;

    op.info = op_info(OP_UNKNOWN);
    *ret_op = op;
    str_cut(target, '?', &raw, &op.query);
    if (str_eq(target, STR("*")))
        raw = STR("/");
    fail = path_parse(raw, arena, &path);
    if (fail != FAIL_NONE)
        return fail;
    op.path = str_eq(target, STR("*")) ? target : path.text;
    op.id = find(method, &path);
    if (op.id == OP_UNKNOWN)
        op.id = find_special(method, &path);
    op.info = op_info(op.id);
    op.scope = op.info->scope;
    if (op.id != OP_PREFLIGHT && op.scope != SCOPE_ALIASES && path.n >= 2 &&
        str_eq(path.segments[0], STR("collections"))) {
        op.scope = SCOPE_COLLECTION;
        op.collection = path.segments[1];
    }
    op.timeout_ms = timeout_of(op.query);
    *ret_op = op;
    return FAIL_NONE;
}
