/* SPDX-License-Identifier: Apache-2.0
 *
 * The time limits of an exchange: connecting; the deadline; progress, while bytes are due from the endpoint or to it;
 * and what waits for an endpoint that fell.
 */
#include "proxy/upstream/exchange_impl.h"

/* A deadline says something about the backend only if it had the time: not when the client set it, was slow to send, or
 * slow to read. */
bool
exchange_is_backends_fault(const struct exchange *x)
{
    bool had_request = x->body_ended || x->is_blocked;
    int64_t silence_us = exchange_now_us(x) - x->progress_at_us;

    return !x->p.deadline_is_clients && !x->was_paused && had_request &&
           silence_us >= (x->p.deadline_us - x->timing.started_us) / 2;
}

void
exchange_arm(struct exchange *x)
{
    int64_t at = x->p.deadline_us;
    int64_t progress = x->progress_at_us + x->p.progress_us;
    bool body_under_way = (x->state == SENDING && x->is_blocked) || (x->state == ANSWER && !x->is_paused);

    if (x->state == CONNECTING)
        at = x->timing.started_us + x->p.connect_us;
    else if (body_under_way && x->p.progress_us && (!at || progress < at))
        at = progress;
    if (at)
        timer_set(&x->timer, at > exchange_now_us(x) ? at - exchange_now_us(x) : 0);
}

void
exchange_on_timer(void *arg)
{
    struct exchange *x = arg;
    int64_t now = exchange_now_us(x);
    bool is_sending = x->state == SENDING && x->is_blocked;

    if (x->state == CONNECTING && now >= x->timing.started_us + x->p.connect_us)
        exchange_complete(x, conn_late(x->conn), false);
    else if ((x->is_late = x->p.deadline_us && now >= x->p.deadline_us))
        exchange_complete(x, x->state == ANSWER ? FAIL_UPSTREAM_CUT : FAIL_UPSTREAM_SILENT, false);
    else if ((is_sending || (x->state == ANSWER && !x->is_paused)) && x->p.progress_us &&
             now >= x->progress_at_us + x->p.progress_us)
        exchange_complete(x, x->state == ANSWER ? FAIL_UPSTREAM_CUT : FAIL_UPSTREAM_SILENT, false);
    else
        exchange_arm(x);
}

void
exchange_backend_fell(struct exchange *x)
{
    x->is_fallen = true;
    /* What has no deadline of its own does not wait for ever for an endpoint that is judged down. */
    if (x->p.deadline_us == 0 && x->state != OVER) {
        x->p.deadline_us = exchange_now_us(x) + x->p.progress_us;
        exchange_arm(x);
    }
    exchange_kick(x);
}
