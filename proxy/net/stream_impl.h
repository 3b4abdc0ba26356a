/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_IMPL_H
#define SEXTANT_NET_STREAM_IMPL_H

/* What kinds of streams have in common; for this folder only. */

#include "proxy/net/stream.h"

struct stream_ops {
    ssize_t (*read)(struct stream *s, void *into, size_t room);
    ssize_t (*write)(struct stream *s, const struct iovec *iov, int n);
    void (*shutdown)(struct stream *s);
    void (*close)(struct stream *s, bool abort); /* frees */
    bool (*is_connected)(const struct stream *s);
    int64_t (*rtt_us)(const struct stream *s);
};

struct stream {
    const struct stream_ops *ops;
    struct loop *loop;
    stream_event_fn *fn;
    void *arg;
    struct addr peer, local;
    uint16_t peer_port, local_port;
};

#endif
