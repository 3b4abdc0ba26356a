/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "proxy/net/loop.h"

struct probe {
    struct loop *loop;
    struct timer timer;
    struct task task;
    struct probe *other;
    int fired, limit;
    int64_t fired_us;
    char name;
    char *log;
};

static void
add_name(struct probe *p)
{
    size_t len = strlen(p->log);

    p->log[len] = p->name;
    p->log[len + 1] = '\0';
}

static void
on_fire(void *arg)
{
    struct probe *p = arg;

    p->fired++;
    p->fired_us = loop_now_us(p->loop);
    if (p->log)
        add_name(p);
}

static void
on_fire_again(void *arg)
{
    struct probe *p = arg;

    on_fire(p);
    if (p->fired < p->limit)
        timer_set(&p->timer, 10);
}

static void
on_fire_at_once(void *arg)
{
    struct probe *p = arg;

    on_fire(p);
    if (p->fired < p->limit)
        timer_set(&p->timer, 0);
}

static void
on_stop(void *arg)
{
    loop_stop(arg);
}

static struct probe
probe(struct loop *loop, char name, char *log)
{
    return (struct probe){ .loop = loop, .name = name, .log = log };
}

static void
test_virtual_order(void **state)
{
    static const struct {
        const char *name; /* letters in order of creation; delays below */
        int64_t delays[4];
        const char *order;
    } cases[] = {
        { "rising", { 10, 20, 30, 40 }, "abcd" },
        { "falling", { 40, 30, 20, 10 }, "dcba" },
        { "mixed", { 25, 5, 35, 15 }, "bdac" },
        { "none before its time", { 100, 5, 101, 99 }, "bda" },
        { "zero and negative are now", { -5, 7, 8, 9 }, "abcd" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loop *loop = loop_new_virtual(0);
        char log[16] = "";
        struct probe p[4];

        for (int k = 0; k < 4; k++) {
            p[k] = probe(loop, (char)('a' + k), log);
            timer_init(&p[k].timer, loop, on_fire, &p[k]);
            timer_set(&p[k].timer, cases[i].delays[k]);
        }
        loop_advance(loop, 100);
        assert_string_equal(log, cases[i].order);
        assert_int_equal(loop_now_us(loop), 100);
        for (int k = 0; k < 4; k++)
            timer_fini(&p[k].timer);
        loop_free(loop);
    }
}

static void
test_virtual_move_and_clear(void **state)
{
    struct loop *loop = loop_new_virtual(1000);
    struct probe p = probe(loop, 'p', NULL), q = probe(loop, 'q', NULL);

    timer_init(&p.timer, loop, on_fire, &p);
    timer_init(&q.timer, loop, on_fire_again, &q);
    timer_set(&p.timer, 50);
    loop_advance(loop, 40);
    timer_set(&p.timer, 50); /* later */
    loop_advance(loop, 49);
    assert_int_equal(p.fired, 0);
    assert_true(timer_is_set(&p.timer));
    timer_set(&p.timer, 100);
    timer_set(&p.timer, 5); /* earlier */
    loop_advance(loop, 5);
    assert_int_equal(p.fired, 1);
    assert_int_equal(p.fired_us, 1094);
    assert_false(timer_is_set(&p.timer));

    timer_set(&p.timer, 10);
    timer_clear(&p.timer);
    timer_clear(&p.timer);
    loop_advance(loop, 100);
    assert_int_equal(p.fired, 1);
    timer_set(&p.timer, 10);
    timer_clear(&p.timer);
    timer_set(&p.timer, 20); /* set again while its old place is still queued */
    loop_advance(loop, 19);
    assert_int_equal(p.fired, 1);
    loop_advance(loop, 1);
    assert_int_equal(p.fired, 2);

    q.limit = 5; /* sets itself again from its callback; each at its own time */
    timer_set(&q.timer, 10);
    loop_advance(loop, 45);
    assert_int_equal(q.fired, 4);
    loop_advance(loop, 1000);
    assert_int_equal(q.fired, 5);
    timer_fini(&p.timer);
    timer_fini(&q.timer);
    timer_fini(&q.timer);
    loop_free(loop);
}

/* Many timers moved about at random must fire in order and at their own time: the queue against a plain model. */
static void
test_virtual_many(void **state)
{
    enum { N = 200 };
    struct loop *loop = loop_new_virtual(5);
    struct probe p[N];
    int64_t want_us[N] = { 0 };
    uint32_t seed = 12345;

    for (int i = 0; i < N; i++) {
        p[i] = probe(loop, 'x', NULL);
        timer_init(&p[i].timer, loop, on_fire, &p[i]);
    }
    for (int round = 0; round < 5000; round++) {
        int i, delay;

        seed = seed * 1664525 + 1013904223;
        i = (int)(seed >> 8) % N;
        delay = 1 + (int)(seed >> 16) % 500;
        if (seed >> 29 == 0) {
            timer_clear(&p[i].timer);
            want_us[i] = 0;
        } else if (seed >> 29 == 1) {
            timer_fini(&p[i].timer);
            want_us[i] = 0;
        } else {
            timer_set(&p[i].timer, delay);
            want_us[i] = loop_now_us(loop) + delay;
        }
        loop_advance(loop, (seed >> 12) % 4);
        for (int k = 0; k < N; k++) {
            if (want_us[k] == 0 || want_us[k] > loop_now_us(loop)) {
                assert_int_equal(p[k].fired, 0);
                continue;
            }
            assert_int_equal(p[k].fired, 1);
            assert_int_equal(p[k].fired_us, want_us[k]);
            p[k].fired = 0;
            want_us[k] = 0;
        }
    }
    loop_free(loop); /* with timers set: finishing them afterwards is safe */
    for (int i = 0; i < N; i++)
        timer_fini(&p[i].timer);
}

static void
on_task_schedules_other(void *arg)
{
    struct probe *p = arg;

    on_fire(p);
    if (p->other)
        task_schedule(p->loop, &p->other->task, on_fire, p->other);
}

static void
on_task_cancels_other(void *arg)
{
    struct probe *p = arg;

    on_fire(p);
    task_cancel(&p->other->task);
}

static void
test_tasks(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    char log[16] = "";
    struct probe a = probe(loop, 'a', log), b = probe(loop, 'b', log), c = probe(loop, 'c', log);

    task_schedule(loop, &a.task, on_fire, &a);
    task_schedule(loop, &b.task, on_fire, &b);
    task_schedule(loop, &a.task, on_fire, &a); /* no effect */
    assert_string_equal(log, "");
    loop_advance(loop, 0);
    assert_string_equal(log, "ab");

    log[0] = '\0';
    a.other = &c;
    task_schedule(loop, &a.task, on_task_schedules_other, &a);
    task_schedule(loop, &b.task, on_fire, &b);
    loop_advance(loop, 0);
    assert_string_equal(log, "abc");

    log[0] = '\0';
    task_schedule(loop, &a.task, on_fire, &a);
    task_schedule(loop, &b.task, on_fire, &b);
    task_schedule(loop, &c.task, on_fire, &c);
    task_cancel(&c.task); /* the last, the first, and twice */
    task_cancel(&a.task);
    task_cancel(&a.task);
    loop_advance(loop, 0);
    assert_string_equal(log, "b");

    log[0] = '\0';
    a.other = &b; /* cancel one of the same batch */
    task_schedule(loop, &a.task, on_task_cancels_other, &a);
    task_schedule(loop, &b.task, on_fire, &b);
    task_schedule(loop, &c.task, on_fire, &c);
    loop_advance(loop, 0);
    assert_string_equal(log, "ac");

    task_schedule(loop, &a.task, on_fire, &a);
    loop_free(loop);
    task_cancel(&a.task);
    assert_string_equal(log, "ac");
}

static void
test_virtual_tasks_before_timers(void **state)
{
    struct loop *loop = loop_new_virtual(0);
    char log[16] = "";
    struct probe a = probe(loop, 'a', log), b = probe(loop, 'b', log), c = probe(loop, 'c', log);

    a.other = &b;
    timer_init(&a.timer, loop, on_task_schedules_other, &a);
    timer_init(&c.timer, loop, on_fire, &c);
    timer_set(&a.timer, 10);
    timer_set(&c.timer, 11);
    loop_post(loop, on_fire, &c);
    loop_advance(loop, 20);
    assert_string_equal(log, "cabc");
    assert_int_equal(b.fired_us, 10);
    timer_fini(&a.timer);
    timer_fini(&c.timer);
    loop_free(loop);
}

static void
test_real_timers(void **state)
{
    struct loop *loop = loop_new();
    struct timer stop;
    char log[16] = "";
    struct probe a = probe(loop, 'a', log), b = probe(loop, 'b', log), c = probe(loop, 'c', log),
                 d = probe(loop, 'd', NULL);
    int64_t start_us = clock_mono_us();

    timer_init(&stop, loop, on_stop, loop);
    timer_init(&a.timer, loop, on_fire, &a);
    timer_init(&b.timer, loop, on_fire, &b);
    timer_init(&c.timer, loop, on_fire, &c);
    timer_init(&d.timer, loop, on_fire_at_once, &d);
    timer_set(&b.timer, 20 * USEC_PER_MSEC);
    timer_set(&a.timer, 10 * USEC_PER_MSEC);
    timer_set(&c.timer, 5 * USEC_PER_MSEC);
    timer_set(&c.timer, 30 * USEC_PER_MSEC);
    timer_set(&stop, 45 * USEC_PER_MSEC);
    loop_run(loop);
    assert_string_equal(log, "abc");
    assert_true(a.fired_us >= start_us + 10 * USEC_PER_MSEC);
    assert_true(b.fired_us >= start_us + 20 * USEC_PER_MSEC);
    assert_true(c.fired_us >= start_us + 30 * USEC_PER_MSEC);

    d.limit = INT_MAX; /* a timer that is always due again does not keep others from their turn */
    timer_set(&d.timer, 0);
    task_schedule(loop, &a.task, on_fire, &a);
    timer_set(&stop, 10 * USEC_PER_MSEC);
    loop_run(loop);
    assert_true(d.fired > 0);
    assert_int_equal(a.fired, 2);
    timer_fini(&stop);
    timer_fini(&a.timer);
    timer_fini(&b.timer);
    timer_fini(&c.timer);
    timer_fini(&d.timer);
    loop_free(loop);
}

static void
on_set_sooner(void *arg)
{
    struct probe *p = arg;

    timer_set(&p->timer, USEC_PER_MSEC);
}

/* The loop has prepared for a long sleep when something sets a timer to sooner. */
static void
test_real_sooner(void **state)
{
    struct loop *loop = loop_new();
    struct probe late = probe(loop, 'l', NULL), sooner = probe(loop, 's', NULL);
    int64_t start_us = clock_mono_us();

    timer_init(&late.timer, loop, on_fire, &late);
    timer_init(&sooner.timer, loop, on_stop, loop);
    timer_set(&late.timer, 20 * USEC_PER_SEC);
    loop_post(loop, on_set_sooner, &sooner);
    loop_run(loop);
    assert_true(clock_mono_us() - start_us < 10 * USEC_PER_SEC);
    timer_fini(&late.timer);
    timer_fini(&sooner.timer);
    loop_free(loop);
}

static void
test_real_clock_outside_of_run(void **state)
{
    struct loop *loop = loop_new();
    int64_t before_us = clock_mono_us();

    assert_true(loop_now_us(loop) >= before_us);
    loop_stop(loop); /* a stop before the run ends it at once, and only that one */
    loop_run(loop);
    task_schedule(loop, &(struct task){ 0 }, on_stop, loop);
    loop_run(loop);
    loop_free(loop);
    loop_free(NULL);
}

enum { THREADS = 4, POSTS = 2000 };

struct poster {
    struct loop *loop;
    int id, sent;
    int *total;
    struct posted {
        struct poster *from;
        int number;
    } posts[POSTS];
    int seen;
};

static void
on_post(void *arg)
{
    struct posted *p = arg;

    assert_int_equal(p->number, p->from->seen);
    p->from->seen++;
    if (++*p->from->total == THREADS * POSTS)
        loop_stop(p->from->loop);
}

static void *
post_all(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < POSTS; i++) {
        p->posts[i] = (struct posted){ p, i };
        loop_post(p->loop, on_post, &p->posts[i]);
    }
    return NULL;
}

