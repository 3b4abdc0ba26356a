/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_HANDOVER_H
#define SEXTANT_SERVER_HANDOVER_H

/* Handing over to the next process, without a moment in which nobody accepts. Messages are single lines on a channel:
 *
 *      new                                      old
 *      sextant-handover 1 VERSION          →
 *                                          ←    welcome 1 VERSION PID    or    refused REASON
 *      next                                →
 *                                          ←    client|admin ADDRESS CONFIGURED   with up to 64 sockets
 *      … until                             ←    end
 *      (serves)  ready PID                 →
 *                                          ←    sealed       its last write to the state directory is on the disk
 *      (locks and reads the state)              (drains, ends with 0)
 *
 * Until "ready" the old one serves as if nothing were; whatever becomes of the new one, it goes on. From "ready" on the
 * new one needs nothing more from the old: should that be gone, its lock on the state directory is as well. */

#include <sys/types.h>

#include "conf/conf.h"
#include "proxy/net/channel.h"

#define HANDOVER_HELLO "sextant-handover"
enum { HANDOVER_PROTOCOL = 1, HANDOVER_ADDRESS = 4096 };

struct server;

/* The old side of one: there is one at a time. */
struct handover {
    int listen_fd; /* -1: nobody may ask */
    struct fd_watch *listen_watch;
    int fd; /* to the new process; -1: none */
    struct fd_watch *watch;
    struct timer patience;
    unsigned group, offset; /* what is offered next */
    bool is_greeted, has_offered, is_done;
    pid_t child; /* started by SIGUSR2; 0: none */
    pid_t child_group;
};

/* Where to ask and to be asked; empty: nowhere. */
struct str handover_address(const struct conf *conf, char text[HANDOVER_ADDRESS]);

/* Old side: handover.c. An address that cannot be had is told and costs nothing but the next restart's smoothness. */
void handover_init(struct server *s);
void handover_listen(struct server *s);
void handover_close_listener(struct server *s);
void handover_fini(struct server *s);
void handover_close(struct server *s); /* nobody is served any more; sockets that went over stay where they are */
/* SIGUSR2: start the program anew and hand over to it. */
void handover_spawn(struct server *s);
/* A signal that came to this process is meant for the one it started, too; unless systemd knows that one, or somebody else
 * passes signals on. */
void handover_pass_on(struct server *s, int signal);
void handover_on_child(struct server *s); /* SIGCHLD */

/* New side: succession.c. */
/* Ask the process before this one, if there is one, for its sockets. 0, or an exit code after saying what is in the way. */
int succession_begin(struct server *s);
bool succession_is_wanted(const struct server *s); /* does it ask at all? */
void succession_ready(
    struct server *s); /* this process serves now; calls server_on_state() when the state is its own */
void succession_fini(struct server *s);

#endif
