/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

enum { DRAIN_POLL_US = 50 * 1000 };

static void
close_doors(struct server *s)
{
    handover_close(s);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_post_close_doors(s->workers[i]);
}

static void
close_idle(struct server *s)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_post_close_idle(s->workers[i]);
}

static bool
are_doors_closed(const struct server *s)
{
    for (unsigned i = 0; i < s->n_started; i++) {
        if (!atomic_load(&s->workers[i]->has_closed))
            return false;
    }
    return true;
}

/* Connections that wait for a request are closed at once only when nobody else serves: a client may be sending its next
 * request at this very moment. After a hand-over they get their answer with "Connection: close", or live until the end. */
static void
on_drain(void *arg)
{
    struct server *s = arg;
    bool is_closed = are_doors_closed(s), is_late;
    unsigned open = atomic_load(&s->shared.connections); /* read after that: all that were accepted count */

    if (s->drain_until_us == 0) { /* the delay is over: no more connections */
        s->drain_until_us = loop_now_us(s->loop) + s->world->conf->drain_timeout * USEC_PER_MSEC;
        log_info("draining: no more connections, %u open", open);
        close_doors(s);
    }
    if (is_closed && !s->is_sealed) {
        s->is_sealed = true;
        server_seal_state(s); /* another process may start while this one drains */
    }
    if (is_closed && atomic_load(&s->shared.has_successor))
        server_retire_owner(s, open == 0);
    is_late = loop_now_us(s->loop) >= s->drain_until_us;
    if (!atomic_load(&s->shared.has_successor) || is_late)
        close_idle(s);
    if ((open == 0 && is_closed && !server_is_retiring(s)) || (is_late && s->was_late)) {
        if (server_must_stay(s) && !s->is_keeping) { /* signals wait from now on; those that came have one more turn */
            s->is_keeping = true;
            keeper_block();
            timer_set(&s->drain, USEC_PER_MSEC); /* at once could be in this turn still */
            return;
        }
        if (open)
            log_warning("draining: time is over, %u connections are cut", open);
        loop_stop(s->loop);
        return;
    }
    s->was_late = is_late;
    timer_set(&s->drain, DRAIN_POLL_US);
}

void
server_stop(struct server *s, int signal)
{
    if (s->n_stops++ > 0) {
        log_warning("a second signal: ending at once");
        loop_stop(s->loop);
        return;
    }
    handover_pass_on(s, signal);
    if (s->handover.is_done)
        return; /* ending already */
    supervision_stop(s);
    log_info("ending: accepting for another %lld ms", (long long)s->world->conf->drain_delay);
    events_add(EVENT_DRAIN, STR_NONE, "%s: accepting for another %lld ms, then %lld ms for what runs",
        strsignal(signal), (long long)s->world->conf->drain_delay, (long long)s->world->conf->drain_timeout);
    atomic_store(&s->shared.is_draining, true);
    timer_set(&s->drain, s->world->conf->drain_delay * USEC_PER_MSEC);
}

void
server_hand_over(struct server *s, struct str pid)
{
    supervision_hand_over(s, pid);
    events_add(EVENT_DRAIN, STR_NONE, "another process serves: %lld ms for what runs",
        (long long)s->world->conf->drain_timeout);
    atomic_store(&s->shared.has_successor, true);
    atomic_store(&s->shared.is_draining, true);
    admin_stop_accepting(s->admin);
    server_seal_state(s);
    timer_set(&s->drain, 0);
}

void
server_drain_init(struct server *s)
{
    timer_init(&s->drain, s->loop, on_drain, s);
}
