/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_EDGE_H
#define SEXTANT_FLOW_EDGE_H

/* What one worker's sessions and transactions share, and the few counters that all workers share. */

#include <sys/queue.h>

#include "proxy/base/random.h"
#include "proxy/base/spares.h"
#include "proxy/net/stream_tls.h"
#include "proxy/flow/census.h"
#include "proxy/flow/quota.h"
#include "proxy/flow/recall.h"
#include "proxy/obs/access_log.h"
#include "proxy/obs/residency.h"
#include "proxy/route/token_cache.h"
#include "proxy/upstream/upstream.h"

struct owner;
struct session;

/* One for the process. */
struct edge_shared {
    atomic_uint connections;   /* client connections open */
    atomic_ulong replay_bytes; /* request bodies kept for sending again */
    atomic_bool is_draining;   /* SIGTERM came: readyz says 503, answers say Connection: close */
    atomic_bool has_successor; /* draining as another process serves: readyz goes on to say 200 */
    atomic_bool is_ready;      /* configured and listening */
    struct tls_count tls;
    atomic_uint resting;           /* listeners that wait for descriptors */
    struct hash_key hash_key;      /* for numbers made of what strangers send */
    struct quota *quota;           /* requests by address and by key */
    struct census *census;         /* connections by address; NULL: not counted */
    struct recall *recall;         /* what credentials have written: SEXTANT_SESSION */
    _Atomic(struct owner *) owner; /* of homes whose writes fan out; NULL: none was ever owned here. Set once */
};
void edge_shared_init(struct edge_shared *shared);
void edge_shared_fini(struct edge_shared *shared);

/* One a worker; belongs to its thread. */
struct edge {
    struct loop *loop;
    struct upstream *up;
    struct metrics *metrics;
    struct residency *residency;
    struct edge_shared *shared;
    struct access_log *log;
    struct token_cache *tokens;
    struct buf log_lines;
    struct random random; /* for names of traces */
    struct timer log_timer;
    LIST_HEAD(, session) sessions;
    struct tls_work *tls;
    int64_t tls_told_us; /* when a failed handshake was last logged; the others since then are counted */
    unsigned tls_untold;
    TAILQ_HEAD(session_queue, session) idle; /* between requests, longest first */
    struct spares transactions;
    char read_buffer[UPSTREAM_READ_BYTES];
};

static inline struct world *
edge_world(const struct edge *e)
{
    return e->up->fleet->world;
}

/* `up` must live as long. The log may be NULL. */
struct edge *edge_new(struct loop *loop, struct upstream *up, struct metrics *metrics, struct residency *residency,
    struct edge_shared *shared, struct access_log *log);
void edge_free(struct edge *e); /* aborts its sessions */
void edge_log(struct edge *e, const struct access_record *record);
/* Close sessions that wait for a request; the others close after their answer. */
void edge_close_idle(struct edge *e);
/* Close up to n of those that have been idle longest, but none that became so within a second. Returns how many. */
unsigned edge_evict_idle(struct edge *e, unsigned n);

#endif
