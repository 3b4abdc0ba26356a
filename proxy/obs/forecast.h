/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_FORECAST_H
#define SEXTANT_OBS_FORECAST_H

/* How long what is left will last, by how it went in the last ten minutes. What comes back in lumps (room, when a segment is
 * trimmed) must not look like a loss: the most that there was in the older half of the time is compared with the most in the
 * newer. One thread; pure. */

#include <stdint.h>

enum { FORECAST_STEP_S = 10, FORECAST_SAMPLES = 60 };

struct forecast { /* zeroed: nothing known */
    struct {
        int64_t at_us;
        uint64_t left;
    } samples[FORECAST_SAMPLES]; /* a ring */
    unsigned n, next;
};

/* At any time: one sample every FORECAST_STEP_S is kept. */
void forecast_note(struct forecast *f, int64_t now_us, uint64_t left);
/* Microseconds until nothing is left; -1: it does not get less, or is not yet known for a minute. */
int64_t forecast_us(const struct forecast *f);

#endif
