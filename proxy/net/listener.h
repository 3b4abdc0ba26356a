/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_LISTENER_H
#define SEXTANT_NET_LISTENER_H

/* Accepting connections. Each worker has a listener of its own on the same address (SO_REUSEPORT). */

#include "proxy/net/stream.h"

struct listener;

/* Bind and listen; IPv6 sockets also take IPv4 only for "::". Accepted sockets have TCP_NODELAY. Returns a descriptor or
 * -errno. Port 0 picks one: read it back with listen_port(). To give several workers the same port 0, open once, read the
 * port, and open the rest with it. */
int listen_open(const struct addr *addr, uint16_t port, bool reuse_port);
uint16_t listen_port(int fd);

typedef void listener_fn(void *arg, struct stream *s); /* ownership of s moves to the callee */

struct listener *listener_new(struct loop *loop, int fd, listener_fn *fn, void *arg); /* takes over fd */
/* All three may be called from within the callback. */
void listener_pause(struct listener *l); /* connections wait in the kernel's queue */
void listener_resume(struct listener *l);
void listener_free(struct listener *l); /* NULL is fine */
/* Accept all that waits in the kernel's queue: closing resets it. Not from within the callback. */
void listener_drain(struct listener *l);
/* Out of descriptors or memory: accepting pauses by itself until there are some again, asked every 100 ms. fn(arg, errno) is
 * told when that begins, fn(arg, 0) when connections are accepted again or the listener goes; rest(arg) with each pause of
 * 100 ms, to free something. Both or neither. */
void listener_on_trouble(struct listener *l, void (*fn)(void *arg, int error), void (*rest)(void *arg), void *arg);
/* Being out of descriptors begins when only so many are left for others (an eighth of the limit at most). */
void listener_keep_free(struct listener *l, unsigned n);

#endif
