/* SPDX-License-Identifier: Apache-2.0
 *
 * Which data is a constraint: rule and partition follow the caller's place, and only the clusters that the partition lists
 * are ever candidates. Which copy is a preference: the order among them follows cost and health. Every path through this
 * file ends in a refusal or in candidates inside the mask of a partition (or, where no collection is meant, of the topology).
 */
#include "proxy/route/plan.h"

#include "proxy/route/candidates.h"
#include "proxy/route/plan_impl.h"

const char *
plan_reason_name(enum plan_reason reason)
{
    static const char *const names[] = { "", "only", "nearest", "home", "failover", "all-down", "edge", "hint",
        "every-home", "node", "owner", "token", "incomplete", "local" };

    return names[reason];
}

void
plan_refuse(struct plan *p, enum fail fail, struct str detail)
{
    p->shape = PLAN_REFUSE;
    p->fail = fail;
    p->detail = detail;
    p->n_candidates = p->n_up = 0;
    p->may_move = false;
}

static void
take(struct plan *p, const struct candidates *c)
{
    memcpy(p->candidates, c->list, c->n);
    p->n_candidates = c->n;
    p->n_up = c->n_up;
}

static void
keep_first(struct plan *p)
{
    p->n_candidates = p->n_candidates ? 1 : 0;
    p->n_up = p->n_up ? 1 : 0;
    p->may_move = false;
}

/* --- partition --------------------------------------------------------------------------------------------------- */

static void
refuse_place(const struct plan_input *in, struct plan *p)
{
    bool is_unplaced = in->caller->place.source == PLACE_NONE ||
                       (p->rule->strict && in->caller->place.source == PLACE_DEFAULT);
    struct buf areas = { 0 };
    char place[32];

    for (unsigned i = 0; i < p->rule->n_partitions; i++)
        buf_printf(&areas, "%s" STR_FMT, i ? " " : "", STR_ARG(p->rule->partitions[i].name));
    plan_refuse(p, p->rule->strict && is_unplaced ? FAIL_UNPLACED_REFUSED : FAIL_PLACE_NOT_SERVED,
        arena_printf(in->arena, "place: %s; served: " STR_FMT, place_print(&in->caller->place, place),
            STR_ARG(buf_str(&areas))));
    buf_fini(&areas);
}

static void
refuse_unmapped(const struct plan_input *in, struct plan *p)
{
    if (in->op->id == OP_COLLECTION_EXISTS) {
        p->shape = PLAN_LOCAL;
        p->reason = REASON_LOCAL;
    } else if (in->op->info->flags & OP_CREATES) {
        plan_refuse(p, FAIL_CREATE_NOT_MAPPED, in->op->collection);
    } else {
        plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED, in->op->collection);
    }
}

/* Clusters that may also read every further collection that the body names. False after refusing. */
static bool
restrict_to_lookups(const struct plan_input *in, struct plan *p, uint64_t *mask)
{
    for (unsigned i = 0; in->names && i < in->names->n; i++) {
        struct str name = in->names->names[i];
        const struct rule *rule = partition_map_rule(in->w->map, name);
        const struct partition *part;

        if (!rule) {
            plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED, name);
            return false;
        }
        part = rule_partition(rule, &in->caller->address, &in->caller->place, NULL);
        *mask &= part ? part->cluster_mask : 0;
        p->incomplete |= part ? plan_incomplete(in, rule, part) : 0;
        if (*mask == 0) {
            plan_refuse(p, FAIL_LOOKUP_NOT_PERMITTED, name);
            return false;
        }
    }
    return true;
}

/* --- hints ------------------------------------------------------------------------------------------------------- */

/* "eu" or "eu/2". False: no such cluster or endpoint. */
static bool
parse_endpoint(const struct topology *t, struct str text, unsigned *ret_cluster, unsigned *ret_endpoint)
{
    struct str name, number;
    uint64_t endpoint = 0;
    int index;

    if (str_cut(text, '/', &name, &number) && (!str_to_u64(number, &endpoint) || endpoint == 0))
        return false;
    index = topology_find(t, name);
    if (index < 0 || endpoint > t->clusters[index].n_endpoints)
        return false;
    *ret_cluster = (unsigned)index;
    *ret_endpoint = (unsigned)endpoint;
    return true;
}

