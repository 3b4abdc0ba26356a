/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LANE_IMPL_H
#define SEXTANT_SYNC_LANE_IMPL_H

/* Shared by lane.c and lane_flight.c. */

#include "proxy/sync/owner_impl.h"

struct collection_wait { /* is a collection there? It is blocked meanwhile */
    LIST_ENTRY(collection_wait) entry;
    struct lane *lane;
    uint32_t collection;
    struct catalog_wait wait;
};

/* lane.c */
void lane_publish(struct lane *l);                  /* what other threads are shown */
void lane_trouble(struct lane *l, struct str what); /* what keeps it from shipping; empty: nothing */
void lane_rest(struct lane *l, int64_t least_us);   /* something failed: nothing is started for a while */
bool lane_may_ship(struct lane *l, uint32_t collection,
    struct quiet_collection *ret_copy); /* false: it was blocked, until that is known */

bool lane_has_turn(const struct lane *l); /* it may start another flight, as far as it is concerned */

/* lane_check.c */
void lane_begin_check(struct lane *l); /* unless it is under way, or done */
void lane_check_fini(struct lane *l);

/* lane_restart.c */
void lane_ask_process(struct lane *l); /* is a node of the copy another process than it was? */
void lane_restart_fini(struct lane *l);

/* lane_flight.c */
bool flight_start(struct lane *l);                            /* with what is marked; false: nothing is */
bool lane_flies(const struct lane *l, struct str collection); /* is anything of it on its way? */
void flight_cancel(struct flight *f);                         /* frees it; its marks stay in the air */

#endif
