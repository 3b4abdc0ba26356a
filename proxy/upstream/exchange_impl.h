/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_EXCHANGE_IMPL_H
#define SEXTANT_UPSTREAM_EXCHANGE_IMPL_H

/* Shared by exchange.c and exchange_time.c (time limits) only. */

#include "proxy/upstream/exchange.h"
#include "proxy/upstream/pool.h"

enum state { CONNECTING, SENDING, ANSWER, OVER };

struct exchange {
    struct upstream *up;
    struct exchange_params p;
    const struct exchange_events *events;
    void *arg;
    struct conn *conn;
    enum state state;
    struct buf out;
    uint64_t sent_bytes, body_left, received_bytes;
    bool is_blocked; /* bytes are there that the endpoint did not take yet */
    bool is_chunked, body_ended, is_paused, was_paused, write_broke, saw_bytes, is_fallen;
    bool is_late;           /* the deadline passed */
    enum fail start_fail;   /* failed inside exchange_start(): told from the loop */
    struct message *answer; /* in the caller's arena: it outlives the exchange */
    int64_t progress_at_us;
    struct exchange_timing timing;
    struct timer timer;
    struct task kick, release;
};

static inline int64_t
exchange_now_us(const struct exchange *x)
{
    return loop_now_us(x->up->loop);
}

/* exchange.c */
void exchange_complete(struct exchange *x, enum fail fail, bool may_reuse);

/* exchange_time.c */
void exchange_arm(struct exchange *x);
void exchange_on_timer(void *arg);
bool exchange_is_backends_fault(const struct exchange *x); /* that the deadline passed */

#endif