static bool
apply_hint(const struct plan_input *in, struct plan *p, struct str wish, uint64_t *mask)
{
    unsigned cluster, endpoint;

    if (wish.len == 0)
        return true;
    if (!parse_endpoint(in->w->topology, wish, &cluster, &endpoint) || !(*mask >> cluster & 1)) {
        plan_refuse(p, FAIL_BAD_HINT,
            arena_printf(in->arena, STR_FMT " is none of the clusters that may be chosen here", STR_ARG(wish)));
        return false;
    }
    *mask = UINT64_C(1) << cluster;
    if (p->is_pinned)
        p->endpoint = endpoint;
    p->reason = REASON_HINT;
    return true;
}

/* A trusted caller's wish for one cluster among those in the mask, and for one endpoint of it. False after refusing. */
static bool
apply_hints(const struct plan_input *in, struct plan *p, uint64_t *mask)
{
    if (!apply_hint(in, p, in->caller->hint_cluster, mask))
        return false;
    return !p->is_pinned || apply_hint(in, p, in->caller->hint_endpoint, mask);
}

/* --- one collection ---------------------------------------------------------------------------------------------- */

static bool
reads(const struct op_info *info)
{
    return info->kind == OP_READ || info->kind == OP_SERVICE;
}

/* Why the first of candidates ordered by cost is the first. */
enum plan_reason
plan_reason_by_cost(const struct plan_input *in, const struct plan *p)
{
    if (p->n_up == 0)
        return REASON_ALL_DOWN;
    for (unsigned i = p->n_up; i < p->n_candidates; i++) {
        if (in->views[p->candidates[i]].cost_ms < in->views[p->candidates[0]].cost_ms)
            return REASON_FAILOVER;
    }
    for (unsigned i = 0; i < in->w->topology->n_clusters && p->held; i++) {
        if (p->held >> i & 1 && in->views[i].cost_ms < in->views[p->candidates[0]].cost_ms)
            return REASON_FAILOVER;
    }
    return REASON_NEAREST;
}

static void
set_reason(const struct plan_input *in, struct plan *p, bool by_cost)
{
    if (p->reason != REASON_NONE)
        return;
    if (p->n_up == 0)
        p->reason = REASON_ALL_DOWN;
    else if (p->is_pinned)
        p->reason = REASON_NODE;
    else if (p->partition && p->partition->n_clusters == 1)
        p->reason = REASON_ONLY;
    else if (p->incomplete && plan_passes_over(in, p->partition, p->incomplete, p->candidates[0], by_cost))
        p->reason = REASON_INCOMPLETE;
    else if (!by_cost)
        p->reason = p->partition && p->candidates[0] == p->partition->clusters[0] ? REASON_HOME : REASON_FAILOVER;
    else
        p->reason = plan_reason_by_cost(in, p);
}

void
plan_order_partition(const struct plan_input *in, struct plan *p, uint64_t mask)
{
    const struct partition *part = p->partition;
    bool is_read = reads(in->op->info), fans_out = partition_fans_out(p->rule, part);
    bool by_cost = is_read ? p->rule->read == READ_NEAREST
                           : p->rule->write == WRITE_NEAREST && in->op->info->kind == OP_WRITE;
    struct candidates c;

    /* Only the home, unless a hint chose a copy. A home that is held is no reason to write elsewhere. */
    if (!by_cost && !is_read && mask >> part->clusters[0] & 1)
        mask = UINT64_C(1) << part->clusters[0];
    if (fans_out || p->incomplete)
        mask = plan_leave_incomplete(in, p, mask);
    if (by_cost || !is_read)
        candidates_by_cost(in->views, part->clusters, part->n_clusters, mask, &c);
    else
        candidates_home_first(in->views, part->clusters, part->n_clusters, mask, &c);
    if (is_read && !p->is_pinned && fans_out)
        candidates_behind_last(in->views, &c);
    p->held = mask & in->held;
    if (c.n == 0) {
        plan_refuse(p, mask ? FAIL_NO_HEALTHY_CLUSTER : FAIL_CLUSTER_INCOMPLETE, plan_left_out_text(in, p, mask));
        return;
    }
    take(p, &c);
    p->may_move = c.n > 1;
    set_reason(in, p, by_cost);
    if (p->is_pinned)
        keep_first(p);
    plan_check_pinned(in, p);
    if (p->shape == PLAN_FORWARD && p->n_up == 0 && p->rule->all_down == ALL_DOWN_REFUSE)
        plan_refuse(p, FAIL_NO_HEALTHY_CLUSTER, arena_printf(in->arena, "partition " STR_FMT, STR_ARG(part->name)));
}

