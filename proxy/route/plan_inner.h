/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PLAN_INNER_H
#define SEXTANT_ROUTE_PLAN_INNER_H

/* What the files of the planner share; only plan*.c include it. */

#include "proxy/route/plan.h"

/* One call of plan_build(): its arguments and the plan that it fills. */
struct planner {
    const struct world *w;
    const struct caller *caller;
    const struct operation *op;
    const struct name_list *names; /* may be NULL */
    const struct cluster_view *views;
    struct arena *arena;
    struct plan *plan;
};

/* A set of clusters to choose from, in the order of the configuration. */
struct choice {
    uint8_t clusters[CLUSTERS_MAX];
    unsigned n;
    int first; /* the home where it goes before nearer ones, else -1 */
};

/* Sort: up before down, then `first`, then by cost, ties as they were. Returns how many are up. */
unsigned choice_order(struct choice *choice, const struct cluster_view *views);
/* Why the first of an ordered choice is the first. */
enum plan_reason choice_reason(const struct choice *choice, unsigned n_up, const struct cluster_view *views);
struct choice choice_all(const struct topology *t);
struct choice choice_partition(const struct partition *partition, bool home_first);
struct choice choice_one(unsigned cluster);
void choice_retain(struct choice *choice, uint64_t mask);
bool choice_has(const struct choice *choice, int cluster);

/* For messages: what clients wrote is never printed at length. */
static inline struct str
clip(struct str s)
{
    return str_make(s.p, s.len < 64 ? s.len : 64);
}

void plan_refuse(struct planner *p, enum fail fail, struct str detail);
/* PLAN_FORWARD to the choice, ordered; the reason is choice_reason() unless another is given. */
void plan_forward(struct planner *p, struct choice choice, enum plan_reason reason);
/* Narrow to the cluster of X-Sextant-Cluster, if there is one; false: refused. *ret_hinted says that it did. */
bool plan_take_cluster_hint(struct planner *p, struct choice *choice, bool *ret_hinted);
/* Pin the plan, which has one candidate, to endpoint 1 or that of X-Sextant-Endpoint; false: refused. */
bool plan_pin_endpoint(struct planner *p);
/* Names of the clusters of a choice, of partitions: "eu, us". */
struct str plan_cluster_names(struct planner *p, const struct choice *choice);
struct str plan_partition_names(struct planner *p, const struct rule *rule);

/* The scopes. */
void plan_collection(struct planner *p);
void plan_aliases(struct planner *p);
void plan_lists(struct planner *p);
void plan_edge(struct planner *p);
void plan_any(struct planner *p);

#endif
