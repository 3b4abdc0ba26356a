/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

enum { WAITING = 8, SUFFIX_BYTES = 16, NAME_BYTES = 60, SHORT_BYTES = 96 };

/* --- addresses --------------------------------------------------------------------------------------------------- */

static int
to_sockaddr(struct str address, struct sockaddr_un *ret_sa, socklen_t *ret_len)
{
    bool is_abstract = address.len && address.p[0] == '@';

    if (address.len < 2 || address.len >= sizeof(ret_sa->sun_path))
        return -ENAMETOOLONG;
    *ret_sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret_sa->sun_path, address.p, address.len);
    if (is_abstract)
        ret_sa->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + address.len + (is_abstract ? 0 : 1));
    return 0;
}

static int
bind_at(int fd, struct str address)
{
    struct sockaddr_un sa;
    socklen_t len;
    int error = to_sockaddr(address, &sa, &len);

    if (error)
        return error;
    if (bind(fd, (struct sockaddr *)&sa, len) < 0)
        return -errno;
    return listen(fd, WAITING) < 0 ? -errno : 0;
}

/* Paths are often longer than a socket's address may be: the folder is opened, and named by its descriptor. Returns that, or
 * -1 when it was not needed, or -errno. */
static int
shorten(struct str *address, char text[SHORT_BYTES])
{
    struct str head = *address;
    char folder[PATH_MAX];
    int fd;

    if (address->len + SUFFIX_BYTES < sizeof(((struct sockaddr_un *)0)->sun_path) || address->p[0] == '@')
        return -1;
    while (head.len && head.p[head.len - 1] != '/')
        head.len--;
    if (head.len == 0 || head.len >= sizeof(folder) || address->len - head.len > NAME_BYTES)
        return -ENAMETOOLONG;
    snprintf(folder, sizeof(folder), STR_FMT, STR_ARG(head));
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *address = str_make(text,
        (size_t)snprintf(text, SHORT_BYTES, "/proc/self/fd/%d/" STR_FMT, fd, STR_ARG(str_skip(*address, head.len))));
    return fd;
}

/* Bound under another name first and renamed when it can be dialled. */
static int
bind_path(int fd, struct str address)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)], fresh[sizeof(path) + SUFFIX_BYTES];
    int error, n = snprintf(fresh, sizeof(fresh), STR_FMT ".%d", STR_ARG(address), (int)getpid());

    snprintf(path, sizeof(path), STR_FMT, STR_ARG(address));
    unlink(fresh);
    error = bind_at(fd, str_make(fresh, (size_t)n));
    if (error == 0 && (chmod(fresh, 0600) < 0 || rename(fresh, path) < 0))
        error = -errno;
    if (error)
        unlink(fresh);
    return error;
}

int
channel_listen(struct str address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char text[SHORT_BYTES];
    int error, folder;

    if (fd < 0)
        return -errno;
    folder = shorten(&address, text);
    if (folder < -1)
        error = folder;
    else
        error = address.len && address.p[0] == '@' ? bind_at(fd, address) : bind_path(fd, address);
    if (folder >= 0)
        close(folder);
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

int
channel_accept(int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

void
channel_set_patience(int fd, int64_t patience_us)
{
    struct timeval tv = { .tv_sec = patience_us / USEC_PER_SEC, .tv_usec = patience_us % USEC_PER_SEC };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static int
dial(int fd, struct str address)
{
    struct sockaddr_un sa;
    socklen_t len;
    int error = to_sockaddr(address, &sa, &len);

    if (error)
        return error;
    return connect(fd, (struct sockaddr *)&sa, len) == 0 ? fd : -errno;
}

int
channel_dial(struct str address, int64_t patience_us)
{
    char text[SHORT_BYTES];
    int folder = shorten(&address, text), fd = folder < -1 ? folder : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int result = fd;

    if (fd >= 0) {
        channel_set_patience(fd, patience_us);
        result = dial(fd, address);
    } else if (folder >= -1) {
        result = -errno;
    }
    if (folder >= 0)
        close(folder);
    if (result < 0 && fd >= 0)
        close(fd);
    return result;
}

int
channel_pair(int ret_fds[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    memcpy(ret_fds, fds, sizeof(fds));
    return 0;
}

int
channel_peer(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    *ret_uid = cred.uid;
    *ret_pid = cred.pid;
    return 0;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS)];
};

int
channel_send(int fd, struct str text, const int *fds, unsigned n_fds)
{
    union control control = { .bytes = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)text.p, text.len };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c = &control.head;
    ssize_t n;

    assert(n_fds <= CHANNEL_FDS && text.len > 0 && text.len <= CHANNEL_BYTES);
    if (n_fds) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void
take_fds(struct msghdr *message, struct channel_message *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        unsigned n = c->cmsg_len > CMSG_LEN(0) ? (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > CHANNEL_FDS - m->n_fds)
            continue;
        memcpy(m->fds + m->n_fds, CMSG_DATA(c), sizeof(int) * n);
        m->n_fds += n;
    }
}

int
channel_receive(int fd, struct channel_message *ret_message)
{
    union control control;
    struct channel_message *m = ret_message;
    struct iovec iov = { m->bytes, sizeof(m->bytes) };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n;

    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    m->len = (size_t)n;
    m->n_fds = 0;
    take_fds(&message, m);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return 0;
    while (m->n_fds)
        close(m->fds[--m->n_fds]);
    return -EMSGSIZE;
}

/* --- watching ---------------------------------------------------------------------------------------------------- */

struct fd_watch {
    struct event event;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct fd_watch *w = arg;

    loop_touch(w->loop);
    w->fn(w->arg);
}

struct fd_watch *
fd_watch_new(struct loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
    struct fd_watch *w = MEM_NEW(struct fd_watch);

    assert(loop->base);
    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    event_assign(&w->event, loop->base, fd, EV_READ | EV_PERSIST, on_readable, w);
    event_add(&w->event, NULL);
    return w;
}

void
fd_watch_free(struct fd_watch *w)
{
    if (!w)
        return;
    event_del(&w->event);
    mem_free(w);
}
