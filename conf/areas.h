/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_AREAS_H
#define SEXTANT_CONF_AREAS_H

/* Areas: what a partition matches places with. Named ones come from SEXTANT_AREAS. Pure. */

#include "conf/partition_map.h"
#include "conf/scan.h"

struct area_set {
    struct str name;
    struct str *countries; /* two letters each */
    unsigned n_countries;
    bool continents[CONTINENT_COUNT];
    struct cidr *cidrs;
    unsigned n_cidrs;
};

struct areas {
    struct area_set *sets;
    unsigned n;
};

struct areas *areas_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);
/* One item of a partition's left-hand side. False after telling what is wrong. */
bool area_parse(
    const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena, struct area *ret_area);
/* Does it take this caller? Ignores AREA_ANY's special cases (the partition map decides those). */
bool area_takes(const struct area *area, const struct addr *address, const struct place *place);
/* Could one caller be taken by both? Conservative for mixtures of networks and countries: no. */
bool areas_overlap(const struct area *a, const struct area *b);
/* Is a country of a cluster inside? CIDR, any and unknown areas say nothing of countries: true. */
bool area_has_country(const struct area *area, const char country[3]);

#endif
