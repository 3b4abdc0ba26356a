/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /collections and GET /aliases: each line of the map contributes the names that it sends to the caller's clusters of
 * that line. Lines whose clusters come in the same order share one part, that is one request. Lines that don't serve the
 * caller contribute nothing. A list is whole or an error: there is no part without candidates.
 *
 * The answer of the only part passes through unread (PLAN_FORWARD) when nothing would be filtered from it: every line is
 * in that part, and every name is matched by a line.
 */
#include "proxy/route/plan_inner.h"

#include <string.h>

static void
add_rule(struct plan_part *part, const struct rule *rule)
{
    part->rules[rule->index / 64] |= UINT64_C(1) << rule->index % 64;
}

static struct plan_part *
find_part(const struct planner *p, const struct choice *choice)
{
    for (unsigned i = 0; i < p->plan->n_parts; i++) {
        struct plan_part *part = &p->plan->parts[i];

        if (part->n_candidates == choice->n && memcmp(part->candidates, choice->clusters, choice->n) == 0)
            return part;
    }
    return NULL;
}

static struct plan_part *
new_part(struct planner *p, const struct choice *choice, unsigned n_up)
{
    struct plan *plan = p->plan;
    struct plan_part *part;

    if (!plan->parts)
        plan->parts = ARENA_ARRAY(p->arena, p->w->map->n_rules, struct plan_part);
    part = &plan->parts[plan->n_parts++];
    part->n_candidates = choice->n;
    part->n_up = n_up;
    memcpy(part->candidates, choice->clusters, choice->n);
    return part;
}

/* Lines that serve the caller, and the choice of the last of them. */
struct served {
    unsigned n;
    struct choice choice;
};

/* False: refused. */
static bool
add_line(struct planner *p, const struct rule *rule, struct served *served)
{
    const struct partition *partition = rule_partition(rule, &p->caller->address, &p->caller->place, NULL);
    struct choice *choice = &served->choice;
    struct plan_part *part;
    unsigned n_up;

    if (!partition)
        return true;
    *choice = choice_partition(partition, rule->read == READ_HOME);
    n_up = choice_order(choice, p->views);
    if (n_up == 0 && rule->all_down == ALL_DOWN_REFUSE) {
        plan_refuse(p, FAIL_LIST_INCOMPLETE,
            arena_printf(p->arena, "line %u: down: " STR_FMT, rule->line, STR_ARG(plan_cluster_names(p, choice))));
        return false;
    }
    part = find_part(p, choice);
    if (!part)
        part = new_part(p, choice, n_up);
    add_rule(part, rule);
    served->n++;
    return true;
}

void
plan_lists(struct planner *p)
{
    const struct partition_map *map = p->w->map;
    struct served served = { .n = 0 };

    for (unsigned i = 0; i < map->n_rules; i++) {
        if (!add_line(p, &map->rules[i], &served))
            return;
    }
    p->plan->shape = PLAN_LISTS;
    p->plan->reason = REASON_NEAREST;
    if (p->plan->n_parts == 1 && served.n == map->n_rules && p->w->maps_all) {
        p->plan->n_parts = 0;
        plan_forward(p, served.choice, REASON_NONE);
    }
}

bool
plan_list_keeps(
    const struct world *w, const struct caller *caller, const struct plan *plan, unsigned part, struct str collection)
{
    const struct rule *rule = partition_map_rule(w->map, collection);

    return rule && part < plan->n_parts && plan->parts[part].rules[rule->index / 64] >> rule->index % 64 & 1;
}
