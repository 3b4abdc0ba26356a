/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers of both kinds of loop, so that tests on a virtual clock run the code that serves.
 *
 * A request sets and clears its timers several times, nearly always to a later time than before. So a timer keeps its place
 * in the queue (a binary heap by key_us) when it is moved later or cleared, and is put right when its old time comes:
 * both are a store. libevent has one timer event for the whole queue.
 *
 * Invariants: a set timer is queued, and key_us <= at_us. A queued timer may be cleared (at_us 0). heap[t->slot] == t.
 */
#include "proxy/net/loop_impl.h"

#include <assert.h>

#include "proxy/base/mem.h"

static void
place(struct loop *loop, size_t slot, struct timer *t)
{
    loop->heap[slot] = t;
    t->slot = slot;
}

static void
sift_up(struct loop *loop, struct timer *t)
{
    size_t slot = t->slot;

    while (slot > 1 && loop->heap[slot / 2]->key_us > t->key_us) {
        place(loop, slot, loop->heap[slot / 2]);
        slot /= 2;
    }
    place(loop, slot, t);
}

static void
sift_down(struct loop *loop, struct timer *t)
{
    size_t slot = t->slot, child;

    while ((child = slot * 2) <= loop->n_timers) {
        if (child < loop->n_timers && loop->heap[child + 1]->key_us < loop->heap[child]->key_us)
            child++;
        if (loop->heap[child]->key_us >= t->key_us)
            break;
        place(loop, slot, loop->heap[child]);
        slot = child;
    }
    place(loop, slot, t);
}

static void
enqueue(struct loop *loop, struct timer *t)
{
    if (loop->n_timers + 1 >= loop->heap_room) {
        loop->heap_room = loop->heap_room ? loop->heap_room * 2 : 64;
        loop->heap = mem_grow(loop->heap, loop->heap_room * sizeof(struct timer *));
    }
    t->slot = ++loop->n_timers;
    sift_up(loop, t);
}

static void
dequeue(struct loop *loop, struct timer *t)
{
    struct timer *last = loop->heap[loop->n_timers--];

    if (last != t) {
        last->slot = t->slot;
        sift_up(loop, last);
        sift_down(loop, last);
    }
    t->slot = 0;
}

void
timer_init(struct timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){ .loop = loop, .fn = fn, .arg = arg };
}

void
timer_set(struct timer *t, int64_t delay_us)
{
    int64_t now = loop_now_us(t->loop);
    int64_t at = delay_us <= 0 ? now : delay_us < INT64_MAX - now ? now + delay_us : INT64_MAX - 1;

    t->at_us = at > 0 ? at : 1; /* a virtual clock may start at 0, which means not set */
    if (!t->slot) {
        t->key_us = t->at_us;
        enqueue(t->loop, t);
    } else if (t->at_us < t->key_us) {
        t->key_us = t->at_us;
        sift_up(t->loop, t);
    }
}

void
timer_clear(struct timer *t)
{
    t->at_us = 0;
}

void
timer_fini(struct timer *t)
{
    t->at_us = 0;
    if (t->slot)
        dequeue(t->loop, t);
}

int64_t
timers_next_us(const struct loop *loop)
{
    return loop->n_timers ? loop->heap[1]->key_us : INT64_MAX;
}

bool
timers_fire_one(struct loop *loop, int64_t until_us)
{
    while (timers_next_us(loop) <= until_us) {
        struct timer *t = loop->heap[1];

        if (t->at_us > t->key_us) {
            t->key_us = t->at_us;
            sift_down(loop, t);
            continue;
        }
        dequeue(loop, t);
        if (t->at_us == 0)
            continue;
        if (t->at_us > loop->now_us)
            loop->now_us = t->at_us;
        t->at_us = 0;
        t->fn(t->arg);
        return true;
    }
    return false;
}

void
timers_forget(struct loop *loop)
{
    for (size_t slot = 1; slot <= loop->n_timers; slot++) {
        loop->heap[slot]->at_us = 0;
        loop->heap[slot]->slot = 0;
    }
    mem_free(loop->heap);
}
