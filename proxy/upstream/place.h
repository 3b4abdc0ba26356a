/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_PLACE_H
#define SEXTANT_UPSTREAM_PLACE_H

/* Places at a cluster: a leg holds one from before its exchange until after it. When none is free it waits, not long, in a queue
 * of its worker. For leg.c only.
 *
 * Who is next: of those that wait, whoever's caller has the fewest requests at the cluster; among equals the one that came
 * first, but the one that came last while the oldest has waited for half of the time that it may: in such a queue those
 * that came first are about to be given up, and serving them would make everybody late. One caller can fill half of the
 * queue at most while others may need it.
 *
 * Operations without a deadline (snapshots, index builds) may take hours: they are counted apart, against the connections of the
 * cluster only, and do not wait. */

#include "proxy/upstream/leg.h"

/* False when none is free for it now, or others wait before it. */
bool place_take(struct leg *leg);
/* Wait for one: leg->has_place is set and leg->step scheduled when it is there, leg->wait fires when it was in vain. False: it
 * may not wait. */
bool place_wait(struct leg *leg);
void place_leave(struct leg *leg); /* stop waiting; safe when it does not */
void place_give(struct leg *leg);  /* safe when it has none */
/* A place may have become free in another worker: serve the queues. */
void place_poll(struct upstream *up);
/* An answer began, or waiting for it ended (`is_open`). */
void place_sample(struct leg *leg, bool is_open);

#endif
