/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams over sockets. One system call a read, one a write, none to wait: the socket is registered once, edge-triggered, for
 * both directions, and stays so. The registration itself makes the kernel report what is ready, which is the first event.
 *
 *      connecting ──(writable, no error)──► connected
 *           └──────(any error)────────────► failed (error set)
 *
 * 1. The kernel reports a broken connection once, to whichever call comes next. `error` remembers it: otherwise a write that
 *    met the reset would turn the next read into a neat end, and a truncated answer into a whole one.
 * 2. EPIPE is not remembered: the peer ended neatly and is gone, and what it sent may still be read.
 * 3. Closing takes the event off libevent's and the loop's queues, so a closed stream gets no event that was already collected.
 * 4. News of a connection that was accepted are an arrival (loop.c): its user is told when its turn comes.
 * 5. What the kernel has told is kept: a read that got less than it asked for, or a write that did, has met the end of what
 *    there was (epoll(7)), and until the next event there is nothing to ask for. So a read after it answers -EAGAIN without
 *    a system call. Only an end makes no further event when it came together with the last bytes: EV_CLOSED tells of it
 *    with them, and from then on the kernel is always asked. A reset does not either, and libevent shows it as any bytes:
 *    that is what stream_recheck() is for.
 */
#include "proxy/net/stream_impl.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

/* Probes of a silent peer: dead after 5 + 3 * 2 seconds, or sooner by TCP_USER_TIMEOUT. */
#define KEEP_IDLE_S 5
#define KEEP_INTERVAL_S 2
#define KEEP_COUNT 3

struct tcp {
    struct stream base;
    struct loop *loop;
    struct event event;
    struct task arrival;
    int fd;
    int error; /* the connection is lost: errno */
    bool is_connecting, has_connected;
    bool is_shut;                        /* shutdown asked for; while connecting it is still to be done */
    bool is_told;                        /* the first event came */
    bool is_accepted;                    /* its news are arrivals */
    bool may_read, may_write, has_ended; /* as far as the kernel has told: see 5 */
    struct addr peer, local;
    uint16_t peer_port, local_port;
};

static struct tcp *
tcp_of(struct stream *s)
{
    return (struct tcp *)(void *)s;
}

static const struct tcp *
const_tcp_of(const struct stream *s)
{
    return (const struct tcp *)(const void *)s;
}

static void
set_int(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* fails on Unix sockets, where it does not matter */
}

static void
finish_connect(struct tcp *t, short what)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (!error && !(what & EV_WRITE))
        return;
    t->is_connecting = false;
    t->error = error;
    t->has_connected = !error;
    if (t->is_shut && !error)
        shutdown(t->fd, SHUT_WR);
}

static void
on_arrival(void *arg)
{
    struct tcp *t = arg;

    stream_notify(&t->base);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct tcp *t = arg;
    bool is_news = !t->is_told || t->is_connecting || what & (EV_READ | EV_CLOSED) || !t->may_write;

    loop_touch(t->loop);
    t->is_told = true;
    t->may_read |= (what & (EV_READ | EV_CLOSED)) != 0;
    t->may_write |= (what & EV_WRITE) != 0;
    t->has_ended |= (what & EV_CLOSED) != 0;
    if (t->is_connecting)
        finish_connect(t, what);
    if (is_news && t->is_accepted)
        loop_add_arrival(t->loop, &t->arrival, on_arrival, t);
    else if (is_news)
        stream_notify(&t->base);
}

static bool
tcp_is_connected(const struct stream *s)
{
    return const_tcp_of(s)->has_connected;
}

/* What a call that got nothing from the kernel answers; `error` is errno of a failed call, or 0. */
static ssize_t
failed(struct tcp *t, int error)
{
    if (error && error != EAGAIN && error != EPIPE && !t->error)
        t->error = error;
    if (error != EAGAIN)
        t->may_read = t->has_ended = true; /* what the peer sent before it went is there by now, told of or not */
    return t->error ? -t->error : -error;
}

static bool
tcp_may_read(const struct stream *s)
{
    const struct tcp *t = const_tcp_of(s);

    return t->has_connected ? t->may_read : t->error != 0;
}

static ssize_t
tcp_read(struct stream *s, void *into, size_t room)
{
    struct tcp *t = tcp_of(s);
    ssize_t n;

    if (!tcp_may_read(s))
        return -EAGAIN;
    if (!t->has_connected)
        return -t->error;
    do
        n = recv(t->fd, into, room, 0);
    while (n < 0 && errno == EINTR);
    t->may_read = t->has_ended || n == (ssize_t)room;
    return n > 0 ? n : failed(t, n < 0 ? errno : 0);
}

