/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/upstream.h"

#include <errno.h>

#include "proxy/base/mem.h"
#include "proxy/upstream/exchange.h"
#include "proxy/upstream/place.h"
#include "proxy/upstream/pool.h"

enum { SWEEP_US = 250 * 1000 };

static void
advance(struct budget *b, int64_t now_us)
{
    int64_t second = now_us / USEC_PER_SEC;

    if (second - b->second > BUDGET_SECONDS)
        b->second = second - BUDGET_SECONDS;
    while (b->second < second) {
        b->second++;
        b->requests[b->second % BUDGET_SECONDS] = 0;
        b->retries[b->second % BUDGET_SECONDS] = 0;
    }
}

void
budget_request(struct budget *b, int64_t now_us)
{
    advance(b, now_us);
    b->requests[b->second % BUDGET_SECONDS]++;
}

bool
budget_retry(struct budget *b, double percent, uint64_t minimum, int64_t now_us)
{
    uint64_t requests = 0, retries = 0;

    advance(b, now_us);
    for (unsigned i = 0; i < BUDGET_SECONDS; i++) {
        requests += b->requests[i];
        retries += b->retries[i];
    }
    if (retries >= minimum && (double)retries >= (double)requests * percent / 100)
        return false;
    b->retries[b->second % BUDGET_SECONDS]++;
    return true;
}

static struct stream *
dial_tcp(void *arg, struct loop *loop, const struct backend *b, int64_t user_timeout_ms, int *ret_error)
{
    return stream_connect(loop, &b->addr, b->port, user_timeout_ms, ret_error);
}

static bool
is_in_fleet(const struct fleet *f, const struct backend *b)
{
    for (unsigned i = 0; i < f->n_targets; i++) {
        for (unsigned j = 0; j < f->clusters[i].n_backends; j++) {
            if (f->clusters[i].backends[j].backend == b)
                return true;
        }
    }
    return false;
}

/* Nothing will use them before the operator says so. */
static void
retire_held(struct upstream *up)
{
    for (unsigned i = 0; i < up->fleet->n_clusters; i++) {
        const struct fleet_cluster *fc = &up->fleet->clusters[i];

        for (unsigned j = 0; j < fc->n_backends; j++) {
            struct pool *p = up->pools[fc->backends[j].backend->id];

            if (p && p->backend == fc->backends[j].backend && cluster_holds(fc->cluster, fc->backends[j].endpoint))
                pool_retire(p, 0);
        }
    }
}

static void
on_sweep(void *arg)
{
    struct upstream *up = arg;
    int64_t idle_us = up->fleet->world->conf->upstream_idle * USEC_PER_MSEC;

    for (unsigned i = 0; i < BACKENDS_MAX; i++) {
        struct pool *p = up->pools[i];

        if (!p)
            continue;
        pool_retire(p, idle_us);
        if (LIST_EMPTY(&p->idle) && LIST_EMPTY(&p->busy) && !is_in_fleet(up->fleet, p->backend))
            pool_free(p);
    }
    retire_held(up);
    timer_set(&up->sweep, SWEEP_US);
}

static void
on_queue_poll(void *arg)
{
    place_poll(arg);
}

struct upstream *
upstream_new(struct loop *loop, struct metrics *metrics, struct fleet *fleet, uint64_t seed)
{
    struct upstream *up = MEM_NEW(struct upstream);

    up->loop = loop;
    up->metrics = metrics;
    up->fleet = fleet_ref(fleet);
    up->random = seed | 1;
    up->tls = tls_work_new(loop, &up->tls_count);
    up->dial = dial_tcp;
    for (unsigned i = 0; i < CLUSTERS_MAX; i++)
        TAILQ_INIT(&up->queues[i]);
    timer_init(&up->queue_poll, loop, on_queue_poll, up);
    timer_init(&up->sweep, loop, on_sweep, up);
    timer_set(&up->sweep, SWEEP_US);
    return up;
}

void
upstream_free(struct upstream *up)
{
    if (!up)
        return;
    exchange_free_spares(up);
    buf_shelf_fini(&up->shelf);
    timer_fini(&up->sweep);
    timer_fini(&up->queue_poll);
    for (unsigned i = 0; i < BACKENDS_MAX; i++)
        pool_free(up->pools[i]);
    tls_work_free(up->tls);
    fleet_unref(up->fleet);
    mem_free(up);
}

void
upstream_set_fleet(struct upstream *up, struct fleet *fleet)
{
    struct fleet *old = up->fleet;

    up->fleet = fleet_ref(fleet);
    fleet_unref(old);
}

void
upstream_backend_fell(struct upstream *up, struct backend *b)
{
    struct pool *p = up->pools[b->id];
    struct conn *c;

    if (!p || p->backend != b)
        return;
    pool_retire(p, 0);
    LIST_FOREACH (c, &p->busy, entry)
        exchange_backend_fell(c->exchange);
}

uint64_t
upstream_random(struct upstream *up)
{
    /* xorshift64*: G. Marsaglia, "Xorshift RNGs"; good enough to spread load, for nothing else. */
    up->random ^= up->random >> 12;
    up->random ^= up->random << 25;
    up->random ^= up->random >> 27;
    return up->random * UINT64_C(2685821657736338717);
}
