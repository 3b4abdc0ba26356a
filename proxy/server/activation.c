/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets that the service manager listens on and passes (LISTEN_FDS): they are there before this process and after it, so
 * connections wait while it restarts. They find their place by address; the one that is named "admin" is the admin listener's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

static int
option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static bool
prepare(int fd, struct addr *ret_addr, uint16_t *ret_port)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    int on = 1, flags = fcntl(fd, F_GETFL);

    if (flags < 0 || option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 1 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    addr_from_sockaddr((struct sockaddr *)&sa, ret_addr, ret_port);
    if (ret_addr->family == 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static bool
add(struct sockets *sockets, int fd, struct str name)
{
    struct socket_group *g = NULL;
    struct addr addr;
    uint16_t port;

    if (!prepare(fd, &addr, &port)) {
        log_error("the service manager passes a socket (" STR_FMT
                  ") that does not listen for TCP: see ListenStream= of its unit",
            STR_ARG(name.len ? name : STR("without a name")));
        return false;
    }
    for (unsigned i = 0; i < sockets->n; i++) {
        if (sockets->groups[i]->port == port && addr_eq(&sockets->groups[i]->addr, &addr))
            g = sockets->groups[i];
    }
    g = g ? g : sockets_add(sockets, &addr, port);
    if (!g || g->n == GROUP_SOCKETS) {
        log_error("the service manager passes more sockets than there is room for");
        return false;
    }
    g->is_admin = g->is_named = str_eq(name, STR("admin"));
    g->fds[g->n++] = fd;
    return true;
}

int
activation_take(struct server *s)
{
    const struct supervised *supervised = &s->supervised;

    for (unsigned i = 0; i < supervised->n_fds; i++) {
        if (!add(&s->inherited, SUPERVISED_FD + (int)i, supervised_fd_name(supervised, i)))
            return 1;
    }
    s->is_activated = supervised->n_fds > 0;
    return 0;
}

int
activation_check(const struct server *s)
{
    struct buf left = { 0 };

    if (!s->is_activated || s->inherited.n == 0)
        return 0;
    sockets_print(&s->inherited, &left);
    log_error("the service manager listens on " STR_FMT
              ", which SEXTANT_LISTEN does not name: set SEXTANT_LISTEN to the addresses of "
              "ListenStream=, or name the admin listener's socket by FileDescriptorName=admin",
        STR_ARG(buf_str(&left)));
    buf_fini(&left);
    return 1;
}
