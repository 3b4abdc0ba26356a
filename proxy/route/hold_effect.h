/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_HOLD_EFFECT_H
#define SEXTANT_ROUTE_HOLD_EFFECT_H

/* What callers will notice of a hold, for the one who orders it. Pure. */

#include "proxy/route/world.h"

/* `held` are the clusters that are held as a whole, `cluster` (one of them) the one that it is about. Sentences, a line each;
 * none when other clusters take over everything. */
void hold_effects(const struct world *w, uint64_t held, unsigned cluster, struct buf *out);

#endif
