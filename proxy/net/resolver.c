/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of c-ares. It tells which sockets it waits for and when it wants to be called; both are passed to the loop.
 *
 *      asked ──(c-ares has an answer)──► answered ──(task)──► callback, freed
 *        └──(cancelled)──► abandoned ──(c-ares lets go)──► freed
 *
 * 1. c-ares may answer from within any call, also from the one that asks, so the user is told from a task.
 * 2. c-ares cannot drop one query: a cancelled lookup waits, silent, until c-ares is through with it.
 * 3. Every lookup is on the list until it is delivered or freed, so that resolver_free() finds it.
 */
#include "proxy/net/resolver.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <sys/queue.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

#define LOCAL_TTL_US (60 * USEC_PER_SEC)

struct socket_watch {
    LIST_ENTRY(socket_watch) link;
    struct resolver *resolver;
    struct event event;
    int fd;
};

struct lookup {
    LIST_ENTRY(lookup) link;
    struct resolver *resolver;
    resolved_fn *fn;
    void *arg;
    struct task task;
    bool is_asked;     /* c-ares holds a pointer to it */
    bool is_abandoned; /* by the user */
    bool is_local;     /* answered without a query */
    bool is_localhost; /* the name always has an address (RFC 6761, section 6.3) */
    struct resolved result;
};

struct resolver {
    struct loop *loop;
    ares_channel channel; /* NULL when it could not be set up */
    int setup_status;
    int hint_flags;
    struct timer timer;
    LIST_HEAD(watch_list, socket_watch) watches;
    LIST_HEAD(lookup_list, lookup) lookups;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void
init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

static void
set_timer(struct resolver *r)
{
    struct timeval tv;

    if (ares_timeout(r->channel, NULL, &tv))
        timer_set(&r->timer, tv.tv_sec * USEC_PER_SEC + tv.tv_usec);
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
on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = ((struct socket_watch *)arg)->resolver; /* the watch may go in what follows */

    loop_touch(r->loop);
    ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    set_timer(r);
}

static struct socket_watch *
find_watch(struct resolver *r, int fd)
{
    struct socket_watch *w;

    LIST_FOREACH (w, &r->watches, link)
        if (w->fd == fd)
            return w;
    w = MEM_NEW(struct socket_watch);
    w->resolver = r;
    w->fd = fd;
    event_assign(&w->event, r->loop->base, fd, 0, on_socket, w);
    LIST_INSERT_HEAD(&r->watches, w, link);
    return w;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    struct socket_watch *w = find_watch(r, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    event_del(&w->event);
    if (what) {
        event_assign(&w->event, r->loop->base, fd, (short)(what | EV_PERSIST), on_socket, w);
        event_add(&w->event, NULL);
    } else {
        LIST_REMOVE(w, link);
        mem_free(w);
    }
}

/* Keep the smallest RESOLVED_MAX: the same set every time, in whatever order the server lists them. */
static void
insert_sorted(struct resolved *result, const struct addr *a)
{
    unsigned at = 0;
    int order = 1;

    while (at < result->n && (order = memcmp(&result->addrs[at], a, sizeof(*a))) < 0)
        at++;
    if (at == RESOLVED_MAX || (at < result->n && order == 0))
        return;
    if (result->n < RESOLVED_MAX)
        result->n++;
    memmove(&result->addrs[at + 1], &result->addrs[at], (result->n - 1 - at) * sizeof(*a));
    result->addrs[at] = *a;
}

static void
fill_addresses(struct lookup *l, const struct ares_addrinfo *info)
{
    int64_t ttl_s = INT32_MAX;
    uint16_t port;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        struct addr a;

        addr_from_sockaddr(node->ai_addr, &a, &port);
        if (a.family)
            insert_sorted(&l->result, &a);
        if (node->ai_ttl < ttl_s)
            ttl_s = node->ai_ttl;
    }
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias; alias = alias->next)
        if (alias->ttl < ttl_s)
            ttl_s = alias->ttl;
    l->result.ttl_us = ttl_s > 0 ? ttl_s * USEC_PER_SEC : l->is_local ? LOCAL_TTL_US : USEC_PER_SEC;
}

/* For the name "localhost" where no hosts file has it, which c-ares knows only when there is a file at all. */
static void
fill_loopback(struct resolved *result)
{
    result->addrs[0] = (struct addr){ .family = 4, .bytes = { 127, 0, 0, 1 } };
    result->addrs[1] = (struct addr){ .family = 6, .bytes = { [15] = 1 } };
    result->n = 2;
    result->ttl_us = LOCAL_TTL_US;
}

