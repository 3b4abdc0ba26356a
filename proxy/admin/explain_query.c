/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/explain_query.h"

#include "proxy/upstream/balance.h"

void
explain_fresh_views(const struct world *w, struct cluster_view *ret_views)
{
    const struct topology *t = w->topology;

    for (unsigned i = 0; i < t->n_clusters; i++) {
        double km = t->has_region ? place_distance_km(&t->region, &t->clusters[i].at) : -1;

        ret_views[i] = (struct cluster_view){ .is_up = true, .rtt_ms = -1, .distance_km = km };
        ret_views[i].cost_ms = rank_seed_ms(km) * (1 - t->clusters[i].bias / 100);
    }
}

/* Without a path the question is about the usual request: a query of the collection's points. */
static bool
make_request(const struct explain_query *q, struct arena *arena, enum method *ret_method, struct str *ret_target)
{
    struct str method = q->method;

    if (q->path.len) {
        *ret_target = q->path;
        *ret_method = method.len ? method_parse(method) : METHOD_GET;
        return *ret_method != METHOD_OTHER;
    }
    if (q->collection.len == 0)
        return false;
    *ret_method = method.len ? method_parse(method) : METHOD_POST;
    *ret_target = arena_printf(
        arena, "/collections/" STR_FMT "/points%s", STR_ARG(q->collection), *ret_method == METHOD_POST ? "/query" : "");
    return *ret_method != METHOD_OTHER;
}

static bool
make_caller(const struct world *w, const struct explain_query *q, struct caller *ret_caller, struct buf *out)
{
    struct caller c = { .address_source = ADDRESS_PEER, .is_trusted = q->trusted };
    struct place parsed;

    if (q->ip.len && !addr_parse(q->ip, &c.address)) {
        buf_printf(out, "\"" STR_FMT "\" is not an IP address\n", STR_ARG(q->ip));
        return false;
    }
    if (q->place.len && !place_parse(q->place, &parsed)) {
        buf_printf(out, "\"" STR_FMT "\" is not a place\n", STR_ARG(q->place));
        return false;
    }
    c.last_hop = c.address;
    c.hint_place = q->place;
    c.is_trusted |= q->place.len > 0;
    caller_place(w, &c.address, q->place, &c.place);
    *ret_caller = c;
    return true;
}

static bool
answer(const struct world *w, const struct cluster_view *views, const struct explain_query *q, struct arena *arena,
    struct buf *out)
{
    enum method method;
    struct str target, error = STR_NONE;
    struct caller caller;
    struct operation op;
    struct name_list names = { NULL, 0 };
    struct plan plan;
    enum fail fail;

    if (!make_request(q, arena, &method, &target)) {
        buf_add(out, STR("expected a collection, or a path with a method of Qdrant's API\n"));
        return false;
    }
    if (!make_caller(w, q, &caller, out))
        return false;
    fail = operation_parse(method, target, arena, &op);
    if (fail == FAIL_NONE && plan_needs_body(w, &op) && q->body.len)
        fail = operation_body_collections(&op, q->body, arena, &names, &error);
    if (fail != FAIL_NONE) {
        buf_printf(out, "%s: %s " STR_FMT "\n", fail_info(fail)->code, fail_info(fail)->sentence, STR_ARG(error));
        return false;
    }
    plan_build(w, &caller, &op, &names, views, arena, &plan);
    if (q->json) {
        struct json_writer json = json_writer(out);

        plan_explain_json(w, &caller, &op, views, &plan, &json);
        buf_putc(out, '\n');
    } else {
        plan_explain_text(w, &caller, &op, views, &plan, out);
    }
    return true;
}

bool
explain_answer(const struct world *w, const struct cluster_view *views, const struct explain_query *q, struct buf *out)
{
    struct arena arena = { 0 };
    bool ok = answer(w, views, q, &arena, out);

    arena_fini(&arena);
    return ok;
}
