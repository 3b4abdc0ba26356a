/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_TLS_H
#define SEXTANT_NET_STREAM_TLS_H

/* TLS on top of another stream, with the contract of stream.h: connected once the handshake is complete, which it makes by
 * itself. A handshake that fails shows as an event and as the error of the next read or write: -EKEYREJECTED when the other
 * side's certificate was not accepted, -EPROTO for what else TLS has to say, or the error of the connection below. A peer
 * that ends the connection without saying so in TLS has broken it: -ECONNRESET, never an end. */

#include <stdatomic.h>

#include "proxy/base/tls_reason.h"
#include "proxy/net/stream.h"
#include "proxy/net/tls.h"

/* One thread's TLS. Handshakes of a turn of the loop are stopped after 2 ms of work and go on in the next turn; those of
 * clients beyond the limit wait. */
struct tls_work;
struct tls_count {         /* one for the process */
    atomic_uint in_flight; /* handshakes of clients that have begun */
};
struct tls_work *tls_work_new(struct loop *loop, struct tls_count *count);
void tls_work_free(struct tls_work *w); /* its streams must be closed; NULL is fine */
void tls_work_set_limit(struct tls_work *w, unsigned limit);

/* Sessions of one endpoint, so that the next connection to it is made with less work. Belongs to one thread. */
struct tls_memory;
struct tls_memory *tls_memory_new(void);
void tls_memory_free(struct tls_memory *m); /* NULL is fine */

/* Both take over the stream below. `early` was read from it before (copied). */
struct stream *stream_tls_accept(struct tls_work *w, struct tls_server *server, struct stream *below, struct str early);
/* `host`: name or address of the URL, which the certificate must be for unless the rules name another. */
struct stream *stream_tls_connect(
    struct tls_work *w, struct tls_client *client, struct str host, struct stream *below, struct tls_memory *memory);

struct tls_facts {
    bool has_begun; /* the first byte came, or the connection below stands */
    bool is_resumed;
    enum tls_reason failure;
    const char *error;   /* what went wrong, in words; "" when nothing did */
    const char *subject; /* of the client's certificate that was checked, RFC 2253; "" without one */
    const char *version, *cipher;
};
/* NULL for streams of another kind. Texts live as long as the stream. */
const struct tls_facts *stream_tls_facts(const struct stream *s);
/* Give the stream below back; s is closed. For answering a peer that did not speak TLS. */
struct stream *stream_tls_unwrap(struct stream **sp);

#endif
