/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_PARTITION_CHECK_H
#define SEXTANT_CONF_PARTITION_CHECK_H

/* What must hold between the parts of a map; errors and warnings go to the scan's issues. Pure. */

#include "conf/areas.h"

/* Where a line's options stand, for messages; text.p is NULL for those that were not given. */
struct rule_places {
    struct word copies, write, fanout;
};

/* `places` has one entry a rule. Doubts are told only when there were no mistakes, that is when the count of errors is still
 * `n_errors`: of half a map nothing can be said. */
void partition_check(const struct partition_map *map, const struct topology *t, const struct rule_places *places,
    const struct scan *scan, unsigned n_errors);
/* Do all lines lead every caller to the same clusters? Exact for lines without networks; in doubt no. */
bool partition_map_is_uniform(const struct partition_map *map);
/* The widths of named areas: how many others of the line lie within each. */
void partition_set_widths(struct rule *rule);

/* Several clusters and no map: the text that holds three maps ready to copy. */
void partition_suggest(const struct topology *t, struct buf *out);

#endif
