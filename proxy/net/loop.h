/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_LOOP_H
#define SEXTANT_NET_LOOP_H

/* One event loop per thread, over libevent (used in this folder only). Everything here belongs to the loop's thread, but
 * loop_post() and loop_stop(), which any thread may call. A virtual loop has no descriptors and a clock that a test moves. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/clock.h"

struct loop;

struct loop *loop_new(void);
struct loop *loop_new_virtual(int64_t start_us);
void loop_free(struct loop *loop); /* drops posts and tasks that did not run */
void loop_run(struct loop *loop);  /* until loop_stop() */
void loop_stop(struct loop *loop);
/* Virtual: run all that is due, move the clock by `us`, timers firing in order of time. Also drains posts and tasks. */
void loop_advance(struct loop *loop, int64_t us);

/* Monotonic; read once per turn of the loop, so it costs nothing and may lag by a turn. */
int64_t loop_now_us(const struct loop *loop);

/* A timer lives inside its owner. Fires once per timer_set(); setting again moves it; clearing is always safe. */
struct timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    void *event;   /* libevent's, or NULL */
    int64_t at_us;    /* 0 when not set */
    int64_t armed_us; /* when libevent's fires; at or before at_us */
    struct timer *next; /* virtual loops */
    bool is_listed;
};
void timer_init(struct timer *t, struct loop *loop, void (*fn)(void *arg), void *arg);
void timer_set(struct timer *t, int64_t delay_us);
void timer_clear(struct timer *t);
void timer_fini(struct timer *t); /* clears, and releases what is inside */

/* A task lives inside its owner and runs once, soon, from the loop, not from within task_schedule(). */
struct task {
    void (*fn)(void *arg);
    void *arg;
    struct task *next, **prev, ***tail; /* set while scheduled */
};
void task_schedule(struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg); /* again while scheduled: no effect */
void task_cancel(struct task *t);

/* Run fn(arg) on the loop's thread. Posts from one thread keep their order. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Signals, on the control loop only. */
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *loop, int signal, void (*fn)(int signal, void *arg), void *arg);
void signal_watch_free(struct signal_watch *w);

#endif
