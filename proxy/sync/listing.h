/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LISTING_H
#define SEXTANT_SYNC_LISTING_H

/* The names of all collections of a cluster, asked until it answers. Obeys the contract of ask.h, but that it has no end of its own:
 * only listing_cancel() ends it before there is an answer. */

#include "proxy/base/json.h"
#include "proxy/upstream/upstream.h"

struct listing;

/* `names`: a list of objects with a "name" each; valid during the call. */
typedef void listing_fn(void *arg, struct json names);

struct listing *listing_start(struct upstream *up, const char *cluster, listing_fn *on_done, void *arg);
void listing_cancel(struct listing **lp); /* NULLs; safe on NULL */

#endif
