/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan in words, step by step, for `sextant explain` and people. It prints what plan_build() decided and decides nothing
 * itself; golden tests keep the wording.
 */
#include "proxy/route/explain.h"

const char *
explain_shape_name(enum plan_shape shape)
{
    static const char *const names[] = {
        [PLAN_REFUSE] = "refuse",
        [PLAN_LOCAL] = "local",
        [PLAN_ABSENT] = "absent",
        [PLAN_FORWARD] = "forward",
        [PLAN_LISTS] = "lists",
        [PLAN_SCHEMA] = "schema",
    };
    return names[shape];
}

const char *
explain_address_source(enum address_source source)
{
    static const char *const names[] = {
        [ADDRESS_PEER] = "peer",
        [ADDRESS_PROXY_PROTOCOL] = "proxy-protocol",
        [ADDRESS_HEADER] = "header",
    };
    return names[source];
}

static const char *
reason_sentence(enum plan_reason reason)
{
    static const char *const sentences[] = {
        [REASON_NONE] = "",
        [REASON_ONLY] = "the only cluster that may hold it",
        [REASON_NEAREST] = "the nearest of the permitted clusters",
        [REASON_HOME] = "the home of the partition",
        [REASON_FAILOVER] = "the clusters that go before it are down",
        [REASON_ALL_DOWN] = "every permitted cluster is judged down, so the best is tried anyway",
        [REASON_EDGE] = "the edge's own cluster, as the operation names no collection",
        [REASON_HINT] = "named by a trusted caller",
        [REASON_EVERY_HOME] = "the schema must be the same in all regions",
        [REASON_NODE] = "it belongs to one node, so it always goes to the same endpoint",
        [REASON_LOCAL] = "",
    };
    return sentences[reason];
}

static struct str
cluster_name(const struct world *w, unsigned cluster)
{
    return w->topology->clusters[cluster].name;
}

static void
put_names(const struct world *w, const uint8_t *clusters, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        buf_add(out, cluster_name(w, clusters[i]));
    }
}

static void
put_refusal(const struct plan *plan, struct buf *out)
{
    const struct fail_info *info = fail_info(plan->fail);

    buf_printf(out, "refused with %u %s: %s", info->status, info->code, info->sentence);
    if (plan->detail.len)
        buf_printf(out, " (" STR_FMT ")", STR_ARG(plan->detail));
}

static void
put_forward(const struct world *w, const struct plan *plan, struct buf *out)
{
    buf_printf(out, "sent to " STR_FMT, STR_ARG(cluster_name(w, plan->candidates[0])));
    if (plan->endpoint)
        buf_printf(out, "/%u", plan->endpoint);
    buf_printf(out, ": %s", reason_sentence(plan->reason));
    if (plan->may_move) {
        buf_add(out, STR("; if it fails, on to "));
        put_names(w, plan->candidates + 1, plan->n_candidates - 1, out);
    }
}

static void
put_lists(const struct plan *plan, struct buf *out)
{
    if (plan->n_parts == 0)
        buf_add(out, STR("answered here: an empty list, as no line serves this caller"));
    else
        buf_printf(
            out, "%u list%s asked for, filtered by the map, made one", plan->n_parts, plan->n_parts > 1 ? "s" : "");
}

void
explain_answer(const struct world *w, const struct plan *plan, struct buf *out)
{
    switch (plan->shape) {
    case PLAN_REFUSE:
        put_refusal(plan, out);
        break;
    case PLAN_LOCAL:
        buf_add(out, STR("answered here"));
        if (plan->n_candidates)
            buf_printf(
                out, "; sent to " STR_FMT " until a version is known", STR_ARG(cluster_name(w, plan->candidates[0])));
        break;
    case PLAN_ABSENT:
        buf_add(out, STR("answered here: it does not exist, as no line matches the collection"));
        break;
    case PLAN_FORWARD:
        put_forward(w, plan, out);
        break;
    case PLAN_LISTS:
        put_lists(plan, out);
        break;
    case PLAN_SCHEMA:
        buf_add(out, STR("sent to each of "));
        put_names(w, plan->candidates, plan->n_candidates, out);
        buf_printf(out, ": %s", reason_sentence(plan->reason));
        break;
    }
}

