/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/backend.h"

#include <stdio.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

enum { PENALTY_SECONDS = 5, TLS_NEWS_SECONDS = 60 };

static backend_change_fn *change_fn;
static void *change_arg;

void
backend_on_change(backend_change_fn *fn, void *arg)
{
    change_fn = fn;
    change_arg = arg;
}

static char *
host_field(const struct url *url)
{
    char text[ADDR_TEXT_MAX];
    struct buf b = { 0 };

    if (url->is_literal)
        buf_add(&b, str_from(addr_print(&url->addr, url->port, text)));
    else
        buf_printf(&b, STR_FMT ":%u", STR_ARG(url->host), url->port);
    return buf_take(&b);
}

struct backend *
backend_new(unsigned id, const struct url *url, const struct addr *addr)
{
    struct backend *b = MEM_NEW(struct backend);
    char text[ADDR_TEXT_MAX];

    atomic_init(&b->refs, 1);
    b->id = id;
    b->url = mem_dup(url->text.p, url->text.len);
    b->host_field = host_field(url);
    b->prefix = mem_dup(url->prefix.p, url->prefix.len);
    b->host = mem_dup(url->host.p, url->host.len);
    b->is_tls = url->is_tls;
    b->addr = *addr;
    b->port = url->port;
    addr_print(addr, url->port, text);
    b->text = mem_dup(text, strlen(text));
    atomic_init(&b->shared.state, HEALTH_NEW);
    atomic_init(&b->shared.is_clean, false);
    pthread_mutex_init(&b->shared.lock, NULL);
    return b;
}

struct backend *
backend_ref(struct backend *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void
backend_unref(struct backend *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&b->shared.lock);
    tls_client_unref(b->shared.tls);
    mem_free(b->host);
    mem_free(b->url);
    mem_free(b->host_field);
    mem_free(b->prefix);
    mem_free(b->text);
    mem_free(b);
}

void
backend_configure(struct backend *b, const struct health_conf *conf)
{
    pthread_mutex_lock(&b->shared.lock);
    b->shared.conf = *conf;
    pthread_mutex_unlock(&b->shared.lock);
}

void
backend_report(struct backend *b, enum health_event event, int64_t now_us)
{
    enum health_state before, after;
    bool is_clean;

    if (event == HEALTH_TRAFFIC_OK && atomic_load_explicit(&b->shared.is_clean, memory_order_relaxed))
        return;
    pthread_mutex_lock(&b->shared.lock);
    before = b->shared.health.state;
    health_step(&b->shared.health, &b->shared.conf, event, now_us);
    after = b->shared.health.state;
    if (health_is_usable(before) && !health_is_usable(after))
        atomic_fetch_add_explicit(&b->shared.falls, 1, memory_order_relaxed);
    is_clean = after == HEALTH_UP && b->shared.health.traffic_fails == 0;
    atomic_store_explicit(&b->shared.is_clean, is_clean, memory_order_relaxed);
    atomic_store_explicit(&b->shared.state, (int)after, memory_order_release);
    pthread_mutex_unlock(&b->shared.lock);
    if (before != after && change_fn)
        change_fn(change_arg, b, before, after);
}

void
backend_report_failure(struct backend *b, enum health_event event, enum fail fail, int status, int64_t now_us)
{
    /* Two threads at once may mix theirs: both are reasons. */
    atomic_store_explicit(&b->shared.last_fail, (int)fail, memory_order_relaxed);
    atomic_store_explicit(&b->shared.last_status, status, memory_order_relaxed);
    backend_report(b, event, now_us);
}

void
backend_print_failure(const struct backend *b, struct buf *out)
{
    enum fail fail = (enum fail)atomic_load_explicit(&b->shared.last_fail, memory_order_relaxed);
    int status = atomic_load_explicit(&b->shared.last_status, memory_order_relaxed);

    if (fail != FAIL_NONE)
        buf_add(out, str_from(fail_info(fail)->sentence));
    else if (status)
        buf_printf(out, "the endpoint answered %d", status);
}

