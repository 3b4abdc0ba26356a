/* SPDX-License-Identifier: Apache-2.0
 *
 * What the loop costs by itself: moving a timer, a whole life of one among many, a turn with one readable descriptor, a post.
 *   make build/test/bench/loop_bench && build/test/bench/loop_bench
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/stream.h"

enum { TIMERS = 10000, ROUNDS = 2000000, TURNS = 300000 };

struct turns {
    struct loop *loop;
    struct stream *a, *b;
    struct task task;
    int64_t start_us, took_us;
    int left;
};

static void
report(const char *what, int64_t took_us, int n)
{
    printf("%-58s %8.1f ns\n", what, (double)took_us * 1000 / n);
}

static void
on_nothing(void *arg)
{
}

/* Runs as a task, for the loop's clock is only cached while it runs. */
static void
bench_timers(void *arg)
{
    struct turns *t = arg;
    struct timer *timers = mem_array(TIMERS, sizeof(*timers));
    int64_t start_us;

    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], t->loop, on_nothing, NULL);
        timer_set(&timers[i], USEC_PER_SEC + i);
    }
    start_us = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        timer_set(&timers[i % TIMERS], USEC_PER_SEC + 2 * TIMERS);
    report("timer_set, to later, 10000 set", clock_mono_us() - start_us, ROUNDS);
    start_us = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        timer_clear(&timers[0]);
        timer_set(&timers[0], 2 * USEC_PER_SEC);
    }
    report("timer_clear and timer_set, the same one", clock_mono_us() - start_us, ROUNDS);
    start_us = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        timer_fini(&timers[i % TIMERS]);
        timer_init(&timers[i % TIMERS], t->loop, on_nothing, NULL);
        timer_set(&timers[i % TIMERS], USEC_PER_SEC + INT64_C(7919) * i % USEC_PER_SEC);
    }
    report("timer_init, timer_set and timer_fini, 10000 set", clock_mono_us() - start_us, ROUNDS);
    for (int i = 0; i < TIMERS; i++)
        timer_fini(&timers[i]);
    mem_free(timers);
    loop_stop(t->loop);
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
    if (t->left-- == 0) {
        t->took_us = clock_mono_us() - t->start_us;
        loop_stop(t->loop);
        return;
    }
    stream_write(t->b, &iov, 1);
}

static void
bench_turns(struct turns *t)
{
    struct iovec iov = { (char[]){ "x" }, 1 };
    char byte;
    int64_t start_us;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return;
    start_us = clock_mono_us();
    for (int i = 0; i < TURNS; i++)
        if (write(fds[0], "x", 1) != 1 || read(fds[1], &byte, 1) != 1)
            return;
    report("bare write and read of one byte, no loop", clock_mono_us() - start_us, TURNS);
    t->a = stream_from_fd(t->loop, fds[0]);
    t->b = stream_from_fd(t->loop, fds[1]);
    stream_on_event(t->a, on_turn, t);
    t->left = TURNS;
    t->start_us = clock_mono_us();
    stream_write(t->b, &iov, 1);
    loop_run(t->loop);
    report("a turn: wait, event, read and write of one byte", t->took_us, TURNS);
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

int
main(void)
{
    struct turns t = { .loop = loop_new() };

    task_schedule(t.loop, &t.task, bench_timers, &t);
    loop_run(t.loop);
    bench_turns(&t);
    t.left = TURNS;
    t.start_us = clock_mono_us();
    loop_post(t.loop, on_post, &t);
    loop_run(t.loop);
    report("a post, and the turn that it wakes", clock_mono_us() - t.start_us, TURNS);
    loop_free(t.loop);
    return 0;
}
