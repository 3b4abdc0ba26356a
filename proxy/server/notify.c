/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"

enum { TEXT_BYTES = 1024 };

struct notify {
    int fd;
    struct sockaddr_un to;
    socklen_t to_len;
};

struct notify *
notify_new(struct str address)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct notify *n;
    int fd;

    if (address.len == 0)
        return NULL;
    fd = address.len < sizeof(to.sun_path) ? socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0) {
        log_warning("NOTIFY_SOCKET " STR_FMT " cannot be used", STR_ARG(address));
        return NULL;
    }
    n = MEM_NEW(struct notify);
    n->fd = fd;
    n->to = to;
    memcpy(n->to.sun_path, address.p, address.len);
    if (address.p[0] == '@')
        n->to.sun_path[0] = '\0';
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + address.len);
    return n;
}

void
notify_free(struct notify *n)
{
    if (!n)
        return;
    close(n->fd);
    mem_free(n);
}

void
notify_say(struct notify *n, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    int len;

    if (!n)
        return;
    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0 || len >= (int)sizeof(text))
        return;
    if (sendto(n->fd, text, (size_t)len, MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->to_len) < 0)
        log_debug("the service manager does not listen: %s", strerrordesc_np(errno));
}
