/* SPDX-License-Identifier: Apache-2.0
 *
 * What the loop costs by itself: moving a timer, a whole life of one, 10000 being set; a turn (wait, event, read and write of one
 * byte) beside the bare calls without a loop; a post, and the turn that it wakes.
 *   make build/test/bench/loop_bench && build/test/bench/loop_bench
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/stream.h"
#include "test/bench/bench.h"

enum { TIMERS = 10000, CALLS = 200000, TURNS = 20000 };

struct turns {
    struct loop *loop;
    struct stream *a, *b;
    struct task task;
    struct timer *timers;
    int fds[2];
    unsigned left;
};

static void
on_nothing(void *arg)
{
}

static void
set_later(void *arg, unsigned n)
{
    struct turns *t = arg;

    for (unsigned i = 0; i < n; i++)
        timer_set(&t->timers[i % TIMERS], USEC_PER_SEC + 2 * TIMERS);
}

static void
clear_and_set(void *arg, unsigned n)
{
    struct turns *t = arg;

    for (unsigned i = 0; i < n; i++) {
        timer_clear(&t->timers[0]);
        timer_set(&t->timers[0], 2 * USEC_PER_SEC);
    }
}

static void
whole_life(void *arg, unsigned n)
{
    struct turns *t = arg;

    for (unsigned i = 0; i < n; i++) {
        timer_fini(&t->timers[i % TIMERS]);
        timer_init(&t->timers[i % TIMERS], t->loop, on_nothing, NULL);
        timer_set(&t->timers[i % TIMERS], USEC_PER_SEC + INT64_C(7919) * i % USEC_PER_SEC);
    }
}

/* Runs as a task, for the loop's clock is only cached while it runs. */
static void
bench_timers(void *arg)
{
    struct turns *t = arg;

    t->timers = mem_array(TIMERS, sizeof(*t->timers));
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&t->timers[i], t->loop, on_nothing, NULL);
        timer_set(&t->timers[i], USEC_PER_SEC + i);
    }
    bench_time("loop.timer_set_later", set_later, t, CALLS);
    bench_time("loop.timer_clear_and_set", clear_and_set, t, CALLS);
    bench_time("loop.timer_whole_life", whole_life, t, CALLS);
    for (int i = 0; i < TIMERS; i++)
        timer_fini(&t->timers[i]);
    mem_free(t->timers);
    loop_stop(t->loop);
}

static void
bare(void *arg, unsigned n)
{
    struct turns *t = arg;
    char byte;

    for (unsigned i = 0; i < n; i++)
        if (write(t->fds[0], "x", 1) != 1 || read(t->fds[1], &byte, 1) != 1)
            abort();
}

/* Each turn: one event, one read, and one write that makes the next turn's event. */
static void
on_turn(void *arg)
{
    struct turns *t = arg;
    struct iovec iov = { (char[]){ "x" }, 1 };
    char byte;

    if (stream_read(t->a, &byte, 1) != 1)
        return;
    if (t->left-- == 0)
        loop_stop(t->loop);
    else
        stream_write(t->b, &iov, 1);
}

static void
turn(void *arg, unsigned n)
{
    struct turns *t = arg;
    struct iovec iov = { (char[]){ "x" }, 1 };

    t->left = n;
    stream_write(t->b, &iov, 1);
    loop_run(t->loop);
}

static void
bench_turns(struct turns *t)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t->fds) < 0)
        abort();
    bench_time("loop.bare_write_and_read", bare, t, TURNS);
    t->a = stream_from_fd(t->loop, t->fds[0]);
    t->b = stream_from_fd(t->loop, t->fds[1]);
    stream_on_event(t->a, on_turn, t);
    bench_time("loop.turn", turn, t, TURNS);
    stream_close(&t->a);
    stream_close(&t->b);
}

static void
on_post(void *arg)
{
    struct turns *t = arg;

    if (t->left-- == 0)
        loop_stop(t->loop);
    else
        loop_post(t->loop, on_post, t);
}

static void
post(void *arg, unsigned n)
{
    struct turns *t = arg;

    t->left = n;
    loop_post(t->loop, on_post, t);
    loop_run(t->loop);
}

int
main(void)
{
    struct turns t = { .loop = loop_new() };

    task_schedule(t.loop, &t.task, bench_timers, &t);
    loop_run(t.loop);
    bench_turns(&t);
    bench_time("loop.post", post, &t, TURNS);
    loop_free(t.loop);
    return 0;
}
