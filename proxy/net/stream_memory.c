/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ends of a pipe in memory, for tests of everything above: the same rules as a socket, no kernel.
 */
#include <errno.h>

#include "proxy/base/buf.h"
#include "proxy/base/mem.h"
#include "proxy/net/stream_impl.h"

struct end {
    struct stream s;
    struct end *other; /* NULL once that end is closed */
    struct buf in;     /* what the other end wrote */
    size_t capacity;
    bool in_ended, in_reset, out_ended;
    int broken;
    struct task event;
};

static struct end *
end_of(const struct stream *s)
{
    return (struct end *)(uintptr_t)s;
}

static void
on_event(void *arg)
{
    struct end *e = arg;

    if (e->s.fn)
        e->s.fn(e->s.arg);
}

static void
wake(struct end *e)
{
    if (e)
        task_schedule(e->s.loop, &e->event, on_event, e);
}

static ssize_t
memory_read(struct stream *s, void *into, size_t room)
{
    struct end *e = end_of(s);
    struct str waiting = buf_str(&e->in);

    if (e->broken)
        return e->broken;
    if (e->in_reset)
        return -ECONNRESET;
    if (waiting.len == 0)
        return e->in_ended ? 0 : -EAGAIN;
    if (room > waiting.len)
        room = waiting.len;
    memcpy(into, waiting.p, room);
    buf_consume(&e->in, room);
    wake(e->other);
    return (ssize_t)room;
}

static ssize_t
memory_write(struct stream *s, const struct iovec *iov, int n)
{
    struct end *e = end_of(s);
    size_t taken = 0;

    if (e->broken)
        return e->broken;
    if (!e->other || e->out_ended)
        return -EPIPE;
    for (int i = 0; i < n; i++) {
        size_t room = e->other->capacity - buf_len(&e->other->in);
        size_t len = iov[i].iov_len < room ? iov[i].iov_len : room;

        buf_append(&e->other->in, iov[i].iov_base, len);
        taken += len;
        if (len < iov[i].iov_len)
            break;
    }
    if (taken == 0)
        return -EAGAIN;
    wake(e->other);
    return (ssize_t)taken;
}

static void
memory_shutdown(struct stream *s)
{
    struct end *e = end_of(s);

    e->out_ended = true;
    if (e->other)
        e->other->in_ended = true;
    wake(e->other);
}

static void
memory_close(struct stream *s, bool abort)
{
    struct end *e = end_of(s);

    if (e->other) {
        e->other->other = NULL;
        e->other->in_ended = true;
        /* As with sockets: closing with unread bytes resets as well. */
        e->other->in_reset = abort || buf_len(&e->in) > 0;
        wake(e->other);
    }
    task_cancel(&e->event);
    buf_fini(&e->in);
    mem_free(e);
}

static bool
memory_is_connected(const struct stream *s)
{
    return true;
}

static int64_t
memory_rtt_us(const struct stream *s)
{
    return -1;
}

static const struct stream_ops memory_ops = { memory_read, memory_write, memory_shutdown, memory_close, memory_is_connected,
    memory_rtt_us };

static struct end *
new_end(struct loop *loop, size_t capacity)
{
    struct end *e = MEM_NEW(struct end);

    e->s.ops = &memory_ops;
    e->s.loop = loop;
    e->capacity = capacity;
    return e;
}

void
stream_pair(struct loop *loop, size_t capacity, struct stream **ret_a, struct stream **ret_b)
{
    struct end *a = new_end(loop, capacity), *b = new_end(loop, capacity);

    a->other = b;
    b->other = a;
    wake(a);
    wake(b);
    *ret_a = &a->s;
    *ret_b = &b->s;
}

void
stream_memory_break(struct stream *s, int error)
{
    end_of(s)->broken = error;
    wake(end_of(s));
}

size_t
stream_memory_pending(const struct stream *s)
{
    return buf_len(&end_of(s)->in);
}
