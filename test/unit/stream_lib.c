/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/net/listener.h"
#include "test/unit/stream_lib.h"
#include "test/unit/tls_lib.h"

const struct addr joined_loopback = { .family = 4, .bytes = { 127, 0, 0, 1 } };

static void
on_deadline(void *arg)
{
    fail_msg("nothing happened for 10 s");
}

static void
check_done(struct joined *f)
{
    if (f->is_tcp && f->is_done && f->is_done(f))
        loop_stop(f->loop);
}

void
joined_on_a(void *arg)
{
    struct joined *f = arg;

    f->events_a++;
    check_done(f);
}

void
joined_on_b(void *arg)
{
    struct joined *f = arg;

    f->events_b++;
    check_done(f);
}

/* Let events happen until is_done() says so (looked at after each event). */
void
joined_run_until(struct joined *f, bool (*is_done)(struct joined *f))
{
    if (is_done(f))
        return;
    if (!f->is_tcp) {
        loop_advance(f->loop, 1);
        assert_true(is_done(f));
        return;
    }
    f->is_done = is_done;
    timer_set(&f->deadline, 10 * USEC_PER_SEC);
    loop_run(f->loop);
    timer_clear(&f->deadline);
    f->is_done = NULL;
}

static void
on_stop(void *arg)
{
    loop_stop(arg);
}

/* Whatever the kernel has to tell by now is told. */
void
joined_run_a_while(struct joined *f)
{
    struct timer stop;

    if (!f->is_tcp) {
        loop_advance(f->loop, 1);
        return;
    }
    timer_init(&stop, f->loop, on_stop, f->loop);
    timer_set(&stop, 20 * USEC_PER_MSEC);
    loop_run(f->loop);
    timer_fini(&stop);
}

bool
joined_has_both_events(struct joined *f)
{
    return f->events_a && f->events_b;
}

bool
joined_has_event_a(struct joined *f)
{
    return f->events_a;
}

bool
joined_has_event_b(struct joined *f)
{
    return f->events_b;
}

void
joined_on_accept(void *arg, struct stream *s)
{
    struct joined *f = arg;

    f->b = f->tls ? stream_tls_accept(f->tls->work, f->tls->server, s, STR_NONE) : s;
    stream_on_event(f->b, joined_on_b, f);
}

static void
join_tcp(struct joined *f)
{
    int fd = listen_open(&joined_loopback, 0, false), error;
    uint16_t port = listen_port(fd);
    struct listener *listener;

    assert_true(fd >= 0);
    listener = listener_new(f->loop, fd, joined_on_accept, f);
    f->a = stream_connect(f->loop, &joined_loopback, port, 2000, &error);
    assert_non_null(f->a);
    if (f->tls)
        f->a = stream_tls_connect(f->tls->work, f->tls->client, STR("edge.test"), f->a, f->tls->memory);
    stream_on_event(f->a, joined_on_a, f);
    joined_run_until(f, joined_has_both_events);
    listener_free(listener);
}

static struct joined *
join(bool is_tcp, bool is_tls)
{
    struct joined *f = MEM_NEW(struct joined);

    f->is_tcp = is_tcp;
    f->loop = is_tcp ? loop_new() : loop_new_virtual(0);
    f->tls = is_tls ? tls_fixture_new(f->loop) : NULL;
    timer_init(&f->deadline, f->loop, on_deadline, f);
    if (is_tcp) {
        join_tcp(f);
    } else {
        stream_pair(f->loop, 1000, &f->a, &f->b);
        stream_on_event(f->a, joined_on_a, f);
        stream_on_event(f->b, joined_on_b, f);
        assert_int_equal(f->events_a + f->events_b, 0);
        joined_run_until(f, joined_has_both_events); /* the first event of each */
    }
    assert_true(stream_is_connected(f->a));
    assert_true(stream_is_connected(f->b));
    f->events_a = f->events_b = 0;
    return f;
}

int
joined_set_up_tcp(void **state)
{
    *state = join(true, false);
    return 0;
}

int
joined_set_up_tls(void **state)
{
    *state = join(true, true);
    return 0;
}

int
joined_set_up_memory(void **state)
{
    *state = join(false, false);
    return 0;
}

int
joined_tear_down(void **state)
{
    struct joined *f = *state;

    stream_close(&f->a);
    stream_close(&f->b);
    tls_fixture_free(f->tls);
    timer_fini(&f->deadline);
    loop_free(f->loop);
    mem_free(f);
    return 0;
}

ssize_t
joined_put(struct stream *s, const char *text)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };

    return stream_write(s, &iov, 1);
}

char joined_scratch[1 << 16];

ssize_t
joined_get(struct stream *s)
{
    return stream_read(s, joined_scratch, sizeof(joined_scratch));
}
