/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_EXCHANGE_H
#define SEXTANT_UPSTREAM_EXCHANGE_H

/* One request to one backend, once. Never calls back before exchange_start() returned; on_done exactly once and last,
 * unless exchange_cancel() ran, after which nothing is called. Does not assume that it has a connection to itself beyond
 * this file. */

#include "proxy/upstream/upstream.h"

struct exchange;

struct exchange_events {
    /* The answer's head; lives in params.arena. */
    void (*on_head)(void *arg, struct message *head);
    /* A piece of its body, until exchange_pause(); a piece under way may still come after that. */
    void (*on_body)(void *arg, struct str piece);
    /* There is room for request body: exchange_send() some, or nothing. */
    void (*on_room)(void *arg);
    /* FAIL_NONE: the answer is complete. */
    void (*on_done)(void *arg, enum fail fail);
};

struct exchange_params {
    struct backend *backend;
    unsigned slot;              /* of its cluster, for metrics */
    const struct message *head; /* host, target prefix and framing are put right; only read during the call */
    struct str credential;      /* sent as api-key, which `head` has not; empty: none */
    struct arena *arena;        /* for the answer's head; must outlive the exchange */
    struct str collection;      /* a Qdrant-shaped 503 penalises this collection; may be empty */
    int64_t max_idle_us;        /* reuse a connection idle for at most this long; 0: a fresh one */
    int64_t connect_us;         /* time to connect */
    int64_t deadline_us;        /* absolute, for the answer's head and body; 0: none */
    int64_t progress_us;        /* longest time without a byte while a body is under way */
    bool deadline_is_clients;   /* passing it says nothing about the backend */
    bool is_movable;            /* may end with FAIL_ENDPOINT_DOWN when the verdict falls, even sent */
    bool has_elsewhere;         /* there is somewhere to move to; else it stays, whatever the verdict */
    bool is_probe;              /* the verdict is fed by the caller */
};

struct exchange_timing { /* absolute, 0 when not reached */
    int64_t started_us, connected_us, sent_us, first_byte_us;
    int64_t connection_us; /* when its connection was established, for whichever exchange */
    bool was_reused;
};

struct exchange *exchange_start(
    struct upstream *up, const struct exchange_params *params, const struct exchange_events *events, void *arg);
void exchange_free_spares(struct upstream *up); /* the memory of those that ended */
void exchange_cancel(struct exchange **xp);     /* NULLs; safe on NULL; the connection is closed */

/* Body bytes, written from where they lie and framed as the head said: how many were taken, 0 too. Of a chunked body all
 * are. Call from on_room, or later while exchange_room() > 0. */
size_t exchange_send(struct exchange *x, struct str piece);
void exchange_send_end(struct exchange *x);
size_t exchange_room(const struct exchange *x); /* how much may be offered; 0 until connected */
void exchange_kick(struct exchange *x);         /* more body is there: on_room will be called, from the loop */

void exchange_pause(struct exchange *x);
void exchange_resume(struct exchange *x);
void exchange_set_movable(struct exchange *x, bool is_movable);
bool exchange_sent_nothing(const struct exchange *x); /* certainly no byte of the request left this machine */
const struct exchange_timing *exchange_timing(const struct exchange *x);
/* For pool.c and upstream.c: the backend fell. */
void exchange_backend_fell(struct exchange *x);

#endif
