/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/deadline.h"

enum { MARGIN_MS = 1000, DIGITS_MAX = 8 };

/* A part of a millisecond is a whole one: a limit that was set is never none. */
static int64_t
grpc_ms(struct str s)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = { { 'H', INT64_C(3600000000) }, { 'M', 60000000 }, { 'S', 1000000 }, { 'm', 1000 }, { 'u', 1 } };
    uint64_t n;
    char unit;

    if (s.len < 2 || s.len > DIGITS_MAX + 1 || !str_to_u64(str_make(s.p, s.len - 1), &n))
        return -1;
    unit = s.p[s.len - 1];
    if (unit == 'n')
        return (int64_t)((n + 999999) / 1000000);
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == unit)
            return ((int64_t)n * units[i].us + 999) / 1000;
    }
    return -1;
}

static int64_t
envoy_ms(struct str s)
{
    uint64_t n;

    return s.len && s.len <= DIGITS_MAX + 2 && str_to_u64(s, &n) && n > 0 ? (int64_t)n : -1;
}

int64_t
deadline_of_headers(const struct message *request)
{
    int64_t grpc = grpc_ms(message_value(request, FIELD_GRPC_TIMEOUT));
    int64_t envoy = envoy_ms(message_value(request, FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS));

    return grpc < 0 || (envoy >= 0 && envoy < grpc) ? envoy : grpc;
}

static bool
names_timeout(struct str pair)
{
    struct str key, value;

    str_cut(pair, '=', &key, &value);
    return str_eq(key, STR("timeout"));
}

static bool
has_timeout(struct str query)
{
    struct str pair;

    while (query.len) {
        str_cut(query, '&', &pair, &query);
        if (names_timeout(pair))
            return true;
    }
    return false;
}

/* May a timeout be added where the client wrote none? Reads by POST know one; a write would be told "wait_timeout" instead of
 * being waited for. */
static bool
may_add(const struct operation *op)
{
    return op->info->kind == OP_READ && op->info->method == METHOD_POST && op->scope == SCOPE_COLLECTION &&
           !has_timeout(op->query);
}

struct deadline
deadline_decide(const struct conf *conf, const struct operation *op, int64_t header_ms)
{
    struct deadline d = { .is_clients = op->timeout_ms >= 0 || header_ms >= 0, .is_in_header = header_ms >= 0 };
    int64_t own = op->timeout_ms < conf->timeout_max ? op->timeout_ms : conf->timeout_max;
    int64_t before = header_ms > 2 * MARGIN_MS ? header_ms - MARGIN_MS : 0;

    if (!(op->info->flags & OP_UNBOUNDED))
        d.answer_ms = own >= 0 ? own + MARGIN_MS : conf->default_timeout;
    if (header_ms >= 0 && (d.answer_ms == 0 || header_ms < d.answer_ms))
        d.answer_ms = header_ms > 0 ? header_ms : 1;
    if (own > 0)
        d.asked_ms = before && before < own ? before : own;
    else if (own < 0 && may_add(op))
        d.asked_ms = before;
    return d;
}

struct str
deadline_query(struct str query, int64_t seconds, struct arena *arena)
{
    struct buf b = { 0 };
    struct str pair, copy;

    while (query.len) {
        str_cut(query, '&', &pair, &query);
        if (pair.len && !names_timeout(pair))
            buf_printf(&b, STR_FMT "&", STR_ARG(pair));
    }
    buf_printf(&b, "timeout=%lld", (long long)seconds);
    copy = arena_str(arena, buf_str(&b));
    buf_fini(&b);
    return copy;
}