static void
plan_partition(const struct plan_input *in, struct plan *p)
{
    uint64_t mask;

    p->shape = PLAN_FORWARD;
    p->partition = rule_partition(p->rule, &in->caller->address, &in->caller->place, &p->area);
    if (!p->partition) {
        refuse_place(in, p);
        return;
    }
    if (!plan_write_is_here(in, p))
        return;
    mask = p->partition->cluster_mask;
    p->is_pinned = in->op->info->flags & OP_NODE_LOCAL;
    if (!restrict_to_lookups(in, p, &mask))
        return;
    if ((in->op->info->kind != OP_WRITE || p->is_pinned) && !apply_hints(in, p, &mask))
        return;
    plan_order_partition(in, p, mask);
}

/* --- schema ------------------------------------------------------------------------------------------------------ */

static bool
is_wanted(const struct plan_input *in, const struct partition *part)
{
    return in->caller->hint_partition.len == 0 || str_eq(part->name, in->caller->hint_partition);
}

static void
plan_schema(const struct plan_input *in, struct plan *p)
{
    uint64_t mask = 0;

    if (!plan_schema_is_here(in, p))
        return;
    p->shape = PLAN_SCHEMA;
    p->reason = in->caller->hint_partition.len ? REASON_HINT : REASON_EVERY_HOME;
    for (unsigned i = 0; i < p->rule->n_partitions; i++) {
        const struct partition *part = &p->rule->partitions[i];

        if (is_wanted(in, part))
            mask |= p->rule->copies == COPIES_EXTERNAL ? part->cluster_mask : UINT64_C(1) << part->clusters[0];
    }
    if (mask == 0) {
        plan_refuse(p, FAIL_BAD_HINT,
            arena_printf(in->arena, "the line has no partition " STR_FMT, STR_ARG(in->caller->hint_partition)));
        return;
    }
    p->held = mask & in->held;
    if (p->held) { /* better nothing than a part */
        plan_refuse_held(in, p, mask);
        return;
    }
    for (unsigned i = 0; i < in->w->topology->n_clusters; i++) {
        if (mask >> i & 1) {
            p->candidates[p->n_candidates++] = (uint8_t)i;
            p->n_up += in->views[i].is_up || in->views[i].is_ejected;
        }
    }
    if (p->n_up == 0 && p->rule->all_down == ALL_DOWN_REFUSE)
        plan_refuse(p, FAIL_NO_HEALTHY_CLUSTER, STR_NONE);
}

static void
plan_collection(const struct plan_input *in, struct plan *p)
{
    p->rule = partition_map_rule(in->w->map, in->op->collection);
    if (!p->rule)
        refuse_unmapped(in, p);
    else if (plan_is_past_journal(p->rule, in->op))
        plan_refuse(p, FAIL_PAST_JOURNAL, STR_NONE);
    else if (in->op->info->kind == OP_SCHEMA)
        plan_schema(in, p);
    else
        plan_partition(in, p);
}

static void
plan_aliases(const struct plan_input *in, struct plan *p)
{
    const struct partition_map *map = in->w->map;

    p->rule = in->names && in->names->n ? NULL : &map->rules[0];
    for (unsigned i = 0; in->names && i < in->names->n; i++) {
        const struct rule *rule = partition_map_rule(map, in->names->names[i]);

        if (!rule) {
            plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED, in->names->names[i]);
            return;
        }
        if (p->rule && rule != p->rule) {
            plan_refuse(p, FAIL_ALIAS_CROSSES, in->names->names[i]);
            return;
        }
        p->rule = rule;
    }
    plan_schema(in, p);
}

