/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "proxy/net/stream_impl.h"

void
stream_on_event(struct stream *s, stream_event_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

ssize_t
stream_read(struct stream *s, void *into, size_t room)
{
    return s->ops->read(s, into, room);
}

ssize_t
stream_write(struct stream *s, const struct iovec *iov, int n)
{
    return s->ops->write(s, iov, n);
}

void
stream_shutdown(struct stream *s)
{
    s->ops->shutdown(s);
}

static void
end(struct stream **sp, bool abort)
{
    struct stream *s = *sp;

    *sp = NULL;
    if (s)
        s->ops->close(s, abort);
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

bool
stream_is_connected(const struct stream *s)
{
    return s->ops->is_connected(s);
}

int64_t
stream_rtt_us(const struct stream *s)
{
    return s->ops->rtt_us(s);
}

const struct addr *
stream_peer(const struct stream *s, uint16_t *ret_port)
{
    if (ret_port)
        *ret_port = s->peer_port;
    return &s->peer;
}

const struct addr *
stream_local(const struct stream *s, uint16_t *ret_port)
{
    if (ret_port)
        *ret_port = s->local_port;
    return &s->local;
}
