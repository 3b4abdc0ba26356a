/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan in words and in JSON: the same facts, in the order in which they were decided.
 */
#include <math.h>

#include "proxy/route/auth.h"

static const char *
address_source_name(enum address_source source)
{
    static const char *const names[] = { "peer", "proxy-protocol", "header" };

    return names[source];
}

static const char *
resend_name(enum op_resend resend)
{
    static const char *const names[] = { "may be sent again",
        "may be sent again to the same cluster if it is by ids and without conditions",
        "is sent again only if nothing was sent", "is never sent again once a byte was sent" };

    return names[resend];
}

static const char *
shape_name(const struct plan *p)
{
    static const char *const names[] = { "refuse", "local", "forward", "edge", "lists", "schema" };

    return names[p->shape];
}

static const char *
view_state(const struct cluster_view *v)
{
    return v->is_up ? "up" : v->is_ejected ? "ejected" : "down";
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static const char *
reason_sentence(enum plan_reason reason)
{
    static const char *const sentences[] = {
        [REASON_NONE] = "",
        [REASON_ONLY] = "the only cluster that may hold it",
        [REASON_NEAREST] = "the nearest of the permitted clusters",
        [REASON_HOME] = "the home of the partition",
        [REASON_FAILOVER] = "the one that goes before it is down or overridden",
        [REASON_ALL_DOWN] = "every permitted cluster is judged down, so the best is tried anyway",
        [REASON_EDGE] = "the edge's own cluster, as the operation names no collection",
        [REASON_HINT] = "named by a trusted caller",
        [REASON_EVERY_HOME] = "the schema must be the same in all regions",
        [REASON_NODE] = "what belongs to a node goes to the same endpoint always",
        [REASON_OWNER] = "it journals for the partition's home",
        [REASON_TOKEN] = "a nearer one is not known to have the write of the caller's token",
        [REASON_INCOMPLETE] = "a nearer one is known to lack data",
        [REASON_LOCAL] = "",
    };
    return sentences[reason];
}

static void
put_hint(const char *name, struct str hint, struct buf *out)
{
    if (hint.len)
        buf_printf(out, "hint        %s " STR_FMT "\n", name, STR_ARG(hint));
}

static void
put_caller(const struct caller *c, struct buf *out)
{
    char text[ADDR_TEXT_MAX], place[32];

    buf_printf(out, "caller      %s (by %s)%s\n", addr_print(&c->address, -1, text),
        address_source_name(c->address_source), c->is_trusted ? ", a trusted caller: its X-Sextant-* hints count" : "");
    if (!addr_eq(&c->address, &c->last_hop))
        buf_printf(out, "through     %s\n", addr_print(&c->last_hop, -1, text));
    put_hint("place", c->hint_place, out);
    put_hint("cluster", c->hint_cluster, out);
    put_hint("endpoint", c->hint_endpoint, out);
    put_hint("partition", c->hint_partition, out);
    buf_printf(out, "place       %s (by %s)", place_print(&c->place, place),
        place_source_name((enum place_source)c->place.source));
    if (c->place.continent)
        buf_printf(out, ", " STR_FMT, STR_ARG(continent_name((enum continent)c->place.continent)));
    buf_putc(out, '\n');
}

static void
put_operation(const struct operation *op, struct buf *out)
{
    buf_printf(out, "operation   %s (%s), " STR_FMT "; it %s\n", op->info->name, op_kind_name(op->info->kind),
        STR_ARG(op->path), resend_name(op->info->resend));
    if (op->collection.len)
        buf_printf(out, "collection  " STR_FMT "\n", STR_ARG(op->collection));
}

/* What a cluster is shown, when this edge holds the keys. */
static const char *
credential_name(const struct cluster_conf *c)
{
    return c->options.api_key.len == 0 ? "no key" : c->options.jwt_rbac ? "its key or a token" : "its key";
}

static void
put_key(const struct world *w, const struct operation *op, struct buf *out)
{
    if (w->keys->is_on)
        buf_printf(out, "key         %s\n", auth_need(op));
}

static void
put_copies(const struct world *w, const struct plan *p, struct buf *out)
{
    if (!p->partition || !partition_fans_out(p->rule, p->partition))
        return;
    buf_add(out, STR("copies      "));
    for (unsigned i = 1; i < p->partition->n_clusters; i++)
        buf_printf(
            out, "%s" STR_FMT, i > 1 ? ", " : "", STR_ARG(w->topology->clusters[p->partition->clusters[i]].name));
    buf_printf(out, ": kept by Sextant (fanout=%s)\n", fanout_name(p->rule->fanout));
}

static void
put_rule(const struct world *w, const struct plan *p, struct buf *out)
{
    if (p->rule)
        buf_printf(out, "rule        line %u: " STR_FMT "\n", p->rule->line, STR_ARG(p->rule->text));
    if (p->partition)
        buf_printf(
            out, "partition   " STR_FMT " (area " STR_FMT ")\n", STR_ARG(p->partition->name), STR_ARG(p->area->text));
    put_copies(w, p, out);
}

static void
put_cluster(const struct world *w, const struct cluster_view *v, unsigned index, struct buf *out)
{
    const struct cluster_conf *c = &w->topology->clusters[index];

    buf_printf(out, STR_FMT "  %s, cost %.1f ms", STR_ARG(c->name), view_state(v), v->cost_ms);
    if (v->rtt_ms >= 0)
        buf_printf(out, " (measured %.1f ms)", v->rtt_ms);
    else if (v->distance_km >= 0)
        buf_printf(out, " (by distance, %.0f km)", v->distance_km);
    if (c->bias)
        buf_printf(out, ", bias %g", c->bias);
    if (w->keys->is_on)
        buf_printf(out, ", shown %s", credential_name(c));
    buf_putc(out, '\n');
}

static void
put_list(const struct world *w, const struct cluster_view *views, const uint8_t *list, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        buf_add(out, i ? STR("            ") : STR("candidates  "));
        put_cluster(w, &views[list[i]], list[i], out);
    }
}

