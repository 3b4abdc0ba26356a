/* SPDX-License-Identifier: Apache-2.0
 *
 * The planner's front: which scope an operation has decides which file plans it (collections, lists), what names no
 * collection is planned here. Invariant, tested by random worlds: every candidate of a plan with a partition is in that
 * partition's list of clusters.
 */
#include "proxy/route/plan.h"

#include "proxy/route/plan_inner.h"

const char *
plan_reason_name(enum plan_reason reason)
{
    static const char *const names[] = {
        [REASON_NONE] = "none",
        [REASON_ONLY] = "only",
        [REASON_NEAREST] = "nearest",
        [REASON_HOME] = "home",
        [REASON_FAILOVER] = "failover",
        [REASON_ALL_DOWN] = "all-down",
        [REASON_EDGE] = "edge",
        [REASON_HINT] = "hint",
        [REASON_EVERY_HOME] = "every-home",
        [REASON_NODE] = "node",
        [REASON_LOCAL] = "local",
    };
    return names[reason];
}

bool
plan_needs_body(const struct world *w, const struct operation *op)
{
    if (op->scope == SCOPE_ALIASES)
        return w->map->n_rules != 1 || !w->maps_all;
    return op->info->flags & OP_LOOKUP && !(w->map->is_uniform && w->maps_all);
}

void
plan_any(struct planner *p)
{
    struct choice choice = choice_all(p->w->topology);
    bool hinted;

    if (plan_take_cluster_hint(p, &choice, &hinted))
        plan_forward(p, choice, hinted ? REASON_HINT : REASON_NONE);
}

/* Nearest whatever its health: answers of another cluster would be about something else. */
static unsigned
edge_cluster(const struct planner *p)
{
    unsigned nearest = 0;

    if (p->w->topology->local_cluster >= 0)
        return (unsigned)p->w->topology->local_cluster;
    for (unsigned i = 1; i < p->w->topology->n_clusters; i++) {
        if (p->views[i].cost_ms < p->views[nearest].cost_ms)
            nearest = i;
    }
    return nearest;
}

void
plan_edge(struct planner *p)
{
    unsigned flags = p->op->info->flags;
    struct choice choice = choice_all(p->w->topology);
    enum plan_reason reason = flags & OP_NODE_LOCAL ? REASON_NODE : REASON_EDGE;
    bool hinted;

    if (flags & OP_STORAGE && p->w->map->has_strict && !p->caller->is_trusted) {
        plan_refuse(p, FAIL_TRUSTED_ONLY, STR_NONE);
        return;
    }
    if (!plan_take_cluster_hint(p, &choice, &hinted))
        return;
    if (!hinted)
        choice = choice_one(edge_cluster(p));
    plan_forward(p, choice, hinted ? REASON_HINT : reason);
    if (flags & OP_NODE_LOCAL || p->caller->hint_endpoint.len)
        plan_pin_endpoint(p);
}

static void
plan_local(struct planner *p)
{
    if (p->op->scope == SCOPE_ROOT)
        plan_forward(p, choice_all(p->w->topology), REASON_NONE);
    p->plan->shape = PLAN_LOCAL;
    p->plan->reason = REASON_LOCAL;
}

void
plan_build(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct name_list *names, const struct cluster_view *views, struct arena *arena, struct plan *ret_plan)
{
    struct planner p = { w, caller, op, names, views, arena, ret_plan };

    *ret_plan = (struct plan){ .shape = PLAN_REFUSE };
    if (!names && plan_needs_body(w, op)) {
        plan_refuse(&p, FAIL_BAD_BODY, STR_NONE);
        return;
    }
    switch (op->scope) {
    case SCOPE_COLLECTION:
        plan_collection(&p);
        break;
    case SCOPE_LIST:
        plan_lists(&p);
        break;
    case SCOPE_ALIASES:
        plan_aliases(&p);
        break;
    case SCOPE_EDGE:
        plan_edge(&p);
        break;
    case SCOPE_ANY:
        plan_any(&p);
        break;
    case SCOPE_SELF:
    case SCOPE_ROOT:
        plan_local(&p);
        break;
    }
    ret_plan->may_move = ret_plan->shape == PLAN_FORWARD && ret_plan->n_candidates > 1 && !ret_plan->is_pinned &&
                         op->info->resend != RESEND_NEVER && op->id != OP_UNKNOWN;
}
