/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_CLUSTER_OPTIONS_H
#define SEXTANT_CONF_CLUSTER_OPTIONS_H

/* Variables of single clusters (cluster_options.def); for this folder only. Pure. */

#include "conf/topology.h"

/* Give every cluster its options: the defaults, then what was set. A variable that means no cluster, or two, is an error. */
void cluster_options_parse(
    const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues);

#endif
