/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of c-ares. Its sockets are watched by the loop, its timeouts driven by a timer.
 */
#include "proxy/net/resolver.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

enum { TRY_MS = 1000, TRIES = 3, NO_TTL_SECONDS = 60 };

struct watched {
    LIST_ENTRY(watched) entry;
    struct resolver *resolver;
    ares_socket_t fd;
    struct fd_watch *watch;
};

struct lookup {
    struct resolver *resolver;
    resolved_fn *fn; /* NULL: cancelled */
    void *arg;
    bool is_starting, has_result;
    struct resolved result;
    struct task tell;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct timer timer;
    LIST_HEAD(, watched) watched;
};

static void
set_timer(struct resolver *r)
{
    struct timeval tv;
    struct timeval *next = ares_timeout(r->channel, NULL, &tv);

    if (next)
        timer_set(&r->timer, (int64_t)next->tv_sec * USEC_PER_SEC + next->tv_usec);
    else
        timer_clear(&r->timer);
}

static void
on_timer(void *arg)
{
    struct resolver *r = arg;

    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(r);
}

static void
on_socket_event(unsigned what, void *arg)
{
    struct watched *w = arg;
    struct resolver *r = w->resolver;

    ares_process_fd(r->channel, what & FD_READ ? w->fd : ARES_SOCKET_BAD, what & FD_WRITE ? w->fd : ARES_SOCKET_BAD);
    set_timer(r);
}

static struct watched *
find_watched(struct resolver *r, ares_socket_t fd)
{
    struct watched *w;

    LIST_FOREACH (w, &r->watched, entry) {
        if (w->fd == fd)
            return w;
    }
    return NULL;
}

static void
forget_watched(struct watched *w)
{
    LIST_REMOVE(w, entry);
    fd_watch_free(w->watch);
    mem_free(w);
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    struct watched *w = find_watched(r, fd);
    unsigned what = (readable ? (unsigned)FD_READ : 0) | (writable ? (unsigned)FD_WRITE : 0);

    if (!what) {
        if (w)
            forget_watched(w);
        return;
    }
    if (w) {
        fd_watch_set(w->watch, what);
        return;
    }
    w = MEM_NEW(struct watched);
    w->resolver = r;
    w->fd = fd;
    w->watch = fd_watch_new(r->loop, fd, false, what, on_socket_event, w);
    LIST_INSERT_HEAD(&r->watched, w, entry);
}

struct resolver *
resolver_new_with(struct loop *loop, const char *servers)
{
    struct resolver *r = MEM_NEW(struct resolver);
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int error = ares_library_init(ARES_LIB_INIT_ALL);

    r->loop = loop;
    LIST_INIT(&r->watched);
    timer_init(&r->timer, loop, on_timer, r);
    if (error == ARES_SUCCESS)
        error = ares_init_options(&r->channel, &options, mask);
    assert(error == ARES_SUCCESS);
    if (servers)
        ares_set_servers_ports_csv(r->channel, servers);
    return r;
}

struct resolver *
resolver_new(struct loop *loop)
{
    return resolver_new_with(loop, NULL);
}

void
resolver_free(struct resolver *r)
{
    if (!r)
        return;
    ares_destroy(r->channel);
    while (!LIST_EMPTY(&r->watched))
        forget_watched(LIST_FIRST(&r->watched));
    timer_fini(&r->timer);
    ares_library_cleanup();
    mem_free(r);
}

static int
compare_addr(const void *a, const void *b)
{
    const struct addr *x = a, *y = b;

    return x->family != y->family ? (int)x->family - (int)y->family : memcmp(x->bytes, y->bytes, sizeof(x->bytes));
}

static void
sort_and_unique(struct resolved *r)
{
    unsigned kept = 0;

    qsort(r->addrs, r->n, sizeof(r->addrs[0]), compare_addr);
    for (unsigned i = 0; i < r->n; i++) {
        if (kept == 0 || compare_addr(&r->addrs[kept - 1], &r->addrs[i]) != 0)
            r->addrs[kept++] = r->addrs[i];
    }
    r->n = kept;
}

static void
take_nodes(struct resolved *r, const struct ares_addrinfo *info)
{
    int ttl = 0;

    for (const struct ares_addrinfo_node *n = info->nodes; n && r->n < RESOLVED_MAX; n = n->ai_next) {
        uint16_t port;

        addr_from_sockaddr(n->ai_addr, &r->addrs[r->n], &port);
        if (r->addrs[r->n].family == 0)
            continue;
        r->n++;
        if (n->ai_ttl > 0 && (ttl == 0 || n->ai_ttl < ttl))
            ttl = n->ai_ttl;
    }
    r->ttl_us = (ttl ? ttl : NO_TTL_SECONDS) * USEC_PER_SEC;
    sort_and_unique(r);
}

static void
tell(void *arg)
{
    struct lookup *l = arg;
    resolved_fn *fn = l->fn;

    l->fn = NULL;
    if (fn)
        fn(l->arg, &l->result);
    mem_free(l);
}

static int
error_of(int status)
{
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
        return -ENOENT;
    return status == ARES_ETIMEOUT ? -ETIMEDOUT : -EIO;
}

static void
on_info(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *l = arg;

    if (status == ARES_SUCCESS && info)
        take_nodes(&l->result, info);
    else
        l->result.error = error_of(status);
    if (!l->result.error && l->result.n == 0)
        l->result.error = -ENOENT;
    if (l->result.error)
        l->result.error_text = ares_strerror(status == ARES_SUCCESS ? ARES_ENODATA : status);
    if (info)
        ares_freeaddrinfo(info);
    if (status == ARES_EDESTRUCTION) {
        mem_free(l);
        return;
    }
    /* Answers from the hosts file come at once, but never before lookup_start() has returned. */
    task_schedule(l->resolver->loop, &l->tell, tell, l);
}

struct lookup *
lookup_start(struct resolver *r, const char *name, resolved_fn *fn, void *arg)
{
    struct lookup *l = MEM_NEW(struct lookup);
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

    l->resolver = r;
    l->fn = fn;
    l->arg = arg;
    ares_getaddrinfo(r->channel, name, NULL, &hints, on_info, l);
    set_timer(r);
    return l;
}

void
lookup_cancel(struct lookup **lp)
{
    if (*lp)
        (*lp)->fn = NULL;
    *lp = NULL;
}
