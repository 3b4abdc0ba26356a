/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_TRANSACTION_H
#define SEXTANT_FLOW_TRANSACTION_H

/* One request and its answer, from the parsed head to the log line. The session feeds it and takes its answer through a
 * table of functions, so that several can share a connection later.
 *
 *   session: transaction_new, parse into request, transaction_begin, transaction_body..., transaction_body_end
 *   answer:  head, body..., end;  or abort at any point.  Then done: the session calls transaction_free, not from inside. */

#include "proxy/flow/edge.h"
#include "proxy/upstream/group.h"

struct transaction;

/* What is known of a client's connection; lives as long as it. */
struct client_link {
    struct addr peer; /* transport address, by PROXY protocol if so */
    bool via_proxy_protocol;
    bool is_tls;
    enum fail only_health;     /* what is told to all who do not ask for this edge's health; NONE: nothing */
    struct str client_subject; /* of the certificate that was checked; empty without one */
};

struct responder {
    void (*head)(void *arg, struct message *answer); /* framing and keep_alive may be changed by the callee */
    void (*body)(void *arg, struct str piece);
    void (*end)(void *arg);
    void (*abort)(void *arg);        /* the answer broke off: the client must notice */
    bool (*is_congested)(void *arg); /* stop sending until transaction_drained() */
    void (*wants_body)(void *arg);   /* read on; answers Expect if that is still due */
};

struct transaction *transaction_new(struct edge *edge, const struct responder *responder, void *arg);
void transaction_free_spares(struct edge *edge);            /* the memory of those that were freed */
void transaction_free(struct transaction *t);               /* cancels what runs; logs, if it had begun */
struct message *transaction_request(struct transaction *t); /* for the parser to fill */

void transaction_begin(struct transaction *t, const struct client_link *link); /* the head is there */
/* The head is not acceptable: answer with that. */
void transaction_refuse(struct transaction *t, enum fail fail);
void transaction_body(struct transaction *t, struct str piece);
void transaction_body_end(struct transaction *t);
bool transaction_wants_body(const struct transaction *t);
void transaction_drained(struct transaction *t); /* the client took what was waiting */
void transaction_client_gone(struct transaction *t);

#endif
