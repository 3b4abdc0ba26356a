/* SPDX-License-Identifier: Apache-2.0
 *
 * The two look-ups of every request. Nothing here allocates; both go through what a person wrote, from the first line and
 * from the first area on.
 */
#include "conf/areas.h"

/* From the end, as what names have in common is the beginning: most lines are done with after a byte or two. */
static bool
matches(struct str pattern, struct str collection)
{
    while (pattern.len && pattern.p[pattern.len - 1] != '*') {
        if (collection.len == 0 || pattern.p[pattern.len - 1] != collection.p[collection.len - 1])
            return false;
        pattern.len--;
        collection.len--;
    }
    return pattern.len ? str_glob(pattern, collection) : collection.len == 0;
}

const struct rule *
partition_map_rule(const struct partition_map *map, struct str collection)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *r = &map->rules[i];

        for (unsigned j = 0; j < r->n_patterns; j++) {
            if (matches(r->patterns[j], collection))
                return r;
        }
    }
    return NULL;
}

static bool
is_narrower(const struct area *a, const struct area *b)
{
    return a->kind != b->kind ? a->kind < b->kind : a->width < b->width;
}

const struct partition *
rule_partition(
    const struct rule *rule, const struct addr *address, const struct place *place, const struct area **ret_area)
{
    static const struct place nowhere = { .source = PLACE_NONE };
    const struct partition *best = NULL;
    const struct area *best_area = NULL;
    bool any_takes;

    if (rule->strict && place->source == PLACE_DEFAULT)
        place = &nowhere;
    any_takes = place->source != PLACE_NONE || !rule->strict;
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];

        for (unsigned j = 0; j < part->n_areas; j++) {
            const struct area *a = &part->areas[j];

            if (best_area && !is_narrower(a, best_area))
                continue;
            if ((a->kind == AREA_ANY && !any_takes) || !area_takes(a, address, place))
                continue;
            best = part;
            best_area = a;
        }
    }
    if (best && ret_area)
        *ret_area = best_area;
    return best;
}
