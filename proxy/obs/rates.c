/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/rates.h"

#include <assert.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

enum { ROWS = RATES_LONGEST_S / RATES_STEP_S + 1 };

struct rates {
    unsigned n_series;
    unsigned n_rows, newest;
    int64_t at_us[ROWS];
    uint64_t totals[]; /* ROWS of n_series */
};

struct rates *
rates_new(unsigned n_series)
{
    struct rates *r = mem_alloc(sizeof(*r) + (size_t)ROWS * n_series * sizeof(r->totals[0]));

    r->n_series = n_series;
    return r;
}

void
rates_free(struct rates *r)
{
    mem_free(r);
}

uint64_t *
rates_sample(struct rates *r, int64_t now_us)
{
    uint64_t *row;

    r->newest = r->n_rows ? (r->newest + 1) % ROWS : 0;
    r->n_rows += r->n_rows < ROWS;
    r->at_us[r->newest] = now_us;
    row = &r->totals[(size_t)r->newest * r->n_series];
    memset(row, 0, r->n_series * sizeof(*row));
    return row;
}

static uint64_t
total_at(const struct rates *r, unsigned row, unsigned series)
{
    return r->totals[(size_t)row * r->n_series + series];
}

double
rates_per_s(const struct rates *r, unsigned series, unsigned seconds)
{
    unsigned back = 1, old;
    int64_t span_us;

    assert(series < r->n_series);
    if (r->n_rows < 2)
        return 0;
    while (back + 1 < r->n_rows && back * RATES_STEP_S < seconds)
        back++;
    old = (r->newest + ROWS - back) % ROWS;
    span_us = r->at_us[r->newest] - r->at_us[old];
    if (span_us <= 0)
        return 0;
    return (double)(total_at(r, r->newest, series) - total_at(r, old, series)) * USEC_PER_SEC / (double)span_us;
}

uint64_t
rates_total(const struct rates *r, unsigned series)
{
    assert(series < r->n_series);
    return r->n_rows ? total_at(r, r->newest, series) : 0;
}
