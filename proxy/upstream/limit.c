/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/limit.h"

#include <math.h>

static double
clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

void
limit_step(struct limit *l, const struct limit_conf *conf, const struct limit_window *w)
{
    double now = clamp(l->now > 0 ? l->now : conf->ceiling, conf->floor, conf->ceiling);
    bool is_slow = w->multiple > conf->tolerance, is_used = w->peak >= 0.8 * now;

    if (is_slow)
        now = (w->peak < now ? w->peak : now) * clamp(conf->tolerance / w->multiple, 0.5, 1);
    else if (is_used)
        now += sqrt(now);
    now = clamp(now, conf->floor, conf->ceiling);
    l->now = now;
    l->at_floor = is_slow && now <= conf->floor ? l->at_floor + 1 : 0;
    l->must_relearn = l->at_floor >= LIMIT_AT_FLOOR;
    if (l->must_relearn)
        l->at_floor = 0;
    l->is_strained = !l->must_relearn && (is_slow || (is_used && now < conf->ceiling));
}

void
usual_learn(struct usual *u, int64_t sample_us, int64_t now_us)
{
    double part;

    if (now_us < u->next_us)
        return;
    if (usual_is_known(u))
        u->next_us = now_us + 1000000;
    u->n += u->n < USUAL_MEMORY;
    part = 1.0 / (u->n < USUAL_SAMPLES ? u->n : USUAL_MEMORY);
    u->us = (uint32_t)clamp(u->us + ((double)sample_us - u->us) * part, 1, 3.6e9);
}
