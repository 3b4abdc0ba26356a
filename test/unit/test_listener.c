/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/net/listener.h"

enum { CLIENTS = 200 };

struct fixture {
    struct loop *loop;
    struct timer deadline;
    struct listener *listener;
    uint16_t port;
    int clients[CLIENTS], n_clients;
    struct stream *streams[CLIENTS];
    int n_streams, want;
    int troubles, trouble_error, ends, rests;
    bool goes_on; /* the shortage does not end with the first rest */
    rlim_t limit_was;
    int64_t trouble_us, accepted_us;
};

static const struct addr loopback = { .family = 4, .bytes = { 127, 0, 0, 1 } };
static const struct addr any6 = { .family = 6 };
static const struct addr loopback6 = { .family = 6, .bytes = { [15] = 1 } };

static void
on_deadline(void *arg)
{
    fail_msg("nothing happened for 10 s");
}

static void
on_accept(void *arg, struct stream *s)
{
    struct fixture *f = arg;

    f->accepted_us = loop_now_us(f->loop);
    f->streams[f->n_streams++] = s;
    if (f->n_streams == f->want)
        loop_stop(f->loop);
}

static void
begin(struct fixture *f, const struct addr *at, listener_fn *fn)
{
    int fd = listen_open(at, 0, false);

    *f = (struct fixture){ .loop = loop_new() };
    assert_true(fd >= 0);
    f->port = listen_port(fd);
    assert_true(f->port > 0);
    timer_init(&f->deadline, f->loop, on_deadline, f);
    timer_set(&f->deadline, 10 * USEC_PER_SEC);
    f->listener = listener_new(f->loop, fd, fn, f);
}

static void
finish(struct fixture *f)
{
    for (int i = 0; i < f->n_streams; i++)
        stream_close(&f->streams[i]);
    for (int i = 0; i < f->n_clients; i++)
        close(f->clients[i]);
    listener_free(f->listener);
    timer_fini(&f->deadline);
    loop_free(f->loop);
}

/* 0 or errno. On loopback a connection stands as soon as it is in the listener's queue. */
static int
dial(struct fixture *f, const struct addr *to)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(to, f->port, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
        int error = errno;

        close(fd);
        return error;
    }
    f->clients[f->n_clients++] = fd;
    return 0;
}

static void
on_stop(void *arg)
{
    loop_stop(arg);
}

static void
run_a_while(struct fixture *f)
{
    struct timer stop;

    timer_init(&stop, f->loop, on_stop, f->loop);
    timer_set(&stop, 20 * USEC_PER_MSEC);
    loop_run(f->loop);
    timer_fini(&stop);
}

/* More than one turn takes. */
static void
test_many(void **state)
{
    struct fixture f;

    begin(&f, &loopback, on_accept);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(dial(&f, &loopback), 0);
    f.want = CLIENTS;
    loop_run(f.loop);
    assert_int_equal(f.n_streams, CLIENTS);
    assert_true(addr_eq(stream_peer(f.streams[0], NULL), &loopback));
    finish(&f);
}

static void
count_turn(void *arg)
{
    struct fixture *f = arg;

    f->want = f->n_streams; /* what the first turn accepted */
    loop_stop(f->loop);
}

static void
test_bound_per_turn(void **state)
{
    struct fixture f;
    struct task task = { 0 };

    begin(&f, &loopback, on_accept);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(dial(&f, &loopback), 0);
    f.want = -1;
    task_schedule(f.loop, &task, count_turn, &f);
    loop_run(f.loop);
    assert_int_equal(f.want, 64);
    finish(&f);
}

static void
test_pause(void **state)
{
    struct fixture f;

    begin(&f, &loopback, on_accept);
    listener_pause(f.listener);
    listener_pause(f.listener);
    assert_int_equal(dial(&f, &loopback), 0);
    run_a_while(&f);
    assert_int_equal(f.n_streams, 0);
    f.want = 1;
    listener_resume(f.listener);
    loop_run(f.loop);
    assert_int_equal(f.n_streams, 1);
    finish(&f);
}

static void
on_accept_pause(void *arg, struct stream *s)
{
    struct fixture *f = arg;

    on_accept(f, s);
    listener_pause(f->listener);
}

static void
on_accept_free(void *arg, struct stream *s)
{
    struct fixture *f = arg;

    on_accept(f, s);
    listener_free(f->listener);
    f->listener = NULL;
}

/* Pausing and freeing from within the callback hold at once, with more connections waiting. */
static void
test_end_in_callback(void **state)
{
    static listener_fn *const fns[] = { on_accept_pause, on_accept_free };

    for (int i = 0; i < 2; i++) {
        struct fixture f;

        begin(&f, &loopback, fns[i]);
        for (int k = 0; k < 3; k++)
            assert_int_equal(dial(&f, &loopback), 0);
        run_a_while(&f);
        assert_int_equal(f.n_streams, 1);
        finish(&f);
    }
}

