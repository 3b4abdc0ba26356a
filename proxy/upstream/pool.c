/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/pool.h"

#include <assert.h>
#include <errno.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/upstream/exchange.h"

struct pool *
pool_of(struct upstream *up, struct backend *b)
{
    struct pool *p = up->pools[b->id];

    if (p && p->backend == b)
        return p;
    /* The id was given to another backend: the old one is in no fleet, and what it had has run out. */
    if (p && LIST_EMPTY(&p->busy)) {
        pool_free(p);
        p = NULL;
    }
    assert(!p);
    p = MEM_NEW(struct pool);
    p->up = up;
    p->backend = backend_ref(b);
    LIST_INIT(&p->idle);
    LIST_INIT(&p->busy);
    up->pools[b->id] = p;
    return p;
}

static void
count_idle(const struct conn *c, int by)
{
    c->pool->n_idle += (unsigned)by;
    metrics_move(c->pool->up->metrics, METRIC_POOL_IDLE, c->slot, by);
}

void
conn_close(struct conn *c)
{
    if (!c->exchange && c->idle_since_us)
        count_idle(c, -1);
    LIST_REMOVE(c, entry);
    stream_close(&c->stream);
    h1_parser_free(c->parser);
    atomic_fetch_sub_explicit(&c->pool->backend->shared.connections, 1, memory_order_relaxed);
    mem_free(c);
}

void
pool_free(struct pool *p)
{
    struct conn *c;

    if (!p)
        return;
    assert(LIST_EMPTY(&p->busy));
    while ((c = LIST_FIRST(&p->idle)))
        conn_close(c);
    p->up->pools[p->backend->id] = NULL;
    backend_unref(p->backend);
    tls_memory_free(p->sessions);
    mem_free(p);
}

struct conn *
pool_take_idle(struct pool *p, int64_t max_idle_us)
{
    struct conn *c = LIST_FIRST(&p->idle);

    if (!c || loop_now_us(p->up->loop) - c->idle_since_us > max_idle_us)
        return NULL;
    LIST_REMOVE(c, entry);
    LIST_INSERT_HEAD(&p->busy, c, entry);
    c->idle_since_us = 0;
    count_idle(c, -1);
    return c;
}

static struct stream *
wrap_tls(struct pool *p, struct stream *below)
{
    struct tls_client *rules = backend_tls(p->backend);
    struct stream *s;

    assert(rules); /* a world with an https URL has rules for it */
    if (!p->sessions)
        p->sessions = tls_memory_new();
    s = stream_tls_connect(p->up->tls, rules, str_from(p->backend->host), below, p->sessions);
    tls_client_unref(rules);
    return s;
}

static void
tell_failure(struct conn *c, enum tls_reason reason, const char *error)
{
    struct backend *b = c->pool->backend;
    const char *sentence = tls_reason_sentence(reason);

    metrics_add(c->pool->up->metrics, METRIC_TLS_UP_FAILURES, c->slot, 1);
    if (backend_is_tls_news(b, str_from(*error ? error : sentence), loop_now_us(c->pool->up->loop)))
        log_warning("endpoint %s (%s): TLS: %s%s%s", b->url, b->text, sentence, *error ? ": " : "", error);
}

enum fail
conn_late(struct conn *c)
{
    const struct tls_facts *facts = stream_tls_facts(c->stream);

    if (!facts || !facts->has_begun)
        return FAIL_CONNECT_TIMEOUT;
    tell_failure(c, TLS_REASON_TIMEOUT, "");
    return FAIL_TLS_FAILED;
}

/* Once established, or when it broke. */
void
conn_tell_tls(struct conn *c)
{
    const struct tls_facts *facts = stream_tls_facts(c->stream);

    if (!facts)
        return;
    if (facts->failure == TLS_REASON_NONE) {
        metrics_add(c->pool->up->metrics, METRIC_TLS_UP_HANDSHAKES, c->slot, 1);
        metrics_add(c->pool->up->metrics, METRIC_TLS_UP_RESUMED, c->slot, facts->is_resumed);
        return;
    }
    tell_failure(c, facts->failure, facts->error);
}

struct conn *
pool_dial(struct pool *p, int64_t user_timeout_ms, int *ret_error)
{
    const struct conf *conf = p->up->fleet->world->conf;
    struct h1_limits limits = {
        .head_bytes = (uint32_t)conf->head_bytes *
                      4, /* a cluster's answer may carry longer fields than a request may */
        .head_fields = 200,
        .line_bytes = 8192,
    };
    struct stream *s = p->up->dial(p->up->dial_arg, p->up->loop, p->backend, user_timeout_ms, ret_error);
    struct conn *c;

    if (!s)
        return NULL;
    if (p->backend->is_tls)
        s = wrap_tls(p, s);
    c = MEM_NEW(struct conn);
    c->pool = p;
    c->stream = s;
    c->parser = h1_parser_new(H1_RESPONSES, &limits);
    LIST_INSERT_HEAD(&p->busy, c, entry);
    atomic_fetch_add_explicit(&p->backend->shared.connections, 1, memory_order_relaxed);
    return c;
}

/* Whatever an idle connection has to say, an answer to nothing or its end, it is of no more use. */
static void
on_idle_event(void *arg)
{
    struct conn *c = arg;
    char byte;

    if (stream_read(c->stream, &byte, 1) != -EAGAIN)
        conn_close(c);
}

void
conn_give_back(struct conn *c)
{
    struct pool *p = c->pool;

    LIST_REMOVE(c, entry);
    LIST_INSERT_HEAD(&p->idle, c, entry);
    c->exchange = NULL;
    c->idle_since_us = loop_now_us(p->up->loop);
    count_idle(c, 1);
    stream_on_event(c->stream, on_idle_event, c);
}

void
pool_retire(struct pool *p, int64_t idle_us)
{
    int64_t now = loop_now_us(p->up->loop);
    struct conn *c, *next;

    for (c = LIST_FIRST(&p->idle); c; c = next) {
        next = LIST_NEXT(c, entry);
        if (now - c->idle_since_us >= idle_us)
            conn_close(c);
    }
}

enum fail
pool_fail_of(int error)
{
    switch (-error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
        return FAIL_INTERNAL; /* we lack the means: it says nothing about the endpoint */
    case EPROTO:
        return FAIL_TLS_FAILED;
    case EKEYREJECTED:
        return FAIL_TLS_UNTRUSTED;
    case ECONNREFUSED:
        return FAIL_CONNECT_REFUSED;
    case ETIMEDOUT:
        return FAIL_CONNECT_TIMEOUT;
    default:
        return FAIL_CONNECT_FAILED;
    }
}
