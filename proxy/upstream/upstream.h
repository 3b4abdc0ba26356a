/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_UPSTREAM_H
#define SEXTANT_UPSTREAM_UPSTREAM_H

/* One thread's side of the clusters: connections, waiting requests, retry budget. Belongs to its loop's thread. */

#include <sys/queue.h>

#include "proxy/base/spares.h"
#include "proxy/http/h1.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream_tls.h"
#include "proxy/obs/metrics.h"
#include "proxy/upstream/fleet.h"

enum { UPSTREAM_READ_BYTES = 64 * 1024, BUDGET_SECONDS = 10 };

struct pool;
struct leg;

/* Requests and retries of the last ten seconds, one slot a second. */
struct budget {
    uint32_t requests[BUDGET_SECONDS], retries[BUDGET_SECONDS];
    int64_t second;
};
void budget_request(struct budget *b, int64_t now_us);
/* May one more retry be made? It is counted if so. */
bool budget_retry(struct budget *b, double percent, uint64_t minimum, int64_t now_us);

/* Opens the connection to a backend; replaced in tests by memory streams. */
typedef struct stream *upstream_dial_fn(
    void *arg, struct loop *loop, const struct backend *b, int64_t user_timeout_ms, int *ret_error);

struct upstream {
    struct loop *loop;
    struct metrics *metrics;
    struct fleet *fleet; /* current one; a reference */
    struct pool *pools[BACKENDS_MAX];
    TAILQ_HEAD(leg_queue, leg) queues[CLUSTERS_MAX]; /* by slot: waiting for a place */
    struct timer sweep, queue_poll;
    struct tls_count tls_count;
    struct tls_work *tls;
    struct budget budget;
    struct buf_shelf shelf; /* what waiting sessions and requests that ended have no use for */
    struct spares exchanges;
    uint64_t random;
    upstream_dial_fn *dial;
    void *dial_arg;
    char read_buffer[UPSTREAM_READ_BYTES];
};

/* Takes its own reference on the fleet. `seed` starts the random numbers. */
struct upstream *upstream_new(struct loop *loop, struct metrics *metrics, struct fleet *fleet, uint64_t seed);
void upstream_free(struct upstream *up); /* nothing may be under way */
void upstream_set_fleet(struct upstream *up, struct fleet *fleet);
/* A verdict fell: idle connections are closed, and what may be moved fails with FAIL_ENDPOINT_DOWN, from the loop. */
void upstream_backend_fell(struct upstream *up, struct backend *b);
uint64_t upstream_random(struct upstream *up);

#endif
