/* SPDX-License-Identifier: Apache-2.0
 *
 * A turn of the loop: libevent waits, callbacks run, then tasks until none is left. The clock is read once when the wait
 * ends. Timers re-arm lazily: pushing a deadline further away costs a store; the kernel-facing timer fires at the old
 * time, sees that there is time left and sets itself again.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

static struct timeval
to_timeval(int64_t us)
{
    us = us > 0 ? us : 0;
    return (struct timeval){ .tv_sec = (time_t)(us / USEC_PER_SEC), .tv_usec = (suseconds_t)(us % USEC_PER_SEC) };
}

static void
update_now(struct loop *loop)
{
    loop->now_us = clock_mono_us();
}

/* --- posts from other threads ------------------------------------------------------------------------------------ */

void
loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *p = MEM_NEW(struct post);
    bool must_wake;

    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->lock);
    *loop->posts_end = p;
    loop->posts_end = &p->next;
    must_wake = !loop->is_woken && loop->wake_fd >= 0;
    loop->is_woken = true;
    pthread_mutex_unlock(&loop->lock);
    if (must_wake && eventfd_write(loop->wake_fd, 1) != 0)
        assert(errno == EAGAIN);
}

static struct post *
take_posts(struct loop *loop)
{
    struct post *list;

    pthread_mutex_lock(&loop->lock);
    list = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    loop->is_woken = false;
    pthread_mutex_unlock(&loop->lock);
    return list;
}

