/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>

#include "test/unit/stream_lib.h"

static void
test_exchange(void **state)
{
    struct joined *f = *state;
    struct iovec iov[3] = { { (char[]){ "ab" }, 2 }, { NULL, 0 }, { (char[]){ "cde" }, 3 } };

    assert_int_equal(joined_get(f->b), -EAGAIN);
    assert_int_equal(stream_write(f->a, iov, 3), 5);
    assert_int_equal(f->events_b, 0); /* never from within a call */
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), 5);
    assert_memory_equal(joined_scratch, "abcde", 5);
    assert_int_equal(joined_get(f->b), -EAGAIN);
    assert_int_equal(joined_put(f->b, "xyz"), 3);
    joined_run_until(f, joined_has_event_a);
    assert_int_equal(stream_read(f->a, joined_scratch, 2), 2);
    assert_int_equal(stream_read(f->a, joined_scratch, 2), 1);
    assert_int_equal(stream_read(f->a, joined_scratch, 2), -EAGAIN);
}

static size_t
fill(struct stream *s)
{
    struct iovec iov = { joined_scratch, sizeof(joined_scratch) };
    size_t total = 0;
    ssize_t n;

    while ((n = stream_write(s, &iov, 1)) > 0)
        total += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    return total;
}

static size_t
drain(struct stream *s)
{
    size_t total = 0;
    ssize_t n;

    while ((n = joined_get(s)) > 0)
        total += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    return total;
}

/* An event comes for a change only: unread bytes are told once. */
static void
test_edges(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "one");
    joined_run_until(f, joined_has_event_b);
    f->events_b = 0;
    joined_run_a_while(f);
    assert_int_equal(f->events_b, 0);
    joined_put(f->a, "two");
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(drain(f->b), 6); /* records stay apart */
    f->events_a = f->events_b = 0;
    joined_run_a_while(f);
    assert_int_equal(f->events_a + f->events_b, 0);
    stream_on_event(f->b, NULL, NULL); /* dropped */
    joined_put(f->a, "three");
    joined_run_a_while(f);
    stream_on_event(f->b, joined_on_b, f);
    joined_run_a_while(f);
    assert_int_equal(f->events_b, 0);
    assert_int_equal(joined_get(f->b), 5);
}

static void
test_backpressure(void **state)
{
    struct joined *f = *state;
    size_t sent = fill(f->a), received = 0;

    if (!f->is_tcp)
        assert_int_equal(sent, 1000);
    joined_run_a_while(f);
    for (int round = 0; round < 5; round++) {
        sent += fill(f->a);
        f->events_a = f->events_b = 0;
        while (!f->events_a) {
            received += drain(f->b);
            joined_run_a_while(f);
        }
        assert_true(f->events_a > 0); /* room again */
        sent += fill(f->a);
    }
    while (received < sent) {
        received += drain(f->b);
        joined_run_a_while(f);
    }
    assert_int_equal(received, sent);
}

static void
test_half_close(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "last");
    stream_shutdown(f->a);
    stream_shutdown(f->a);
    assert_int_equal(joined_put(f->a, "more"), -EPIPE);
    joined_run_until(f, joined_has_event_b);
    joined_run_a_while(f);
    assert_int_equal(joined_get(f->b), 4);
    assert_int_equal(joined_get(f->b), 0);
    assert_int_equal(joined_get(f->b), 0);                /* and stays so */
    assert_int_equal(joined_put(f->b, "still here"), 10); /* the other direction lives on */
    joined_run_until(f, joined_has_event_a);
    assert_int_equal(joined_get(f->a), 10);
    assert_int_equal(joined_get(f->a), -EAGAIN);
    stream_close(&f->b);
    assert_null(f->b);
    f->events_a = 0;
    joined_run_until(f, joined_has_event_a);
    assert_int_equal(joined_get(f->a), 0);
}

