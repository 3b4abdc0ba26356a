/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/traffic.h"

static uint64_t
answers(struct metrics *const *sets, unsigned n, unsigned slot, int status)
{
    uint64_t total = 0;

    for (unsigned kind = 0; kind < METRICS_KINDS; kind++)
        total += metrics_total(sets, n, METRIC_REQUESTS, metrics_cluster_kind_class(slot, kind, status));
    return total;
}

static void
sample_cluster(uint64_t *row, struct metrics *const *sets, unsigned n, unsigned slot)
{
    uint64_t bad = answers(sets, n, slot, 500);

    row[TRAFFIC_SENT + slot] = metrics_total(sets, n, METRIC_EXCHANGES, slot);
    row[TRAFFIC_ERRORS + slot] = metrics_total(sets, n, METRIC_EXCHANGE_FAILURES, slot) + bad;
    row[TRAFFIC_BAD_ANSWERS] += bad + metrics_total(sets, n, METRIC_CUT_ANSWERS, slot);
    for (int status = 0; status < 600; status += 100)
        row[TRAFFIC_ANSWERS] += answers(sets, n, slot, status);
}

void
traffic_sample(struct rates *r, struct metrics *const *sets, unsigned n, int64_t now_us)
{
    uint64_t *row = rates_sample(r, now_us);

    for (unsigned slot = 0; slot < METRICS_CLUSTERS; slot++)
        sample_cluster(row, sets, n, slot);
    for (unsigned i = 0; i < METRICS_COUNTRIES; i++)
        row[TRAFFIC_CALLERS + i] = metrics_total(sets, n, METRIC_CALLERS, i);
}
