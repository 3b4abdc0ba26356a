/* SPDX-License-Identifier: Apache-2.0
 *
 * From method and canonical path to a line of qdrant.def, by a tree of path segments that is built from the table once.
 *
 *                      (root)
 *        collections      aliases   cluster   ...
 *      aliases   {c}                peer  telemetry
 *           points  snapshots  ...  {id}
 *         scroll {p}
 *
 * A literal segment is tried before a parameter, and a node without an operation for the method is no match, so that
 * POST /collections/aliases and PUT /collections/aliases mean different things, as in Qdrant, where methods are guards.
 *
 * Rules:
 *  1. What no line matches is unknown, obeys the collection that it names, and is never sent twice.
 *  2. A collection name with a slash, a NUL, or of a length that Qdrant refuses never gets past here.
 *  3. An escaped slash passes only inside a parameter of a known route: elsewhere somebody downstream that decodes it first
 *     would see a route that we did not judge.
 */
#include "proxy/route/operation.h"

#include <assert.h>
#include <pthread.h>

#include "proxy/route/form.h"
#include "proxy/route/path.h"

enum { NODES_MAX = 160, NAME_CODE_POINTS_MAX = 255, METHODS = METHOD_OPTIONS + 1, TIMEOUT_SECONDS_MAX = 1000000000 };

