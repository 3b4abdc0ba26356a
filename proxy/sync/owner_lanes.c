/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lanes there are, by the partition map: one for each copy of a home that is owned here, from the moment that the map has it;
 * and what a checkpoint has of each.
 */
#include "proxy/base/varint.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"

enum { MARKS_AT_ONCE = 4096 };

bool
lane_is_of(const struct lane *l, const struct partition *p, const struct topology *t)
{
    struct str home = str_from(l->home->name), copy = str_from(l->copy);

    if (!str_eq(t->clusters[p->clusters[0]].name, lane_is_restoring(l) ? copy : home))
        return false;
    for (unsigned i = 1; i < p->n_clusters; i++) {
        if (str_eq(t->clusters[p->clusters[i]].name, lane_is_restoring(l) ? home : copy))
            return true;
    }
    return false;
}

bool
lane_takes(const struct lane *l, struct str collection)
{
    const struct world *w = l->home->owner->up->fleet->world;
    const struct rule *rule = partition_map_rule(w->map, collection);

    for (unsigned i = 0; rule && i < rule->n_partitions; i++) {
        if (partition_fans_out(rule, &rule->partitions[i]) && lane_is_of(l, &rule->partitions[i], w->topology))
            return true;
    }
    return false;
}

static void
add_lanes(struct home *h, const struct partition *p, const struct topology *t)
{
    if (!str_eq(t->clusters[p->clusters[0]].name, str_from(h->name)))
        return;
    for (unsigned i = 1; i < p->n_clusters; i++)
        home_lane(h, t->clusters[p->clusters[i]].name);
}

void
home_add_lanes(struct home *h)
{
    const struct world *w = h->owner->up->fleet->world;

    for (unsigned i = 0; i < w->map->n_rules; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_partitions; k++) {
            if (partition_fans_out(rule, &rule->partitions[k]))
                add_lanes(h, &rule->partitions[k], w->topology);
        }
    }
}

void
lane_save(struct lane *l, struct buf *out)
{
    struct buf marks = { 0 }, walk = { 0 };

    marks_save_start(l->marks);
    while (marks_save_put(l->marks, MARKS_AT_ONCE, &marks))
        ;
    varint_put_str(out, str_from(l->copy));
    varint_put_str(out, buf_str(&marks));
    lane_walk_save(l, &walk);
    varint_put_str(out, buf_str(&walk));
    buf_fini(&marks);
    buf_fini(&walk);
    lane_keep_position(l);
}

bool
lane_load(struct home *h, struct str *in)
{
    struct str copy, marks, walk;
    struct lane *l;

    if (!varint_take_str(in, &copy) || !varint_take_str(in, &marks) || !varint_take_str(in, &walk))
        return false;
    l = home_lane(h, copy);
    return marks_load(l->marks, &marks, owner_now_us(h->owner)) == MARKS_LOADED && marks.len == 0 &&
           lane_walk_load(l, walk);
}
