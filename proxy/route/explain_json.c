/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan as JSON, for `sextant explain --json` and the admin /explain. The same steps as the words, and the same sentence.
 */
#include "proxy/route/explain.h"

static void
put_address(const struct world *w, const struct caller *caller, struct json_writer *out)
{
    char text[ADDR_TEXT_MAX];

    json_key(out, "address");
    json_begin_object(out);
    json_key(out, "address");
    json_put_text(out, addr_print(&caller->address, -1, text));
    json_key(out, "source");
    json_put_text(out, explain_address_source(caller->address_source));
    if (caller->address_source == ADDRESS_HEADER) {
        json_key(out, "header");
        json_put_str(out, w->trust->header);
    }
    json_key(out, "last_hop");
    json_put_text(out, addr_print(&caller->last_hop, -1, text));
    json_end_object(out);
}

static void
put_place(const struct place *place, struct json_writer *out)
{
    char text[32];

    json_key(out, "place");
    json_begin_object(out);
    json_key(out, "place");
    json_put_text(out, place_print(place, text));
    json_key(out, "source");
    json_put_text(out, place_source_name((enum place_source)place->source));
    json_key(out, "country");
    json_put_text(out, place->country[0] ? place->country : NULL);
    json_key(out, "continent");
    if (place->continent)
        json_put_str(out, continent_name((enum continent)place->continent));
    else
        json_put_null(out);
    if (place->has_point) {
        json_key(out, "lat");
        json_put_double(out, place->lat, 2);
        json_key(out, "lon");
        json_put_double(out, place->lon, 2);
    }
    json_end_object(out);
}

static void
put_hint(const char *name, struct str hint, struct json_writer *out)
{
    if (hint.len == 0)
        return;
    json_key(out, name);
    json_put_str(out, hint);
}

static void
put_trust(const struct caller *caller, struct json_writer *out)
{
    json_key(out, "trusted");
    json_put_bool(out, caller->is_trusted);
    json_key(out, "hints");
    json_begin_object(out);
    put_hint("place", caller->hint_place, out);
    put_hint("cluster", caller->hint_cluster, out);
    put_hint("endpoint", caller->hint_endpoint, out);
    put_hint("partition", caller->hint_partition, out);
    json_end_object(out);
}

static void
put_operation(const struct operation *op, struct json_writer *out)
{
    json_key(out, "operation");
    json_begin_object(out);
    json_key(out, "name");
    json_put_text(out, op->info->name);
    json_key(out, "kind");
    json_put_text(out, op_kind_name(op->info->kind));
    json_key(out, "method");
    if (op->info->method == METHOD_OTHER)
        json_put_null(out);
    else
        json_put_str(out, method_name(op->info->method));
    json_key(out, "path");
    json_put_str(out, op->path);
    json_key(out, "collection");
    if (op->collection.len)
        json_put_str(out, op->collection);
    else
        json_put_null(out);
    json_end_object(out);
}

static void
put_rule(const struct rule *rule, struct json_writer *out)
{
    json_key(out, "rule");
    if (!rule) {
        json_put_null(out);
        return;
    }
    json_begin_object(out);
    json_key(out, "line");
    json_put_u64(out, rule->line);
    json_key(out, "text");
    json_put_str(out, rule->text);
    json_key(out, "strict");
    json_put_bool(out, rule->strict);
    json_end_object(out);
}

static void
put_partition(const struct world *w, const struct plan *plan, struct json_writer *out)
{
    json_key(out, "partition");
    if (!plan->partition) {
        json_put_null(out);
        return;
    }
    json_begin_object(out);
    json_key(out, "name");
    json_put_str(out, plan->partition->name);
    json_key(out, "area");
    if (plan->area)
        json_put_str(out, plan->area->text);
    else
        json_put_null(out);
    json_key(out, "clusters");
    json_begin_array(out);
    for (unsigned i = 0; i < plan->partition->n_clusters; i++)
        json_put_str(out, w->topology->clusters[plan->partition->clusters[i]].name);
    json_end_array(out);
    json_end_object(out);
}

static void
put_distance(const char *name, double value, int decimals, struct json_writer *out)
{
    json_key(out, name);
    if (value >= 0)
        json_put_double(out, value, decimals);
    else
        json_put_null(out);
}

static void
put_candidates(const struct world *w, const struct cluster_view *views, const uint8_t *clusters, unsigned n,
    struct json_writer *out)
{
    json_key(out, "candidates");
    json_begin_array(out);
    for (unsigned i = 0; i < n; i++) {
        const struct cluster_conf *cluster = &w->topology->clusters[clusters[i]];
        const struct cluster_view *view = &views[clusters[i]];

        json_begin_object(out);
        json_key(out, "cluster");
        json_put_str(out, cluster->name);
        json_key(out, "country");
        json_put_text(out, cluster->country[0] ? cluster->country : NULL);
        json_key(out, "up");
        json_put_bool(out, view->is_up);
        json_key(out, "cost_ms");
        json_put_double(out, view->cost_ms, 1);
        put_distance("rtt_ms", view->rtt_ms, 1, out);
        put_distance("distance_km", view->distance_km, 0, out);
        json_end_object(out);
    }
    json_end_array(out);
}

static void
put_parts(const struct world *w, const struct cluster_view *views, const struct plan *plan, struct json_writer *out)
{
    json_key(out, "parts");
    json_begin_array(out);
    for (unsigned i = 0; i < plan->n_parts; i++) {
        const struct plan_part *part = &plan->parts[i];

        json_begin_object(out);
        json_key(out, "lines");
        json_begin_array(out);
        for (unsigned k = 0; k < w->map->n_rules; k++) {
            if (part->rules[k / 64] >> k % 64 & 1)
                json_put_u64(out, w->map->rules[k].line);
        }
        json_end_array(out);
        put_candidates(w, views, part->candidates, part->n_candidates, out);
        json_end_object(out);
    }
    json_end_array(out);
}

static void
put_answer(const struct world *w, const struct plan *plan, struct json_writer *out)
{
    struct buf sentence = { 0 };

    json_key(out, "answer");
    json_begin_object(out);
    json_key(out, "shape");
    json_put_text(out, explain_shape_name(plan->shape));
    json_key(out, "reason");
    json_put_text(out, plan_reason_name(plan->reason));
    if (plan->shape == PLAN_REFUSE) {
        json_key(out, "status");
        json_put_u64(out, fail_info(plan->fail)->status);
        json_key(out, "error");
        json_put_text(out, fail_info(plan->fail)->code);
    }
    if (plan->endpoint) {
        json_key(out, "endpoint");
        json_put_u64(out, plan->endpoint);
    }
    json_key(out, "may_move");
    json_put_bool(out, plan->may_move);
    json_key(out, "sentence");
    explain_answer(w, plan, &sentence);
    json_put_str(out, buf_str(&sentence));
    buf_fini(&sentence);
    json_end_object(out);
}

void
plan_explain_json(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct json_writer *out)
{
    json_begin_object(out);
    put_address(w, caller, out);
    put_place(&caller->place, out);
    put_trust(caller, out);
    put_operation(op, out);
    put_rule(plan->rule, out);
    put_partition(w, plan, out);
    put_candidates(w, views, plan->candidates, plan->n_candidates, out);
    put_parts(w, views, plan, out);
    put_answer(w, plan, out);
    json_end_object(out);
}
