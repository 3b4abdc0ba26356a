/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_CANDIDATES_H
#define SEXTANT_ROUTE_CANDIDATES_H

/* Putting permitted clusters in order. Pure. */

#include "proxy/route/world.h"

struct candidates {
    uint8_t list[CLUSTERS_MAX];
    unsigned n;
    unsigned n_up; /* the first so many can be used */
};

/* Of `from` (n of them, in the configured order) those in `mask`: usable ones first, then ejected, then down; by cost within
 * each, ties as configured. What an operator holds is left out. If none is usable, ejected ones count as up: passive ejection never takes the last candidate. */
void candidates_by_cost(const struct cluster_view *views, const uint8_t *from, unsigned n, uint64_t mask,
    struct candidates *ret_candidates);
/* The same with the first of `from` in front as long as it is usable. */
void candidates_home_first(const struct cluster_view *views, const uint8_t *from, unsigned n, uint64_t mask,
    struct candidates *ret_candidates);
/* One that is behind comes after all others that are up. */
void candidates_behind_last(const struct cluster_view *views, struct candidates *c);
/* All clusters of the topology. */
void candidates_all(const struct world *w, const struct cluster_view *views, struct candidates *ret_candidates);
/* How many at the front of an ordered list are as well as its first; none when that is down. */
unsigned candidates_n_up(const struct cluster_view *views, const uint8_t *list, unsigned n);

#endif
