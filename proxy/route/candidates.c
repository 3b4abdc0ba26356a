/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/candidates.h"

enum { PLACE_BITS = 7, PLACE_MASK = (1 << (PLACE_BITS - 1)) - 1 };
_Static_assert(CLUSTERS_MAX <= PLACE_MASK + 1, "a place fits its bits");

static unsigned
class_of(const struct cluster_view *v)
{
    return v->is_up ? 0 : v->is_ejected ? 1 : 2;
}

/* Verdict, then cost, then the place in the list: one number to compare. As numbers, the bits of doubles that are not negative
 * are in the doubles' order; the last of them give way to the place. */
static uint64_t
key_of(const struct cluster_view *v, unsigned at)
{
    double cost = v->cost_ms > 0 ? v->cost_ms : 0;
    uint64_t bits;

    memcpy(&bits, &cost, sizeof(bits));
    return (uint64_t)class_of(v) << 62 | bits >> PLACE_BITS << PLACE_BITS >> 1 | at;
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
    uint64_t keys[CLUSTERS_MAX];

    c->n = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct cluster_view *v = &views[from[i]];
        unsigned at = c->n;
        uint64_t key;

        if (!(mask >> from[i] & 1) || v->hold != HOLD_NONE)
            continue;
        for (key = key_of(v, i); at > 0 && key < keys[at - 1]; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
        c->n++;
    }
    for (unsigned i = 0; i < c->n; i++)
        c->list[i] = from[keys[i] & PLACE_MASK];
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

void
candidates_behind_last(const struct cluster_view *views, struct candidates *c)
{
    unsigned i = 0;
    uint8_t behind;

    while (i < c->n_up && !views[c->list[i]].is_behind)
        i++;
    if (i == c->n_up || c->n_up < 2)
        return;
    behind = c->list[i];
    memmove(&c->list[i], &c->list[i + 1], c->n_up - i - 1);
    c->list[--c->n_up] = behind;
}
