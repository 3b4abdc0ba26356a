/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_FLOW_FLOW_LIB_H
#define SEXTANT_TEST_FLOW_FLOW_LIB_H

/* One edge in one process: virtual clock, clients and endpoints as ends of memory streams. Nothing is read, sent or moved
 * but by the functions below. Clients are made at their first use, from 192.0.2.N (Germany) or an address that is given. */

#include "proxy/flow/edge.h"

enum { FLOW_CLIENTS = 8, FLOW_DIALS = 64, FLOW_CAPACITY = 64 * 1024, FLOW_ENV = 32 };

struct end {                       /* the test's side of a connection */
    const struct backend *backend; /* NULL: a client */
    struct stream *stream;
    struct buf got; /* read and not yet looked at */
    bool has_ended; /* neatly */
    int error;      /* -errno of a read; 0 none */
    bool is_paused; /* what is sent to it stays where it is */
};

struct flow {
    struct loop *loop;
    struct world *world;
    struct registry *registry;
    struct fleet *fleet;
    struct metrics *metrics;
    struct residency *residency;
    struct upstream *up;
    struct edge *edge;
    struct edge_shared shared;
    struct end clients[FLOW_CLIENTS];
    struct end dials[FLOW_DIALS]; /* in order of time */
    unsigned n_dials;
    bool is_refused[BACKENDS_MAX];
    struct backend *fallen[16];
    unsigned n_fallen;
    struct holds *holds;
};

/* NAME=VALUE lines that go before the usual ones of flow_lib.c, NULL at the end. */
void flow_init(struct flow *f, const char *const *env);
void flow_fini(struct flow *f);

struct backend *flow_backend(const struct flow *f, struct str name); /* "eu/1"; NULL when there is none */
/* "drain eu", "down eu/1", "up eu": what the server does when an operator says so. */
void flow_hold(struct flow *f, struct str order);
/* "eu/1": the newest connection to it, "eu/1#2": its second; NULL when there is none. */
struct end *flow_dial(struct flow *f, struct str name);
unsigned flow_dials(const struct flow *f, struct str name);
struct end *flow_client(struct flow *f, unsigned number, const struct addr *given); /* family 0: its own */

void end_send(struct flow *f, struct end *e, struct str bytes); /* everything, or fails the test when nobody reads */
void end_close(struct end *e, bool with_reset);
void flow_settle(struct flow *f); /* until nothing moves at this instant; all ends read what came, but paused ones */
void flow_wait(struct flow *f, int64_t us);

/* An answer taken off the front of what a client got. */
struct reply {
    int status;
    struct buf head, body; /* the head from its status line to its last field, the body without chunk framing */
};
/* False when no whole answer is there. `no_body`: the request was HEAD. */
bool reply_take(struct end *client, bool no_body, struct reply *ret);
struct str reply_field(const struct reply *r, const char *name); /* name in lower case; STR_NONE when absent */
void reply_fini(struct reply *r);

bool flow_contains(struct str text, struct str part, size_t *ret_after);

#endif
