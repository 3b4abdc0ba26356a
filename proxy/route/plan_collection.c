/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on a collection: its name gives the rule, rule and caller the partition, the kind of operation and the
 * partition the clusters to choose from; look-ups and hints only narrow that choice. Schema reaches the home of every
 * partition, so that all regions have the same. Aliases are schema on the line that all their names fall under.
 */
#include "proxy/route/plan_inner.h"

#include <string.h>

static bool
asks_existence(const struct operation *op)
{
    return strcmp(op->info->pattern, "/collections/{c}/exists") == 0;
}

static void
plan_unmapped(struct planner *p)
{
    if (p->op->info->flags & OP_CREATES) {
        plan_refuse(p, FAIL_CREATE_NOT_MAPPED, STR_NONE);
    } else if (asks_existence(p->op)) {
        p->plan->shape = PLAN_ABSENT;
        p->plan->reason = REASON_LOCAL;
    } else {
        plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED, STR_NONE);
    }
}

/* Strict rules do not know default places, so neither may the sentence. */
static bool
is_unplaced(const struct rule *rule, const struct place *place)
{
    return place->source == PLACE_NONE || (rule->strict && place->source == PLACE_DEFAULT);
}

static void
refuse_place(struct planner *p, const struct rule *rule)
{
    const struct place *place = &p->caller->place;
    struct str names = plan_partition_names(p, rule);
    char text[32];

    if (is_unplaced(rule, place))
        plan_refuse(p, rule->strict ? FAIL_UNPLACED_REFUSED : FAIL_PLACE_NOT_SERVED,
            arena_printf(p->arena, "the caller is unplaced; line %u serves " STR_FMT, rule->line, STR_ARG(names)));
    else
        plan_refuse(p, FAIL_PLACE_NOT_SERVED,
            arena_printf(p->arena, "the caller's place is %s, by %s; line %u serves " STR_FMT, place_print(place, text),
                place_source_name((enum place_source)place->source), rule->line, STR_ARG(names)));
}

static void
add_targets(const struct rule *rule, const struct partition *partition, struct choice *choice, uint64_t *mask)
{
    unsigned n = rule->copies == COPIES_EXTERNAL ? partition->n_clusters : 1;

    for (unsigned i = 0; i < n; i++) {
        if (*mask >> partition->clusters[i] & 1)
            continue;
        *mask |= UINT64_C(1) << partition->clusters[i];
        choice->clusters[choice->n++] = partition->clusters[i];
    }
}

static const struct partition *
find_partition(const struct rule *rule, struct str name)
{
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        if (str_eq(rule->partitions[i].name, name))
            return &rule->partitions[i];
    }
    return NULL;
}

/* The partition that a trusted caller narrows schema to: *ret_only is NULL without a hint. False: refused. */
static bool
take_partition_hint(struct planner *p, const struct rule *rule, const struct partition **ret_only)
{
    struct str hint = p->caller->hint_partition;

    *ret_only = hint.len ? find_partition(rule, hint) : NULL;
    if (!hint.len || *ret_only)
        return true;
    plan_refuse(p, FAIL_BAD_HINT,
        arena_printf(p->arena, "X-Sextant-Partition \"" STR_FMT "\": line %u has " STR_FMT, STR_ARG(clip(hint)),
            rule->line, STR_ARG(plan_partition_names(p, rule))));
    return false;
}

/* One target needs no comparing: its answer passes through. */
static void
plan_schema(struct planner *p)
{
    struct plan *plan = p->plan;
    const struct rule *rule = plan->rule;
    const struct partition *only;
    struct choice choice = { .first = -1 };
    uint64_t mask = 0;

    if (!take_partition_hint(p, rule, &only))
        return;
    plan->partition = only;
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        if (!only || only == &rule->partitions[i])
            add_targets(rule, &rule->partitions[i], &choice, &mask);
    }
    plan_forward(p, choice, only ? REASON_HINT : choice.n > 1 ? REASON_EVERY_HOME : REASON_NONE);
    if (plan->shape == PLAN_REFUSE || choice.n == 1)
        return;
    plan->shape = PLAN_SCHEMA;
    memcpy(plan->candidates, choice.clusters, choice.n); /* the same order at every edge */
}

