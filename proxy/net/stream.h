/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_H
#define SEXTANT_NET_STREAM_H

/* A two-way byte stream: TCP, memory (for tests), later TLS. Belongs to its loop's thread.
 *
 * Edge-triggered: on_event() is called when the stream may have become readable, writable, connected or broken. Read until
 * -EAGAIN, write first and wait only after -EAGAIN. An event says "try again", never more. After a read that was stopped
 * early for backpressure no event is owed: call stream_read() again when there is room. on_event() is never called from
 * within another stream_ function. stream_close() may be called from within on_event(). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "proxy/base/addr.h"
#include "proxy/net/loop.h"

struct stream;

typedef void stream_event_fn(void *arg);

/* Take over a connected, non-blocking socket. */
struct stream *stream_from_fd(struct loop *loop, int fd);
/* Begin to connect. NULL and -errno in *ret_error when it fails at once. Until connected, reads and writes say -EAGAIN; a
 * failed connect shows as an event and then as the error of the next read or write (-ECONNREFUSED …). Sets TCP_NODELAY, and
 * TCP_USER_TIMEOUT when user_timeout_ms > 0. */
struct stream *stream_connect(struct loop *loop, const struct addr *to, uint16_t port, int64_t user_timeout_ms, int *ret_error);
bool stream_is_connected(const struct stream *s);
/* Two ends of a pipe in memory, each direction holding at most `capacity` bytes. */
void stream_pair(struct loop *loop, size_t capacity, struct stream **ret_a, struct stream **ret_b);

void stream_on_event(struct stream *s, stream_event_fn *fn, void *arg); /* fn NULL: events are dropped until set again */

ssize_t stream_read(struct stream *s, void *into, size_t room);  /* > 0, 0 at the end, -EAGAIN, -errno */
ssize_t stream_write(struct stream *s, const struct iovec *iov, int n); /* >= 0 bytes taken, -EAGAIN, -errno */
void stream_shutdown(struct stream *s);      /* no more writes; what was written still goes out */
void stream_close(struct stream **sp);       /* NULLs; safe on NULL */
void stream_abort(struct stream **sp);       /* closes with a reset, so that the peer cannot take it for a neat end */
const struct addr *stream_peer(const struct stream *s, uint16_t *ret_port);  /* ret_port may be NULL */
const struct addr *stream_local(const struct stream *s, uint16_t *ret_port);
/* How long the kernel thinks a round trip takes, or -1 (TCP_INFO). */
int64_t stream_rtt_us(const struct stream *s);

/* Test hooks for memory streams: fail the next reads and writes, stop one direction, tell how much waits to be read. */
void stream_memory_break(struct stream *s, int error);
size_t stream_memory_pending(const struct stream *s);

#endif
