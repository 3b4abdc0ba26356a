/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_AREA_SET_H
#define SEXTANT_CONF_AREA_SET_H

/* A named list, flattened: countries, continents, networks. Pure.
 *
 *   1. A continent stands in two forms: as all its countries, and as itself, for callers of whom only the continent is known.
 *   2. After area_set_finish() networks are sorted and none lies in another, so that a look-up is a binary search. */

#include "conf/partition_map.h"

enum { COUNTRY_WORDS = 11 }; /* 26 × 26 bits */

struct area_set {
    struct str name;
    uint64_t countries[COUNTRY_WORDS];
    uint8_t continents; /* bit set of enum continent */
    struct cidr *cidrs;
    unsigned n_cidrs, cap_cidrs;
};

void area_set_add_country(struct area_set *set, const char code[2]);
void area_set_add_continent(struct area_set *set, enum continent c);
void area_set_add_network(struct area_set *set, struct cidr net, struct arena *arena);
void area_set_add_set(struct area_set *set, const struct area_set *from, struct arena *arena);
void area_set_finish(struct area_set *set);

bool area_set_has_country(const struct area_set *set, const char code[2]);
bool area_set_has_place(const struct area_set *set); /* any country or continent */
bool area_set_is_empty(const struct area_set *set);
bool area_set_takes(const struct area_set *set, const struct addr *address, const struct place *place);
/* The same for sets with the same in them, however they were written. */
void area_set_print(const struct area_set *set, struct buf *out);
bool area_sets_overlap(const struct area_set *a, const struct area_set *b);
/* Is everything of `inner` in `outer`? Networks that only together cover another don't count. */
bool area_set_contains(const struct area_set *outer, const struct area_set *inner);

#endif
