/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /collections and /aliases: every line of the map answers for its own names, from the cluster that the caller would
 * read from. Lines with the same candidates share a part. When one part answers for all lines, and there is a line for
 * every name, nothing has to be left out and the cluster's answer passes through as it is. With fan-out something has to be
 * always: the collection that holds Sextant's own notes.
 */
#include "proxy/route/candidates.h"
#include "proxy/route/plan_impl.h"

bool
plan_maps_all(const struct partition_map *map)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++) {
            if (str_eq(map->rules[i].patterns[j], STR("*")))
                return true;
        }
    }
    return false;
}

static struct plan_part *
part_for(struct plan *p, const struct candidates *c)
{
    struct plan_part *part;

    for (unsigned i = 0; i < p->n_parts; i++) {
        part = &p->parts[i];
        if (part->n_candidates == c->n && memcmp(part->candidates, c->list, c->n) == 0)
            return part;
    }
    part = &p->parts[p->n_parts++];
    memcpy(part->candidates, c->list, c->n);
    part->n_candidates = c->n;
    return part;
}

/* A list is whole or an error: with all_down=refuse a line whose clusters are all down ends it. */
static void
add_rule(const struct plan_input *in, struct plan *p, const struct rule *rule)
{
    const struct partition *part = rule_partition(rule, &in->caller->address, &in->caller->place, NULL);
    bool by_cost = rule->read != READ_HOME;
    struct plan_part *into;
    struct candidates c;
    uint64_t incomplete, mask;

    if (!part)
        return; /* what the caller may not read is not listed */
    incomplete = plan_incomplete(in, rule, part);
    mask = part->cluster_mask & ~incomplete;
    if (by_cost)
        candidates_by_cost(in->views, part->clusters, part->n_clusters, mask, &c);
    else
        candidates_home_first(in->views, part->clusters, part->n_clusters, mask, &c);
    p->held |= mask & in->held;
    p->incomplete |= incomplete;
    if (c.n == 0) {
        plan_refuse(p, FAIL_LIST_INCOMPLETE, plan_left_out_text(in, p, mask));
        return;
    }
    if (plan_passes_over(in, part, incomplete, c.list[0], by_cost))
        p->reason = REASON_INCOMPLETE;
    if (c.n_up == 0 && rule->all_down == ALL_DOWN_REFUSE) {
        plan_refuse(p, FAIL_LIST_INCOMPLETE, arena_printf(in->arena, "line %u", rule->line));
        return;
    }
    into = part_for(p, &c);
    into->rules[rule->index / 64] |= UINT64_C(1) << rule->index % 64;
}

void
plan_lists(const struct plan_input *in, struct plan *p)
{
    const struct partition_map *map = in->w->map;
    unsigned n_rules = 0;

    p->shape = PLAN_LISTS;
    p->reason = REASON_NEAREST;
    p->parts = ARENA_ARRAY(in->arena, map->n_rules, struct plan_part);
    for (unsigned i = 0; i < map->n_rules && p->shape == PLAN_LISTS; i++)
        add_rule(in, p, &map->rules[i]);
    if (p->shape == PLAN_REFUSE || p->n_parts != 1 || !plan_maps_all(map) || map->has_fanout)
        return;
    for (unsigned i = 0; i < map->n_rules; i++)
        n_rules += p->parts[0].rules[i / 64] >> i % 64 & 1;
    if (n_rules != map->n_rules)
        return;
    p->shape = PLAN_FORWARD;
    memcpy(p->candidates, p->parts[0].candidates, p->parts[0].n_candidates);
    p->n_candidates = p->parts[0].n_candidates;
    p->may_move = p->n_candidates > 1;
    p->n_up = candidates_n_up(in->views, p->candidates, p->n_candidates);
    p->reason = plan_reason_by_cost(in, p);
}

bool
plan_list_keeps(
    const struct world *w, const struct caller *caller, const struct plan *plan, unsigned part, struct str collection)
{
    const struct rule *rule = partition_map_rule(w->map, collection);

    return rule && plan->parts[part].rules[rule->index / 64] >> rule->index % 64 & 1;
}