void
loop_run_posts(struct loop *loop)
{
    struct post *p = take_posts(loop), *next;

    for (; p; p = next) {
        next = p->next;
        p->fn(p->arg);
        mem_free(p);
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    eventfd_t value;

    update_now(loop);
    if (eventfd_read(loop->wake_fd, &value) != 0)
        assert(errno == EAGAIN);
    loop_run_posts(loop);
    loop_run_tasks(loop);
}

/* --- tasks ------------------------------------------------------------------------------------------------------- */

void
task_schedule(struct loop *loop, struct task *t, void (*fn)(void *arg), void *arg)
{
    if (t->prev)
        return;
    t->fn = fn;
    t->arg = arg;
    t->next = NULL;
    t->prev = loop->last;
    *loop->last = t;
    loop->last = &t->next;
    t->tail = &loop->last;
}

void
task_cancel(struct task *t)
{
    if (!t->prev)
        return;
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    else
        *t->tail = t->prev;
    t->prev = NULL;
    t->next = NULL;
}

void
loop_run_tasks(struct loop *loop)
{
    while (loop->first) {
        struct task *t = loop->first;

        task_cancel(t);
        t->fn(t->arg);
    }
}

/* --- the loop ---------------------------------------------------------------------------------------------------- */

static struct loop *
new_loop(void)
{
    struct loop *loop = MEM_NEW(struct loop);

    loop->last = &loop->first;
    loop->posts_end = &loop->posts;
    loop->wake_fd = -1;
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

struct loop *
loop_new(void)
{
    struct loop *loop = new_loop();
    struct event_config *config = event_config_new();

    assert(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    event_config_require_features(config, EV_FEATURE_ET);
    loop->base = event_base_new_with_config(config);
    assert(loop->base);
    event_config_free(config);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(loop->wake_fd >= 0);
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    event_add(loop->wake, NULL);
    update_now(loop);
    return loop;
}

struct loop *
loop_new_virtual(int64_t start_us)
{
    struct loop *loop = new_loop();

    loop->now_us = start_us;
    return loop;
}

void
loop_free(struct loop *loop)
{
    struct post *p, *next;

    if (!loop)
        return;
    for (p = take_posts(loop); p; p = next) {
        next = p->next;
        mem_free(p);
    }
    if (loop->base) {
        event_free(loop->wake);
        close(loop->wake_fd);
        event_base_free(loop->base);
    }
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop);
}

static void
do_stop(void *arg)
{
    struct loop *loop = arg;

    loop->is_stopped = true;
    event_base_loopbreak(loop->base);
}

void
loop_stop(struct loop *loop)
{
    loop_post(loop, do_stop, loop);
}

void
loop_run(struct loop *loop)
{
    while (!loop->is_stopped) {
        update_now(loop);
        loop_run_tasks(loop);
        if (!loop->is_stopped && event_base_loop(loop->base, EVLOOP_ONCE) < 0)
            return;
    }
}

int64_t
loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

struct fd_watch {
    struct loop *loop;
    struct event *event;
    void (*fn)(unsigned what, void *arg);
    void *arg;
    int fd;
};

static void
on_fd(evutil_socket_t fd, short what, void *arg)
{
    struct fd_watch *w = arg;
    struct loop *loop = w->loop;

    update_now(loop);
    w->fn((what & EV_READ ? (unsigned)FD_READ : 0) | (what & EV_WRITE ? (unsigned)FD_WRITE : 0), w->arg);
    loop_run_tasks(loop);
}

static short
event_flags(unsigned what)
{
    return (short)((what & FD_READ ? EV_READ : 0) | (what & FD_WRITE ? EV_WRITE : 0) | EV_PERSIST);
}

struct fd_watch *
fd_watch_new(struct loop *loop, int fd, bool edge_triggered, unsigned what, void (*fn)(unsigned what, void *arg), void *arg)
{
    struct fd_watch *w = MEM_NEW(struct fd_watch);

    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    w->fd = fd;
    w->event = event_new(loop->base, fd, (short)(event_flags(what) | (edge_triggered ? EV_ET : 0)), on_fd, w);
    assert(w->event);
    if (what)
        event_add(w->event, NULL);
    return w;
}

void
fd_watch_set(struct fd_watch *w, unsigned what)
{
    event_del(w->event);
    event_assign(w->event, w->loop->base, w->fd, event_flags(what), on_fd, w);
    if (what)
        event_add(w->event, NULL);
}

void
fd_watch_free(struct fd_watch *w)
{
    if (!w)
        return;
    event_free(w->event);
    mem_free(w);
}

/* --- timers ------------------------------------------------------------------------------------------------------ */

static void
on_timer_event(evutil_socket_t fd, short what, void *arg)
{
    struct timer *t = arg;
    struct loop *loop = t->loop;
    struct timeval tv;

    update_now(loop);
    t->armed_us = 0;
    if (t->at_us == 0)
        return;
    if (t->at_us > loop->now_us) {
        t->armed_us = t->at_us;
        tv = to_timeval(t->at_us - loop->now_us);
        event_add(t->event, &tv);
        return;
    }
    t->at_us = 0;
    t->fn(t->arg);
    loop_run_tasks(loop);
}

void
timer_init(struct timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){ .loop = loop, .fn = fn, .arg = arg };
}

void
timer_set(struct timer *t, int64_t delay_us)
{
    struct timeval tv = to_timeval(delay_us);

    t->at_us = t->loop->now_us + (delay_us > 0 ? delay_us : 0);
    if (t->at_us == 0)
        t->at_us = 1;
    if (!t->loop->base) {
        if (!t->is_listed) {
            t->next = t->loop->timers;
            t->loop->timers = t;
            t->is_listed = true;
        }
        return;
    }
    if (t->armed_us && t->armed_us <= t->at_us)
        return;
    if (!t->event)
        t->event = event_new(t->loop->base, -1, 0, on_timer_event, t);
    t->armed_us = t->at_us;
    event_add(t->event, &tv);
}

void
timer_clear(struct timer *t)
{
    t->at_us = 0;
}

void
timer_fini(struct timer *t)
{
    struct timer **at;

    timer_clear(t);
    if (t->event)
        event_free(t->event);
    t->event = NULL;
    t->armed_us = 0;
    for (at = t->is_listed ? &t->loop->timers : NULL; at && *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    t->is_listed = false;
}

/* --- virtual time ------------------------------------------------------------------------------------------------ */

static void
drain(struct loop *loop)
{
    do {
        loop_run_posts(loop);
        loop_run_tasks(loop);
    } while (loop->posts || loop->first);
}

static struct timer *
earliest(const struct loop *loop, int64_t limit_us)
{
    struct timer *best = NULL;

    for (struct timer *t = loop->timers; t; t = t->next) {
        if (t->at_us && t->at_us <= limit_us && (!best || t->at_us < best->at_us))
            best = t;
    }
    return best;
}

void
loop_advance(struct loop *loop, int64_t us)
{
    int64_t until = loop->now_us + us;
    struct timer *t;

    assert(!loop->base);
    drain(loop);
    while ((t = earliest(loop, until))) {
        if (t->at_us > loop->now_us)
            loop->now_us = t->at_us;
        t->at_us = 0;
        t->fn(t->arg);
        drain(loop);
    }
    loop->now_us = until;
    drain(loop);
}

/* --- signals ----------------------------------------------------------------------------------------------------- */

struct signal_watch {
    struct event *event;
    struct loop *loop;
    int signal;
    void (*fn)(int signal, void *arg);
    void *arg;
};

static void
on_signal(evutil_socket_t signal, short what, void *arg)
{
    struct signal_watch *w = arg;
    struct loop *loop = w->loop;

    update_now(loop);
    w->fn(w->signal, w->arg);
    loop_run_tasks(loop);
}

struct signal_watch *
signal_watch_new(struct loop *loop, int signal, void (*fn)(int signal, void *arg), void *arg)
{
    struct signal_watch *w = MEM_NEW(struct signal_watch);

    w->loop = loop;
    w->signal = signal;
    w->fn = fn;
    w->arg = arg;
    w->event = evsignal_new(loop->base, signal, on_signal, w);
    assert(w->event);
    evsignal_add(w->event, NULL);
    return w;
}

void
signal_watch_free(struct signal_watch *w)
{
    if (!w)
        return;
    event_free(w->event);
    mem_free(w);
}
