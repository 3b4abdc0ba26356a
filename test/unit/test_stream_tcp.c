/* SPDX-License-Identifier: Apache-2.0
 *
 * What is particular to streams over sockets, and to those in memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/net/listener.h"
#include "proxy/net/loop_impl.h"
#include "test/unit/stream_lib.h"

static void
test_tcp_addresses(void **state)
{
    struct joined *f = *state;
    uint16_t port_a, port_b;

    assert_true(addr_eq(stream_peer(f->a, &port_b), &joined_loopback));
    assert_true(addr_eq(stream_peer(f->b, &port_a), &joined_loopback));
    assert_true(port_a != 0 && port_b != 0 && port_a != port_b);
    for (int again = 0; again < 2; again++) {
        uint16_t port;

        assert_true(addr_eq(stream_local(f->a, &port), &joined_loopback));
        assert_int_equal(port, port_a);
        assert_true(addr_eq(stream_local(f->b, &port), &joined_loopback));
        assert_int_equal(port, port_b);
    }
    assert_true(addr_eq(stream_peer(f->a, NULL), &joined_loopback));
    assert_true(addr_eq(stream_local(f->a, NULL), &joined_loopback));
    assert_true(stream_rtt_us(f->a) > 0);
    assert_true(stream_rtt_us(f->a) < USEC_PER_SEC);
}

static void
test_memory_hooks(void **state)
{
    struct joined *f = *state;
    uint16_t port = 9;

    assert_int_equal(stream_rtt_us(f->a), -1);
    assert_int_equal(stream_peer(f->a, &port)->family, 0);
    assert_int_equal(port, 0);
    stream_memory_set_peer(f->a, &joined_loopback, 77);
    assert_true(addr_eq(stream_peer(f->a, &port), &joined_loopback));
    assert_int_equal(port, 77);
    assert_int_equal(stream_local(f->a, NULL)->family, 0);

    stream_memory_stall(f->b, true);
    joined_put(f->a, "held");
    stream_shutdown(f->a);
    loop_advance(f->loop, 1);
    assert_int_equal(stream_memory_pending(f->b), 4);
    assert_int_equal(joined_get(f->b), -EAGAIN);
    f->events_b = 0;
    stream_memory_stall(f->b, false);
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), 4);
    assert_int_equal(joined_get(f->b), 0);
    assert_int_equal(stream_memory_pending(f->b), 0);

    f->events_b = 0;
    stream_memory_break(f->b, ETIMEDOUT);
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), -ETIMEDOUT);
    assert_int_equal(joined_put(f->b, "x"), -ETIMEDOUT);
}

/* What no event has told of yet is not looked for, unless one asks for it. */
static void
test_recheck(void **state)
{
    struct joined *f = *state;
    ssize_t n;

    assert_int_equal(joined_get(f->b), -EAGAIN);
    assert_int_equal(joined_put(f->a, "untold"), 6);
    assert_int_equal(joined_get(f->b), -EAGAIN);
    do
        stream_recheck(f->b);
    while ((n = joined_get(f->b)) == -EAGAIN);
    assert_int_equal(n, 6);
    stream_recheck(f->b);
    assert_int_equal(joined_get(f->b), -EAGAIN);
}

/* A write that met the end of the room waits for the event, and one that met the end of the peer finds what it left. */
static void
test_write_tells(void **state)
{
    struct joined *f = *state;
    struct iovec iov = { joined_scratch, sizeof(joined_scratch) };
    ssize_t n;

    while ((n = stream_write(f->a, &iov, 1)) == (ssize_t)sizeof(joined_scratch))
        continue;
    assert_true(n > 0 || n == -EAGAIN);
    assert_int_equal(stream_write(f->a, &iov, 1), -EAGAIN);
    joined_put(f->b, "answer");
    stream_close(&f->b); /* unread bytes: a reset */
    while ((n = stream_write(f->a, &iov, 1)) == -EAGAIN)
        joined_run_a_while(f);
    assert_int_equal(n, -ECONNRESET);
    assert_true(joined_get(f->a) != -EAGAIN);
    assert_int_equal(joined_get(f->a), -ECONNRESET);
}

/* A descriptor that is readable already gets its first event; Unix sockets do as well. */
static void
test_from_fd(void **state)
{
    struct joined *f = *state;
    int fds[2];

    stream_close(&f->b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(write(fds[0], "early", 5), 5);
    f->b = stream_from_fd(f->loop, fds[1]);
    stream_on_event(f->b, joined_on_b, f);
    f->events_b = 0;
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), 5);
    assert_int_equal(stream_peer(f->b, NULL)->family, 0);
    close(fds[0]);
    f->events_b = 0;
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), 0);
}

