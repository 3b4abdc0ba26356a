/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_WORKER_H
#define SEXTANT_SERVER_WORKER_H

/* One thread that accepts connections and serves them to the end. What it shares with others is in edge_shared and in
 * fleets, which are handed over by posts to its loop. */

#include <pthread.h>
#include <sys/queue.h>

#include "proxy/flow/edge.h"
#include "proxy/net/listener.h"

struct worker_door {
    SLIST_ENTRY(worker_door) entry;
    struct worker *worker;
    struct listener *listener;
    unsigned flags; /* of enum session_door */
};

struct worker {
    pthread_t thread;
    struct loop *loop;
    struct upstream *up;
    struct edge *edge;
    struct metrics *metrics;
    struct residency *residency;
    struct worker *const *all; /* of the process, this one among them; NULL: it is alone */
    unsigned n_all;
    SLIST_HEAD(, worker_door) doors; /* more than addresses when it took over the sockets of several workers */
    atomic_bool has_closed;          /* its doors, after what waited in their queues has become sessions */
};

/* Everything is made in the caller's thread; worker_start() begins to serve. */
struct worker *worker_new(struct fleet *fleet, struct edge_shared *shared, struct access_log *log, uint64_t seed);
void worker_know_all(
    struct worker *w, struct worker *const *all, unsigned n);       /* before any is started; all outlive it */
void worker_add_listener(struct worker *w, int fd, unsigned flags); /* flags: of enum session_door */
int worker_start(struct worker *w);                                 /* 0 or -errno */
void worker_join(struct worker *w);                                 /* stops it; aborts what is left */
void worker_free(struct worker *w);

/* From the control thread: */
void worker_post_fleet(struct worker *w, struct fleet *fleet);
void worker_post_fallen(struct worker *w, struct backend *b);
void worker_post_close_doors(struct worker *w); /* after what waits in their queues has been accepted */
void worker_post_close_idle(struct worker *w);  /* connections that wait for a request */
void worker_post_lag(struct worker *w);         /* measure how long it takes until the worker gets round to it */

#endif
