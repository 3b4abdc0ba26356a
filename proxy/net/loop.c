/* SPDX-License-Identifier: Apache-2.0
 *
 * The real loop: libevent waits for descriptors, everything else happens here. One turn:
 *
 *      wait (not at all when work is left) → callbacks of descriptors → some arrivals → timers due → tasks, and those that
 *      they schedule
 *
 * 1. The clock is read at most once a turn, in the first callback after the wait.
 * 2. Timers set during a turn wait for the next one. Tasks are run in few rounds: enough for a request to go from the socket
 *    that it came from to the one that it leaves by (see ROUNDS), and so few that descriptors are never starved.
 * 3. News of connections that others opened are arrivals: a turn takes up so many of them and no more. So what is under way
 *    goes on before more is begun, however many clients there are; what waits does so in the kernel's buffers, and what is
 *    at work is little enough to stay in the caches. A turn is short, and so is the time that an answer waits to be read.
 * 4. libevent is used without its locks: other threads touch only `shared`, `is_stopping` and the wake-up descriptor.
 */
#include "proxy/net/loop_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/base/mem.h"

/* A request is sent by the second task after it was read: its leg begins, its exchange sends. */
enum { ROUNDS = 2 };

void
loop_init(struct loop *loop, int64_t now_us)
{
    loop->now_us = now_us;
    loop->tick_us = INT64_MAX;
    loop->wake_fd = -1;
    loop->tasks.next = &loop->tasks;
    loop->tasks.prev = &loop->tasks.next;
    loop->arrivals.next = &loop->arrivals;
    loop->arrivals.prev = &loop->arrivals.next;
    loop->shared.end = &loop->shared.first;
    pthread_mutex_init(&loop->shared.lock, NULL);
}

static struct event_base *
base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    assert(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_require_features(config, EV_FEATURE_ET);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    loop_touch(loop);
    loop->tick_us = INT64_MAX; /* timers run at the end of the turn */
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;

    loop_touch(loop);
    if (read(loop->wake_fd, &count, sizeof(count)) < 0)
        assert(errno == EAGAIN || errno == EINTR);
    loop_run_posts(loop);
}

struct loop *
loop_new(void)
{
    struct loop *loop = MEM_NEW(struct loop);

    loop_init(loop, clock_mono_us());
    loop->base = base_new();
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || loop->wake_fd < 0)
        abort(); /* a thread without a loop can do nothing: no descriptors left at the start of the process */
    event_assign(&loop->tick, loop->base, -1, 0, on_tick, loop);
    event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    event_add(&loop->wake, NULL);
    return loop;
}

void
loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->tasks.next != &loop->tasks)
        task_cancel(loop->tasks.next);
    while (loop->shared.first) {
        struct post *p = loop->shared.first;

        loop->shared.first = p->next;
        mem_free(p);
    }
    timers_forget(loop);
    if (loop->base) {
        event_del(&loop->tick);
        event_del(&loop->wake);
        event_base_free(loop->base);
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->shared.lock);
    mem_free(loop);
}

/* Must the next turn not wait? Else see to it that the wait ends when the first timer is due. */
static bool
is_work_left(struct loop *loop)
{
    int64_t next_us = timers_next_us(loop), wait_us = next_us - loop->now_us;
    struct timeval tv;

    if (loop->tasks.next != &loop->tasks || loop->arrivals.next != &loop->arrivals || wait_us <= 0)
        return true;
    if (next_us >= loop->tick_us)
        return false;
    tv = (struct timeval){ .tv_sec = wait_us / USEC_PER_SEC, .tv_usec = wait_us % USEC_PER_SEC };
    event_add(&loop->tick, &tv);
    loop->tick_us = next_us;
    return false;
}

static void
run_timers(struct loop *loop)
{
    for (size_t n = loop->n_timers; n > 0 && timers_fire_one(loop, loop->now_us); n--)
        ;
}

static void
run_arrivals(struct loop *loop)
{
    for (unsigned i = 0; i < LOOP_ARRIVALS && loop->arrivals.next != &loop->arrivals; i++) {
        struct task *t = loop->arrivals.next;

        task_cancel(t);
        t->fn(t->arg);
    }
}

void
loop_run(struct loop *loop)
{
    assert(loop->base && !loop->is_running);
    loop->is_fresh = false;
    loop_touch(loop);
    loop->is_running = true;
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_acquire)) {
        int flags = is_work_left(loop) ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE;

        loop->is_fresh = false;
        event_base_loop(loop->base, flags);
        loop_touch(loop);
        run_arrivals(loop);
        run_timers(loop);
        for (int round = 0; round < ROUNDS && loop_run_tasks(loop); round++)
            ;
    }
    loop->is_running = false;
    atomic_store_explicit(&loop->is_stopping, false, memory_order_relaxed);
}

static void
wake_up(struct loop *loop)
{
    uint64_t one = 1;

    if (loop->wake_fd >= 0 && write(loop->wake_fd, &one, sizeof(one)) < 0)
        assert(errno == EAGAIN || errno == EINTR); /* EAGAIN: it is awake already */
}

void
loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->is_stopping, true, memory_order_release);
    wake_up(loop);
}

int64_t
loop_now_us(const struct loop *loop)
{
    return loop->is_running ? loop->now_us : clock_mono_us();
}

void
loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *p = MEM_NEW(struct post);
    bool was_empty;

    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->shared.lock);
    was_empty = loop->shared.first == NULL;
    *loop->shared.end = p;
    loop->shared.end = &p->next;
    pthread_mutex_unlock(&loop->shared.lock);
    if (was_empty)
        wake_up(loop);
}

bool
loop_run_posts(struct loop *loop)
{
    struct post *p, *next;

    pthread_mutex_lock(&loop->shared.lock);
    p = loop->shared.first;
    loop->shared.first = NULL;
    loop->shared.end = &loop->shared.first;
    pthread_mutex_unlock(&loop->shared.lock);
    if (!p)
        return false;
    for (; p; p = next) {
        next = p->next;
        p->fn(p->arg);
        mem_free(p);
    }
    return true;
}

static void
append(struct task *ring, struct task *t, void (*fn)(void *arg), void *arg)
{
    if (t->prev)
        return;
    t->fn = fn;
    t->arg = arg;
    t->next = ring;
    t->prev = ring->prev;
    *t->prev = t;
    ring->prev = &t->next;
}

void
task_schedule(struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg)
{
    append(&loop->tasks, t, fn, arg);
}

void
loop_add_arrival(struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg)
{
    append(&loop->arrivals, t, fn, arg);
}

void
task_cancel(struct task *t)
{
    if (!t->prev)
        return;
    *t->prev = t->next;
    t->next->prev = t->prev;
    t->next = NULL;
    t->prev = NULL;
}

bool
loop_run_tasks(struct loop *loop)
{
    struct task batch;

    if (loop->tasks.next == &loop->tasks)
        return false;
    batch = loop->tasks;
    batch.next->prev = &batch.next;
    *batch.prev = &batch;
    loop->tasks.next = &loop->tasks;
    loop->tasks.prev = &loop->tasks.next;
    while (batch.next != &batch) {
        struct task *t = batch.next;

        task_cancel(t);
        t->fn(t->arg);
    }
    return true;
}

void
loop_settle(struct loop *loop)
{
    while (loop_run_posts(loop) || loop_run_tasks(loop))
        continue;
}
