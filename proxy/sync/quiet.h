/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_QUIET_H
#define SEXTANT_SYNC_QUIET_H

/* What a cluster tells of itself that shipping to it needs: whether a collection has anything left to apply, and which
 * process of which version answers. Reading the answers is pure; asking obeys the contract of ask.h. */

#include "proxy/sync/outcome.h"
#include "proxy/upstream/upstream.h"

enum { QUIET_ID_MAX = 64, QUIET_VERSION_MAX = 32 };

struct quiet_collection {
    bool is_quiet;  /* not red, and nothing waits in its update queue: never true of one that does not tell */
    bool is_spread; /* several shards or replicas */
    bool is_plain;  /* vectors are kept as they came: none is made of length 1 (cosine) */
    /* By its strict mode, which refuses what is beyond; 0: no limit. */
    uint64_t upsert_max;                /* points of an upsert */
    uint64_t timeout_max_s;             /* timeout= of a request */
    char incarnation[QUIET_ID_MAX + 1]; /* that Sextant gave it; empty: none */
};

struct quiet_node {
    char id[QUIET_ID_MAX + 1];           /* another one after each start */
    char version[QUIET_VERSION_MAX + 1]; /* "1.19.0" */
    bool is_recent; /* 1.17 or newer: it has conditional updates, metadata of collections, the length of the queue */
    bool is_alone;  /* not one of several nodes: what it says of itself goes for the whole cluster */
};

/* Answers to GET /collections/{c} and GET /telemetry. False: not one. Where shards have replicas, Qdrant asks one of each: the
 * queue of another may be longer. */
bool quiet_read_collection(struct str body, struct quiet_collection *ret);
bool quiet_read_node(struct str body, struct quiet_node *ret);

/* OK: the other argument is there. A collection that does not exist: REFUSED, 404. */
struct quiet;
typedef void quiet_collection_fn(void *arg, const struct outcome *why, const struct quiet_collection *c);
typedef void quiet_node_fn(void *arg, const struct outcome *why, const struct quiet_node *node);
struct quiet *quiet_ask_collection(struct upstream *up, struct str cluster, struct str collection, int64_t timeout_us,
    quiet_collection_fn *on_done, void *arg);
/* endpoint: its number, from 1 on; each node of a cluster is one. 0: any. */
struct quiet *quiet_ask_node(
    struct upstream *up, struct str cluster, unsigned endpoint, int64_t timeout_us, quiet_node_fn *on_done, void *arg);
void quiet_cancel(struct quiet **qp); /* NULLs; safe on NULL */

#endif
