/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/forecast.h"

#include "proxy/base/clock.h"

#define STEP_US (FORECAST_STEP_S * USEC_PER_SEC)
#define LEAST_US (60 * USEC_PER_SEC)

struct half {
    uint64_t most;
    int64_t from_us, to_us;
};

/* 0: the oldest. */
static unsigned
place_of(const struct forecast *f, unsigned age)
{
    return (f->next + FORECAST_SAMPLES - f->n + age) % FORECAST_SAMPLES;
}

void
forecast_note(struct forecast *f, int64_t now_us, uint64_t left)
{
    if (f->n && now_us - f->samples[place_of(f, f->n - 1)].at_us < STEP_US)
        return;
    f->samples[f->next].at_us = now_us;
    f->samples[f->next].left = left;
    f->next = (f->next + 1) % FORECAST_SAMPLES;
    f->n += f->n < FORECAST_SAMPLES;
}

static struct half
half_of(const struct forecast *f, unsigned first, unsigned end)
{
    struct half h = { .from_us = f->samples[place_of(f, first)].at_us,
        .to_us = f->samples[place_of(f, end - 1)].at_us };

    for (unsigned i = first; i < end; i++) {
        uint64_t left = f->samples[place_of(f, i)].left;

        h.most = left > h.most ? left : h.most;
    }
    return h;
}

int64_t
forecast_us(const struct forecast *f)
{
    struct half older, newer;
    double span_us, lost;

    if (f->n < 2)
        return -1;
    older = half_of(f, 0, f->n / 2);
    newer = half_of(f, f->n / 2, f->n);
    if (newer.to_us - older.from_us < LEAST_US || newer.most >= older.most)
        return -1;
    span_us = (double)(newer.from_us + newer.to_us) / 2 - (double)(older.from_us + older.to_us) / 2;
    lost = (double)(older.most - newer.most);
    return (int64_t)((double)f->samples[place_of(f, f->n - 1)].left / lost * span_us);
}
