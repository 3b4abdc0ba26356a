/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_FLEET_H
#define SEXTANT_UPSTREAM_FLEET_H

/* What a worker routes by: one world, with its names resolved to backends and what polling found out. Immutable; built by
 * the control thread, published whole, freed with its last reference. */

#include "proxy/route/world.h"
#include "proxy/upstream/backend.h"

struct fleet_backend {
    struct backend *backend;
    unsigned endpoint; /* number of its endpoint, 1-based */
    double weight;
};

struct fleet_cluster {
    struct cluster *cluster;
    struct fleet_backend *backends; /* of all endpoints; may be none while a name is not resolved */
    unsigned n_backends;
    struct str hold_reason; /* what the operator gave, if there is a hold on it or on an endpoint */
};

struct fleet {
    atomic_uint refs;
    struct world *world;
    struct arena arena;
    struct fleet_cluster *clusters; /* as in the topology: behind them stand other edges, for those who ask for them */
    unsigned n_clusters, n_targets; /* targets: with them */
    struct str *crossing_aliases;   /* sorted; aliases that polling found to lead under another line of the map */
    unsigned n_crossing;
    struct str version; /* lowest seen in any cluster, or empty */
    uint64_t claimed;   /* clusters that an edge, this or another, journals for as a home */
};

struct fleet *fleet_ref(struct fleet *f);
void fleet_unref(struct fleet *f);

/* The control thread's list of all that lives across fleets. */
struct registry;
struct registry *registry_new(void);
void registry_free(struct registry *r);
/* Addresses of a URL's host as last resolved; none while unknown. Literal hosts are not asked for. */
typedef unsigned registry_resolve_fn(void *arg, struct str host, struct addr *ret_addrs, unsigned room);
/* Takes no reference on anything but `world` (one more). */
struct fleet *fleet_build(struct registry *r, struct world *world, registry_resolve_fn *resolve, void *arg);
/* What polling found, to be put into the next fleet. Aliases are copied. */
void fleet_set_findings(struct fleet *f, const struct str *crossing, unsigned n, struct str version, uint64_t claimed);

/* Put an operator's holds into force: for whoever routes by this fleet, and at once for exchanges yet to be started from an
 * older one. Control thread. */
void fleet_set_holds(struct fleet *f, const struct holds *holds);

/* One view a cluster, into an array of CLUSTERS_MAX. */
void fleet_views(const struct fleet *f, struct cluster_view *ret_views);
bool fleet_alias_crosses(const struct fleet *f, struct str name);

#endif
