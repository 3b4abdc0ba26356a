/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_LOOP_H
#define SEXTANT_NET_LOOP_H

/* One event loop per thread, over libevent (used in this folder only). Everything here belongs to the loop's thread, but
 * loop_post() and loop_stop(), which any thread may call. A virtual loop has no descriptors and a clock that a test moves. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/base/clock.h"

struct loop;

struct loop *loop_new(void);
struct loop *loop_new_virtual(int64_t start_us);
/* Drops posts and tasks that did not run, and clears timers; those may be cancelled and finished afterwards. NULL is fine.
 * Streams, listeners, resolvers and watches must be gone. */
void loop_free(struct loop *loop);
/* Run what is scheduled and posted until nothing is left, without waiting for anything: before owners of tasks are freed. */
void loop_settle(struct loop *loop);
void loop_run(struct loop *loop);  /* until loop_stop(); a stop that came before makes it return at once */
void loop_stop(struct loop *loop); /* the running turn is finished first */
/* Virtual: run all that is due, move the clock by `us`, timers firing in order of time. Also drains posts and tasks. */
void loop_advance(struct loop *loop, int64_t us);

/* Monotonic; read once per turn of the loop, so it costs nothing and may lag by a turn. */
int64_t loop_now_us(const struct loop *loop);

/* A timer lives inside its owner. Fires once per timer_set(), from the loop only: never before its time, and up to some
 * milliseconds after it, as the kernel's coarse clock wakes a loop that sleeps. Setting again moves it; clearing is always
 * safe. Setting to a later time and clearing cost nothing (see loop_timer.c). Timers of the same instant fire in no promised
 * order. The callback may finish the timer and free its owner. */
struct timer {
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    int64_t at_us;  /* 0 when not set */
    int64_t key_us; /* of the loop: place in its queue, at_us or earlier */
    size_t slot;    /* of the loop: 0 when not queued */
};
void timer_init(struct timer *t, struct loop *loop, void (*fn)(void *arg), void *arg);
void timer_set(struct timer *t, int64_t delay_us); /* 0 or less: in the next turn */
void timer_clear(struct timer *t);
void timer_fini(struct timer *t); /* clears, and leaves the loop's queue: its memory may go */

static inline bool
timer_is_set(const struct timer *t)
{
    return t->at_us != 0;
}

/* A task lives inside its owner and runs once, soon, from the loop, not from within task_schedule(). Zeroed before its first
 * use. It may schedule itself again and may free its owner. */
struct task {
    void (*fn)(void *arg);
    void *arg;
    struct task *next, **prev; /* set while scheduled */
};
void task_schedule(
    struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg); /* again while scheduled: no effect */
void task_cancel(struct task *t);

/* Run fn(arg) on the loop's thread. Posts from one thread keep their order. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Signals, on the control loop only. */
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *loop, int signal, void (*fn)(int signal, void *arg), void *arg);
void signal_watch_free(struct signal_watch *w);

#endif
