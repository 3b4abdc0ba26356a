/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PLAN_H
#define SEXTANT_ROUTE_PLAN_H

/* The decision for one request: ordered candidates, rule of completion, reason. Plain data, made without I/O; logged,
 * explained and tested as it is. No cluster outside the partition's list is ever in it. */

#include "proxy/base/json.h"
#include "proxy/route/caller.h"
#include "proxy/route/operation.h"

enum plan_shape {
    PLAN_REFUSE,  /* fail says why */
    PLAN_LOCAL,   /* answered here: healthz, livez, readyz, GET / (forwarded to candidates until a version is known) */
    PLAN_ABSENT,  /* answered here: {"result":{"exists":false}}, as no line matches the collection asked for */
    PLAN_FORWARD, /* candidates in order, one answers */
    PLAN_LISTS,   /* parts: one group of candidates for each, answers merged; no parts: an empty list is the answer */
    PLAN_SCHEMA   /* all of candidates (two or more), each must answer; outcomes compared */
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
    REASON_LOCAL       /* answered here */
};
const char *plan_reason_name(enum plan_reason reason); /* "nearest", "failover", ... */

/* PLAN_LISTS: lines whose partition for this caller has the same clusters in the same order. */
struct plan_part {
    uint8_t candidates[CLUSTERS_MAX];
    unsigned n_candidates, n_up;
    uint64_t rules[RULES_MAX / 64]; /* bit set of the indices of the rules answered by this part */
};

struct plan {
    enum plan_shape shape;
    enum fail fail;    /* PLAN_REFUSE */
    struct str detail; /* more than fail's sentence says: place, partition, known names. May be empty */
    enum plan_reason reason;
    const struct rule *rule; /* NULL when no collection is meant */
    const struct partition *partition;
    const struct area *area;          /* the area that took the caller */
    uint8_t candidates[CLUSTERS_MAX]; /* cluster indices, best first; PLAN_SCHEMA: in the order of the line */
    unsigned n_candidates;
    unsigned n_up;     /* the first so many are up (PLAN_SCHEMA: so many are); 0 with candidates: all_down=try */
    bool is_pinned;    /* no move to another cluster or endpoint */
    unsigned endpoint; /* pinned to this endpoint number (1-based), 0: any */
    /* Candidates after the first may be tried, if the failure and the re-send class permit it (a write: only when certainly
     * nothing was sent). Else only the first is ever used. */
    bool may_move;
    struct plan_part *parts; /* PLAN_LISTS */
    unsigned n_parts;
};

/* `views` has one entry a cluster. `names` are further collections found in the body (NULL: not looked at; where
 * plan_needs_body() is true that is refused with FAIL_BAD_BODY). Strings and parts live in `arena`.
 *
 * Reads go to the partition's clusters, up before down, then by cost, ties as the line lists them (read=home: home first);
 * writes to the home (write=nearest: like reads); schema to every home; what belongs to a node to one endpoint of the home.
 * Hints of a trusted caller: X-Sextant-Cluster narrows everything but schema and lists to one permitted cluster,
 * X-Sextant-Endpoint what is node-local or edge-wide to one endpoint of the chosen cluster, X-Sextant-Partition schema to
 * one partition. A hint that names something else is FAIL_BAD_HINT; hints with no meaning for the operation are ignored. */
void plan_build(const struct world *w, const struct caller *caller, const struct operation *op,
    const struct name_list *names, const struct cluster_view *views, struct arena *arena, struct plan *ret_plan);

/* Must the body be read and searched for collection names before plan_build()? Look-ups: unless every collection is matched
 * by a line and all lines lead to the same clusters. Aliases: unless a single line matches everything. */
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
