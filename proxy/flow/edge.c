/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/edge.h"

#include "proxy/base/mem.h"
#include "proxy/flow/session.h"
#include "proxy/flow/transaction.h"

enum { LOG_FLUSH_US = 50 * 1000, IDLE_LEAST_US = 1000 * 1000 };

void
edge_shared_init(struct edge_shared *shared)
{
    *shared = (struct edge_shared){ .census = census_new(), .quota = quota_new(), .recall = recall_new() };
    hash_key_draw(&shared->hash_key);
}

void
edge_shared_fini(struct edge_shared *shared)
{
    census_free(shared->census);
    quota_free(shared->quota);
    recall_free(shared->recall);
}

static void
flush_log(void *arg)
{
    struct edge *e = arg;

    metrics_add(e->metrics, METRIC_LOG_DROPPED, 0, access_log_flush(e->log, &e->log_lines));
    if (buf_len(&e->log_lines))
        timer_set(&e->log_timer, LOG_FLUSH_US);
}

struct edge *
edge_new(struct loop *loop, struct upstream *up, struct metrics *metrics, struct residency *residency,
    struct edge_shared *shared, struct access_log *log)
{
    struct edge *e = MEM_NEW(struct edge);

    e->loop = loop;
    e->up = up;
    e->metrics = metrics;
    e->residency = residency;
    e->shared = shared;
    e->log = log;
    e->tokens = token_cache_new();
    random_init(&e->random);
    e->tls = tls_work_new(loop, &shared->tls);
    LIST_INIT(&e->sessions);
    TAILQ_INIT(&e->idle);
    timer_init(&e->log_timer, loop, flush_log, e);
    return e;
}

void
edge_free(struct edge *e)
{
    if (!e)
        return;
    while (!LIST_EMPTY(&e->sessions))
        session_free(LIST_FIRST(&e->sessions));
    tls_work_free(e->tls);
    flush_log(e);
    timer_fini(&e->log_timer);
    buf_fini(&e->log_lines);
    transaction_free_spares(e);
    token_cache_free(e->tokens);
    mem_free(e);
}

void
edge_log(struct edge *e, const struct access_record *record)
{
    if (!e->log)
        return;
    if (buf_len(&e->log_lines) == 0)
        timer_set(&e->log_timer, LOG_FLUSH_US);
    access_log_format(record, &e->log_lines);
    if (access_log_is_full(&e->log_lines))
        flush_log(e);
}

void
edge_close_idle(struct edge *e)
{
    struct session *s, *next;

    for (s = LIST_FIRST(&e->sessions); s; s = next) {
        next = session_next(s);
        if (session_is_idle(s))
            session_leave_idle(s);
    }
}

unsigned
edge_evict_idle(struct edge *e, unsigned n)
{
    int64_t latest_us = loop_now_us(e->loop) - IDLE_LEAST_US;
    unsigned closed = 0;
    struct session *s;

    while (closed < n && (s = TAILQ_FIRST(&e->idle)) && session_idle_since_us(s) <= latest_us) {
        closed += session_leave_idle(s);
        if (TAILQ_FIRST(&e->idle) == s)
            break;
    }
    metrics_add(e->metrics, METRIC_IDLE_EVICTIONS, 0, closed);
    return closed;
}
