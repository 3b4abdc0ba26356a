/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_CHANNEL_H
#define SEXTANT_NET_CHANNEL_H

/* Short text messages, with open descriptors, between two processes of one user on one machine: a Unix socket that keeps the
 * bounds of messages (SOCK_SEQPACKET). Addresses are paths, or "@name" for the abstract name space of Linux. */

#include <sys/types.h>

#include "proxy/base/str.h"
#include "proxy/net/loop.h"

/* Descriptors in one message: the kernel takes 253, but some C libraries fewer. */
enum { CHANNEL_FDS = 64, CHANNEL_BYTES = 1024 };

struct channel_message {
    char bytes[CHANNEL_BYTES];
    size_t len;           /* 0 and no error: the other side has closed */
    int fds[CHANNEL_FDS]; /* now the receiver's; close-on-exec */
    unsigned n_fds;
};

/* All return a descriptor or 0, or -errno. Descriptors are close-on-exec. */

/* A new socket takes the place of an old one at the path in one step, so there is always one to dial. */
int channel_listen(struct str address);
int channel_accept(int listen_fd); /* the new one does not block */
/* Waits no longer than `patience_us` for anything, now and later. -ECONNREFUSED, -ENOENT: nobody is there. */
int channel_dial(struct str address, int64_t patience_us);
int channel_pair(int ret_fds[2]); /* the first does not block, the second does */
void channel_set_patience(int fd, int64_t patience_us);
/* The user and the process at the other end; of a dialled one, who listens there. */
int channel_peer(int fd, uid_t *ret_uid, pid_t *ret_pid);

int channel_send(int fd, struct str text, const int *fds, unsigned n_fds);
/* -EMSGSIZE when a message or its descriptors did not fit: those are closed. */
int channel_receive(int fd, struct channel_message *ret_message);

/* Calls fn(arg) from the loop while there is something to read or to accept. Does not own the descriptor. */
struct fd_watch;
struct fd_watch *fd_watch_new(struct loop *loop, int fd, void (*fn)(void *arg), void *arg);
void fd_watch_free(struct fd_watch *w); /* NULL is fine; also from within fn */

#endif
