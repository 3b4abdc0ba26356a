/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_CLAIM_LOOK_H
#define SEXTANT_UPSTREAM_CLAIM_LOOK_H

/* The first look at a cluster: does an edge journal for it, as a home? Until it has answered, writes past that edge would pass. So
 * each cluster is asked by itself, as soon as it has an address, and again until it answers; nothing waits for it.
 *
 * Obeys the contract of leg.h. The thread of the upstream's loop only; loop_settle() before the upstream is freed. */

#include "proxy/upstream/leg.h"

#define CLAIM_TARGET "/collections/" OWN_COLLECTION "/points/2" /* proxy/sync/notes.h */

struct claim_look;
/* status 0: no answer came, or one of the 5xx. */
typedef void claim_look_fn(void *arg, const struct fleet *fleet, unsigned cluster, int status, struct str body);
struct claim_look *claim_look_start(
    struct upstream *up, struct fleet *fleet, unsigned cluster, int64_t timeout_us, claim_look_fn *on_done, void *arg);
void claim_look_cancel(struct claim_look **lp); /* NULLs; safe on NULL */

#endif
