/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of any kind: calls go to the operations of the kind. Closing forgets the callback first, so that whatever a kind
 * does on its way out cannot reach a user who is gone.
 */
#include "proxy/net/stream_impl.h"

#include <assert.h>

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
