/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_PARTITION_CHECK_H
#define SEXTANT_CONF_PARTITION_CHECK_H

#include "conf/areas.h"

/* What must hold between the parts of a map; errors and warnings go to the scan's issues. Sets map->is_uniform. */
void partition_check(
    struct partition_map *map, const struct topology *t, const struct areas *areas, const struct scan *scan);
/* Several clusters and no map: an error that holds three maps ready to copy. */
void partition_check_missing(const struct topology *t, struct conf_issues *issues);

#endif