static void
text_address(const struct world *w, const struct caller *caller, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    buf_printf(out, "address    %s", addr_print(&caller->address, -1, text));
    if (caller->address_source == ADDRESS_HEADER)
        buf_printf(out, ", from " STR_FMT, STR_ARG(w->trust->header));
    else if (caller->address_source == ADDRESS_PROXY_PROTOCOL)
        buf_add(out, STR(", from the PROXY protocol"));
    else
        buf_add(out, STR(", the peer"));
    if (!addr_eq(&caller->address, &caller->last_hop))
        buf_printf(out, "; calls through %s", addr_print(&caller->last_hop, -1, text));
    buf_putc(out, '\n');
}

static void
text_place(const struct place *place, struct buf *out)
{
    char text[32];

    buf_printf(out, "place      %s", place_print(place, text));
    if (place->source != PLACE_NONE && place->continent)
        buf_printf(out, ", " STR_FMT, STR_ARG(continent_name((enum continent)place->continent)));
    if (place->source != PLACE_NONE)
        buf_printf(out, ", by %s", place_source_name((enum place_source)place->source));
    buf_putc(out, '\n');
}

static void
text_hint(const char *name, struct str hint, struct buf *out)
{
    if (hint.len)
        buf_printf(out, ", %s " STR_FMT, name, STR_ARG(hint));
}

static void
text_trust(const struct caller *caller, struct buf *out)
{
    buf_add(out, caller->is_trusted ? STR("trusted    yes") : STR("trusted    no: X-Sextant hints are dropped"));
    text_hint("place", caller->hint_place, out);
    text_hint("cluster", caller->hint_cluster, out);
    text_hint("endpoint", caller->hint_endpoint, out);
    text_hint("partition", caller->hint_partition, out);
    buf_putc(out, '\n');
}

static void
text_operation(const struct operation *op, struct buf *out)
{
    buf_printf(out, "operation  %s, %s: ", op->info->name, op_kind_name(op->info->kind));
    if (op->info->method != METHOD_OTHER)
        buf_printf(out, STR_FMT " ", STR_ARG(method_name(op->info->method)));
    buf_printf(out, STR_FMT "\n", STR_ARG(op->path));
}

static void
text_rule(const struct world *w, const struct plan *plan, struct buf *out)
{
    const struct partition *partition = plan->partition;

    if (!plan->rule)
        return;
    buf_printf(out, "rule       line %u: " STR_FMT "\n", plan->rule->line, STR_ARG(plan->rule->text));
    if (!partition)
        return;
    buf_printf(out, "partition  " STR_FMT, STR_ARG(partition->name));
    if (plan->area)
        buf_printf(out, ", as " STR_FMT " takes the caller", STR_ARG(plan->area->text));
    buf_printf(out, "; home " STR_FMT, STR_ARG(cluster_name(w, partition->clusters[0])));
    if (partition->n_clusters > 1) {
        buf_add(out, STR(", copies "));
        put_names(w, partition->clusters + 1, partition->n_clusters - 1, out);
    }
    buf_putc(out, '\n');
}

static void
text_candidates(
    const struct world *w, const struct cluster_view *views, const uint8_t *clusters, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        const struct cluster_view *view = &views[clusters[i]];

        buf_printf(out, "%s  %u. " STR_FMT ", %s, cost %.1f ms", i ? "         " : "candidate", i + 1,
            STR_ARG(cluster_name(w, clusters[i])), view->is_up ? "up" : "down", view->cost_ms);
        if (view->rtt_ms >= 0)
            buf_printf(out, ", rtt %.1f ms", view->rtt_ms);
        if (view->distance_km >= 0)
            buf_printf(out, ", %.0f km", view->distance_km);
        buf_putc(out, '\n');
    }
}

static void
text_part(const struct world *w, const struct cluster_view *views, const struct plan_part *part, struct buf *out)
{
    bool is_first = true;

    buf_add(out, STR("part       lines"));
    for (unsigned i = 0; i < w->map->n_rules; i++) {
        if (part->rules[i / 64] >> i % 64 & 1) {
            buf_printf(out, "%s %u", is_first ? "" : ",", w->map->rules[i].line);
            is_first = false;
        }
    }
    buf_putc(out, '\n');
    text_candidates(w, views, part->candidates, part->n_candidates, out);
}

void
plan_explain_text(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct buf *out)
{
    text_address(w, caller, out);
    text_place(&caller->place, out);
    text_trust(caller, out);
    text_operation(op, out);
    text_rule(w, plan, out);
    text_candidates(w, views, plan->candidates, plan->n_candidates, out);
    for (unsigned i = 0; i < plan->n_parts; i++)
        text_part(w, views, &plan->parts[i], out);
    buf_add(out, STR("answer     "));
    explain_answer(w, plan, out);
    buf_putc(out, '\n');
}
