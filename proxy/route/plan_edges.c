/* SPDX-License-Identifier: Apache-2.0
 *
 * Partitions that fan out: which edge journals for their writes, what that edge makes of another's decision, and reads that
 * must not be older than a write.
 */
#include "proxy/route/candidates.h"
#include "proxy/route/hop.h"
#include "proxy/route/plan_impl.h"

bool
plan_is_past_journal(const struct rule *rule, const struct operation *op)
{
    bool is_unknown = op->id == OP_UNKNOWN && op->info->kind == OP_WRITE;

    return rule->fanout != FANOUT_NONE && (op->info->flags & OP_PAST_JOURNAL || is_unknown);
}

static bool
is_journaled(const struct plan_input *in, const struct plan *p)
{
    return in->op->info->kind == OP_WRITE && partition_fans_out(p->rule, p->partition);
}

/* Whether its home can be reached from here means nothing then. */
static void
send_by(struct plan *p, unsigned edge, uint8_t home)
{
    p->shape = PLAN_EDGE;
    p->edge = edge;
    p->reason = REASON_OWNER;
    p->candidates[0] = home;
    p->n_candidates = p->n_up = 1;
}

bool
plan_write_is_here(const struct plan_input *in, struct plan *p)
{
    uint8_t home = p->partition->clusters[0];
    int owner = is_journaled(in, p) ? fanout_owner(in->w->fanout, home) : -1;

    if (owner >= 0)
        send_by(p, (unsigned)owner, home);
    return owner < 0;
}

enum { NO_FANOUT = -3, SEVERAL_OWNERS = -4 };

/* Who journals for all homes of the line that fan out, or for the one that a hint names: as fanout_owner() tells. */
static int
owner_of_line(const struct plan_input *in, const struct rule *rule, uint8_t *ret_home)
{
    struct str only = in->caller->hint_partition;
    int owner = NO_FANOUT;

    for (unsigned i = 0; i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];
        int here;

        if (!partition_fans_out(rule, part) || (only.len && !str_eq(part->name, only)))
            continue;
        here = fanout_owner(in->w->fanout, part->clusters[0]);
        if (owner != NO_FANOUT && owner != here)
            return SEVERAL_OWNERS;
        owner = here;
        *ret_home = part->clusters[0];
    }
    return owner;
}

bool
plan_schema_is_here(const struct plan_input *in, struct plan *p)
{
    const struct hop *hop = in->caller->hop;
    uint8_t home = 0;
    int owner = p->rule->fanout == FANOUT_NONE ? NO_FANOUT : owner_of_line(in, p->rule, &home);

    if (!hop && owner >= 0)
        send_by(p, (unsigned)owner, home);
    else if (hop && in->w->fanout->lines[p->rule->index] != hop->line)
        plan_refuse(p, FAIL_MAPS_DIFFER, in->op->collection);
    else if (hop && owner != -1)
        plan_refuse(p, FAIL_NOT_OWNER, STR_NONE);
    else if (owner == SEVERAL_OWNERS)
        plan_refuse(p, FAIL_NOT_OWNER,
            STR("several edges journal for the homes of this line: change them one by one, with X-Sextant-Partition"));
    else
        return true;
    return false;
}

static bool
changes_data(const struct op_info *info)
{
    return info->kind == OP_WRITE || info->kind == OP_SCHEMA || info->flags & OP_PAST_JOURNAL;
}

/* A map that has the cluster as the home of some line is one of those whose edges share it: what its other lines write there is
 * their own affair. */
void
plan_check_claims(const struct plan_input *in, struct plan *p)
{
    uint64_t homes = in->w->fanout->homes;

    if (!changes_data(in->op->info) || (p->shape != PLAN_FORWARD && p->shape != PLAN_SCHEMA))
        return;
    for (unsigned i = 0; i < p->n_candidates; i++) {
        unsigned cluster = p->candidates[i];

        if (in->views[cluster].is_claimed && !(homes >> cluster & 1)) {
            plan_refuse(p, FAIL_CLUSTER_CLAIMED, in->w->topology->clusters[cluster].name);
            return;
        }
    }
}

/* What another edge decided, if this one would have decided the same and is the one that journals. */
void
plan_hop(const struct plan_input *in, struct plan *p)
{
    const struct hop *hop = in->caller->hop;
    const struct rule *rule = in->op->scope == SCOPE_COLLECTION ? partition_map_rule(in->w->map, in->op->collection)
                                                                : NULL;

    p->shape = PLAN_FORWARD;
    p->rule = rule;
    for (unsigned i = 0; rule && i < rule->n_partitions; i++) {
        if (str_eq(rule->partitions[i].name, hop->partition))
            p->partition = &rule->partitions[i];
    }
    if (!rule || !p->partition || in->w->fanout->lines[rule->index] != hop->line)
        plan_refuse(p, FAIL_MAPS_DIFFER, in->op->collection);
    else if (!is_journaled(in, p) || plan_is_past_journal(rule, in->op))
        plan_refuse(p, FAIL_EDGE_HOP, STR_NONE);
    else if (fanout_owner(in->w->fanout, p->partition->clusters[0]) != -1)
        plan_refuse(p, FAIL_NOT_OWNER, in->w->topology->clusters[p->partition->clusters[0]].name);
    else
        plan_order_partition(in, p, p->partition->cluster_mask);
    if (p->partition)
        p->area = &p->partition->areas[0];
}

/* --- reads that must not be older than a write -------------------------------------------------------------------- */

void
plan_keep(struct plan *p, uint64_t clusters, const struct cluster_view *views)
{
    unsigned n = 0;

    if (p->n_candidates && !(clusters >> p->candidates[0] & 1))
        p->reason = REASON_TOKEN;
    for (unsigned i = 0; i < p->n_candidates; i++) {
        if (clusters >> p->candidates[i] & 1)
            p->candidates[n++] = p->candidates[i];
    }
    p->n_candidates = n;
    p->n_up = candidates_n_up(views, p->candidates, n);
    p->may_move = n > 1;
}

void
plan_prefer(struct plan *p, unsigned cluster, const struct cluster_view *views)
{
    unsigned at = 0;

    while (at < p->n_candidates && p->candidates[at] != cluster)
        at++;
    if (at == 0 || at == p->n_candidates || !views[cluster].is_up)
        return;
    for (; at > 0; at--)
        p->candidates[at] = p->candidates[at - 1];
    p->candidates[0] = (uint8_t)cluster;
    p->n_up = candidates_n_up(views, p->candidates, p->n_candidates);
    p->reason = REASON_TOKEN;
}
