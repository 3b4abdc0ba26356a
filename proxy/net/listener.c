/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

enum { ACCEPTS_PER_TURN = 64, PAUSE_US = 100 * 1000, BACKLOG = 4096 };

struct listener {
    struct loop *loop;
    int fd;
    struct fd_watch *watch;
    struct timer pause;
    bool is_paused;
    listener_fn *fn;
    void (*on_trouble)(void *arg, int error);
    void *arg;
};

static bool
is_any(const struct addr *a)
{
    for (unsigned i = 0; i < sizeof(a->bytes); i++) {
        if (a->bytes[i])
            return false;
    }
    return true;
}

static int
prepare(int fd, const struct addr *addr, uint16_t port, bool reuse_port)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(addr, port, &sa);
    int on = 1, v6_only = !is_any(addr);

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        (addr->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0) ||
        bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, BACKLOG) != 0)
        return -errno;
    return 0;
}

int
listen_open(const struct addr *addr, uint16_t port, bool reuse_port)
{
    int fd = socket(addr->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -errno;
    error = prepare(fd, addr, port, reuse_port);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

uint16_t
listen_port(int fd)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    struct addr addr;
    uint16_t port = 0;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &addr, &port);
    return port;
}

static void
on_pause_over(void *arg)
{
    struct listener *l = arg;

    if (!l->is_paused)
        fd_watch_set(l->watch, FD_READ);
}

static void
on_readable(unsigned what, void *arg)
{
    struct listener *l = arg;

    for (int i = 0; i < ACCEPTS_PER_TURN && !l->is_paused; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            l->fn(l->arg, stream_from_fd(l->loop, fd));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (l->on_trouble)
                l->on_trouble(l->arg, errno);
            fd_watch_set(l->watch, 0);
            timer_set(&l->pause, PAUSE_US);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

struct listener *
listener_new(struct loop *loop, int fd, listener_fn *fn, void *arg)
{
    struct listener *l = MEM_NEW(struct listener);

    l->loop = loop;
    l->fd = fd;
    l->fn = fn;
    l->arg = arg;
    timer_init(&l->pause, loop, on_pause_over, l);
    l->watch = fd_watch_new(loop, fd, false, FD_READ, on_readable, l);
    return l;
}

void
listener_pause(struct listener *l)
{
    l->is_paused = true;
    fd_watch_set(l->watch, 0);
}

void
listener_resume(struct listener *l)
{
    l->is_paused = false;
    fd_watch_set(l->watch, FD_READ);
}

void
listener_on_trouble(struct listener *l, void (*fn)(void *arg, int error))
{
    l->on_trouble = fn;
}

void
listener_free(struct listener *l)
{
    if (!l)
        return;
    fd_watch_free(l->watch);
    timer_fini(&l->pause);
    close(l->fd);
    mem_free(l);
}