static void
on_rest(void *arg)
{
    struct fixture *f = arg;

    f->rests++;
}

static void
on_trouble(void *arg, int error)
{
    struct fixture *f = arg;
    struct rlimit limit;

    if (error == 0) {
        f->ends++;
        return;
    }
    f->troubles++;
    f->trouble_error = error;
    f->trouble_us = loop_now_us(f->loop);
    if (f->goes_on)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = f->limit_was; /* the shortage ends */
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void
test_out_of_descriptors(void **state)
{
    struct fixture f;
    struct rlimit limit;
    int last;

    begin(&f, &loopback, on_accept);
    listener_on_trouble(f.listener, on_trouble, on_rest, &f);
    assert_int_equal(dial(&f, &loopback), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    f.limit_was = limit.rlim_cur;
    last = dup(0); /* the lowest free number is the first that is forbidden */
    assert_true(last >= 0);
    close(last);
    limit.rlim_cur = (rlim_t)last;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    f.want = 1;
    loop_run(f.loop);
    assert_int_equal(f.troubles, 1);
    assert_int_equal(f.trouble_error, EMFILE);
    assert_int_equal(f.n_streams, 1);
    assert_true(f.accepted_us - f.trouble_us >= 100 * USEC_PER_MSEC);
    finish(&f);
}

static void
test_keeps_descriptors_free_for_others(void **state)
{
    struct fixture f;
    struct rlimit limit;
    int next, n = 0;

    begin(&f, &loopback, on_accept);
    listener_on_trouble(f.listener, on_trouble, on_rest, &f);
    getrlimit(RLIMIT_NOFILE, &limit);
    f.limit_was = limit.rlim_cur;
    f.goes_on = true;
    for (int i = 0; i < 4; i++)
        assert_int_equal(dial(&f, &loopback), 0);
    while ((next = dup(0)) < 40) /* an eighth of so many is more than three */
        f.clients[f.n_clients++] = next;
    close(next);
    limit.rlim_cur = (rlim_t)next + 5; /* room for two, with three kept free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    listener_keep_free(f.listener, 3);
    f.want = 2;
    loop_run(f.loop);
    loop_settle(f.loop);
    assert_int_equal(f.n_streams, 2);
    for (int fd; (fd = dup(0)) >= 0; n++)
        f.clients[f.n_clients++] = fd;
    assert_int_equal(n, 3);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ f.limit_was, limit.rlim_max });
    listener_keep_free(f.listener, 3);
    f.want = 4;
    loop_run(f.loop);
    assert_int_equal(f.troubles, 1);
    finish(&f);
    assert_int_equal(f.ends, 1);
}

static void
test_families(void **state)
{
    struct fixture f;

    begin(&f, &any6, on_accept); /* both */
    assert_int_equal(dial(&f, &loopback), 0);
    assert_int_equal(dial(&f, &loopback6), 0);
    f.want = 2;
    loop_run(f.loop);
    assert_int_equal(stream_peer(f.streams[0], NULL)->family, 4); /* mapped comes out as IPv4 */
    assert_int_equal(stream_peer(f.streams[1], NULL)->family, 6);
    finish(&f);

    begin(&f, &loopback6, on_accept);
    assert_int_equal(dial(&f, &loopback6), 0);
    assert_int_equal(dial(&f, &loopback), ECONNREFUSED);
    finish(&f);

    for (int is_any = 0; is_any < 2; is_any++) {
        int fd = listen_open(is_any ? &any6 : &loopback6, 0, false), v6_only = -1;
        socklen_t len = sizeof(v6_only);

        assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &len), 0);
        assert_int_equal(v6_only, !is_any);
        close(fd);
    }
}

static void
test_open(void **state)
{
    static const struct addr elsewhere = { .family = 4, .bytes = { 192, 0, 2, 1 } };
    int a = listen_open(&loopback, 0, true), b, accepted, on = 0;
    struct fixture f = { .port = listen_port(a) };
    socklen_t len = sizeof(on);

    assert_true(a >= 0);
    b = listen_open(&loopback, listen_port(a), true); /* another worker */
    assert_true(b >= 0);
    assert_int_equal(listen_open(&loopback, listen_port(a), false), -EADDRINUSE);
    assert_int_equal(listen_open(&elsewhere, 0, false), -EADDRNOTAVAIL);
    close(b);
    assert_int_equal(dial(&f, &loopback), 0);
    accepted = accept(a, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    close(accepted);
    close(f.clients[0]);
    close(a);
    assert_int_equal(listen_port(-1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_bound_per_turn),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_end_in_callback),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_keeps_descriptors_free_for_others),
        cmocka_unit_test(test_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
