/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_LEG_IMPL_H
#define SEXTANT_UPSTREAM_LEG_IMPL_H

/* Shared by leg.c, leg_pick.c and place.c only. */

#include "proxy/upstream/leg.h"

static inline int64_t
leg_now_us(const struct leg *leg)
{
    return loop_now_us(leg->up->loop);
}

static inline const struct fleet_cluster *
leg_fleet_cluster(const struct leg *leg)
{
    return &leg->fleet->clusters[leg_cluster(leg)];
}

int leg_pick(const struct leg *leg);          /* index of a backend that was not tried yet, or -1 */
bool leg_has_endpoint(const struct leg *leg); /* would leg_pick() find one to move to? */

#endif