static struct op_info infos[OP_COUNT] = {
    [OP_UNKNOWN] = { "UNKNOWN", METHOD_OTHER, "", OP_WRITE, SCOPE_ANY, RESEND_NEVER, 0 },
#define OP(id, method, path, kind, scope, resend, flags) \
    [OP_##id] = { #id, METHOD_##method, path, OP_##kind, SCOPE_##scope, RESEND_##resend, flags },
#include "proxy/route/qdrant.def"
#undef OP
};
static const struct op_info unknown_read = { "unknown", METHOD_OTHER, "", OP_READ, SCOPE_ANY, RESEND_NEVER, 0 };

struct node {
    struct str literal;
    uint8_t child, sibling, parameter; /* node numbers; 0, the root, is nobody's child */
    uint8_t ops[METHODS];              /* of a path that ends here */
    uint8_t rest_ops[METHODS];         /* of a path that ends here or below: {*} */
};
_Static_assert(OP_COUNT <= UINT8_MAX && NODES_MAX <= UINT8_MAX, "numbers of operations and nodes fit a byte");

static struct node nodes[NODES_MAX];
static unsigned n_nodes = 1;
static char names[OP_COUNT][32];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint8_t
new_node(struct str literal)
{
    assert(n_nodes < NODES_MAX);
    nodes[n_nodes].literal = literal;
    return (uint8_t)n_nodes++;
}

static uint8_t
child_for(uint8_t parent, struct str segment)
{
    struct node *n = &nodes[parent];

    if (segment.p[0] == '{') {
        if (!n->parameter)
            n->parameter = new_node(STR_NONE);
        return n->parameter;
    }
    for (uint8_t child = n->child; child; child = nodes[child].sibling) {
        if (str_eq(nodes[child].literal, segment))
            return child;
    }
    uint8_t added = new_node(segment);

    nodes[added].sibling = n->child;
    n->child = added;
    return added;
}

static void
add_route(enum op_id id)
{
    struct str rest = str_skip(str_from(infos[id].pattern), 1), segment;
    enum method method = infos[id].method;
    uint8_t at = 0;

    while (rest.len) {
        str_cut(rest, '/', &segment, &rest);
        if (str_eq(segment, STR("{*}"))) {
            nodes[at].rest_ops[method] = (uint8_t)id;
            return;
        }
        at = child_for(at, segment);
    }
    assert(!nodes[at].ops[method]);
    nodes[at].ops[method] = (uint8_t)id;
}

static void
build(void)
{
    for (enum op_id id = OP_UNKNOWN; id < OP_COUNT; id++) {
        size_t i = 0;

        for (; infos[id].name[i]; i++) {
            assert(i + 1 < sizeof(names[id]));
            names[id][i] = (char)(infos[id].name[i] == '_' ? '_' : infos[id].name[i] - 'A' + 'a');
        }
        infos[id].name = names[id];
        if (id != OP_UNKNOWN)
            add_route(id);
    }
}

const struct op_info *
op_info(enum op_id id)
{
    pthread_once(&once, build);
    assert(id < OP_COUNT);
    return &infos[id];
}

const char *
op_kind_name(enum op_kind kind)
{
    static const char *const kinds[OP_KIND_COUNT] = { "read", "write", "schema", "cluster", "snapshot", "service" };

    assert(kind < OP_KIND_COUNT);
    return kinds[kind];
}

static enum op_id
find(const struct path *path, unsigned at, uint8_t node, enum method method)
{
    const struct node *n = &nodes[node];

    if (at == path->n && n->ops[method])
        return (enum op_id)n->ops[method];
    if (at < path->n && at < PATH_SEGMENTS_MAX) {
        enum op_id id;

        for (uint8_t child = n->child; child; child = nodes[child].sibling) {
            if (!str_eq(nodes[child].literal, path->segments[at]))
                continue;
            id = find(path, at + 1, child, method);
            if (id)
                return id;
            break; /* siblings differ */
        }
        id = n->parameter ? find(path, at + 1, n->parameter, method) : OP_UNKNOWN;
        if (id)
            return id;
    }
    return (enum op_id)n->rest_ops[method];
}

/* Qdrant refuses a repeated timeout, so that one gives no deadline either. */
static int64_t
query_timeout_ms(struct str query)
{
    int64_t timeout_ms = -1;
    unsigned n = 0;
    struct str key, value;
    uint64_t seconds;

    while (form_next(&query, &key, &value)) {
        if (!form_equals(key, STR("timeout")))
            continue;
        if (form_u64(value, &seconds))
            timeout_ms = (int64_t)(seconds < TIMEOUT_SECONDS_MAX ? seconds : TIMEOUT_SECONDS_MAX) * 1000;
        n++;
    }
    return n == 1 ? timeout_ms : -1;
}

static bool
is_valid_name(struct str name)
{
    return name.len > 0 && (name.len <= NAME_CODE_POINTS_MAX || path_code_points(name) <= NAME_CODE_POINTS_MAX);
}

static enum fail
check_oddities(const struct path *path, enum op_id id, bool has_collection)
{
    uint32_t name_bit = has_collection ? 2 : 0;

    if ((path->slashed | path->nulled) & name_bit)
        return path->slashed & name_bit ? FAIL_NAME_SLASH : FAIL_NAME_NUL;
    if (path->climbs)
        return FAIL_DOT_SEGMENT;
    return path->nulled || (path->slashed && id == OP_UNKNOWN) ? FAIL_BAD_TARGET : FAIL_NONE;
}

static const struct op_info *
info_for(enum op_id id, enum method method)
{
    bool is_safe = method == METHOD_GET || method == METHOD_HEAD;

    return id == OP_UNKNOWN && is_safe ? &unknown_read : &infos[id];
}

struct str
operation_long_name(struct str target, struct arena *arena)
{
    struct path path;

    return path_parse(target, arena, &path) == FAIL_NONE && path.n >= 2 ? path.segments[1] : STR_NONE;
}

enum fail
operation_parse(enum method method, struct str target, struct arena *arena, struct operation *ret_op)
{
    struct operation op = { .timeout_ms = -1 };
    struct path path;
    bool has_collection;
    enum fail fail;

    pthread_once(&once, build);
    if (method == METHOD_OPTIONS && str_eq(target, STR("*")))
        path = (struct path){ .text = target };
    else if ((fail = path_parse(target, arena, &path)) != FAIL_NONE)
        return fail;

    op.id = find(&path, 0, 0, method);
    op.info = info_for(op.id, method);
    op.scope = op.info->scope;
    if (op.id == OP_UNKNOWN && path.n >= 2 && str_eq(path.segments[0], STR("collections")))
        op.scope = SCOPE_COLLECTION;
    has_collection = op.scope == SCOPE_COLLECTION;
    if ((path.slashed | path.nulled) && (fail = check_oddities(&path, op.id, has_collection)) != FAIL_NONE)
        return fail;
    if (has_collection) {
        op.collection = path.segments[1];
        if (!is_valid_name(op.collection))
            return FAIL_NAME_LENGTH;
    }
    op.path = path.text;
    op.query = path.query;
    if (op.query.len)
        op.timeout_ms = query_timeout_ms(op.query);
    *ret_op = op;
    return FAIL_NONE;
}