struct health
backend_health(struct backend *b)
{
    struct health copy;

    pthread_mutex_lock(&b->shared.lock);
    copy = b->shared.health;
    pthread_mutex_unlock(&b->shared.lock);
    return copy;
}

double
backend_share(struct backend *b, int64_t now_us)
{
    double share;

    if (backend_state(b) != HEALTH_RAMP)
        return 1;
    pthread_mutex_lock(&b->shared.lock);
    share = health_share(&b->shared.health, &b->shared.conf, now_us);
    pthread_mutex_unlock(&b->shared.lock);
    return share;
}

void
backend_latency(struct backend *b, int64_t us)
{
    unsigned long old = atomic_load_explicit(&b->shared.latency_us, memory_order_relaxed);
    unsigned long sample = us > 1 ? (unsigned long)us : 1;

    /* A lost update between threads costs one sample of an average. */
    atomic_store_explicit(&b->shared.latency_us, old ? old - old / 8 + sample / 8 + 1 : sample, memory_order_relaxed);
}

static unsigned long
hash(struct str s)
{
    unsigned long h = 0xcbf29ce484222325UL;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3UL;
    return h | 1;
}

void
backend_penalise(struct backend *b, struct str collection, int64_t now_us)
{
    unsigned long h = hash(collection);
    unsigned at = (unsigned)(h >> 8) % PENALTIES;

    atomic_store_explicit(&b->shared.penalties[at].collection, h, memory_order_relaxed);
    atomic_store_explicit(
        &b->shared.penalties[at].until_us, now_us + PENALTY_SECONDS * USEC_PER_SEC, memory_order_release);
}

void
backend_set_tls(struct backend *b, struct tls_client *tls)
{
    struct tls_client *old;

    pthread_mutex_lock(&b->shared.lock);
    old = b->shared.tls;
    b->shared.tls = tls ? tls_client_ref(tls) : NULL;
    pthread_mutex_unlock(&b->shared.lock);
    tls_client_unref(old);
}

struct tls_client *
backend_tls(struct backend *b)
{
    struct tls_client *tls;

    pthread_mutex_lock(&b->shared.lock);
    tls = b->shared.tls ? tls_client_ref(b->shared.tls) : NULL;
    pthread_mutex_unlock(&b->shared.lock);
    return tls;
}

bool
backend_is_tls_news(struct backend *b, struct str text, int64_t now_us)
{
    unsigned long h = hash(text);
    bool is_news;

    pthread_mutex_lock(&b->shared.lock);
    is_news = h != b->shared.tls_told || now_us - b->shared.tls_told_us >= TLS_NEWS_SECONDS * USEC_PER_SEC;
    if (is_news) {
        b->shared.tls_told = h;
        b->shared.tls_told_us = now_us;
    }
    pthread_mutex_unlock(&b->shared.lock);
    return is_news;
}

bool
backend_is_penalised(const struct backend *b, struct str collection, int64_t now_us)
{
    unsigned long h;
    unsigned at;

    if (collection.len == 0)
        return false;
    h = hash(collection);
    at = (unsigned)(h >> 8) % PENALTIES;
    return atomic_load_explicit(&b->shared.penalties[at].until_us, memory_order_acquire) > now_us &&
           atomic_load_explicit(&b->shared.penalties[at].collection, memory_order_relaxed) == h;
}

struct cluster *
cluster_new(unsigned slot, struct str name)
{
    struct cluster *c = MEM_NEW(struct cluster);

    atomic_init(&c->refs, 1);
    c->slot = slot;
    c->name = mem_dup(name.p, name.len);
    atomic_init(&c->shared.rtt_ms, -1);
    atomic_init(&c->shared.distance_km, -1);
    return c;
}

struct cluster *
cluster_ref(struct cluster *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void
cluster_unref(struct cluster *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(c->name);
    mem_free(c);
}
