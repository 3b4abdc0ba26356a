/* SPDX-License-Identifier: Apache-2.0
 *
 * Each backend has a target with a timer. A probe is an exchange; while the verdict is in doubt probes start faster than
 * they may take, up to PARALLEL at once, so that a backend that accepts and never answers is found out in about two
 * seconds. Traffic that waits without a byte coming back is a reason for doubt as well.
 */
#include "proxy/upstream/probe.h"

#include "proxy/base/mem.h"
#include "proxy/route/hop.h"
#include "proxy/upstream/exchange.h"
#include "proxy/upstream/findings.h"
#include "proxy/upstream/reach.h"

enum { PARALLEL = 3, DOUBT_DIVISOR = 8, TICK_US = 100 * 1000, SILENCE_US = 500 * 1000, PROBE_GAP_US = 250 * 1000 };

struct shot { /* one probe under way */
    struct target *target;
    struct exchange *exchange;
    struct arena arena;
    int status;
    struct buf told; /* by another edge */
    int64_t asked_us;
};

struct target {
    LIST_ENTRY(target) entry;
    struct prober *prober;
    struct backend *backend; /* a reference */
    struct cluster *cluster; /* a reference */
    struct str key;          /* of the cluster; belongs to the prober's fleet */
    struct shot shots[PARALLEL];
    struct timer timer;
    int64_t last_shot_us;
    double bias;
    bool is_followed;
    const struct edge_conf *edge; /* NULL: it is an endpoint. Belongs to the prober's fleet */
};

struct prober {
    struct upstream *up;
    struct fleet *fleet; /* a reference */
    LIST_HEAD(, target) targets;
    struct timer tick;
    struct findings *findings;
};

static int64_t
now_us(const struct prober *p)
{
    return loop_now_us(p->up->loop);
}

static const struct conf *
conf_of(const struct target *t)
{
    return t->prober->fleet->world->conf;
}

static void
sample_rtt(struct target *t, const struct exchange_timing *timing)
{
    int64_t us = timing->first_byte_us - timing->sent_us;

    rank_sample(&t->cluster->rank, (double)us / 1000, (double)conf_of(t)->rtt_margin);
    atomic_store(&t->cluster->shared.rtt_ms, t->cluster->rank.rtt_ms);
    atomic_store(&t->cluster->shared.cost_ms, rank_cost_ms(&t->cluster->rank, t->bias));
}

static void
on_head(void *arg, struct message *head)
{
    struct shot *shot = arg;

    shot->status = head->status;
}

static void
on_body(void *arg, struct str piece)
{
    struct shot *shot = arg;

    if (shot->target->edge && buf_len(&shot->told) + piece.len <= REACH_TEXT_MAX)
        buf_add(&shot->told, piece);
}

static void
on_room(void *arg)
{
}

static void
report(struct target *t, bool is_ok, enum fail fail, int status)
{
    if (is_ok)
        backend_report(t->backend, HEALTH_PROBE_OK, now_us(t->prober));
    else
        backend_report_failure(t->backend, HEALTH_PROBE_FAIL, fail, status, now_us(t->prober));
}

static void
on_done(void *arg, enum fail fail)
{
    struct shot *shot = arg;
    struct target *t = shot->target;
    bool is_ok = fail == FAIL_NONE && shot->status < 500;

    if (is_ok)
        sample_rtt(t, exchange_timing(shot->exchange));
    if (is_ok && !t->edge)
        findings_cluster_is_up(t->prober->findings, t->cluster);
    metrics_add(t->prober->up->metrics, METRIC_PROBES, t->cluster->slot, 1);
    metrics_add(t->prober->up->metrics, METRIC_PROBE_FAILURES, t->cluster->slot, is_ok ? 0 : 1);
    if (is_ok && shot->status == 200 && t->edge)
        reach_take(t->prober->fleet, t->edge->owns, buf_str(&shot->told), shot->asked_us);
    shot->exchange = NULL;
    arena_reset(&shot->arena);
    if (fail == FAIL_UPSTREAM_STALE)
        timer_set(&t->timer, 0);
    else if (fail != FAIL_INTERNAL)
        report(t, is_ok, fail, shot->status);
}

static const struct exchange_events events = { on_head, on_body, on_room, on_done };

/* Another edge tells those that it knows how far writes have come. */
static void
add_hop(const struct target *t, struct shot *shot, struct message *head)
{
    const struct world *w = t->prober->fleet->world;
    struct hop hop = { .from = w->conf->edge_name, .partition = STR(HOP_EVERY) };

    buf_clear(&shot->told);
    message_add_own(head, FIELD_X_SEXTANT_HOP, hop_print(&hop, &shot->arena));
    if (w->fanout->edges->secret.len)
        message_add_own(head, FIELD_X_SEXTANT_HOP_SECRET, w->fanout->edges->secret);
}

static void
shoot(struct target *t)
{
    const struct conf *conf = conf_of(t);
    struct shot *shot = NULL;
    struct message head;

    for (int i = 0; i < PARALLEL && !shot; i++)
        shot = t->shots[i].exchange ? NULL : &t->shots[i];
    if (!shot)
        return;
    message_init(&head, &shot->arena);
    head.method = METHOD_GET;
    head.method_text = STR("GET");
    head.target = t->edge ? STR("/readyz") : conf->probe_path;
    message_add(&head, STR("user-agent"), STR("sextant-probe"));
    if (t->edge)
        add_hop(t, shot, &head);
    t->last_shot_us = shot->asked_us = now_us(t->prober);
    shot->status = 0;
    struct exchange_params params = {
        .backend = t->backend,
        .slot = t->cluster->slot,
        .head = &head,
        .credential = t->key,
        .arena = &shot->arena,
        .max_idle_us = conf->upstream_idle * USEC_PER_MSEC,
        .connect_us = conf->probe_timeout * USEC_PER_MSEC,
        .deadline_us = t->last_shot_us + conf->probe_timeout * USEC_PER_MSEC,
        .is_probe = true,
    };
    shot->exchange = exchange_start(t->prober->up, &params, &events, shot);
}

