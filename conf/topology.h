/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_TOPOLOGY_H
#define SEXTANT_CONF_TOPOLOGY_H

/* Clusters and their endpoints, and the short lists about callers: checked, immutable once built. */

#include "conf/conf.h"
#include "conf/networks.h"
#include "geoip/geo_place.h"
#include "proxy/base/addr.h"

#define CLUSTERS_MAX 64  /* sets of clusters fit a 64-bit mask */
#define ENDPOINTS_MAX 64 /* per cluster */

struct url {
    struct str text;   /* as written */
    struct str host;   /* name or bare address (no brackets), lower case */
    uint16_t port;     /* 6333 unless given */
    struct str prefix; /* "" or "/path" without a trailing slash; goes before every target */
    bool is_literal;   /* host is an address, held in addr */
    bool is_tls;       /* https */
    struct addr addr;
};

struct endpoint_conf {
    struct url url;
    unsigned number; /* 1-based: "eu/1" */
    double weight;   /* > 0, 1 by default */
};

struct cluster_conf {
    struct str name;
    unsigned index; /* its place in topology.clusters */
    struct endpoint_conf *endpoints;
    unsigned n_endpoints;
    struct place at; /* has_point is always true */
    char country[3]; /* from country= or the cloud region or the country place; "" when not known */
    double bias;     /* -99..99: cost is multiplied by (1 - bias/100) */
    unsigned line, column;
    struct cluster_options options;
    struct conf_origin *origins; /* of the options, in the order of cluster_options.def */
};

struct topology {
    struct cluster_conf *clusters;
    unsigned n_clusters;
    unsigned n_edges;  /* so many other edges stand behind them in `clusters`, as far as they are targets (edges.h) */
    int local_cluster; /* index or -1 */
    bool has_region;
    struct place region; /* where the edge stands */
};

/* Parse SEXTANT_CLUSTERS, _REGION and _LOCAL_CLUSTER. Allocates from `arena`; names are slices of conf's texts. Problems go
 * to issues; the result is usable only when no error was added. */
struct topology *topology_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);
int topology_find(const struct topology *t, struct str cluster_name); /* index or -1 */
/* An issue with an option of a cluster (a field of cluster_options.def), where its value begins. */
void cluster_option_issue(struct conf_issues *issues, bool is_error, const struct cluster_conf *c, const char *field,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
bool cluster_option_is_given(const struct cluster_conf *c, const char *field);
/* "; did you mean eu?" or "", for messages. */
struct str topology_suggest(const struct topology *t, struct str wrong, struct arena *arena);

/* An entry of SEXTANT_LISTEN or SEXTANT_ADMIN_LISTEN. */
struct listen_conf {
    struct str text;
    struct addr addr;
    uint16_t port;
    bool proxy_protocol; /* required, before TLS */
    bool tls;
    bool is_private; /* only this machine reaches it */
};

/* What is believed of callers. */
struct trust {
    struct networks proxies, callers;
    struct str header; /* lower-case name of the client-address header; empty means the peer */
};

/* SEXTANT_OVERRIDES: sorted so that the first match is the longest prefix. */
struct place_override {
    struct cidr net;
    struct place place;
};
struct overrides {
    struct place_override *items;
    unsigned n;
    struct networks networks; /* of the items, in the same order */
};

struct listen_conf *listen_parse(
    struct str source, struct str text, unsigned *ret_n, struct arena *arena, struct conf_issues *issues);
/* Both lists, and what must hold for them: at least one address for clients, the admin one (if any) on loopback or behind
 * a token, nothing bound twice. */
struct listeners {
    struct listen_conf *items, *admin;
    unsigned n, n_admin; /* n_admin is 0 or 1 */
};
struct listeners *listeners_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);
struct trust *trust_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);
struct overrides *overrides_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues);

#endif
