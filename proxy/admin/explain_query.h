/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_EXPLAIN_QUERY_H
#define SEXTANT_ADMIN_EXPLAIN_QUERY_H

/* The question behind `sextant explain` and the admin /explain, answered by the code that routes. Pure. */

#include "proxy/route/plan.h"

struct explain_query {
    struct str ip;     /* of the caller; empty: unknown */
    struct str place;  /* as a trusted caller would hint it; empty: none */
    struct str method; /* GET unless given */
    struct str path;   /* with its query; or made from the collection: a query of its points */
    struct str collection;
    struct str body; /* for requests whose body names collections */
    bool trusted;
    bool json;
};

/* False, with a sentence in `out`, when the question cannot be understood. */
bool explain_answer(
    const struct world *w, const struct cluster_view *views, const struct explain_query *q, struct buf *out);
/* Views of an edge that has just started: everything up, costs from distance. */
void explain_fresh_views(const struct world *w, struct cluster_view *ret_views);

#endif
