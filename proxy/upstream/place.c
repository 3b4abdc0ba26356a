/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of all workers are atomic; the queues are a worker's own. Each place is taken for the one that gets it by who chose
 * him, so that no newcomer can slip in between.
 */
#include "proxy/upstream/place.h"

#include <limits.h>

#include "proxy/upstream/leg_impl.h"

enum { POLL_US = 10 * 1000, LOOK_AT = 64, QUEUE_SHARE = 2 };

static struct cluster *
cluster_of(const struct leg *leg)
{
    return leg_fleet_cluster(leg)->cluster;
}

static bool
is_unbounded(const struct leg *leg)
{
    return leg->spec.op->info->flags & OP_UNBOUNDED;
}

static struct limit_conf
limit_conf(const struct conf *conf)
{
    uint64_t hard = conf->cluster_requests < conf->cluster_connections ? conf->cluster_requests
                                                                       : conf->cluster_connections;
    double floor = (double)conf->adaptive_floor;

    return (struct limit_conf){
        .floor = floor < (double)hard ? floor : (double)hard,
        .ceiling = (double)hard,
        .tolerance = conf->adaptive_tolerance / 100,
    };
}

static unsigned
limit_of(const struct leg *leg)
{
    const struct conf *conf = leg->fleet->world->conf;
    struct limit_conf limits = limit_conf(conf);
    double found = atomic_load_explicit(&cluster_of(leg)->shared.pressure.limit, memory_order_relaxed);

    if (!conf->adaptive_limit || found <= 0 || found > limits.ceiling)
        return (unsigned)limits.ceiling;
    return (unsigned)(found < limits.floor ? limits.floor : found);
}

/* --- taking and giving ------------------------------------------------------------------------------------------- */

static bool
try_unbounded(struct leg *leg)
{
    struct cluster *c = cluster_of(leg);
    uint64_t limit = leg->fleet->world->conf->cluster_connections;
    unsigned others = atomic_load_explicit(&c->shared.outstanding, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&c->shared.unbounded, 1, memory_order_relaxed) + others < limit)
        return leg->has_place = true;
    atomic_fetch_sub_explicit(&c->shared.unbounded, 1, memory_order_relaxed);
    return false;
}

static bool
try(struct leg *leg)
{
    struct cluster *c = cluster_of(leg);
    unsigned limit = limit_of(leg), before;

    before = atomic_fetch_add_explicit(&c->shared.outstanding, 1, memory_order_relaxed);
    if (before >= limit) {
        atomic_fetch_sub_explicit(&c->shared.outstanding, 1, memory_order_relaxed);
        pressure_peak(&c->shared.pressure, limit);
        return false;
    }
    pressure_peak(&c->shared.pressure, before + 1);
    atomic_fetch_add_explicit(&c->shared.running[leg->spec.caller % CALLER_BINS], 1, memory_order_relaxed);
    return leg->has_place = true;
}

bool
place_take(struct leg *leg)
{
    if (is_unbounded(leg))
        return try_unbounded(leg);
    return TAILQ_EMPTY(&leg->up->queues[cluster_of(leg)->slot]) && try(leg);
}

/* --- the queue --------------------------------------------------------------------------------------------------- */

void
place_leave(struct leg *leg)
{
    struct cluster *c = cluster_of(leg);

    if (!leg->is_waiting)
        return;
    leg->is_waiting = false;
    timer_clear(&leg->wait);
    TAILQ_REMOVE(&leg->up->queues[c->slot], leg, entry);
    atomic_fetch_sub_explicit(&c->shared.waiting, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->shared.queued[leg->spec.caller % CALLER_BINS], 1, memory_order_relaxed);
}

static unsigned
running(const struct leg *leg)
{
    return atomic_load_explicit(&cluster_of(leg)->shared.running[leg->spec.caller % CALLER_BINS], memory_order_relaxed);
}

static struct leg *
choose(struct leg_queue *queue)
{
    struct leg *first = TAILQ_FIRST(queue), *best = NULL;
    bool is_late = first &&
                   leg_now_us(first) - first->wait_since_us > (first->wait_until_us - first->wait_since_us) / 2;
    struct leg *leg = is_late ? TAILQ_LAST(queue, leg_queue) : first;
    unsigned least = UINT_MAX;

    for (unsigned i = 0; leg && i < LOOK_AT && least > 0; i++) {
        unsigned now = running(leg);

        if (now < least) {
            best = leg;
            least = now;
        }
        leg = is_late ? TAILQ_PREV(leg, leg_queue, entry) : TAILQ_NEXT(leg, entry);
    }
    return best;
}

