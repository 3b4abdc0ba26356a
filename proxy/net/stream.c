/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of any kind: calls go to the operations of the kind. Closing forgets the callback first, so that whatever a kind
 * does on its way out cannot reach a user who is gone.
 */
#include "proxy/net/stream_impl.h"

#include <assert.h>
#include <errno.h>

bool
stream_is_connected(const struct stream *s)
{
    return s->ops->is_connected(s);
}

void
stream_on_event(struct stream *s, stream_event_fn *fn, void *arg)
{
    s->on_event = fn;
    s->arg = arg;
}

bool
stream_may_read(const struct stream *s)
{
    return s->ops->may_read(s);
}

ssize_t
stream_read(struct stream *s, void *into, size_t room)
{
    assert(room > 0);
    return s->ops->read(s, into, room);
}

ssize_t
stream_write(struct stream *s, const struct iovec *iov, int n)
{
    assert(n >= 0 && n <= STREAM_IOV_MAX);
    return s->ops->write(s, iov, n);
}

int
stream_send(struct stream *s, struct buf *queued, struct str more, size_t *ret_taken)
{
    *ret_taken = 0;
    while (buf_len(queued) || more.len) {
        struct str first = buf_str(queued);
        struct iovec iov[2] = { { (void *)(uintptr_t)first.p, first.len }, { (void *)(uintptr_t)more.p, more.len } };
        ssize_t n = first.len ? stream_write(s, iov, more.len ? 2 : 1) : stream_write(s, iov + 1, 1);
        size_t of_first;

        if (n < 0)
            return n == -EAGAIN ? 0 : (int)n;
        of_first = (size_t)n < first.len ? (size_t)n : first.len;
        if (first.len)
            buf_consume(queued, of_first);
        more = str_skip(more, (size_t)n - of_first);
        *ret_taken += (size_t)n - of_first;
    }
    return 0;
}

void
stream_recheck(struct stream *s)
{
    if (s->ops->recheck)
        s->ops->recheck(s);
}

void
stream_shutdown(struct stream *s)
{
    s->ops->shutdown(s);
}

static void
end(struct stream **sp, bool with_reset)
{
    struct stream *s = *sp;

    *sp = NULL;
    if (!s)
        return;
    s->on_event = NULL;
    s->ops->close(s, with_reset);
}

void
stream_close(struct stream **sp)
{
    end(sp, false);
}

void
stream_abort(struct stream **sp)
{
    end(sp, true);
}

const struct addr *
stream_peer(const struct stream *s, uint16_t *ret_port)
{
    return s->ops->peer(s, ret_port);
}

const struct addr *
stream_local(struct stream *s, uint16_t *ret_port)
{
    return s->ops->local(s, ret_port);
}

int64_t
stream_rtt_us(const struct stream *s)
{
    return s->ops->rtt_us(s);
}
