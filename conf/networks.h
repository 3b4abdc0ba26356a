/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_NETWORKS_H
#define SEXTANT_CONF_NETWORKS_H

/* Which of many networks has an address: a binary search for each family and length that there is, the longest first. Pure. */

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"

struct networks_run; /* the networks of one family and length */

struct networks {
    const struct cidr *items; /* in networks_order() */
    unsigned n;
    struct networks_run *runs;
    unsigned n_runs;
};

/* The longest prefix first; then by family and base. For qsort() too: struct cidr. */
int networks_order(const void *a, const void *b);
/* Of a list in that order, which must outlive it. */
struct networks networks_index(const struct cidr *list, unsigned n, struct arena *arena);
/* Index of the smallest network that has the address, or -1. No allocation. */
int networks_find(const struct networks *networks, const struct addr *a);

#endif
