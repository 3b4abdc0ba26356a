/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PLAN_H
#define SEXTANT_ROUTE_PLAN_H

/* The decision for one request: ordered candidates, rule of completion, reason. Plain data, made without I/O; logged,
 * explained and tested as it is. No cluster outside the partition's list is ever in it. */

#include "proxy/base/json.h"
#include "proxy/route/caller.h"
#include "proxy/route/operation.h"

enum plan_shape {
    PLAN_REFUSE, /* fail says why */
    PLAN_LOCAL, /* answered here: healthz, livez, readyz; exists of an unmapped collection; GET /, which is forwarded to
                    * the candidates as long as no version is known */
    PLAN_FORWARD, /* candidates in order, one answers */
    PLAN_EDGE,    /* the same, but it goes there by the edge that journals for it */
    PLAN_LISTS,   /* parts: one group of candidates for each, answers merged */
    PLAN_SCHEMA   /* all of candidates, each must answer; outcomes compared */
};

enum plan_reason {
    REASON_NONE,
    REASON_ONLY,       /* the only cluster that may hold it */
    REASON_NEAREST,    /* nearest of the permitted */
    REASON_HOME,       /* writes (or read=home) go to the partition's home */
    REASON_FAILOVER,   /* a nearer permitted one is down */
    REASON_ALL_DOWN,   /* all are judged down, tried anyway */
    REASON_EDGE,       /* the edge's own cluster */
    REASON_HINT,       /* named by a trusted caller */
    REASON_EVERY_HOME, /* schema: every home */
    REASON_NODE,       /* node-local: always the same endpoint */
    REASON_OWNER,      /* the edge that journals for the partition's home */
    REASON_TOKEN,      /* a nearer one is not known to have the write of the caller's token */
    REASON_INCOMPLETE, /* a nearer one is known to lack data */
    REASON_LOCAL       /* answered here */
};
const char *plan_reason_name(enum plan_reason reason); /* "nearest", "failover", ... */

struct plan_part { /* PLAN_LISTS: one first-choice group, serving these lines */
    uint8_t candidates[CLUSTERS_MAX];
    unsigned n_candidates;
    uint64_t rules[4]; /* bit set of rule indices answered by this part */
};

#define RULES_MAX 256

struct plan {
    enum plan_shape shape;
    enum fail fail;    /* PLAN_REFUSE */
    struct str detail; /* more than fail's sentence says: place, partition, known names. May be empty */
    enum plan_reason reason;
    const struct rule *rule; /* NULL when no collection is meant */
    const struct partition *partition;
    const struct area *area;          /* the area that took the caller */
    uint8_t candidates[CLUSTERS_MAX]; /* cluster indices, best first */
    unsigned n_candidates;
    unsigned n_up;           /* the first so many are up; 0 with candidates means all_down=try */
    uint64_t held;           /* clusters that were permitted, but an operator holds them */
    uint64_t incomplete;     /* the same, but they are known to lack data */
    bool is_pinned;          /* no move to another cluster or endpoint */
    unsigned endpoint;       /* pinned to this endpoint number (1-based); 0 with is_pinned: the first */
    unsigned edge;           /* PLAN_EDGE: which of fanout_conf.edges */
    bool may_move;           /* candidates after the first may be tried (re-sendable, several) */
    struct plan_part *parts; /* PLAN_LISTS */
    unsigned n_parts;
};

/* `views` has one entry a cluster. `names` are further collections found in the body (NULL: not looked at, which is refused
 * with FAIL_BAD_BODY where plan_needs_body()). Strings and parts live in `arena`. Hints of a trusted caller narrow:
 * X-Sextant-Cluster all but writes, schema and lists to one permitted cluster, X-Sextant-Endpoint what belongs to a node to
 * one endpoint, X-Sextant-Partition schema to one partition; one that names nothing permitted is FAIL_BAD_HINT. */
void plan_build(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct name_list *names, const struct cluster_view *views, struct arena *arena, struct plan *ret_plan);

/* Of the candidates only these may be taken: the others are not known to have what the caller has written. */
void plan_keep(struct plan *p, uint64_t clusters, const struct cluster_view *views);
/* This one is tried before the others, if it is a candidate that is up. */
void plan_prefer(struct plan *p, unsigned cluster, const struct cluster_view *views);

/* Must the body be read and searched for collection names before plan_build()? */
bool plan_needs_body(const struct world *w, const struct operation *op);

/* PLAN_LISTS: may a name be taken from this part for this caller? */
bool plan_list_keeps(
    const struct world *w, const struct caller *caller, const struct plan *plan, unsigned part, struct str collection);

/* Step by step: address, place, operation, rule, partition, candidates, answer. `sextant explain` and /explain print this. */
void plan_explain_text(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct buf *out);
void plan_explain_json(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct cluster_view *views, const struct plan *plan, struct json_writer *out);

#endif