/* A port that nobody listens on: bound and not listening, so that nobody else gets it meanwhile. */
static void
test_connect_refused(void **state)
{
    struct joined *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&joined_loopback, 0, &sa);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    stream_close(&f->a);
    f->events_a = 0;
    f->a = stream_connect(f->loop, &joined_loopback, listen_port(fd), 0, &error);
    if (f->a) { /* the kernel may also say so at once */
        assert_false(stream_is_connected(f->a));
        assert_int_equal(joined_get(f->a), -EAGAIN);
        assert_int_equal(joined_put(f->a, "x"), -EAGAIN);
        assert_int_equal(f->events_a, 0);
        stream_on_event(f->a, joined_on_a, f);
        joined_run_until(f, joined_has_event_a);
        assert_false(stream_is_connected(f->a));
        assert_int_equal(joined_get(f->a), -ECONNREFUSED);
        assert_int_equal(joined_put(f->a, "x"), -ECONNREFUSED);
        assert_int_equal(joined_get(f->a), -ECONNREFUSED);
    } else {
        assert_int_equal(error, -ECONNREFUSED);
    }
    close(fd);
    stream_close(&f->a);
    f->a = stream_connect(f->loop, &(struct addr){ .family = 4, .bytes = { 255, 255, 255, 255 } }, 1, 0, &error);
    assert_null(f->a);
    assert_true(error == -EACCES || error == -ENETUNREACH);
}

/* Shutting down before the connection stands: done once it does. */
static void
test_shutdown_while_connecting(void **state)
{
    struct joined *f = *state;
    int fd = listen_open(&joined_loopback, 0, false), error;
    struct listener *listener = listener_new(f->loop, fd, joined_on_accept, f);

    stream_close(&f->a);
    stream_close(&f->b);
    f->events_b = 0;
    f->a = stream_connect(f->loop, &joined_loopback, listen_port(fd), 0, &error);
    assert_non_null(f->a);
    stream_on_event(f->a, joined_on_a, f);
    stream_shutdown(f->a);
    assert_int_equal(joined_put(f->a, "x"), -EPIPE);
    joined_run_until(f, joined_has_event_b);
    joined_run_a_while(f);
    assert_int_equal(joined_get(f->b), 0);
    listener_free(listener);
}

enum { CROWD = 3 * LOOP_ARRIVALS };

struct crowd {
    struct joined *f;
    struct stream *streams[CROWD];
    unsigned n_told, n_told_before_answer;
};

/* What was waited for comes while the first of many that have news is being served. */
static void
on_one_of_many(void *arg)
{
    struct crowd *crowd = arg;

    if (crowd->n_told++ == 0)
        joined_put(crowd->f->b, "answer");
    if (crowd->n_told == CROWD)
        loop_stop(crowd->f->loop);
}

static void
on_answer(void *arg)
{
    struct crowd *crowd = arg;

    if (joined_get(crowd->f->a) > 0)
        crowd->n_told_before_answer = crowd->n_told;
}

/* However many clients have news, an answer to what was begun is read after a few of them. */
static void
test_answers_before_arrivals(void **state)
{
    struct joined *f = *state;
    struct crowd crowd = { .f = f };
    int fds[CROWD][2];

    stream_on_event(f->a, on_answer, &crowd);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds[i]), 0);
        assert_int_equal(write(fds[i][0], "news", 4), 4);
        crowd.streams[i] = stream_from_fd(f->loop, fds[i][1]);
        stream_on_event(crowd.streams[i], on_one_of_many, &crowd);
    }
    timer_set(&f->deadline, 10 * USEC_PER_SEC);
    loop_run(f->loop);
    timer_clear(&f->deadline);
    assert_int_equal(crowd.n_told_before_answer, LOOP_ARRIVALS);
    for (unsigned i = 0; i < CROWD; i++) {
        stream_close(&crowd.streams[i]);
        close(fds[i][0]);
    }
}

#define TCP(test) \
    { \
        "tcp " #test, test, joined_set_up_tcp, joined_tear_down, NULL \
    }
#define MEMORY(test) \
    { \
        "memory " #test, test, joined_set_up_memory, joined_tear_down, NULL \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(test_tcp_addresses),
        TCP(test_from_fd),
        TCP(test_recheck),
        TCP(test_write_tells),
        TCP(test_connect_refused),
        TCP(test_shutdown_while_connecting),
        TCP(test_answers_before_arrivals),
        MEMORY(test_memory_hooks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
