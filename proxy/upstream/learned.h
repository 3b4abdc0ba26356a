/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_LEARNED_H
#define SEXTANT_UPSTREAM_LEARNED_H

/* Round trips that were measured, as text that outlives the process. Only a hint: until a cluster has been measured anew, it
 * orders clusters better than distance does. The older it is, the more the distance counts again. Control thread only.
 *
 *      sextant-rtt 1
 *      eu 12.345 1764110000        cluster, milliseconds, when it was measured last (Unix time) */

#include "proxy/upstream/fleet.h"

enum { LEARNED_BYTES = 16 * 1024, LEARNED_SECONDS = 24 * 3600 };

void learned_print(const struct fleet *f, int64_t wall_us, struct buf *out);
/* Clusters of `f` that have not been measured are ordered by it. False: not such a text, or a damaged one; nothing is taken. */
bool learned_apply(struct fleet *f, struct str text, int64_t wall_us);

#endif
