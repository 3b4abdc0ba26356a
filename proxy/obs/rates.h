/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_RATES_H
#define SEXTANT_OBS_RATES_H

/* Rates of the last seconds from totals that only grow: somebody samples them every RATES_STEP_S. One thread; pure. */

#include <stdint.h>

enum { RATES_STEP_S = 2, RATES_LONGEST_S = 60 };

struct rates;

struct rates *rates_new(unsigned n_series);
void rates_free(struct rates *r);
/* The totals of this moment, one a series, are to be written into the returned row; it holds zeroes. */
uint64_t *rates_sample(struct rates *r, int64_t now_us);
/* Growth a second over the last `seconds`, or since the first sample if that is later; 0 before the second sample. */
double rates_per_s(const struct rates *r, unsigned series, unsigned seconds);
uint64_t rates_total(const struct rates *r, unsigned series); /* as last sampled */

#endif
