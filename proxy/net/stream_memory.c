/* SPDX-License-Identifier: Apache-2.0
 *
 * Two streams joined in memory, for tests. They behave as two sockets of this machine would, as strictly as the contract
 * allows: an event comes only for a change (new bytes, an end, room after a write that did not fit), always from a task;
 * bytes sent before an end or a reset are delivered before it; closing with unread bytes resets, as TCP does.
 *
 * Each end holds the bytes that wait to be read by it. `peer` is NULL once the other end is closed.
 */
#include "proxy/net/stream_impl.h"

#include <assert.h>
#include <errno.h>

#include "proxy/base/buf.h"
#include "proxy/base/mem.h"

struct memory {
    struct stream base;
    struct loop *loop;
    struct memory *peer;
    struct buf in;
    size_t capacity;
    struct task task;
    int broken;      /* errno of all reads and writes, by a test's wish */
    bool is_reset;   /* the peer aborted: an error follows the bytes */
    bool is_ended;   /* the peer sends no more: the end follows the bytes */
    bool is_shut;    /* we send no more */
    bool wants_room; /* a write did not fit */
    bool is_stalled;
    struct addr peer_addr;
    uint16_t peer_port;
};

static const struct addr nowhere;
static const struct stream_ops memory_ops;

static struct memory *
memory_of(struct stream *s)
{
    assert(s->ops == &memory_ops);
    return (struct memory *)(void *)s;
}

static const struct memory *
const_memory_of(const struct stream *s)
{
    assert(s->ops == &memory_ops);
    return (const struct memory *)(const void *)s;
}

static void
on_task(void *arg)
{
    struct memory *m = arg;

    stream_notify(&m->base);
}

static void
wake(struct memory *m)
{
    task_schedule(m->loop, &m->task, on_task, m);
}

static bool
memory_is_connected(const struct stream *s)
{
    return true;
}

static bool
memory_may_read(const struct stream *s)
{
    const struct memory *m = const_memory_of(s);

    return m->broken || (!m->is_stalled && (buf_len(&m->in) || m->is_reset || m->is_ended));
}

static ssize_t
memory_read(struct stream *s, void *into, size_t room)
{
    struct memory *m = memory_of(s);
    struct str in = buf_str(&m->in);

    if (m->broken)
        return -m->broken;
    if (!memory_may_read(s))
        return -EAGAIN;
    if (in.len == 0)
        return m->is_reset ? -ECONNRESET : 0;
    if (in.len > room)
        in.len = room;
    memcpy(into, in.p, in.len);
    buf_consume(&m->in, in.len);
    if (m->peer && m->peer->wants_room) {
        m->peer->wants_room = false;
        wake(m->peer);
    }
    return (ssize_t)in.len;
}

/* Why a write cannot even be tried, or 0. */
static int
write_error(const struct memory *m)
{
    if (m->broken)
        return m->broken;
    if (m->is_reset)
        return ECONNRESET;
    return m->is_shut || !m->peer ? EPIPE : 0;
}

static ssize_t
memory_write(struct stream *s, const struct iovec *iov, int n)
{
    struct memory *m = memory_of(s);
    int error = write_error(m);
    size_t taken = 0, room;

    if (error)
        return -error;
    room = m->capacity - buf_len(&m->peer->in);
    for (int i = 0; i < n && !m->wants_room; i++) {
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;

        buf_append(&m->peer->in, iov[i].iov_base, part);
        taken += part;
        room -= part;
        m->wants_room = part < iov[i].iov_len;
    }
    if (taken == 0)
        return m->wants_room ? -EAGAIN : 0;
    wake(m->peer);
    return (ssize_t)taken;
}

static void
memory_shutdown(struct stream *s)
{
    struct memory *m = memory_of(s);

    if (m->is_shut)
        return;
    m->is_shut = true;
    if (m->peer) {
        m->peer->is_ended = true;
        wake(m->peer);
    }
}

static void
memory_close(struct stream *s, bool with_reset)
{
    struct memory *m = memory_of(s);

    if (m->peer) {
        if (with_reset || buf_len(&m->in))
            m->peer->is_reset = true;
        m->peer->is_ended = true;
        m->peer->peer = NULL;
        wake(m->peer);
    }
    task_cancel(&m->task);
    buf_fini(&m->in);
    mem_free(m);
}

static const struct addr *
memory_peer(const struct stream *s, uint16_t *ret_port)
{
    const struct memory *m = const_memory_of(s);

    if (ret_port)
        *ret_port = m->peer_port;
    return &m->peer_addr;
}

static const struct addr *
memory_local(struct stream *s, uint16_t *ret_port)
{
    if (ret_port)
        *ret_port = 0;
    return &nowhere;
}

static int64_t
memory_rtt_us(const struct stream *s)
{
    return -1;
}

static const struct stream_ops memory_ops = {
    .is_connected = memory_is_connected,
    .may_read = memory_may_read,
    .read = memory_read,
    .write = memory_write,
    .shutdown = memory_shutdown,
    .close = memory_close,
    .peer = memory_peer,
    .local = memory_local,
    .rtt_us = memory_rtt_us,
};

static struct memory *
memory_new(struct loop *loop, size_t capacity)
{
    struct memory *m = MEM_NEW(struct memory);

    m->base.ops = &memory_ops;
    m->loop = loop;
    m->capacity = capacity;
    wake(m);
    return m;
}

void
stream_pair(struct loop *loop, size_t capacity, struct stream **ret_a, struct stream **ret_b)
{
    struct memory *a = memory_new(loop, capacity), *b = memory_new(loop, capacity);

    assert(capacity > 0);
    a->peer = b;
    b->peer = a;
    *ret_a = &a->base;
    *ret_b = &b->base;
}

void
stream_memory_break(struct stream *s, int error)
{
    struct memory *m = memory_of(s);

    m->broken = error;
    wake(m);
}

void
stream_memory_stall(struct stream *s, bool stalled)
{
    struct memory *m = memory_of(s);

    m->is_stalled = stalled;
    if (!stalled)
        wake(m);
}

size_t
stream_memory_pending(const struct stream *s)
{
    return buf_len(&const_memory_of(s)->in);
}

void
stream_memory_set_peer(struct stream *s, const struct addr *peer, uint16_t port)
{
    struct memory *m = memory_of(s);

    m->peer_addr = *peer;
    m->peer_port = port;
}
