/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_EDGES_H
#define SEXTANT_CONF_EDGES_H

/* SEXTANT_EDGES: `name url owns=CLUSTER[,CLUSTER...]`, and what two edges know each other by. Pure. */

#include "conf/topology.h"
#include "proxy/base/digest.h"

struct edge_conf {
    struct str name;
    unsigned target; /* its place in topology.clusters, behind the clusters */
    uint64_t owns;   /* clusters */
    unsigned line, column;
};

struct edges_conf {
    struct edge_conf *items; /* other edges; this one's own line is not among them */
    unsigned n;
    bool has_own;      /* SEXTANT_EDGE_NAME has a line */
    uint64_t own_owns; /* what it says */
    struct str secret; /* empty: none */
    struct digest secret_digest;
    struct str *subjects; /* of certificates that other edges show */
    unsigned n_subjects;
    int8_t owner[CLUSTERS_MAX]; /* by cluster: which of the items journals for it, or -1 */
};

/* Other edges become targets of the topology, where they stand behind the clusters. Usable when no error was added. */
struct edges_conf *edges_parse(
    const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues);

#endif
