/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepting connections, level-triggered: what one turn leaves behind comes back in the next, so a flood of connections
 * cannot starve those that are being served.
 *
 *      watching ◄──► paused (by the owner)
 *          └───────► resting (out of descriptors; 100 ms)     the event is added exactly when neither holds
 *
 * The kernel hands out the lowest free descriptor, so the number of a new one tells how many there are at least. An episode of
 * trouble lasts from the first rest until a turn in which nothing was in the way.
 */
#include "proxy/net/listener.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"
#include "proxy/net/stream_impl.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG 4096
#define REST_US (100 * USEC_PER_MSEC)

struct listener {
    struct loop *loop;
    struct event event;
    struct timer rest;
    int fd;
    listener_fn *fn;
    void *arg;
    void (*on_trouble)(void *arg, int error);
    void (*on_rest)(void *arg);
    void *trouble_arg;
    int highest; /* descriptor that may be used for a client */
    bool is_paused, is_accepting, is_freed, is_in_trouble;
};

static const struct addr any6 = { .family = 6 };

static int
set_listen_options(int fd, const struct addr *addr, bool reuse_port)
{
    int on = 1, v6_only = !addr_eq(addr, &any6);

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
        return -errno;
    if (addr->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
        return -errno;
    /* Accepted sockets inherit it, which saves a system call for each. */
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ? -errno : 0;
}

int
listen_open(const struct addr *addr, uint16_t port, bool reuse_port)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(addr, port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -errno;
    error = set_listen_options(fd, addr, reuse_port);
    if (!error && (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, BACKLOG) < 0))
        error = -errno;
    if (!error)
        return fd;
    close(fd);
    return error;
}

uint16_t
listen_port(int fd)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    struct addr addr;
    uint16_t port;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return 0;
    addr_from_sockaddr((struct sockaddr *)&sa, &addr, &port);
    return port;
}

static void
update(struct listener *l)
{
    if (l->is_paused || timer_is_set(&l->rest))
        event_del(&l->event);
    else
        event_add(&l->event, NULL);
}

static void take_a_rest(struct listener *l, int error);

/* Is the next descriptor one of those that are kept free? Asked only in times of trouble. */
static int
shortage(const struct listener *l)
{
    int fd = dup(l->fd), error = fd < 0 ? errno : fd > l->highest ? EMFILE : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

static void
on_rested(void *arg)
{
    struct listener *l = arg;
    int error = shortage(l);

    if (error)
        take_a_rest(l, error);
    else
        update(l);
}

static bool
is_trouble(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return true;
    default: /* of the one connection, which is gone: aborted, refused by a filter, its network error (see accept(2)) */
        return false;
    }
}

static void
take_a_rest(struct listener *l, int error)
{
    timer_set(&l->rest, REST_US);
    update(l);
    if (!l->is_in_trouble && l->on_trouble)
        l->on_trouble(l->trouble_arg, error);
    l->is_in_trouble = true;
    if (l->on_rest)
        l->on_rest(l->trouble_arg);
}

static void
end_trouble(struct listener *l)
{
    if (l->is_in_trouble && l->on_trouble)
        l->on_trouble(l->trouble_arg, 0);
    l->is_in_trouble = false;
}

/* False when there is nothing more to accept for now. */
static bool
accept_one(struct listener *l)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        l->fn(l->arg, stream_from_accept(l->loop, fd, &peer));
        if (fd < l->highest)
            return true;
        if (!l->is_freed)
            take_a_rest(l, EMFILE);
        return false;
    }
    if (errno == EAGAIN) {
        end_trouble(l);
        return false;
    }
    if (!is_trouble(errno))
        return true;
    take_a_rest(l, errno);
    return false;
}

static void
release(struct listener *l)
{
    event_del(&l->event);
    end_trouble(l);
    timer_fini(&l->rest);
    close(l->fd);
    mem_free(l);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    int left = ACCEPTS_PER_TURN;

    loop_touch(l->loop);
    l->is_accepting = true;
    while (left-- > 0 && !l->is_paused && !l->is_freed && accept_one(l))
        ;
    l->is_accepting = false;
    if (l->is_freed)
        release(l);
}

struct listener *
listener_new(struct loop *loop, int fd, listener_fn *fn, void *arg)
{
    struct listener *l = MEM_NEW(struct listener);

    assert(loop->base && fd >= 0);
    l->loop = loop;
    l->fd = fd;
    l->fn = fn;
    l->arg = arg;
    l->highest = INT_MAX;
    timer_init(&l->rest, loop, on_rested, l);
    event_assign(&l->event, loop->base, fd, EV_READ | EV_PERSIST, on_ready, l);
    update(l);
    return l;
}

void
listener_pause(struct listener *l)
{
    l->is_paused = true;
    update(l);
}

void
listener_resume(struct listener *l)
{
    l->is_paused = false;
    update(l);
}

void
listener_drain(struct listener *l)
{
    l->is_accepting = true;
    while (!l->is_freed && accept_one(l))
        ;
    l->is_accepting = false;
    if (l->is_freed)
        release(l);
}

void
listener_on_trouble(struct listener *l, void (*fn)(void *arg, int error), void (*rest)(void *arg), void *arg)
{
    l->on_trouble = fn;
    l->on_rest = rest;
    l->trouble_arg = arg;
}

void
listener_keep_free(struct listener *l, unsigned n)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
        return;
    n = n < limit.rlim_cur / 8 ? n : (unsigned)(limit.rlim_cur / 8);
    l->highest = (int)limit.rlim_cur - 1 - (int)n;
}

void
listener_free(struct listener *l)
{
    if (!l)
        return;
    if (l->is_accepting)
        l->is_freed = true;
    else
        release(l);
}