/* --- no collection ----------------------------------------------------------------------------------------------- */

static void
plan_any(const struct plan_input *in, struct plan *p)
{
    struct candidates c;

    candidates_all(in->w, in->views, &c);
    p->shape = PLAN_FORWARD;
    p->held = in->held;
    take(p, &c);
    p->may_move = c.n > 1;
    p->reason = plan_reason_by_cost(in, p);
    if (c.n == 0 && in->op->scope == SCOPE_ANY)
        plan_refuse_held(in, p, in->held);
}

static void
plan_edge(const struct plan_input *in, struct plan *p)
{
    uint64_t mask = UINT64_MAX >> (64 - in->w->topology->n_clusters);
    struct candidates c;
    bool is_found = false;
    int local = in->w->topology->local_cluster;

    p->is_pinned = in->op->info->flags & OP_NODE_LOCAL;
    if (!apply_hints(in, p, &mask))
        return;
    candidates_all(in->w, in->views, &c);
    p->shape = PLAN_FORWARD;
    take(p, &c);
    if (p->reason != REASON_HINT && local >= 0)
        mask = UINT64_C(1) << local;
    for (unsigned i = 0; i < c.n && !is_found; i++) {
        is_found = mask >> c.list[i] & 1;
        if (is_found) {
            p->candidates[0] = c.list[i];
            p->n_up = candidates_n_up(in->views, p->candidates, 1);
        }
    }
    p->held = mask & in->held;
    if (!is_found) {
        plan_refuse_held(in, p, mask);
        return;
    }
    if (p->reason == REASON_NONE)
        p->reason = REASON_EDGE;
    keep_first(p);
    plan_check_pinned(in, p);
}

/* Whole-storage snapshots hold the data of everybody. */
static bool
is_whole_storage(const struct operation *op)
{
    return op->info->flags & OP_STORAGE || str_eq(op->path, STR("/snapshots")) ||
           str_starts(op->path, STR("/snapshots/"));
}

void
plan_build(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct name_list *names, const struct cluster_view *views, struct arena *arena, struct plan *ret_plan)
{
    struct plan_input in = { w, caller, op, names, views, arena, plan_held(w, views) };
    struct plan *p = ret_plan;

    memset(p, 0, sizeof(*p));
    if (caller->hop && op->info->kind != OP_SCHEMA) {
        plan_hop(&in, p);
        return;
    }
    if (is_whole_storage(op) && w->map->has_strict && !caller->is_trusted) {
        plan_refuse(p, FAIL_TRUSTED_ONLY, op->path);
        return;
    }
    if (!names && plan_needs_body(w, op)) { /* never decide without what the decision depends on */
        plan_refuse(p, FAIL_BAD_BODY, STR_NONE);
        return;
    }
    switch (op->scope) {
    case SCOPE_COLLECTION:
        plan_collection(&in, p);
        break;
    case SCOPE_LIST:
        plan_lists(&in, p);
        return;
    case SCOPE_ALIASES:
        plan_aliases(&in, p);
        break;
    case SCOPE_EDGE:
        plan_edge(&in, p);
        return;
    case SCOPE_ANY:
        plan_any(&in, p);
        return;
    case SCOPE_ROOT:
    case SCOPE_SELF:
        plan_any(&in, p);
        p->shape = PLAN_LOCAL;
        p->reason = REASON_LOCAL;
        return;
    }
    plan_check_claims(&in, p);
}

/* With fan-out there is one that is not: the collection that holds Sextant's own notes. */
static bool
is_every_name_alike(const struct partition_map *map)
{
    return plan_maps_all(map) && !map->has_fanout;
}

bool
plan_needs_body(const struct world *w, const struct operation *op)
{
    const struct partition_map *map = w->map;

    if (op->scope == SCOPE_ALIASES)
        return map->n_rules > 1 || !is_every_name_alike(map);
    return op->info->flags & OP_LOOKUP && op->scope == SCOPE_COLLECTION &&
           !(map->is_uniform && is_every_name_alike(map));
}
