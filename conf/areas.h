/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_AREAS_H
#define SEXTANT_CONF_AREAS_H

/* Areas: what a partition matches places with. Named ones come from SEXTANT_AREAS. Pure. */

#include "conf/area_set.h"
#include "conf/scan.h"

struct areas {
    struct area_set *sets;
    unsigned n;
    bool is_bad; /* SEXTANT_AREAS had mistakes, or could not be read */
};

struct areas *areas_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);
/* One item of a partition's left-hand side. False after telling what is wrong. */
bool area_parse(
    const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena, struct area *ret_area);
/* Would it be one, if nothing is said about it? */
bool area_is_known(const struct areas *areas, struct str text);
/* Does it take this caller? `*` takes everybody, `unknown` the unplaced. No allocation. */
bool area_takes(const struct area *area, const struct addr *address, const struct place *place);
/* Could one caller be taken by both, and is neither narrower than the other? */
bool areas_overlap(const struct area *a, const struct area *b);
/* Of two areas of one kind: is all of `a` in `b`, and not the other way round? */
bool area_is_inside(const struct area *a, const struct area *b);
/* Does the area say where its callers are? Networks, `*` and `unknown` don't. */
bool area_names_places(const struct area *area);
/* Is a country inside? False for areas that name no places. */
bool area_has_country(const struct area *area, const char country[2]);

#endif
