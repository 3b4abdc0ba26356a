/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_IMPL_H
#define SEXTANT_NET_STREAM_IMPL_H

/* How a kind of stream is made: it begins with struct stream and fills in the operations, whose contracts are those of
 * stream.h. A stream that sits on another one (TLS) owns it, sets its on_event, and passes close(), recheck() and rtt_us() down. */

#include "proxy/net/stream.h"

struct stream_ops {
    bool (*is_connected)(const struct stream *s);
    bool (*may_read)(const struct stream *s); /* false: a read would answer -EAGAIN */
    ssize_t (*read)(struct stream *s, void *into, size_t room);
    ssize_t (*write)(struct stream *s, const struct iovec *iov, int n);
    void (*recheck)(struct stream *s); /* NULL: reads always look */
    void (*shutdown)(struct stream *s);
    void (*close)(struct stream *s, bool with_reset); /* frees s; no event may come afterwards */
    const struct addr *(*peer)(const struct stream *s, uint16_t *ret_port);
    const struct addr *(*local)(struct stream *s, uint16_t *ret_port);
    int64_t (*rtt_us)(const struct stream *s);
};

struct stream {
    const struct stream_ops *ops;
    stream_event_fn *on_event;
    void *arg;
};

/* Tell the user. s may be gone when this returns. */
static inline void
stream_notify(struct stream *s)
{
    if (s->on_event)
        s->on_event(s->arg);
}

/* stream_tcp.c, for listeners: like stream_from_fd() when the peer is known already. */
struct stream *stream_from_accept(struct loop *loop, int fd, const struct sockaddr_storage *peer);

#endif