static bool
part_has(const struct plan_part *part, unsigned rule)
{
    return part->rules[rule / 64] >> rule % 64 & 1;
}

static void
put_part(const struct world *w, const struct cluster_view *views, const struct plan_part *part, struct buf *out)
{
    for (unsigned i = 0; i < w->map->n_rules; i++) {
        if (part_has(part, i))
            buf_printf(
                out, "names of    line %u: " STR_FMT "\n", w->map->rules[i].line, STR_ARG(w->map->rules[i].text));
    }
    put_list(w, views, part->candidates, part->n_candidates, out);
}

static void
put_candidates(const struct world *w, const struct cluster_view *views, const struct plan *p, struct buf *out)
{
    put_list(w, views, p->candidates, p->n_candidates, out);
    for (unsigned i = 0; i < p->n_parts && p->shape == PLAN_LISTS; i++)
        put_part(w, views, &p->parts[i], out);
}

static const char *
hold_words(const struct cluster_view *v)
{
    return v->hold == HOLD_DRAIN ? "drained by the operator" : "taken down by the operator";
}

static void
put_held(const struct world *w, const struct cluster_view *views, const struct plan *p, struct buf *out)
{
    for (unsigned i = 0; i < w->topology->n_clusters; i++) {
        if (!(p->held >> i & 1))
            continue;
        buf_printf(out, "left out    " STR_FMT "  %s", STR_ARG(w->topology->clusters[i].name), hold_words(&views[i]));
        if (views[i].hold_reason.len)
            buf_printf(out, ": " STR_FMT, STR_ARG(views[i].hold_reason));
        buf_putc(out, '\n');
    }
}

static void
put_incomplete(const struct world *w, const struct plan *p, struct buf *out)
{
    for (unsigned i = 0; i < w->topology->n_clusters; i++) {
        if (p->incomplete >> i & 1)
            buf_printf(out, "left out    " STR_FMT "  incomplete: it is known to lack data\n",
                STR_ARG(w->topology->clusters[i].name));
    }
}

static void
put_refusal(const struct plan *p, struct buf *out)
{
    const struct fail_info *info = fail_info(p->fail);

    buf_printf(out, "%u %s: %s", info->status, info->code, info->sentence);
    if (p->detail.len)
        buf_printf(out, " (" STR_FMT ")", STR_ARG(p->detail));
}