/* Where the caller's operation may go by its partition alone. With X-Sextant-Cluster cluster administration and snapshots
 * may go to a copy as well: its operator must be able to reach it. */
static struct choice
permitted(const struct planner *p, const struct rule *rule, const struct partition *partition)
{
    enum op_kind kind = p->op->info->kind;
    bool is_node_local = p->op->info->flags & OP_NODE_LOCAL;

    if (kind == OP_READ && !is_node_local)
        return choice_partition(partition, rule->read == READ_HOME);
    if (kind == OP_WRITE && !is_node_local && rule->write == WRITE_NEAREST)
        return choice_partition(partition, false);
    if (kind != OP_WRITE && p->caller->hint_cluster.len)
        return choice_partition(partition, false);
    return choice_one(partition->clusters[0]);
}

/* Keep the clusters that may hold every second collection for this caller too. False: refused. */
static bool
narrow_by_lookups(struct planner *p, struct choice *choice)
{
    const struct caller *caller = p->caller;

    for (unsigned i = 0; p->names && i < p->names->n; i++) {
        const struct rule *rule = partition_map_rule(p->w->map, p->names->names[i]);
        const struct partition *partition;

        if (!rule) {
            plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED,
                arena_printf(p->arena, "the body names \"" STR_FMT "\"", STR_ARG(clip(p->names->names[i]))));
            return false;
        }
        partition = rule_partition(rule, &caller->address, &caller->place, NULL);
        choice_retain(choice, partition ? partition->cluster_mask : 0);
    }
    if (choice->n)
        return true;
    plan_refuse(p, FAIL_LOOKUP_NOT_PERMITTED, STR_NONE);
    return false;
}

static enum plan_reason
collection_reason(const struct planner *p, bool hinted)
{
    if (hinted)
        return REASON_HINT;
    if (p->op->info->flags & OP_NODE_LOCAL)
        return REASON_NODE;
    if (p->op->info->kind == OP_READ || p->plan->partition->n_clusters == 1)
        return REASON_NONE;
    return p->op->info->kind == OP_WRITE && p->plan->rule->write == WRITE_NEAREST ? REASON_NONE : REASON_HOME;
}

static void
plan_partition(struct planner *p)
{
    struct plan *plan = p->plan;
    struct choice choice = permitted(p, plan->rule, plan->partition);
    bool hinted;

    if (!narrow_by_lookups(p, &choice) || !plan_take_cluster_hint(p, &choice, &hinted))
        return;
    plan_forward(p, choice, collection_reason(p, hinted));
    if (plan->shape == PLAN_FORWARD && p->op->info->flags & OP_NODE_LOCAL)
        plan_pin_endpoint(p);
}

void
plan_collection(struct planner *p)
{
    struct plan *plan = p->plan;

    plan->rule = partition_map_rule(p->w->map, p->op->collection);
    if (!plan->rule) {
        plan_unmapped(p);
        return;
    }
    if (p->op->info->kind == OP_SCHEMA) {
        plan_schema(p);
        return;
    }
    plan->partition = rule_partition(plan->rule, &p->caller->address, &p->caller->place, &plan->area);
    if (plan->partition)
        plan_partition(p);
    else
        refuse_place(p, plan->rule);
}

/* The line of all names. False: refused. *ret_rule is NULL when nothing is named. */
static bool
alias_rule(struct planner *p, const struct rule **ret_rule)
{
    const struct rule *rule = NULL;

    for (unsigned i = 0; p->names && i < p->names->n; i++) {
        const struct rule *other = partition_map_rule(p->w->map, p->names->names[i]);

        if (i && other != rule) {
            plan_refuse(p, FAIL_ALIAS_CROSSES, STR_NONE);
            return false;
        }
        rule = other;
    }
    if (!rule && p->names && p->names->n) {
        plan_refuse(p, FAIL_COLLECTION_NOT_MAPPED, STR_NONE);
        return false;
    }
    *ret_rule = rule;
    return true;
}

void
plan_aliases(struct planner *p)
{
    const struct rule *rule;

    if (!alias_rule(p, &rule))
        return;
    if (!rule && !plan_needs_body(p->w, p->op))
        rule = &p->w->map->rules[0];
    if (!rule) {
        plan_any(p);
        return;
    }
    p->plan->rule = rule;
    plan_schema(p);
}
