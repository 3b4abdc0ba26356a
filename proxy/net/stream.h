/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_H
#define SEXTANT_NET_STREAM_H

/* A two-way byte stream: TCP, memory (for tests), later TLS. Belongs to its loop's thread.
 *
 * Edge-triggered: on_event() is called when the stream may have become readable, writable, connected or broken; a new
 * stream gets one too, as it may be readable already. Read until -EAGAIN, write first and wait only after -EAGAIN. An event
 * says "try again", never more. After a read that was stopped early for backpressure no event is owed: call stream_read()
 * again when there is room. on_event() is never called from within another stream_ function. stream_close() may be called
 * from within on_event(). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "proxy/base/addr.h"
#include "proxy/base/buf.h"
#include "proxy/net/loop.h"

#define STREAM_IOV_MAX 1024

struct stream;

typedef void stream_event_fn(void *arg);

/* Take over a connected, non-blocking socket. */
struct stream *stream_from_fd(struct loop *loop, int fd);
/* Begin to connect. NULL and -errno in *ret_error when it fails at once. Until connected, reads and writes say -EAGAIN; a
 * failed connect shows as an event and then as the error of the next read or write (-ECONNREFUSED …). Sets TCP_NODELAY,
 * keep-alive probes, and TCP_USER_TIMEOUT when user_timeout_ms > 0. */
struct stream *stream_connect(
    struct loop *loop, const struct addr *to, uint16_t port, int64_t user_timeout_ms, int *ret_error);
bool stream_is_connected(const struct stream *s); /* has it ever been; stays true when the connection breaks */
/* Two ends of a pipe in memory, each direction holding at most `capacity` bytes. Both are connected at once. */
void stream_pair(struct loop *loop, size_t capacity, struct stream **ret_a, struct stream **ret_b);

/* fn NULL: events are dropped until set again. None is made up for: after setting it again, try first. */
void stream_on_event(struct stream *s, stream_event_fn *fn, void *arg);

/* > 0, 0 at the neat end, -EAGAIN, -errno. room > 0. Bytes that came before a reset are delivered before its error. A
 * connection that broke never reads as ended, whichever call met the error first. */
ssize_t stream_read(struct stream *s, void *into, size_t room);
/* False when a read would answer -EAGAIN as things stand, for whom even that costs something. */
bool stream_may_read(const struct stream *s);
/* Bytes taken, -EAGAIN, -errno; -EPIPE after the peer has stopped listening (what it sent may still be readable). Taking
 * fewer than offered means that it is full now and that an event follows, so there is no need to ask twice.
 * n <= STREAM_IOV_MAX. */
ssize_t stream_write(struct stream *s, const struct iovec *iov, int n);
/* Write `queued`, which is consumed, and then `more` from where it lies, as far as the stream takes them now; it took
 * *ret_taken bytes of `more`. 0, or -errno, which is never -EAGAIN. */
int stream_send(struct stream *s, struct buf *queued, struct str more, size_t *ret_taken);
/* Reads may go by what events have told. The next one will look, after this: for whoever is about to close and must not miss
 * what came meanwhile, and for whoever read a part of what it waits for, as a reset that came together with that part makes
 * no event of its own. */
void stream_recheck(struct stream *s);
void stream_shutdown(struct stream *s); /* no more writes; what was written still goes out */
void stream_close(struct stream **sp);  /* NULLs; safe on NULL */
void stream_abort(struct stream **sp);  /* closes with a reset, so that the peer cannot take it for a neat end */
const struct addr *stream_peer(const struct stream *s, uint16_t *ret_port); /* ret_port may be NULL */
const struct addr *stream_local(struct stream *s, uint16_t *ret_port);
/* How long the kernel thinks a round trip takes, or -1 (TCP_INFO). */
int64_t stream_rtt_us(const struct stream *s);

/* Test hooks for memory streams. */
void stream_memory_break(struct stream *s, int error);    /* fail all further reads and writes of s with -error */
void stream_memory_stall(struct stream *s, bool stalled); /* what the peer sends is held back from s meanwhile */
size_t stream_memory_pending(const struct stream *s);     /* bytes that s could read */
void stream_memory_set_peer(struct stream *s, const struct addr *peer, uint16_t port);

#endif
