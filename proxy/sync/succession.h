/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_SUCCESSION_H
#define SEXTANT_SYNC_SUCCESSION_H

/* The journal goes from one process to the next: owner_succeed.c. The owner's thread only, but for `has_closed`. */

#include <stdatomic.h>
#include <sys/queue.h>

#include "proxy/net/loop.h"
#include "proxy/sync/order.h"

struct early;
struct owner;

struct succession {
    TAILQ_HEAD(, early) early; /* orders that came before the journal was open */
    struct timer again;        /* it is tried to open it */
    int64_t since_us;
    bool is_waiting, is_told;
    int error; /* it cannot be opened, and won't be */
    /* At the other end: */
    bool is_retiring, has_last_save;
    struct timer retiring;
    int64_t retire_by_us;
    atomic_bool has_closed; /* the next process may have it */
};

void owner_init_succession(struct owner *o);
void owner_fini_succession(struct owner *o);
void owner_await_journal(struct owner *o);             /* as another process has it */
bool owner_keep(struct owner *o, struct order *order); /* until it is open; false: it is */
void owner_end_opening(struct owner *o);
void owner_close_journal(struct owner *o); /* for good */

/* owner_recover.c */
int owner_open_journal(struct owner *o, struct buf *ret_error);

/* owner_write.c */
void owner_take_order(void *arg);                                          /* a post */
void order_refuse(struct order *order, enum fail fail, struct str detail); /* ones that were not taken */

#endif
