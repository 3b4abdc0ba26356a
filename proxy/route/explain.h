/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_EXPLAIN_H
#define SEXTANT_ROUTE_EXPLAIN_H

/* What both forms of plan_explain_…() say in the same words; only explain*.c include it. */

#include "proxy/route/plan.h"

const char *explain_shape_name(enum plan_shape shape);          /* "forward" */
const char *explain_address_source(enum address_source source); /* "peer", "proxy-protocol", "header" */
/* One sentence: what would be done and why. */
void explain_answer(const struct world *w, const struct plan *plan, struct buf *out);

#endif
