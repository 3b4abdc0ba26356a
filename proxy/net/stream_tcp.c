/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket in the loop, watched edge-triggered for both directions from its first to its last moment, so that no request
 * costs a call to change what is watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"
#include "proxy/net/stream_impl.h"

struct tcp {
    struct stream s;
    int fd;
    bool is_connecting;
    int connect_error; /* -errno once a connect has failed */
    struct fd_watch *watch;
    struct task first_event;
};

static struct tcp *
tcp_of(const struct stream *s)
{
    return (struct tcp *)(uintptr_t)s;
}

static void
finish_connect(struct tcp *t)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof(sa);

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    /* An event may come before the handshake is over: then there is no error and no peer yet. */
    if (error == 0 && getpeername(t->fd, (struct sockaddr *)&sa, &sa_len) != 0)
        return;
    t->is_connecting = false;
    t->connect_error = -error;
}

static void
on_fd(unsigned what, void *arg)
{
    struct tcp *t = arg;

    if (t->is_connecting)
        finish_connect(t);
    if (t->s.fn)
        t->s.fn(t->s.arg);
}

static ssize_t
tcp_read(struct stream *s, void *into, size_t room)
{
    struct tcp *t = tcp_of(s);
    ssize_t n;

    if (t->connect_error)
        return t->connect_error;
    if (t->is_connecting)
        return -EAGAIN;
    do {
        n = recv(t->fd, into, room, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t
tcp_write(struct stream *s, const struct iovec *iov, int count)
{
    struct tcp *t = tcp_of(s);
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count };
    ssize_t n;

    if (t->connect_error)
        return t->connect_error;
    if (t->is_connecting)
        return -EAGAIN;
    do {
        n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void
tcp_shutdown(struct stream *s)
{
    shutdown(tcp_of(s)->fd, SHUT_WR);
}

static void
tcp_close(struct stream *s, bool abort)
{
    struct tcp *t = tcp_of(s);
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    if (abort)
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    task_cancel(&t->first_event);
    fd_watch_free(t->watch);
    close(t->fd);
    mem_free(t);
}

static bool
tcp_is_connected(const struct stream *s)
{
    return !tcp_of(s)->is_connecting && !tcp_of(s)->connect_error;
}

static int64_t
tcp_rtt_us(const struct stream *s)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    if (getsockopt(tcp_of(s)->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_rtt == 0)
        return -1;
    return info.tcpi_rtt;
}

static const struct stream_ops tcp_ops = { tcp_read, tcp_write, tcp_shutdown, tcp_close, tcp_is_connected, tcp_rtt_us };

static struct tcp *
new_tcp(struct loop *loop, int fd)
{
    struct tcp *t = MEM_NEW(struct tcp);

    t->s.ops = &tcp_ops;
    t->s.loop = loop;
    t->fd = fd;
    t->watch = fd_watch_new(loop, fd, true, FD_READ | FD_WRITE, on_fd, t);
    return t;
}

static void
on_first_event(void *arg)
{
    on_fd(0, arg);
}

static void
set_on(int fd, int level, int option, int value)
{
    /* Options that make things better, not possible: a kernel without one is no reason to stop. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

struct stream *
stream_from_fd(struct loop *loop, int fd)
{
    struct tcp *t = new_tcp(loop, fd);
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &t->s.peer, &t->s.peer_port);
    len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &t->s.local, &t->s.local_port);
    set_on(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    task_schedule(loop, &t->first_event, on_first_event, t);
    return &t->s;
}

struct stream *
stream_connect(struct loop *loop, const struct addr *to, uint16_t port, int64_t user_timeout_ms, int *ret_error)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(to, port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct tcp *t;

    if (fd < 0) {
        *ret_error = -errno;
        return NULL;
    }
    set_on(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_on(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_on(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    set_on(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    if (user_timeout_ms > 0)
        set_on(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
    if (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) {
        *ret_error = -errno;
        close(fd);
        return NULL;
    }
    t = new_tcp(loop, fd);
    t->is_connecting = true;
    t->s.peer = *to;
    t->s.peer_port = port;
    return &t->s;
}