static void
put_forward(const struct world *w, const struct plan *p, struct buf *out)
{
    buf_printf(out, "from " STR_FMT, STR_ARG(w->topology->clusters[p->candidates[0]].name));
    if (p->is_pinned)
        buf_printf(out, "/%u", p->endpoint ? p->endpoint : 1);
    buf_printf(out, " (%s): %s%s", plan_reason_name(p->reason), reason_sentence(p->reason),
        p->may_move ? "; then the next candidate if it fails" : "");
}

static void
put_conclusion(const struct world *w, const struct plan *p, struct buf *out)
{
    buf_add(out, STR("answer      "));
    switch (p->shape) {
    case PLAN_REFUSE:
        put_refusal(p, out);
        break;
    case PLAN_LOCAL:
        buf_add(out, STR("given by this edge"));
        if (p->n_candidates == 0)
            buf_add(out, STR(": it does not exist, as no line matches the collection"));
        break;
    case PLAN_LISTS:
        buf_add(
            out, p->n_parts ? STR("each part's own names, merged") : STR("an empty list: no line serves this caller"));
        break;
    case PLAN_SCHEMA:
        buf_printf(out, "sent to all candidates, outcomes compared: %s", reason_sentence(p->reason));
        break;
    case PLAN_EDGE:
        buf_printf(out, "from " STR_FMT ", by edge " STR_FMT ": %s",
            STR_ARG(w->topology->clusters[p->candidates[0]].name), STR_ARG(w->fanout->edges->items[p->edge].name),
            reason_sentence(p->reason));
        break;
    case PLAN_FORWARD:
        if (p->n_candidates)
            put_forward(w, p, out);
        break;
    }
    buf_putc(out, '\n');
}

