/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_POOL_H
#define SEXTANT_UPSTREAM_POOL_H

/* One thread's connections to one backend. Idle ones are retired before Qdrant closes them; none is opened in advance, as
 * Qdrant answers 408 to a connection that stays silent. */

#include "proxy/upstream/upstream.h"

struct exchange;

struct conn {
    LIST_ENTRY(conn) entry; /* in idle, newest first, or in busy */
    struct pool *pool;
    struct stream *stream;
    struct h1_parser *parser;
    struct exchange *exchange; /* NULL while idle */
    int64_t idle_since_us;
    int64_t since_us; /* it is established */
    unsigned served;  /* exchanges finished on it */
    unsigned slot;    /* of the cluster that it last worked for, for metrics */
};

struct pool {
    struct upstream *up;
    struct backend *backend; /* a reference */
    LIST_HEAD(, conn) idle, busy;
    unsigned n_idle;
    struct tls_memory *sessions; /* NULL until there was TLS */
};

struct pool *pool_of(struct upstream *up, struct backend *b); /* made at first use */
void pool_free(struct pool *p);
/* The newest idle connection that has been idle for at most max_idle_us, or NULL. */
struct conn *pool_take_idle(struct pool *p, int64_t max_idle_us);
/* Dial. NULL and -errno when it fails at once. */
struct conn *pool_dial(struct pool *p, int64_t user_timeout_ms, int *ret_error);
/* What TLS has to say about a connection that is established, or broke. */
void conn_tell_tls(struct conn *c);
enum fail conn_late(struct conn *c); /* what it is when it could not be established in time; logged if it was TLS's */
enum fail pool_fail_of(int error);   /* what a request meets when dialling ended with that -errno */
void conn_give_back(struct conn *c); /* to the idle list */
void conn_close(struct conn *c);
void pool_retire(struct pool *p, int64_t idle_us); /* close those idle for longer */

#endif