static void
test_neat_close(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "bye");
    stream_close(&f->a);
    stream_close(&f->a);
    joined_run_until(f, joined_has_event_b);
    joined_run_a_while(f);
    assert_int_equal(joined_get(f->b), 3);
    assert_int_equal(joined_get(f->b), 0);
    joined_put(f->b, "into the void"); /* TCP learns of it by the answer to this */
    joined_run_a_while(f);
    assert_int_equal(joined_put(f->b, "again"), -EPIPE);
    assert_int_equal(joined_get(f->b), 0);
}

static void
test_abort(void **state)
{
    struct joined *f = *state;

    stream_abort(&f->a);
    assert_null(f->a);
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
    assert_int_equal(joined_get(f->b), -ECONNRESET); /* the kernel would now say: end */
    assert_int_equal(joined_put(f->b, "x"), -ECONNRESET);
}

/* A reset that is told together with the bytes before it shows when one asks whether that was all. */
static void
test_abort_with_bytes(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "half an ans");
    stream_abort(&f->a);
    joined_run_until(f, joined_has_event_b);
    joined_run_a_while(f);
    assert_int_equal(joined_get(f->b), 11);
    stream_recheck(f->b);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
}

/* The bytes before a reset are delivered, and a write that meets it first does not make it a neat end. */
static void
test_abort_met_by_write(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "half an ans");
    joined_run_until(f, joined_has_event_b);
    stream_abort(&f->a);
    f->events_b = 0;
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_put(f->b, "x"), -ECONNRESET);
    assert_int_equal(joined_get(f->b), 11);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
    assert_int_equal(joined_put(f->b, "x"), -ECONNRESET);
}

/* Closing with unread bytes is a reset too. */
static void
test_close_with_unread(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "never read");
    joined_run_until(f, joined_has_event_b);
    f->events_a = 0;
    stream_close(&f->b);
    joined_run_until(f, joined_has_event_a);
    assert_int_equal(joined_get(f->a), -ECONNRESET);
}

/* Both ends have an event in the same turn; the first to be told closes both. */
static void
on_close_both(void *arg)
{
    struct joined *f = arg;

    f->events_a++;
    stream_close(&f->a);
    stream_close(&f->b);
}

static void
test_close_inside_event(void **state)
{
    struct joined *f = *state;

    joined_put(f->a, "x");
    joined_put(f->b, "y");
    if (f->is_tcp) { /* both have arrived before the loop looks */
        joined_run_a_while(f);
        joined_put(f->a, "x");
        joined_put(f->b, "y");
    }
    f->events_a = 0;
    stream_on_event(f->a, on_close_both, f);
    stream_on_event(f->b, on_close_both, f);
    joined_run_a_while(f);
    assert_int_equal(f->events_a, 1);
    assert_null(f->a);
    assert_null(f->b);
}

#define TCP(test) \
    { \
        "tcp " #test, test, joined_set_up_tcp, joined_tear_down, NULL \
    }
#define TLS(test) \
    { \
        "tls " #test, test, joined_set_up_tls, joined_tear_down, NULL \
    }
#define MEMORY(test) \
    { \
        "memory " #test, test, joined_set_up_memory, joined_tear_down, NULL \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(test_exchange),
        TLS(test_exchange),
        MEMORY(test_exchange),
        TCP(test_edges),
        TLS(test_edges),
        MEMORY(test_edges),
        TCP(test_backpressure),
        TLS(test_backpressure),
        MEMORY(test_backpressure),
        TCP(test_half_close),
        TLS(test_half_close),
        MEMORY(test_half_close),
        TCP(test_neat_close),
        TLS(test_neat_close),
        MEMORY(test_neat_close),
        TCP(test_abort),
        TLS(test_abort),
        MEMORY(test_abort),
        TCP(test_abort_with_bytes),
        TLS(test_abort_with_bytes),
        MEMORY(test_abort_with_bytes),
        TCP(test_abort_met_by_write),
        TLS(test_abort_met_by_write),
        MEMORY(test_abort_met_by_write),
        TCP(test_close_with_unread),
        MEMORY(test_close_with_unread),
        TCP(test_close_inside_event),
        TLS(test_close_inside_event),
        MEMORY(test_close_inside_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
