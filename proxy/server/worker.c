/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/worker.h"

#include "proxy/base/mem.h"
#include "proxy/base/thread.h"
#include "proxy/flow/session.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"

/* Descriptors that clients may not use up: for the admin listener, logs, reloads, connections to clusters. */
enum { KEEP_FREE = 64, EVICT_AT_ONCE = 32 };

struct worker *
worker_new(struct fleet *fleet, struct edge_shared *shared, struct access_log *log, uint64_t seed)
{
    struct worker *w = MEM_NEW(struct worker);

    w->loop = loop_new();
    w->metrics = metrics_new();
    w->residency = residency_new();
    w->up = upstream_new(w->loop, w->metrics, fleet, seed);
    w->edge = edge_new(w->loop, w->up, w->metrics, w->residency, shared, log);
    return w;
}

static void
on_accept(void *arg, struct stream *s)
{
    struct worker_door *door = arg;

    session_new(door->worker->edge, s, door->flags);
}

/* All listeners of all workers meet it together: the log hears of it once, and once when it is over. */
static void
on_trouble(void *arg, int error)
{
    struct worker *w = arg;
    struct edge_shared *shared = w->edge->shared;

    if (error == 0) {
        if (atomic_fetch_sub(&shared->resting, 1) == 1)
            log_info("accepting goes on");
        return;
    }
    if (atomic_fetch_add(&shared->resting, 1) == 0) {
        log_warning("accepting pauses: %s; idle connections are closed. Raise the limit of open files, or lower "
                    "SEXTANT_MAX_CONNECTIONS",
            strerrordesc_np(error));
        events_add(EVENT_ACCEPT_PAUSED, STR_NONE, "accepting pauses: %s", strerrordesc_np(error));
    }
    metrics_add(w->metrics, METRIC_ACCEPT_PAUSES, 0, 1);
}

static void
evict_idle(void *arg)
{
    struct worker *w = arg;

    if (w->edge)
        edge_evict_idle(w->edge, EVICT_AT_ONCE);
}

/* One that has no connections of its own to close would wait for as long as another's are idle. */
static void
on_rest(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < w->n_all; i++) {
        if (w->all[i] != w)
            loop_post(w->all[i]->loop, evict_idle, w->all[i]);
    }
    evict_idle(w);
}

void
worker_know_all(struct worker *w, struct worker *const *all, unsigned n)
{
    w->all = all;
    w->n_all = n;
}

void
worker_add_listener(struct worker *w, int fd, unsigned flags)
{
    struct worker_door *door = MEM_NEW(struct worker_door);

    SLIST_INSERT_HEAD(&w->doors, door, entry);
    door->worker = w;
    door->flags = flags;
    door->listener = listener_new(w->loop, fd, on_accept, door);
    listener_on_trouble(door->listener, on_trouble, on_rest, w);
    listener_keep_free(door->listener, KEEP_FREE);
}

static void *
run(void *arg)
{
    struct worker *w = arg;

    loop_run(w->loop);
    return NULL;
}

int
worker_start(struct worker *w)
{
    return thread_start(&w->thread, "worker", run, w);
}

void
worker_join(struct worker *w)
{
    loop_stop(w->loop);
    pthread_join(w->thread, NULL);
}

static void
close_doors(struct worker *w)
{
    struct worker_door *door;

    while ((door = SLIST_FIRST(&w->doors))) {
        SLIST_REMOVE_HEAD(&w->doors, entry);
        listener_free(door->listener);
        mem_free(door);
    }
}

void
worker_free(struct worker *w)
{
    if (!w)
        return;
    close_doors(w);
    edge_free(w->edge);
    w->edge = NULL; /* posts that wait still find the rest */
    loop_settle(w->loop);
    upstream_free(w->up);
    residency_free(w->residency);
    metrics_free(w->metrics);
    loop_free(w->loop);
    mem_free(w);
}

/* --- posts ------------------------------------------------------------------------------------------------------- */

struct order {
    struct worker *worker;
    struct fleet *fleet;
    struct backend *backend;
    int64_t posted_us;
};

static void
take_fleet(void *arg)
{
    struct order *o = arg;

    upstream_set_fleet(o->worker->up, o->fleet);
    fleet_unref(o->fleet);
    mem_free(o);
}

void
worker_post_fleet(struct worker *w, struct fleet *fleet)
{
    struct order *o = MEM_NEW(struct order);

    *o = (struct order){ .worker = w, .fleet = fleet_ref(fleet) };
    loop_post(w->loop, take_fleet, o);
}

static void
take_fallen(void *arg)
{
    struct order *o = arg;

    upstream_backend_fell(o->worker->up, o->backend);
    backend_unref(o->backend);
    mem_free(o);
}

void
worker_post_fallen(struct worker *w, struct backend *b)
{
    struct order *o = MEM_NEW(struct order);

    *o = (struct order){ .worker = w, .backend = backend_ref(b) };
    loop_post(w->loop, take_fallen, o);
}

/* What waits in the queues would be reset: it is taken in first. */
static void
drain_doors(void *arg)
{
    struct worker *w = arg;
    struct worker_door *door;

    SLIST_FOREACH (door, &w->doors, entry)
        listener_drain(door->listener);
    close_doors(w);
    atomic_store(&w->has_closed, true);
}

static void
close_idle(void *arg)
{
    struct worker *w = arg;

    if (w->edge)
        edge_close_idle(w->edge);
}

void
worker_post_close_doors(struct worker *w)
{
    loop_post(w->loop, drain_doors, w);
}

void
worker_post_close_idle(struct worker *w)
{
    loop_post(w->loop, close_idle, w);
}

static void
take_lag(void *arg)
{
    struct order *o = arg;

    metrics_observe_us(o->worker->metrics, METRIC_LOOP_LAG, 0, clock_mono_us() - o->posted_us);
    mem_free(o);
}

void
worker_post_lag(struct worker *w)
{
    struct order *o = MEM_NEW(struct order);

    *o = (struct order){ .worker = w, .posted_us = clock_mono_us() };
    loop_post(w->loop, take_lag, o);
}
