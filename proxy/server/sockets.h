/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_SOCKETS_H
#define SEXTANT_SERVER_SOCKETS_H

/* Listening sockets, grouped by address: those that this process serves, and those that it was given by the process before
 * it or by the service manager. A group of several is one address with SO_REUSEPORT, a socket a worker. Closing such a
 * socket resets what waits in its queue, so whoever takes a group serves every socket of it. */

#include "conf/topology.h"
#include "proxy/base/buf.h"

enum { LISTENERS_MAX = 16, GROUP_SOCKETS = 512, GROUPS_MAX = LISTENERS_MAX + 1, GROUP_TEXT = 128 };

struct socket_group {
    bool is_admin;
    bool is_named;         /* by the service manager: the name says what it is for, whatever its address */
    char text[GROUP_TEXT]; /* as configured by whoever opened it; empty when unknown */
    struct addr addr;      /* bound */
    uint16_t port;
    int fds[GROUP_SOCKETS];
    unsigned n;
};

struct sockets {
    struct socket_group *groups[GROUPS_MAX];
    unsigned n;
};

/* A group with nothing in it yet, at the end; NULL when there is no more room. */
struct socket_group *sockets_add(struct sockets *s, const struct addr *addr, uint16_t port);
/* The group for a configured address, taken out of the list: by name, by address and port, or, where the port was left to
 * the system, by the text it was configured with. NULL: none. mem_free() it. */
struct socket_group *sockets_find(
    struct sockets *s, const struct listen_conf *l, bool is_admin); /* stays in the list */
struct socket_group *sockets_take(struct sockets *s, const struct listen_conf *l, bool is_admin);
/* What is bound, comma-separated, for messages. */
void sockets_print(const struct sockets *s, struct buf *out);
/* Frees the groups; the descriptors stay open. */
void sockets_fini(struct sockets *s);
/* Closes the descriptors as well. Only copies: the process that listens on them goes on. */
void sockets_close(struct sockets *s);

#endif
