/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing among clusters that are permitted already: order, reason, hints. Nothing here adds a cluster to a choice; it
 * is only ever narrowed and sorted, which is what keeps plans inside their partition.
 */
#include "proxy/route/plan_inner.h"

#include <string.h>

struct choice
choice_all(const struct topology *t)
{
    struct choice choice = { .n = t->n_clusters, .first = -1 };

    for (unsigned i = 0; i < t->n_clusters; i++)
        choice.clusters[i] = (uint8_t)i;
    return choice;
}

struct choice
choice_partition(const struct partition *partition, bool home_first)
{
    struct choice choice;

    choice.n = partition->n_clusters;
    choice.first = home_first ? partition->clusters[0] : -1;
    memcpy(choice.clusters, partition->clusters, partition->n_clusters);
    return choice;
}

struct choice
choice_one(unsigned cluster)
{
    return (struct choice){ .clusters = { (uint8_t)cluster }, .n = 1, .first = -1 };
}

void
choice_retain(struct choice *choice, uint64_t mask)
{
    unsigned n = 0;

    for (unsigned i = 0; i < choice->n; i++) {
        if (mask >> choice->clusters[i] & 1)
            choice->clusters[n++] = choice->clusters[i];
    }
    choice->n = n;
}

bool
choice_has(const struct choice *choice, int cluster)
{
    for (unsigned i = 0; i < choice->n; i++) {
        if (choice->clusters[i] == cluster)
            return true;
    }
    return false;
}

static bool
goes_before(const struct cluster_view *views, int first, uint8_t a, uint8_t b)
{
    if (views[a].is_up != views[b].is_up)
        return views[a].is_up;
    if (a == first || b == first)
        return a == first;
    return views[a].cost_ms < views[b].cost_ms;
}

/* Insertion keeps ties in order, and the lists are short. */
unsigned
choice_order(struct choice *choice, const struct cluster_view *views)
{
    unsigned n_up = 0;

    for (unsigned i = 0; i < choice->n; i++) {
        uint8_t cluster = choice->clusters[i];
        unsigned at = i;

        n_up += views[cluster].is_up;
        while (at && goes_before(views, choice->first, cluster, choice->clusters[at - 1])) {
            choice->clusters[at] = choice->clusters[at - 1];
            at--;
        }
        choice->clusters[at] = cluster;
    }
    return n_up;
}

enum plan_reason
choice_reason(const struct choice *choice, unsigned n_up, const struct cluster_view *views)
{
    if (n_up == 0)
        return REASON_ALL_DOWN;
    if (choice->n == 1)
        return REASON_ONLY;
    if (choice->first >= 0)
        return choice->clusters[0] == choice->first ? REASON_HOME : REASON_FAILOVER;
    for (unsigned i = n_up; i < choice->n; i++) {
        if (views[choice->clusters[i]].cost_ms < views[choice->clusters[0]].cost_ms)
            return REASON_FAILOVER;
    }
    return REASON_NEAREST;
}

void
plan_refuse(struct planner *p, enum fail fail, struct str detail)
{
    struct plan *plan = p->plan;

    plan->shape = PLAN_REFUSE;
    plan->fail = fail;
    plan->detail = detail;
    plan->reason = REASON_NONE;
    plan->n_candidates = plan->n_up = plan->n_parts = 0;
}

void
plan_forward(struct planner *p, struct choice choice, enum plan_reason reason)
{
    struct plan *plan = p->plan;

    plan->shape = PLAN_FORWARD;
    plan->n_up = choice_order(&choice, p->views);
    plan->n_candidates = choice.n;
    memcpy(plan->candidates, choice.clusters, choice.n);
    plan->reason = choice_reason(&choice, plan->n_up, p->views);
    if (reason && plan->n_up)
        plan->reason = reason;
    if (plan->n_up == 0 && plan->rule && plan->rule->all_down == ALL_DOWN_REFUSE)
        plan_refuse(p, FAIL_NO_HEALTHY_CLUSTER,
            arena_printf(p->arena, "down: " STR_FMT, STR_ARG(plan_cluster_names(p, &choice))));
}

bool
plan_take_cluster_hint(struct planner *p, struct choice *choice, bool *ret_hinted)
{
    struct str hint = p->caller->hint_cluster;
    int cluster;

    *ret_hinted = hint.len > 0;
    if (hint.len == 0)
        return true;
    cluster = topology_find(p->w->topology, hint);
    if (!choice_has(choice, cluster)) {
        plan_refuse(p, FAIL_BAD_HINT,
            arena_printf(p->arena, "X-Sextant-Cluster \"" STR_FMT "\": this request may go to " STR_FMT,
                STR_ARG(clip(hint)), STR_ARG(plan_cluster_names(p, choice))));
        return false;
    }
    *choice = choice_one((unsigned)cluster);
    return true;
}

bool
plan_pin_endpoint(struct planner *p)
{
    const struct cluster_conf *cluster = &p->w->topology->clusters[p->plan->candidates[0]];
    struct str hint = p->caller->hint_endpoint, name, number;
    uint64_t endpoint = 1;

    if (hint.len) {
        bool is_good = str_cut(hint, '/', &name, &number) && str_eq(name, cluster->name) &&
                       str_to_u64(number, &endpoint);

        if (!is_good || endpoint < 1 || endpoint > cluster->n_endpoints) {
            plan_refuse(p, FAIL_BAD_HINT,
                arena_printf(p->arena,
                    "X-Sextant-Endpoint \"" STR_FMT "\": this request may go to " STR_FMT "/1 to " STR_FMT "/%u",
                    STR_ARG(clip(hint)), STR_ARG(cluster->name), STR_ARG(cluster->name), cluster->n_endpoints));
            return false;
        }
    }
    p->plan->is_pinned = true;
    p->plan->endpoint = (unsigned)endpoint;
    return true;
}

static size_t
put_name(char *text, size_t at, struct str name)
{
    if (at) {
        memcpy(text + at, ", ", 2);
        at += 2;
    }
    memcpy(text + at, name.p, name.len);
    return at + name.len;
}

struct str
plan_cluster_names(struct planner *p, const struct choice *choice)
{
    const struct cluster_conf *clusters = p->w->topology->clusters;
    size_t len = 0, at = 0;
    char *text;

    for (unsigned i = 0; i < choice->n; i++)
        len += clusters[choice->clusters[i]].name.len + 2;
    text = arena_alloc(p->arena, len + 1);
    for (unsigned i = 0; i < choice->n; i++)
        at = put_name(text, at, clusters[choice->clusters[i]].name);
    return str_make(text, at);
}

struct str
plan_partition_names(struct planner *p, const struct rule *rule)
{
    size_t len = 0, at = 0;
    char *text;

    for (unsigned i = 0; i < rule->n_partitions; i++)
        len += rule->partitions[i].name.len + 2;
    text = arena_alloc(p->arena, len + 1);
    for (unsigned i = 0; i < rule->n_partitions; i++)
        at = put_name(text, at, rule->partitions[i].name);
    return str_make(text, at);
}