static void
test_posts_from_threads(void **state)
{
    static struct poster posters[THREADS];
    struct loop *loop = loop_new();
    pthread_t threads[THREADS];
    int total = 0;

    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ .loop = loop, .id = i, .total = &total };
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].seen, POSTS);
    }
    loop_post(loop, on_post, &posters[0].posts[0]); /* dropped */
    loop_free(loop);
    assert_int_equal(total, THREADS * POSTS);
}

struct watcher {
    struct loop *loop;
    int seen;
    struct signal_watch *watch;
};

static void
on_signal(int signal, void *arg)
{
    struct watcher *w = arg;

    assert_int_equal(signal, SIGUSR1);
    w->seen++;
    signal_watch_free(w->watch); /* from within its own callback */
    w->watch = NULL;
    loop_stop(w->loop);
}

static void
on_raise(void *arg)
{
    raise(SIGUSR1);
}

static void
test_signals(void **state)
{
    struct watcher w = { .loop = loop_new() };

    w.watch = signal_watch_new(w.loop, SIGUSR1, on_signal, &w);
    loop_post(w.loop, on_raise, NULL);
    loop_run(w.loop);
    assert_int_equal(w.seen, 1);
    loop_free(w.loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtual_order),
        cmocka_unit_test(test_virtual_move_and_clear),
        cmocka_unit_test(test_virtual_many),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_virtual_tasks_before_timers),
        cmocka_unit_test(test_real_timers),
        cmocka_unit_test(test_real_sooner),
        cmocka_unit_test(test_real_clock_outside_of_run),
        cmocka_unit_test(test_posts_from_threads),
        cmocka_unit_test(test_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
