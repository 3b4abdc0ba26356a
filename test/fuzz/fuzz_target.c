/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets. The path that we send on must mean to Qdrant what we took it for: a plain model of Qdrant's own two-step
 * decoding and route matching reads both the target as it came and the canonical path, and must agree with operation_parse().
 * The first byte picks the method.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "proxy/route/operation.h"

enum { MODEL_SEGMENTS = 64, MODEL_BYTES = 1 << 16 };

struct model {
    enum op_id id;
    struct str collection;
};

static int
hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One pass of actix's decoder; what it can't decode it leaves. */
static struct str
decode(struct str s, const char *protected, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? hex(s.p[i + 1]) : -1, low = i + 2 < s.len ? hex(s.p[i + 2]) : -1;
        char c = (char)(high * 16 + low);

        if (s.p[i] == '%' && high >= 0 && low >= 0 && (c == '\0' || !strchr(protected, c))) {
            to[n++] = c;
            i += 2;
        } else {
            to[n++] = s.p[i];
        }
    }
    return str_make(to, n);
}

static unsigned
split(struct str path, struct str *segments)
{
    struct str segment, rest = path;
    unsigned n = 0;

    while (rest.len) {
        str_cut(rest, '/', &segment, &rest);
        if (segment.len && n < MODEL_SEGMENTS)
            segments[n++] = segment;
    }
    return n;
}

/* Parameters of the pattern that took part, or -1. */
static int
match(const char *pattern, const struct str *segments, unsigned n)
{
    struct str wanted[MODEL_SEGMENTS];
    unsigned n_wanted = split(str_from(pattern), wanted);
    int parameters = 0;

    for (unsigned i = 0; i < n_wanted; i++) {
        if (str_eq(wanted[i], STR("{*}")))
            return 100;
        if (i >= n || (wanted[i].p[0] != '{' && !str_eq(wanted[i], segments[i])))
            return -1;
        parameters += wanted[i].p[0] == '{';
    }
    return n == n_wanted ? parameters : -1;
}

static struct model
model_of(enum method method, struct str target, char *bytes)
{
    struct model m = { OP_UNKNOWN, STR_NONE };
    struct str path, query, segments[MODEL_SEGMENTS];
    int best = 1000;
    unsigned n;

    str_cut(target, '?', &path, &query);
    path = decode(path, "%/+", bytes);
    n = split(path, segments);
    for (enum op_id id = OP_UNKNOWN + 1; id < OP_COUNT; id++) {
        int parameters = op_info(id)->method == method ? match(op_info(id)->pattern, segments, n) : -1;

        if (parameters >= 0 && parameters < best) {
            best = parameters;
            m.id = id;
        }
    }
    if (n >= 2 && str_eq(segments[0], STR("collections")))
        m.collection = decode(segments[1], "", bytes + MODEL_BYTES);
    return m;
}

static void
check(const struct operation *op, struct model m)
{
    assert(op->id == m.id);
    if (op->scope == SCOPE_COLLECTION)
        assert(op->collection.len && str_eq(op->collection, m.collection));
    else
        assert(op->collection.len == 0 &&
               (m.collection.len == 0 || op->id == OP_UPDATE_ALIASES || op->id == OP_PREFLIGHT));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[2 * MODEL_BYTES];
    struct str target = str_make((const char *)data + 1, size ? size - 1 : 0);
    struct arena arena = { 0 };
    struct operation op, again;
    enum method method;

    if (size == 0)
        return 0;
    method = (enum method)(data[0] % (METHOD_OPTIONS + 1));
    if (operation_parse(method, target, &arena, &op) == FAIL_NONE && !str_eq(target, STR("*"))) {
        check(&op, model_of(method, target, bytes));
        check(&op, model_of(method, op.path, bytes));
        assert(op.path.p[0] == '/' && (op.path.len == 1 || op.path.p[op.path.len - 1] != '/'));
        assert(!memmem(op.path.p, op.path.len, "//", 2));
        assert(!memmem(op.path.p, op.path.len, "/../", 4) && !str_ends(op.path, STR("/..")));
        for (size_t i = 0; i < op.path.len; i++)
            assert(op.path.p[i] > 0x20 && op.path.p[i] < 0x7f && !strchr("#?\"<>\\^`{|}", op.path.p[i]));
        assert(operation_parse(method, op.path, &arena, &again) == FAIL_NONE);
        assert(again.id == op.id && again.info == op.info && again.scope == op.scope);
        assert(str_eq(again.path, op.path) && str_eq(again.collection, op.collection));
        assert(op.timeout_ms >= -1);
    }
    arena_fini(&arena);
    return 0;
}