static int
error_of(int status)
{
    switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
    case ARES_EBADNAME:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    default:
        return -EIO;
    }
}

static void
set_error(struct resolved *result, int status)
{
    result->error = error_of(status);
    result->error_text = ares_strerror(status);
}

static void
release(struct lookup *l)
{
    LIST_REMOVE(l, link);
    task_cancel(&l->task);
    mem_free(l);
}

static void
on_deliver(void *arg)
{
    struct lookup *l = arg;

    LIST_REMOVE(l, link); /* its callback may free the resolver */
    l->fn(l->arg, &l->result);
    mem_free(l);
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *l = arg;

    l->is_asked = false;
    if (l->is_abandoned) {
        release(l);
    } else {
        if (status == ARES_SUCCESS && info)
            fill_addresses(l, info);
        if (l->result.n == 0 && l->is_localhost)
            fill_loopback(&l->result);
        if (l->result.n == 0)
            set_error(&l->result, status == ARES_SUCCESS ? ARES_ENODATA : status);
        task_schedule(l->resolver->loop, &l->task, on_deliver, l);
    }
    ares_freeaddrinfo(info);
}

/* Not left to c-ares: 1.18 asks servers for the name "192.0.2.1" when it may be of either family. */
static bool
take_literal(struct resolved *result, const char *name)
{
    if (!addr_parse(str_from(name), &result->addrs[0]))
        return false;
    result->n = 1;
    result->ttl_us = LOCAL_TTL_US;
    return true;
}

struct lookup *
lookup_start(struct resolver *r, const char *name, resolved_fn *fn, void *arg)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT | r->hint_flags
    };
    struct lookup *l = MEM_NEW(struct lookup);

    l->resolver = r;
    l->fn = fn;
    l->arg = arg;
    LIST_INSERT_HEAD(&r->lookups, l, link);
    if (take_literal(&l->result, name) || !r->channel) {
        if (l->result.n == 0)
            set_error(&l->result, r->setup_status);
        task_schedule(r->loop, &l->task, on_deliver, l);
        return l;
    }
    l->is_localhost = str_eq_nocase(str_from(name), STR("localhost"));
    l->is_asked = l->is_local = true;
    ares_getaddrinfo(r->channel, name, NULL, &hints, on_answer, l);
    l->is_local = false; /* it only matters when the answer came within the call */
    set_timer(r);
    return l;
}

void
lookup_cancel(struct lookup **lp)
{
    struct lookup *l = *lp;

    *lp = NULL;
    if (!l)
        return;
    l->is_abandoned = true;
    if (!l->is_asked && l->task.prev) /* answered, not yet delivered */
        release(l);
}

static struct resolver *
create(struct loop *loop, const char *servers_csv)
{
    struct resolver *r = MEM_NEW(struct resolver);
    struct ares_options options = { .timeout = servers_csv ? 300 : 1000, .tries = 3 };

    assert(loop->base);
    pthread_once(&library_once, init_library);
    r->loop = loop;
    timer_init(&r->timer, loop, on_timer, r);
    LIST_INIT(&r->watches);
    LIST_INIT(&r->lookups);
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = r;
    r->setup_status = ares_init_options(
        &r->channel, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (r->setup_status != ARES_SUCCESS)
        r->channel = NULL;
    return r;
}

struct resolver *
resolver_new(struct loop *loop)
{
    return create(loop, NULL);
}

struct resolver *
resolver_new_with(struct loop *loop, const char *servers_csv)
{
    struct resolver *r = create(loop, servers_csv);

    r->hint_flags = ARES_AI_ENVHOSTS;
    if (r->channel)
        r->setup_status = ares_set_servers_ports_csv(r->channel, servers_csv);
    assert(r->setup_status == ARES_SUCCESS);
    return r;
}

void
resolver_free(struct resolver *r)
{
    struct lookup *l, *next;

    if (!r)
        return;
    LIST_FOREACH (l, &r->lookups, link)
        l->is_abandoned = true;
    if (r->channel)
        ares_destroy(r->channel); /* answers all that is asked, which frees the abandoned */
    for (l = LIST_FIRST(&r->lookups); l; l = next) {
        next = LIST_NEXT(l, link);
        release(l);
    }
    assert(LIST_EMPTY(&r->watches));
    timer_fini(&r->timer);
    mem_free(r);
}
