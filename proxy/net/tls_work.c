/* SPDX-License-Identifier: Apache-2.0
 *
 *   event -> ready ──(step, at most 2 ms of them a turn)──► goes on by its next event, or is open, or failed
 *              └──(all places taken)──► full ──(a place is free: looked at when one of ours is, and every 10 ms)──► ready
 *   closed with bytes left -> lingering ──(written, broken, or 5 s)──► freed
 *
 * A handshake counts as in flight from its first byte until it is open, failed or closed, and exactly once.
 */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/net/stream_tls_impl.h"

enum { TURN_US = 2000, POLL_US = 10 * 1000, LINGER_US = 5 * 1000 * 1000 };

static void run(void *arg);

static struct tls_list *
list_of(struct tls *t)
{
    switch (t->queue) {
    case TLS_READY:
        return &t->work->ready;
    case TLS_FULL:
        return &t->work->full;
    case TLS_LINGERING:
        return &t->work->lingering;
    default:
        return NULL;
    }
}

static void
move(struct tls *t, enum tls_queue to)
{
    if (t->queue != TLS_NOWHERE)
        TAILQ_REMOVE(list_of(t), t, entry);
    t->queue = to;
    if (to != TLS_NOWHERE)
        TAILQ_INSERT_TAIL(list_of(t), t, entry);
}

void
tls_work_queue(struct tls *t)
{
    struct tls_work *w = t->work;

    if (t->queue != TLS_NOWHERE)
        return;
    move(t, TLS_READY);
    task_schedule(w->loop, &w->task, run, w);
}

static void
wake_full(struct tls_work *w)
{
    struct tls *t = TAILQ_FIRST(&w->full);

    if (!t)
        return;
    move(t, TLS_READY);
    task_schedule(w->loop, &w->task, run, w);
}

bool
tls_work_slot(struct tls *t)
{
    struct tls_work *w = t->work;

    if (t->has_slot)
        return true;
    if (atomic_fetch_add_explicit(&w->count->in_flight, 1, memory_order_relaxed) < w->limit)
        return t->has_slot = true;
    atomic_fetch_sub_explicit(&w->count->in_flight, 1, memory_order_relaxed);
    move(t, TLS_FULL);
    if (!timer_is_set(&w->poll))
        timer_set(&w->poll, POLL_US);
    return false;
}

void
tls_work_leave(struct tls *t)
{
    move(t, TLS_NOWHERE);
    if (!t->has_slot)
        return;
    t->has_slot = false;
    atomic_fetch_sub_explicit(&t->work->count->in_flight, 1, memory_order_relaxed);
    wake_full(t->work);
}

/* Places that other threads gave back are seen here. */
static void
on_poll(void *arg)
{
    struct tls_work *w = arg;

    if (atomic_load_explicit(&w->count->in_flight, memory_order_relaxed) < w->limit)
        wake_full(w);
    if (!TAILQ_EMPTY(&w->full))
        timer_set(&w->poll, POLL_US);
}

static void
run(void *arg)
{
    struct tls_work *w = arg;
    int64_t until_us = clock_mono_us() + TURN_US;
    struct tls *t;

    while ((t = TAILQ_FIRST(&w->ready))) {
        move(t, TLS_NOWHERE);
        tls_step(t); /* its user may close it, or any other */
        if (clock_mono_us() >= until_us)
            break;
    }
    if (!TAILQ_EMPTY(&w->ready))
        task_schedule(w->loop, &w->task, run, w);
}

/* --- the last bytes of closed ones ------------------------------------------------------------------------------- */

static void
on_linger_over(void *arg)
{
    tls_free(arg);
}

static void
on_linger_event(void *arg)
{
    struct tls *t = arg;

    tls_flush(t);
    if (buf_len(&t->out) == 0 || t->write_error)
        tls_free(t);
}

void
tls_work_linger(struct tls *t)
{
    move(t, TLS_LINGERING);
    stream_on_event(t->below, on_linger_event, t);
    timer_init(&t->linger, t->work->loop, on_linger_over, t);
    timer_set(&t->linger, LINGER_US);
}

void
tls_free(struct tls *t)
{
    tls_work_leave(t);
    if (t->linger.fn)
        timer_fini(&t->linger);
    /* Else OpenSSL would take a connection that was cut for a reason to forget its session. */
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    stream_close(&t->below);
    buf_fini(&t->early);
    buf_fini(&t->out);
    tls_server_unref(t->server);
    tls_client_unref(t->client);
    mem_free((void *)(uintptr_t)t->wanted.p);
    mem_free(t->error_text);
    mem_free(t->subject);
    mem_free(t);
}

struct tls_work *
tls_work_new(struct loop *loop, struct tls_count *count)
{
    struct tls_work *w = MEM_NEW(struct tls_work);

    w->loop = loop;
    w->count = count;
    w->limit = 1000;
    TAILQ_INIT(&w->ready);
    TAILQ_INIT(&w->full);
    TAILQ_INIT(&w->lingering);
    timer_init(&w->poll, loop, on_poll, w);
    return w;
}

void
tls_work_set_limit(struct tls_work *w, unsigned limit)
{
    w->limit = limit;
}

void
tls_work_free(struct tls_work *w)
{
    struct tls *t;

    if (!w)
        return;
    while ((t = TAILQ_FIRST(&w->lingering)))
        tls_free(t);
    task_cancel(&w->task);
    timer_fini(&w->poll);
    buf_fini(&w->scratch);
    mem_free(w);
}
