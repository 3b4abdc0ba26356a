/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/hold_effect.h"

static bool
is_home(const struct rule *rule, unsigned cluster)
{
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        if (rule->partitions[i].clusters[0] == cluster)
            return true;
    }
    return false;
}

static void
put_line(const struct rule *rule, struct buf *out)
{
    buf_printf(out, "line %u (" STR_FMT "): ", rule->line, STR_ARG(rule->patterns[0]));
}

static void
partition_effects(
    const struct rule *rule, const struct partition *part, uint64_t held, unsigned cluster, struct buf *out)
{
    if ((part->cluster_mask & ~held) == 0) {
        put_line(rule, out);
        buf_printf(out, "nothing serves partition " STR_FMT " now\n", STR_ARG(part->name));
    } else if (part->clusters[0] == cluster && rule->write == WRITE_HOME) {
        put_line(rule, out);
        buf_printf(out, "writes of partition " STR_FMT " are refused, as this is their home\n", STR_ARG(part->name));
    }
}

void
hold_effects(const struct world *w, uint64_t held, unsigned cluster, struct buf *out)
{
    for (unsigned i = 0; i < w->map->n_rules; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_partitions; k++) {
            if (rule->partitions[k].cluster_mask >> cluster & 1)
                partition_effects(rule, &rule->partitions[k], held, cluster, out);
        }
        if (is_home(rule, cluster) || (rule_has_copies(rule) && rule->cluster_mask >> cluster & 1)) {
            put_line(rule, out);
            buf_add(out, STR("schema changes are refused, as they need this cluster\n"));
        }
    }
    if (w->topology->local_cluster == (int)cluster)
        buf_add(out, STR("operations that name no collection are refused, as this is SEXTANT_LOCAL_CLUSTER\n"));
}
