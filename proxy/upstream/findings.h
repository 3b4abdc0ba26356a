/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_FINDINGS_H
#define SEXTANT_UPSTREAM_FINDINGS_H

/* What polling the clusters finds out: the lowest version, which are claimed by an edge that journals for them, and aliases that were made elsewhere and lead under another line
 * of the map than their own name is under. Without credentials of its own the proxy cannot ask clusters that want a key:
 * then the last good answer stays, or nothing is known. Control thread only. */

#include "proxy/upstream/leg.h"

struct findings;

struct findings *findings_new(struct upstream *up, void (*on_change)(void *arg), void *arg);
void findings_free(struct findings *f);
void findings_follow(struct findings *f, struct fleet *fleet);
void findings_cluster_is_up(struct findings *f, const struct cluster *cluster); /* it has answered a probe */
void findings_apply(const struct findings *f, struct fleet *fresh);

#endif
