/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_DEADLINE_H
#define SEXTANT_ROUTE_DEADLINE_H

/* How long a request may take, and how much of that the cluster is told. Pure. All in milliseconds from the request's head.
 *
 * `timeout=` of the query is Qdrant's own, and its answer to that should come first, so a second is added here (and the round trip by
 * the caller). It counts up to the operator's longest. A header says when somebody in front gives up, so nothing is added, and
 * it only ever shortens. Two are known, each with its unit in its definition: grpc-timeout (gRPC over HTTP/2, "1*8DIGIT H|M|S|m|u|n"),
 * and x-envoy-expected-rq-timeout-ms, which Envoy puts into every request with a limit of its own accord. */

#include "conf/conf.h"
#include "proxy/route/operation.h"

struct deadline {
    int64_t answer_ms; /* give up then; 0: never */
    int64_t asked_ms;  /* the cluster should have answered by then; 0: it is told nothing but what the client wrote */
    bool is_clients;   /* it was not the operator who set it */
    bool is_in_header; /* somebody in front gives up at some time */
};

/* The shortest that the headers state, or -1. What is malformed states nothing. */
int64_t deadline_of_headers(const struct message *request);
struct deadline deadline_decide(const struct conf *conf, const struct operation *op, int64_t header_ms);
/* The query with timeout=SECONDS in place of its own, or added. */
struct str deadline_query(struct str query, int64_t seconds, struct arena *arena);

#endif
