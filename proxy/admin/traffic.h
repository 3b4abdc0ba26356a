/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_TRAFFIC_H
#define SEXTANT_ADMIN_TRAFFIC_H

/* Which totals the rates of /status are made of, and their place among the series. */

#include "proxy/obs/metrics.h"
#include "proxy/obs/rates.h"

enum traffic_series {
    TRAFFIC_SENT,                                          /* by cluster slot: requests sent to it, probes apart */
    TRAFFIC_ERRORS = METRICS_CLUSTERS,                     /* by cluster slot: no complete answer, or a 5xx */
    TRAFFIC_CALLERS = 2 * METRICS_CLUSTERS,                /* by metrics_country() */
    TRAFFIC_ANSWERS = TRAFFIC_CALLERS + METRICS_COUNTRIES, /* all answers to clients... */
    TRAFFIC_BAD_ANSWERS,                                   /* ...and those that are 5xx or broke off */
    TRAFFIC_COUNT
};

void traffic_sample(struct rates *r, struct metrics *const *sets, unsigned n, int64_t now_us);

#endif
