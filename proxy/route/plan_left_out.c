/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left out of a plan although the partition lists it: what an operator holds, and for reads what is known to lack data.
 */
#include "proxy/route/plan_impl.h"

/* --- what an operator holds -------------------------------------------------------------------------------------- */

uint64_t
plan_held(const struct world *w, const struct cluster_view *views)
{
    uint64_t held = 0;

    for (unsigned i = 0; i < w->topology->n_clusters; i++)
        held |= (uint64_t)(views[i].hold != HOLD_NONE) << i;
    return held;
}

struct str
plan_held_text(const struct plan_input *in, uint64_t mask)
{
    struct buf text = { 0 };
    struct str copy;

    for (unsigned i = 0; i < in->w->topology->n_clusters; i++) {
        const struct cluster_view *v = &in->views[i];

        if (!((mask & in->held) >> i & 1))
            continue;
        buf_printf(&text, "%scluster " STR_FMT " is %s by the operator", buf_len(&text) ? "; " : "",
            STR_ARG(in->w->topology->clusters[i].name), v->hold == HOLD_DRAIN ? "drained" : "taken down");
        if (v->hold_reason.len)
            buf_printf(&text, ": " STR_FMT, STR_ARG(v->hold_reason));
    }
    copy = arena_str(in->arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

void
plan_refuse_held(const struct plan_input *in, struct plan *p, uint64_t mask)
{
    plan_refuse(p, FAIL_NO_HEALTHY_CLUSTER, plan_held_text(in, mask));
}

/* What belongs to a node goes nowhere while that node is held. */
void
plan_check_pinned(const struct plan_input *in, struct plan *p)
{
    const struct cluster_view *v = &in->views[p->candidates[0]];
    unsigned number = p->endpoint ? p->endpoint : 1;

    if (!p->is_pinned || p->n_candidates == 0 || !(v->held_endpoints >> (number - 1) & 1))
        return;
    plan_refuse(p, FAIL_NO_HEALTHY_CLUSTER,
        arena_printf(in->arena, "endpoint " STR_FMT "/%u is held by the operator%s" STR_FMT,
            STR_ARG(in->w->topology->clusters[p->candidates[0]].name), number, v->hold_reason.len ? ": " : "",
            STR_ARG(v->hold_reason)));
}

/* --- what is known to lack data ---------------------------------------------------------------------------------- */

uint64_t
plan_incomplete(const struct plan_input *in, const struct rule *rule, const struct partition *part)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < part->n_clusters && partition_fans_out(rule, part); i++)
        mask |= (in->views[part->clusters[i]].lacks >> part->clusters[0] & 1) << part->clusters[i];
    return mask;
}

/* Points of a shard belong to a node, and are data all the same. */
static bool
reads_data(const struct op_info *info)
{
    return info->kind == OP_READ ||
           (info->kind == OP_CLUSTER && info->flags & OP_NODE_LOCAL && !(info->flags & OP_MANAGE));
}

uint64_t
plan_leave_incomplete(const struct plan_input *in, struct plan *p, uint64_t mask)
{
    uint64_t incomplete = p->incomplete | plan_incomplete(in, p->rule, p->partition);

    p->incomplete = p->reason == REASON_HINT || !reads_data(in->op->info) ? 0 : incomplete & mask;
    return mask & ~p->incomplete;
}

bool
plan_passes_over(
    const struct plan_input *in, const struct partition *part, uint64_t incomplete, uint8_t first, bool by_cost)
{
    uint8_t home = part->clusters[0];

    if (!by_cost && first == home)
        return false;
    if (!by_cost && incomplete >> home & 1)
        return true;
    for (unsigned i = 0; i < part->n_clusters; i++) {
        uint8_t at = part->clusters[i];

        if (incomplete >> at & 1 && in->views[at].cost_ms < in->views[first].cost_ms)
            return true;
    }
    return false;
}

static struct str
names_of(const struct plan_input *in, uint64_t mask)
{
    struct str text = STR_NONE;

    for (unsigned i = 0; i < in->w->topology->n_clusters; i++) {
        if (mask >> i & 1)
            text = arena_join(in->arena, text, text.len ? STR(", ") : STR_NONE, in->w->topology->clusters[i].name);
    }
    return text;
}

struct str
plan_left_out_text(const struct plan_input *in, const struct plan *p, uint64_t mask)
{
    return mask ? plan_held_text(in, mask)
                : arena_join(in->arena, STR("incomplete: "), names_of(in, p->incomplete), STR_NONE);
}
