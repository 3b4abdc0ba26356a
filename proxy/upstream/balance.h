/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_BALANCE_H
#define SEXTANT_UPSTREAM_BALANCE_H

/* Which of several equal endpoints: power of two choices on outstanding × latency over weight. And how the cost of a whole
 * cluster follows its round trips without flapping. Pure. */

#include <stdbool.h>
#include <stdint.h>

struct choice {
    bool is_eligible;
    uint32_t outstanding;
    double latency_us; /* EWMA; 0: none measured */
    double weight;     /* > 0; share of a ramp-up multiplied in */
};

/* Index of the better of two eligible ones drawn by weight, or -1 when none is eligible. `random` is any 64 random bits. */
int balance_pick(const struct choice *choices, unsigned n, uint64_t random);

/* Round trips of one cluster: what was measured, and the cost that is published from it. */
struct rank {
    double rtt_ms;          /* EWMA, alpha 0.2; -1: none yet */
    double published_ms;    /* cost before bias */
    unsigned better, worse; /* probes in a row that would move it */
};

enum { RANK_PROBES = 3 };

void rank_init(struct rank *r, double distance_km); /* < 0: distance unknown */
/* A new round trip. The published cost moves at once when it was only a seed, else after RANK_PROBES probes in a row that
 * differ by more than margin_ms and 20 %. */
void rank_sample(struct rank *r, double rtt_ms, double margin_ms);
double rank_cost_ms(const struct rank *r, double bias); /* published, times 1 - bias/100 */
double rank_seed_ms(double distance_km);
/* Before anything is measured: what was measured once counts by `trust` (1: all, 0: nothing), distance for the rest. */
void rank_remember(struct rank *r, double rtt_ms, double trust);

#endif
