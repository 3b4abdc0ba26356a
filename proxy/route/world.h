/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_WORLD_H
#define SEXTANT_ROUTE_WORLD_H

/* One immutable snapshot of everything that decisions depend on, but health. Shared by all threads, freed with its last
 * reference. */

#include <stdatomic.h>

#include "conf/fanout.h"
#include "conf/keys.h"
#include "conf/partition_map.h"
#include "conf/topology.h"
#include "geoip/geo_db.h"
#include "proxy/route/hold.h"
#include "proxy/net/tls.h"

struct world {
    atomic_uint refs;
    uint64_t generation; /* 1, 2, ... with each reload */
    struct conf *conf;
    struct arena arena; /* owns topology, map and lists */
    struct topology *topology;
    struct partition_map *map;
    struct listeners *listeners; /* as configured; a reload does not move them */
    struct trust *trust;
    struct keys *keys;
    struct fanout_conf *fanout;
    struct overrides *overrides;
    struct geo_db *geo;     /* NULL: none */
    struct tls_server *tls; /* certificates for clients; NULL: none */
    struct tls_client
        *tls_clients[CLUSTERS_MAX]; /* rules for clusters with https URLs, as in the topology; else NULL */
    bool has_default_place;
    struct place default_place;
    struct str warnings; /* of the configuration, one a line */
};

/* Read everything from the environment and files. Blocking. Always collects all issues; NULL when one is an error. */
struct world *world_load(char **environ, uint64_t generation, struct conf_issues *issues);
/* May `fresh` take the place of `old` while it runs? */
bool world_may_follow(const struct world *old, const struct world *fresh, const struct fanout_progress *progress,
    struct conf_issues *issues);
struct world *world_ref(struct world *w);
void world_unref(struct world *w); /* NULL is fine */
/* What connections rely on passes on from the world before: session tickets, and certificates for listeners that are open.
 * Before others know `fresh`. */
void world_inherit(struct world *fresh, const struct world *old);

/* How the edge sees its clusters at one moment: published by health, read by plans. One entry a cluster of the topology. */
struct cluster_view {
    bool is_up;              /* at least one endpoint is usable, and not held */
    bool is_ejected;         /* none is usable for its traffic, but probes of one pass: better than nothing */
    bool is_behind;          /* it may have lost its last seconds: what fans out is read elsewhere, if it can be */
    bool is_claimed;         /* an edge journals for it as the home of writes that fan out */
    uint64_t lacks;          /* homes, by their bits, of whose data it is known not to have all */
    double cost_ms;          /* RTT or its seed, bias applied, hysteresis applied: lower is nearer */
    double rtt_ms;           /* measured, or -1 */
    double distance_km;      /* from the edge, or -1 */
    enum hold_kind hold;     /* of the whole cluster, or of all its endpoints: then it is no candidate */
    uint64_t held_endpoints; /* bit 0 is number 1 */
    struct str hold_reason;  /* what the operator gave; of one of the holds, where there are several */
};

#endif
