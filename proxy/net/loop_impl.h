/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_LOOP_IMPL_H
#define SEXTANT_NET_LOOP_IMPL_H

/* The inside of a loop, for the files of this folder. */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proxy/net/loop.h"

enum { LOOP_ARRIVALS = 16 }; /* in a turn */

struct post {
    void (*fn)(void *arg);
    void *arg;
    struct post *next;
};

struct loop {
    struct event_base *base; /* NULL in a virtual loop */
    int64_t now_us;
    bool is_fresh; /* now_us was read in this turn */
    bool is_running;

    struct timer **heap; /* 1-based, by key_us; slot 0 is not used */
    size_t n_timers, heap_room;
    struct event tick; /* wakes the loop for the first timer */
    int64_t tick_us;   /* when tick fires; INT64_MAX when it is not armed */

    struct task tasks;    /* head of a ring */
    struct task arrivals; /* the same */

    struct event wake;
    int wake_fd; /* -1 in a virtual loop */
    atomic_bool is_stopping;
    struct {
        pthread_mutex_t lock;
        struct post *first, **end;
    } shared;
};

/* Every callback from libevent calls this first, so that the clock is read once a turn and never for nothing. */
static inline void
loop_touch(struct loop *loop)
{
    if (loop->is_fresh)
        return;
    loop->now_us = clock_mono_us();
    loop->is_fresh = true;
}

/* loop.c: the parts that both kinds of loop share. */
void loop_init(struct loop *loop, int64_t now_us);
bool loop_run_tasks(struct loop *loop); /* those scheduled before the call; false when there were none */
bool loop_run_posts(struct loop *loop);
/* Run fn(arg) once, after the arrivals that came before it. No effect while it waits; task_cancel() takes it back. */
void loop_add_arrival(struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg);

/* loop_timer.c */
int64_t timers_next_us(const struct loop *loop); /* nothing fires before; INT64_MAX when nothing is queued */
/* Fire one timer that is due at `until_us`, with the clock moved up to its time. False when none is. */
bool timers_fire_one(struct loop *loop, int64_t until_us);
void timers_forget(struct loop *loop);

#endif
