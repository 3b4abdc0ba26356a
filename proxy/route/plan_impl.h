/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PLAN_IMPL_H
#define SEXTANT_ROUTE_PLAN_IMPL_H

/* Shared by the plan's files only. */

#include "proxy/route/plan.h"

struct plan_input {
    const struct world *w;
    const struct caller *caller;
    const struct operation *op;
    const struct name_list *names;
    const struct cluster_view *views;
    struct arena *arena;
    uint64_t held; /* clusters that an operator holds */
};

void plan_refuse(struct plan *p, enum fail fail, struct str detail);
enum plan_reason plan_reason_by_cost(const struct plan_input *in, const struct plan *p);
bool plan_maps_all(const struct partition_map *map); /* is there a line for every name? */
void plan_lists(const struct plan_input *in, struct plan *p);

/* plan.c: one partition's clusters in order, or what refuses */
void plan_order_partition(const struct plan_input *in, struct plan *p, uint64_t mask);

/* plan_left_out.c */
uint64_t plan_held(const struct world *w, const struct cluster_view *views); /* by an operator */
/* What the operator says about the held clusters of a mask: "cluster eu is drained by the operator: new disks". */
struct str plan_held_text(const struct plan_input *in, uint64_t mask);
void plan_refuse_held(const struct plan_input *in, struct plan *p, uint64_t mask);
void plan_check_pinned(
    const struct plan_input *in, struct plan *p); /* what belongs to a node that is held goes nowhere */
/* Clusters of a partition that are known not to have all that its home has; of the home: to have lost its data. */
uint64_t plan_incomplete(const struct plan_input *in, const struct rule *rule, const struct partition *part);
/* Of these clusters those that may be read; what a trusted caller names is read whatever it lacks. Of what is no read: all. */
uint64_t plan_leave_incomplete(const struct plan_input *in, struct plan *p, uint64_t mask);
/* Would one of the incomplete clusters have come before the first? */
bool plan_passes_over(
    const struct plan_input *in, const struct partition *part, uint64_t incomplete, uint8_t first, bool by_cost);
/* Why there is no candidate: those of the mask are held, or there are none, as all are incomplete. */
struct str plan_left_out_text(const struct plan_input *in, const struct plan *p, uint64_t mask);

/* plan_edges.c */
/* Would it change data that then nobody brings to the copies? */
bool plan_is_past_journal(const struct rule *rule, const struct operation *op);
/* Is a write journaled here, or needs it no journal? If not, the plan says what becomes of it. */
bool plan_write_is_here(const struct plan_input *in, struct plan *p);
/* Would it write, past an edge that journals for it, to a cluster of which this map does not say so? Then it is refused. */
void plan_check_claims(const struct plan_input *in, struct plan *p);
void plan_hop(const struct plan_input *in, struct plan *p); /* a write that another edge has decided on */
/* Are changes of its line's schema made by this edge? If not, the plan says what becomes of this one. */
bool plan_schema_is_here(const struct plan_input *in, struct plan *p);

#endif