void
plan_explain_text(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct buf *out)
{
    put_caller(caller, out);
    put_operation(op, out);
    put_key(w, op, out);
    put_rule(w, plan, out);
    put_candidates(w, views, plan, out);
    put_held(w, views, plan, out);
    put_incomplete(w, plan, out);
    put_conclusion(w, plan, out);
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static void
text_member(struct json_writer *o, const char *key, struct str value)
{
    json_key(o, key);
    json_put_str(o, value);
}

static void
json_caller(const struct caller *c, struct json_writer *o)
{
    char text[ADDR_TEXT_MAX], place[32];

    json_key(o, "caller");
    json_begin_object(o);
    text_member(o, "address", str_from(addr_print(&c->address, -1, text)));
    text_member(o, "address_source", str_from(address_source_name(c->address_source)));
    text_member(o, "last_hop", str_from(addr_print(&c->last_hop, -1, text)));
    json_key(o, "trusted");
    json_put_bool(o, c->is_trusted);
    text_member(o, "place", str_from(place_print(&c->place, place)));
    text_member(o, "place_source", str_from(place_source_name((enum place_source)c->place.source)));
    text_member(o, "continent", continent_name((enum continent)c->place.continent));
    json_end_object(o);
}

static void
json_operation(const struct operation *op, struct json_writer *o)
{
    json_key(o, "operation");
    json_begin_object(o);
    text_member(o, "name", str_from(op->info->name));
    text_member(o, "kind", str_from(op_kind_name(op->info->kind)));
    text_member(o, "path", op->path);
    text_member(o, "collection", op->collection);
    text_member(o, "resend", str_from(resend_name(op->info->resend)));
    json_end_object(o);
}

static void
json_cluster(const struct world *w, const struct cluster_view *v, unsigned index, struct json_writer *o)
{
    json_begin_object(o);
    text_member(o, "cluster", w->topology->clusters[index].name);
    text_member(o, "state", str_from(view_state(v)));
    json_key(o, "cost_ms");
    json_put_double(o, v->cost_ms, 3);
    json_key(o, "rtt_ms");
    json_put_double(o, v->rtt_ms < 0 ? (double)INFINITY : v->rtt_ms, 3);
    json_key(o, "distance_km");
    json_put_double(o, v->distance_km < 0 ? (double)INFINITY : v->distance_km, 0);
    if (w->keys->is_on)
        text_member(o, "shown", str_from(credential_name(&w->topology->clusters[index])));
    json_end_object(o);
}

static void
json_list(
    const struct world *w, const struct cluster_view *views, const uint8_t *list, unsigned n, struct json_writer *o)
{
    json_key(o, "candidates");
    json_begin_array(o);
    for (unsigned i = 0; i < n; i++)
        json_cluster(w, &views[list[i]], list[i], o);
    json_end_array(o);
}

static void
json_parts(const struct world *w, const struct cluster_view *views, const struct plan *p, struct json_writer *o)
{
    json_key(o, "parts");
    json_begin_array(o);
    for (unsigned i = 0; i < p->n_parts; i++) {
        json_begin_object(o);
        json_key(o, "rules");
        json_begin_array(o);
        for (unsigned k = 0; k < w->map->n_rules; k++) {
            if (part_has(&p->parts[i], k))
                json_put_str(o, w->map->rules[k].text);
        }
        json_end_array(o);
        json_list(w, views, p->parts[i].candidates, p->parts[i].n_candidates, o);
        json_end_object(o);
    }
    json_end_array(o);
}

static void
json_left_out(const struct world *w, const struct cluster_view *views, const struct plan *p, struct json_writer *o)
{
    if ((p->held | p->incomplete) == 0)
        return;
    json_key(o, "left_out");
    json_begin_array(o);
    for (unsigned i = 0; i < w->topology->n_clusters; i++) {
        if (!((p->held | p->incomplete) >> i & 1))
            continue;
        json_begin_object(o);
        text_member(o, "cluster", w->topology->clusters[i].name);
        if (p->held >> i & 1) {
            text_member(o, "override", str_from(hold_kind_name(views[i].hold)));
            text_member(o, "reason", views[i].hold_reason);
        } else {
            text_member(o, "reason", STR("incomplete"));
        }
        json_end_object(o);
    }
    json_end_array(o);
}

static void
json_hints(const struct caller *c, struct json_writer *o)
{
    json_key(o, "hints");
    json_begin_object(o);
    if (c->hint_place.len)
        text_member(o, "place", c->hint_place);
    if (c->hint_cluster.len)
        text_member(o, "cluster", c->hint_cluster);
    if (c->hint_endpoint.len)
        text_member(o, "endpoint", c->hint_endpoint);
    if (c->hint_partition.len)
        text_member(o, "partition", c->hint_partition);
    json_end_object(o);
}

static void
json_rule(const struct plan *p, struct json_writer *o)
{
    if (!p->rule)
        return;
    json_key(o, "rule");
    json_begin_object(o);
    json_key(o, "line");
    json_put_u64(o, p->rule->line);
    text_member(o, "text", p->rule->text);
    json_key(o, "strict");
    json_put_bool(o, p->rule->strict);
    if (p->rule->fanout != FANOUT_NONE)
        text_member(o, "fanout", str_from(fanout_name(p->rule->fanout)));
    json_end_object(o);
    if (!p->partition)
        return;
    json_key(o, "partition");
    json_begin_object(o);
    text_member(o, "name", p->partition->name);
    text_member(o, "area", p->area->text);
    json_end_object(o);
}

void
plan_explain_json(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct json_writer *o)
{
    json_begin_object(o);
    json_caller(caller, o);
    json_hints(caller, o);
    json_operation(op, o);
    if (w->keys->is_on)
        text_member(o, "key", str_from(auth_need(op)));
    json_rule(plan, o);
    json_list(w, views, plan->candidates, plan->n_candidates, o);
    json_left_out(w, views, plan, o);
    if (plan->shape == PLAN_LISTS)
        json_parts(w, views, plan, o);
    text_member(o, "decision", str_from(shape_name(plan)));
    text_member(o, "reason", str_from(plan_reason_name(plan->reason)));
    if (plan->shape == PLAN_EDGE)
        text_member(o, "edge", w->fanout->edges->items[plan->edge].name);
    if (plan->is_pinned && plan->shape == PLAN_FORWARD) {
        json_key(o, "endpoint");
        json_put_u64(o, plan->endpoint ? plan->endpoint : 1);
    }
    json_key(o, "may_move");
    json_put_bool(o, plan->may_move);
    if (plan->shape == PLAN_REFUSE) {
        text_member(o, "error", str_from(fail_info(plan->fail)->code));
        json_key(o, "status");
        json_put_u64(o, fail_info(plan->fail)->status);
        text_member(o, "sentence", str_from(fail_info(plan->fail)->sentence));
        text_member(o, "detail", plan->detail);
    }
    json_end_object(o);
}