static void
on_timer(void *arg)
{
    struct target *t = arg;
    struct health health = backend_health(t->backend);
    int64_t interval = conf_of(t)->probe_interval * USEC_PER_MSEC;
    int64_t jitter;

    if (health_is_doubtful(&health))
        interval /= DOUBT_DIVISOR;
    jitter = interval / 5 ? (int64_t)(upstream_random(t->prober->up) % (uint64_t)(interval / 5)) : 0;
    timer_set(&t->timer, interval * 9 / 10 + jitter);
    shoot(t);
}

/* Time alone changes verdicts too; and silence while requests wait is worth a probe. */
static void
on_tick(void *arg)
{
    struct prober *p = arg;
    struct target *t;
    int64_t now = now_us(p);

    timer_set(&p->tick, TICK_US);
    LIST_FOREACH (t, &p->targets, entry) {
        int64_t last_byte = atomic_load_explicit(&t->backend->shared.last_byte_us, memory_order_relaxed);
        bool waits = atomic_load_explicit(&t->backend->shared.outstanding, memory_order_relaxed) > 0;
        enum health_state state = backend_state(t->backend);

        if (state == HEALTH_RAMP || state == HEALTH_EJECTED || state == HEALTH_DOWN)
            backend_report(t->backend, HEALTH_TICK, now);
        if ((waits && now - last_byte > SILENCE_US && now - t->last_shot_us > PROBE_GAP_US) ||
            atomic_exchange_explicit(&t->cluster->shared.is_asked_for, false, memory_order_relaxed))
            shoot(t);
    }
}

static void
target_free(struct target *t)
{
    LIST_REMOVE(t, entry);
    for (int i = 0; i < PARALLEL; i++) {
        exchange_cancel(&t->shots[i].exchange);
        arena_fini(&t->shots[i].arena);
        buf_fini(&t->shots[i].told);
    }
    timer_fini(&t->timer);
    backend_unref(t->backend);
    cluster_unref(t->cluster);
    mem_free(t);
}

static struct target *
find(struct prober *p, const struct backend *b)
{
    struct target *t;

    LIST_FOREACH (t, &p->targets, entry) {
        if (t->backend == b)
            return t;
    }
    return NULL;
}

static void
follow(struct prober *p, struct fleet_cluster *fc, struct backend *b, const struct cluster_conf *conf,
    const struct edge_conf *edge)
{
    struct target *t = find(p, b);

    if (!t) {
        t = MEM_NEW(struct target);
        t->prober = p;
        t->backend = backend_ref(b);
        for (int i = 0; i < PARALLEL; i++)
            t->shots[i].target = t;
        timer_init(&t->timer, p->up->loop, on_timer, t);
        timer_set(&t->timer, 0);
        LIST_INSERT_HEAD(&p->targets, t, entry);
    }
    cluster_ref(fc->cluster);
    cluster_unref(t->cluster);
    t->cluster = fc->cluster; /* a reload may give the endpoint to another one */
    t->bias = conf->bias;
    t->key = conf->options.api_key;
    t->edge = edge;
    t->is_followed = true;
}

static const struct edge_conf *
edge_at(const struct fleet *fleet, unsigned target)
{
    const struct edges_conf *edges = fleet->world->fanout->edges;

    for (unsigned i = 0; i < edges->n; i++) {
        if (edges->items[i].target == target)
            return &edges->items[i];
    }
    return NULL;
}

void
prober_follow(struct prober *p, struct fleet *fleet)
{
    struct target *t, *next;
    struct fleet *old = p->fleet;

    p->fleet = fleet_ref(fleet);
    LIST_FOREACH (t, &p->targets, entry)
        t->is_followed = false;
    for (unsigned i = 0; i < fleet->n_targets; i++) {
        struct fleet_cluster *fc = &fleet->clusters[i];

        for (unsigned j = 0; j < fc->n_backends; j++)
            follow(p, fc, fc->backends[j].backend, &fleet->world->topology->clusters[i], edge_at(fleet, i));
    }
    for (t = LIST_FIRST(&p->targets); t; t = next) {
        next = LIST_NEXT(t, entry);
        if (!t->is_followed)
            target_free(t);
    }
    findings_follow(p->findings, fleet);
    fleet_unref(old);
}

struct prober *
prober_new(struct upstream *up, void (*on_findings)(void *arg), void *arg)
{
    struct prober *p = MEM_NEW(struct prober);

    p->up = up;
    LIST_INIT(&p->targets);
    p->findings = findings_new(up, on_findings, arg);
    timer_init(&p->tick, up->loop, on_tick, p);
    timer_set(&p->tick, TICK_US);
    return p;
}

void
prober_free(struct prober *p)
{
    struct target *t;

    if (!p)
        return;
    while ((t = LIST_FIRST(&p->targets)))
        target_free(t);
    findings_free(p->findings);
    timer_fini(&p->tick);
    fleet_unref(p->fleet);
    mem_free(p);
}

void
prober_apply(const struct prober *p, struct fleet *fresh)
{
    findings_apply(p->findings, fresh);
}