static void
serve(struct upstream *up, unsigned slot)
{
    struct leg *leg;

    while ((leg = choose(&up->queues[slot])) && try(leg)) {
        place_leave(leg);
        task_schedule(up->loop, &leg->step, leg->step.fn, leg);
    }
}

void
place_give(struct leg *leg)
{
    struct cluster *c = cluster_of(leg);

    if (!leg->has_place)
        return;
    leg->has_place = false;
    if (is_unbounded(leg)) {
        atomic_fetch_sub_explicit(&c->shared.unbounded, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_sub_explicit(&c->shared.running[leg->spec.caller % CALLER_BINS], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->shared.outstanding, 1, memory_order_relaxed);
    serve(leg->up, c->slot);
}

void
place_poll(struct upstream *up)
{
    bool has_waiting = false;

    for (unsigned slot = 0; slot < CLUSTERS_MAX; slot++) {
        serve(up, slot);
        has_waiting |= !TAILQ_EMPTY(&up->queues[slot]);
    }
    if (has_waiting)
        timer_set(&up->queue_poll, POLL_US);
}

/* How long it may wait: no longer than it can still be answered in time. */
static int64_t
patience_us(const struct leg *leg)
{
    int64_t patience = leg->fleet->world->conf->queue_timeout * USEC_PER_MSEC, left;

    if (!leg->spec.deadline_us)
        return patience;
    left = leg->spec.deadline_us - leg_now_us(leg) -
           pressure_usual_us(&cluster_of(leg)->shared.pressure, leg->spec.op->id);
    return left < patience ? left : patience;
}

static bool
has_room(const struct leg *leg, unsigned waiting, unsigned of_caller)
{
    uint64_t length = leg->fleet->world->conf->queue_length;

    return waiting < length && (waiting < length / QUEUE_SHARE || of_caller < (length + 3) / 4);
}

bool
place_wait(struct leg *leg)
{
    struct cluster *c = cluster_of(leg);
    int64_t patience = patience_us(leg);
    unsigned bin = leg->spec.caller % CALLER_BINS;
    unsigned waiting, of_caller;

    if (is_unbounded(leg) || patience <= 0)
        return false;
    waiting = atomic_fetch_add_explicit(&c->shared.waiting, 1, memory_order_relaxed);
    of_caller = atomic_fetch_add_explicit(&c->shared.queued[bin], 1, memory_order_relaxed);
    if (!has_room(leg, waiting, of_caller)) {
        atomic_fetch_sub_explicit(&c->shared.waiting, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&c->shared.queued[bin], 1, memory_order_relaxed);
        return false;
    }
    leg->is_waiting = true;
    leg->wait_since_us = leg_now_us(leg);
    leg->wait_until_us = leg->wait_since_us + patience;
    TAILQ_INSERT_TAIL(&leg->up->queues[c->slot], leg, entry);
    metrics_add(leg->up->metrics, METRIC_QUEUED, c->slot, 1);
    timer_set(&leg->wait, patience);
    if (!timer_is_set(&leg->up->queue_poll))
        timer_set(&leg->up->queue_poll, POLL_US);
    return true;
}

/* --- what answers tell ------------------------------------------------------------------------------------------- */

void
place_sample(struct leg *leg, bool is_open)
{
    const struct exchange_timing *t = exchange_timing(leg->exchange);
    const struct op_info *info = leg->spec.op->info;
    struct limit_conf conf = limit_conf(leg->fleet->world->conf);
    int64_t took_us = (is_open ? leg_now_us(leg) : t->first_byte_us) - t->sent_us;

    if (is_unbounded(leg) || (info->kind != OP_READ && info->kind != OP_WRITE) || !t->sent_us || took_us < 0)
        return;
    pressure_sample(&cluster_of(leg)->shared.pressure, &conf, leg->spec.op->id, took_us, is_open, leg_now_us(leg));
}
