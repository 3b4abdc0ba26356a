/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_GATE_H
#define SEXTANT_SYNC_GATE_H

/* A change of what a collection is (made, deleted, a vector or shard key added or taken away) waits until nothing that was
 * written before can land after it, at home or at a copy, and keeps other writes out meanwhile. The worker that makes the change
 * in all clusters has the gate; the owner opens and ends it.
 *
 *   worker: gate_new ─▶ owner_open_gate ─▶ (owner) ─▶ on_open ─▶ the change ─▶ owner_end_gate */

#include "proxy/base/arena.h"
#include "proxy/base/fail.h"
#include "proxy/net/loop.h"

enum { GATE_HOMES_MAX = 64 };

enum gate_outcome {
    GATE_UNCHANGED, /* or changed, and that is known of every cluster */
    GATE_GONE,      /* the collection was deleted everywhere */
    GATE_UNKNOWN    /* it may have been sent, and may come late: the gate stays closed for a quarantine */
};

struct owner;
struct gate_part;

struct gate {
    struct arena arena;
    struct owner *owner;
    struct loop *loop;               /* of the worker */
    void (*on_open)(struct gate *g); /* on that loop, once; then owner_end_gate() is due, whatever `fail` is */
    void *arg;                       /* the worker's, who may change it at any time */
    struct str collection;
    struct str homes[GATE_HOMES_MAX]; /* of the line; those that are not owned here are passed over */
    unsigned n_homes;
    int64_t deadline_us;       /* absolute, monotonic */
    enum fail fail;            /* FAIL_NONE: it is open */
    enum gate_outcome outcome; /* to owner_end_gate() */
    struct gate_part *parts;   /* from here on the owner's */
    unsigned n_parts, n_ready;
    bool is_told;
    struct timer deadline;
};

struct gate *gate_new(void);
/* From any thread. The gate is the owner's until on_open. */
void owner_open_gate(struct owner *o, struct gate *g);
/* It is freed by the owner. What is known of collections is asked anew. */
void owner_end_gate(struct gate *g);
/* Aliases or something else that needs no gate was changed: what is known of collections is asked anew. */
void owner_forget(struct owner *o);

#endif
