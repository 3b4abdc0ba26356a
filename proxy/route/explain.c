/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan in words and in JSON: the same facts, in the order in which they were decided.
 */
#include <math.h>

#include "proxy/route/plan.h"

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
    static const char *const names[] = { "refuse", "local", "forward", "lists", "schema" };

    return names[p->shape];
}

static const char *
view_state(const struct cluster_view *v)
{
    return v->is_up ? "up" : v->is_ejected ? "ejected" : "down";
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static void
put_caller(const struct caller *c, struct buf *out)
{
    char text[ADDR_TEXT_MAX], place[32];

    buf_printf(out, "caller      %s (by %s)%s\n", addr_print(&c->address, -1, text),
        address_source_name(c->address_source), c->is_trusted ? ", a trusted caller: its X-Sextant-* hints count" : "");
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

static void
put_rule(const struct plan *p, struct buf *out)
{
    if (p->rule)
        buf_printf(out, "rule        line %u: " STR_FMT "\n", p->rule->line, STR_ARG(p->rule->text));
    if (p->partition)
        buf_printf(
            out, "partition   " STR_FMT " (area " STR_FMT ")\n", STR_ARG(p->partition->name), STR_ARG(p->area->text));
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
    buf_putc(out, '\n');
}

static void
put_candidates(const struct world *w, const struct cluster_view *views, const struct plan *p, struct buf *out)
{
    for (unsigned i = 0; i < p->n_candidates; i++) {
        buf_printf(out, "%s", i ? "            " : "candidates  ");
        put_cluster(w, &views[p->candidates[i]], p->candidates[i], out);
    }
    for (unsigned i = 0; i < p->n_parts && p->shape == PLAN_LISTS; i++) {
        buf_printf(out, "part %u      ", i + 1);
        put_cluster(w, &views[p->parts[i].candidates[0]], p->parts[i].candidates[0], out);
    }
}

static void
put_conclusion(const struct world *w, const struct plan *p, struct buf *out)
{
    switch (p->shape) {
    case PLAN_REFUSE:
        buf_printf(out, "answer      %u %s: %s", fail_info(p->fail)->status, fail_info(p->fail)->code,
            fail_info(p->fail)->sentence);
        if (p->detail.len)
            buf_printf(out, " (" STR_FMT ")", STR_ARG(p->detail));
        buf_putc(out, '\n');
        return;
    case PLAN_LOCAL:
        buf_add(out, STR("answer      given by this edge\n"));
        return;
    case PLAN_LISTS:
        buf_add(out, STR("answer      each part's own names, merged\n"));
        return;
    case PLAN_SCHEMA:
        buf_add(out, STR("answer      sent to all candidates, outcomes compared\n"));
        return;
    case PLAN_FORWARD:
        if (p->n_candidates)
            buf_printf(out, "answer      from " STR_FMT " (%s)%s\n",
                STR_ARG(w->topology->clusters[p->candidates[0]].name), plan_reason_name(p->reason),
                p->may_move ? ", then the next candidate if it fails" : "");
        return;
    }
}

void
plan_explain_text(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct buf *out)
{
    put_caller(caller, out);
    put_operation(op, out);
    put_rule(plan, out);
    put_candidates(w, views, plan, out);
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
    json_operation(op, o);
    json_rule(plan, o);
    json_key(o, "candidates");
    json_begin_array(o);
    for (unsigned i = 0; i < plan->n_candidates; i++)
        json_cluster(w, &views[plan->candidates[i]], plan->candidates[i], o);
    for (unsigned i = 0; i < plan->n_parts && plan->shape == PLAN_LISTS; i++)
        json_cluster(w, &views[plan->parts[i].candidates[0]], plan->parts[i].candidates[0], o);
    json_end_array(o);
    text_member(o, "decision", str_from(shape_name(plan)));
    text_member(o, "reason", str_from(plan_reason_name(plan->reason)));
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