static size_t
length_of(const struct iovec *iov, int n)
{
    size_t length = 0;

    for (int i = 0; i < n; i++)
        length += iov[i].iov_len;
    return length;
}

static ssize_t
tcp_write(struct stream *s, const struct iovec *iov, int n)
{
    struct tcp *t = tcp_of(s);
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
    ssize_t taken;

    if (t->error)
        return -t->error;
    if (t->is_shut)
        return -EPIPE;
    if (!t->has_connected || !t->may_write)
        return -EAGAIN;
    do
        taken = sendmsg(t->fd, &message, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    t->may_write = taken == (ssize_t)length_of(iov, n) || (taken < 0 && errno != EAGAIN);
    return taken >= 0 ? taken : failed(t, errno);
}

static void
tcp_recheck(struct stream *s)
{
    tcp_of(s)->may_read = true;
}

static void
tcp_shutdown(struct stream *s)
{
    struct tcp *t = tcp_of(s);

    if (!t->is_shut && t->has_connected)
        shutdown(t->fd, SHUT_WR);
    t->is_shut = true;
}

static void
tcp_close(struct stream *s, bool with_reset)
{
    struct tcp *t = tcp_of(s);
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    event_del(&t->event);
    task_cancel(&t->arrival);
    if (with_reset)
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(t->fd);
    mem_free(t);
}

static const struct addr *
tcp_peer(const struct stream *s, uint16_t *ret_port)
{
    const struct tcp *t = const_tcp_of(s);

    if (ret_port)
        *ret_port = t->peer_port;
    return &t->peer;
}

static const struct addr *
tcp_local(struct stream *s, uint16_t *ret_port)
{
    struct tcp *t = tcp_of(s);
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);

    if (t->local.family == 0 && getsockname(t->fd, (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &t->local, &t->local_port);
    if (ret_port)
        *ret_port = t->local_port;
    return &t->local;
}

static int64_t
tcp_rtt_us(const struct stream *s)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    if (getsockopt(const_tcp_of(s)->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_rtt == 0)
        return -1;
    return info.tcpi_rtt;
}

static const struct stream_ops tcp_ops = {
    .is_connected = tcp_is_connected,
    .may_read = tcp_may_read,
    .read = tcp_read,
    .write = tcp_write,
    .recheck = tcp_recheck,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .peer = tcp_peer,
    .local = tcp_local,
    .rtt_us = tcp_rtt_us,
};

static struct tcp *
tcp_new(struct loop *loop, int fd)
{
    struct tcp *t = MEM_NEW(struct tcp);

    assert(loop->base);
    t->base.ops = &tcp_ops;
    t->loop = loop;
    t->fd = fd;
    t->may_write = true;
    event_assign(&t->event, loop->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_ready, t);
    return t;
}

static struct stream *
watch(struct tcp *t)
{
    if (event_add(&t->event, NULL) < 0) { /* the kernel's limit of watched descriptors: shows as a broken stream */
        t->error = errno ? errno : ENOMEM;
        event_active(&t->event, EV_READ, 0);
    }
    return &t->base;
}

struct stream *
stream_from_accept(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    struct tcp *t = tcp_new(loop, fd);

    t->has_connected = t->is_accepted = true;
    addr_from_sockaddr((const struct sockaddr *)peer, &t->peer, &t->peer_port);
    return watch(t);
}

struct stream *
stream_from_fd(struct loop *loop, int fd)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t len = sizeof(peer);

    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        peer.ss_family = AF_UNSPEC; /* reset meanwhile; the first read will tell */
    return stream_from_accept(loop, fd, &peer);
}

static void
set_upstream_options(int fd, int64_t user_timeout_ms)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
    if (user_timeout_ms > 0)
        set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms < INT32_MAX ? (int)user_timeout_ms : INT32_MAX);
}

struct stream *
stream_connect(struct loop *loop, const struct addr *to, uint16_t port, int64_t user_timeout_ms, int *ret_error)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(to, port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct tcp *t;
    bool is_connected;

    if (fd < 0) {
        *ret_error = -errno;
        return NULL;
    }
    set_upstream_options(fd, user_timeout_ms);
    is_connected = connect(fd, (struct sockaddr *)&sa, len) == 0;
    if (!is_connected && errno != EINPROGRESS) {
        *ret_error = -errno;
        close(fd);
        return NULL;
    }
    t = tcp_new(loop, fd);
    t->is_connecting = !is_connected;
    t->has_connected = is_connected;
    t->peer = *to;
    t->peer_port = port;
    return watch(t);
}
