/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_LOOP_IMPL_H
#define SEXTANT_NET_LOOP_IMPL_H

/* Inside of a loop; for this folder only. */

#include <pthread.h>

#include "proxy/net/loop.h"

struct event_base;
struct event;

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base; /* NULL: virtual */
    struct event *wake;
    int wake_fd;
    bool is_stopped;
    int64_t now_us;
    struct task *first, **last; /* scheduled tasks, in order */
    struct timer *timers;       /* virtual: unordered list */
    pthread_mutex_t lock;
    struct post *posts, **posts_end; /* _locked */
    bool is_woken;              /* _locked */
};

/* Watch a descriptor, edge-triggered, for as long as the watch lives. */
struct fd_watch;
enum fd_events { FD_READ = 1, FD_WRITE = 2 };
struct fd_watch *fd_watch_new(struct loop *loop, int fd, bool edge_triggered, unsigned what, void (*fn)(unsigned what, void *arg),
    void *arg);
void fd_watch_set(struct fd_watch *w, unsigned what); /* level-triggered ones only */
void fd_watch_free(struct fd_watch *w);

void loop_run_tasks(struct loop *loop);
void loop_run_posts(struct loop *loop);

#endif
