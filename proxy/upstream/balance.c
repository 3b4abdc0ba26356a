/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/balance.h"

static double
load(const struct choice *c)
{
    /* An endpoint without a measurement counts as fast, so that it gets the traffic that measures it. */
    double latency = c->latency_us > 1 ? c->latency_us : 1;

    return (c->outstanding + 1.0) * latency / c->weight;
}

static int
draw(const struct choice *choices, unsigned n, double total, uint32_t random, int except)
{
    double at = (double)random / 4294967296.0 * total;
    int last = -1;

    for (unsigned i = 0; i < n; i++) {
        if (!choices[i].is_eligible || (int)i == except)
            continue;
        last = (int)i;
        at -= choices[i].weight;
        if (at < 0)
            break;
    }
    return last;
}

int
balance_pick(const struct choice *choices, unsigned n, uint64_t random)
{
    double total = 0;
    int first, second;

    for (unsigned i = 0; i < n; i++)
        total += choices[i].is_eligible ? choices[i].weight : 0;
    first = draw(choices, n, total, (uint32_t)random, -1);
    if (first < 0)
        return -1;
    second = draw(choices, n, total - choices[first].weight, (uint32_t)(random >> 32), first);
    return second >= 0 && load(&choices[second]) < load(&choices[first]) ? second : first;
}

double
rank_seed_ms(double distance_km)
{
    enum { UNKNOWN_KM = 10000 };
    /* Light in fibre makes 100 km a round trip of 1 ms, and paths are about 1.6 times as long as the great circle. */
    return 1 + (distance_km < 0 ? UNKNOWN_KM : distance_km) / 60;
}

void
rank_init(struct rank *r, double distance_km)
{
    *r = (struct rank){ .rtt_ms = -1, .published_ms = rank_seed_ms(distance_km) };
}

void
rank_sample(struct rank *r, double rtt_ms, double margin_ms)
{
    double difference, margin;

    if (r->rtt_ms < 0) {
        r->rtt_ms = r->published_ms = rtt_ms;
        return;
    }
    r->rtt_ms += 0.2 * (rtt_ms - r->rtt_ms);
    difference = r->rtt_ms - r->published_ms;
    margin = r->published_ms * 0.2 > margin_ms ? r->published_ms * 0.2 : margin_ms;
    r->better = difference < -margin ? r->better + 1 : 0;
    r->worse = difference > margin ? r->worse + 1 : 0;
    if (r->better >= RANK_PROBES || r->worse >= RANK_PROBES) {
        r->published_ms = r->rtt_ms;
        r->better = r->worse = 0;
    }
}

void
rank_remember(struct rank *r, double rtt_ms, double trust)
{
    if (r->rtt_ms < 0)
        r->published_ms += (rtt_ms - r->published_ms) * trust;
}

double
rank_cost_ms(const struct rank *r, double bias)
{
    return r->published_ms * (1 - bias / 100);
}
