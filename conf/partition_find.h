/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_PARTITION_FIND_H
#define SEXTANT_CONF_PARTITION_FIND_H

/* The index by which partition_map_rule() finds a line. Pure. */

#include "conf/partition_map.h"

/* Of the patterns of all rules, of which it keeps slices. Lives in the arena. */
const struct rule_index *rule_index_build(const struct partition_map *map, struct arena *arena);

#endif
