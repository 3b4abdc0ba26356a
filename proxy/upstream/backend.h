/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_BACKEND_H
#define SEXTANT_UPSTREAM_BACKEND_H

/* What outlives a configuration: backends, one per (URL, resolved address), with their verdict; and clusters, one a name,
 * with their load and cost. Made by the control thread, read and fed by all; freed with the last reference. Counters that
 * all threads touch are atomic; the verdict has a lock that only failures and probes take. */

#include <pthread.h>
#include <stdatomic.h>

#include "conf/topology.h"
#include "proxy/net/tls.h"
#include "proxy/base/fail.h"
#include "proxy/upstream/balance.h"
#include "proxy/upstream/health.h"
#include "proxy/upstream/pressure.h"

enum { BACKENDS_MAX = 1024, PENALTIES = 16, CALLER_BINS = 64 };

struct backend {
    atomic_uint refs;
    unsigned id;      /* < BACKENDS_MAX, free to be given again once this one is gone */
    char *url;        /* as configured */
    char *host_field; /* Host to send: "qdrant-1:6333" */
    char *prefix;     /* path before every target, or "" */
    char *text;       /* "10.1.2.3:6333" */
    char *host;       /* of the URL: what its certificate must be for */
    bool is_tls;
    struct addr addr;
    uint16_t port;
    struct {
        atomic_int state;     /* enum health_state, as published */
        atomic_bool is_clean; /* no failure since the last success: nothing to forgive */
        atomic_uint outstanding, connections;
        atomic_ulong falls;        /* times that it was taken out of use */
        atomic_ulong latency_us;   /* EWMA of first-byte times */
        atomic_llong last_byte_us; /* when anything came from it */
        atomic_int last_fail;      /* enum fail of the latest failure that counted; FAIL_NONE: it answered... */
        atomic_int last_status;    /* ...with this status; 0: it never failed */
        struct {
            atomic_ulong collection; /* hash */
            atomic_llong until_us;
        } penalties[PENALTIES];
        pthread_mutex_t lock;
        struct health health;    /* _locked */
        struct health_conf conf; /* _locked */
        struct tls_client *tls;  /* _locked; a reference, or NULL */
        int64_t tls_told_us;     /* _locked: when a failed handshake was last logged */
        unsigned long tls_told;  /* _locked: hash of what was said */
    } shared;
};

/* Who is told, in the thread that caused it, when a verdict changes. Set once before traffic. */
typedef void backend_change_fn(void *arg, struct backend *b, enum health_state from, enum health_state to);
void backend_on_change(backend_change_fn *fn, void *arg);

struct backend *backend_new(unsigned id, const struct url *url, const struct addr *addr);
struct backend *backend_ref(struct backend *b);
void backend_unref(struct backend *b);

void backend_configure(struct backend *b, const struct health_conf *conf);
/* The rules for its certificate, from now on. Connections that are open stay. */
void backend_set_tls(struct backend *b, struct tls_client *tls);
struct tls_client *backend_tls(struct backend *b); /* a reference */
/* Is this failure of a handshake news? The same text is so once a minute. */
bool backend_is_tls_news(struct backend *b, struct str text, int64_t now_us);
static inline enum health_state
backend_state(const struct backend *b)
{
    return (enum health_state)atomic_load_explicit(&b->shared.state, memory_order_relaxed);
}
/* Tell the verdict machine. Successes cost one atomic read while nothing is wrong. */
void backend_report(struct backend *b, enum health_event event, int64_t now_us);
/* The same for a failure, and what it was: `status` counts when `fail` is FAIL_NONE. */
void backend_report_failure(struct backend *b, enum health_event event, enum fail fail, int status, int64_t now_us);
void backend_print_failure(
    const struct backend *b, struct buf *out); /* the latest, in words; nothing if there is none */
struct health backend_health(struct backend *b);
double backend_share(struct backend *b, int64_t now_us);
void backend_latency(struct backend *b, int64_t us); /* a first byte came after so long */

/* A Qdrant-shaped 503 speaks of one collection there: avoid this backend for it for a while. */
void backend_penalise(struct backend *b, struct str collection, int64_t now_us);
bool backend_is_penalised(const struct backend *b, struct str collection, int64_t now_us);

/* How far the writes of one home have come at a cluster: see reach.h. */
struct reach {
    atomic_ullong lsn;
    atomic_llong as_of_us, until_us;
};

/* A cluster by name, across reloads. */
struct cluster {
    atomic_uint refs;
    unsigned slot; /* metrics label; 0..CLUSTERS_MAX-1 */
    char *name;
    struct rank rank; /* control thread only */
    struct {
        atomic_uint outstanding; /* places taken, but those of `unbounded` */
        atomic_uint unbounded;   /* operations without a deadline */
        atomic_uint connections, waiting;
        atomic_uint running[CALLER_BINS], queued[CALLER_BINS]; /* the same by caller, as far as their numbers differ */
        struct pressure pressure;
        atomic_ullong held,
            held_down; /* endpoints that an operator holds, and those of them taken down; bit 0 is number 1 */
        _Atomic double cost_ms, rtt_ms, distance_km;
        atomic_bool is_behind;      /* as a home: what it lost with its power is not sent again yet */
        atomic_ullong lacks;        /* homes, by their slots, of whose data it is known not to have all: see reach.h */
        atomic_bool is_key_refused; /* it does not take the key that it is shown, or wants one */
        atomic_ullong journal;      /* as a home: which one has its writes; 0: it is not known here */
        atomic_uint journal_start;
        atomic_bool is_asked_for;         /* another edge: somebody wants to know how far its homes' writes have come */
        struct reach reach[CLUSTERS_MAX]; /* by the slot of the home */
    } shared;
};

/* May an endpoint get a new exchange, as far as the operator is concerned? Read at the moment of the choice, so that what
 * was planned before the order keeps to it as well. */
static inline bool
cluster_holds(const struct cluster *c, unsigned endpoint)
{
    return atomic_load_explicit(&c->shared.held, memory_order_acquire) >> (endpoint - 1) & 1;
}

struct cluster *cluster_new(unsigned slot, struct str name);
struct cluster *cluster_ref(struct cluster *c);
void cluster_unref(struct cluster *c);

#endif
