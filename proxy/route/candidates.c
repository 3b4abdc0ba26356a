/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/candidates.h"

static unsigned
class_of(const struct cluster_view *v)
{
    return v->is_up ? 0 : v->is_ejected ? 1 : 2;
}

static bool
is_before(const struct cluster_view *a, const struct cluster_view *b)
{
    unsigned x = class_of(a), y = class_of(b);

    return x != y ? x < y : a->cost_ms < b->cost_ms;
}

unsigned
candidates_n_up(const struct cluster_view *views, const uint8_t *list, unsigned n)
{
    unsigned best = n ? class_of(&views[list[0]]) : 2, n_up = 0;

    while (best < 2 && n_up < n && class_of(&views[list[n_up]]) == best)
        n_up++;
    return n_up;
}

void
candidates_by_cost(
    const struct cluster_view *views, const uint8_t *from, unsigned n, uint64_t mask, struct candidates *ret_candidates)
{
    struct candidates *c = ret_candidates;

    c->n = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = c->n;

        if (!(mask >> from[i] & 1) || views[from[i]].hold != HOLD_NONE)
            continue;
        while (at > 0 && is_before(&views[from[i]], &views[c->list[at - 1]])) {
            c->list[at] = c->list[at - 1];
            at--;
        }
        c->list[at] = from[i];
        c->n++;
    }
    c->n_up = candidates_n_up(views, c->list, c->n);
}

void
candidates_home_first(
    const struct cluster_view *views, const uint8_t *from, unsigned n, uint64_t mask, struct candidates *ret_candidates)
{
    struct candidates *c = ret_candidates;
    unsigned at = 0;

    candidates_by_cost(views, from, n, mask, c);
    while (at < c->n_up && c->list[at] != from[0])
        at++;
    if (at >= c->n_up)
        return;
    for (; at > 0; at--)
        c->list[at] = c->list[at - 1];
    c->list[0] = from[0];
}

void
candidates_all(const struct world *w, const struct cluster_view *views, struct candidates *ret_candidates)
{
    uint8_t all[CLUSTERS_MAX];

    for (unsigned i = 0; i < w->topology->n_clusters; i++)
        all[i] = (uint8_t)i;
    candidates_by_cost(views, all, w->topology->n_clusters, UINT64_MAX, ret_candidates);
}
