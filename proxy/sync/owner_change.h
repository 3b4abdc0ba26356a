/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_CHANGE_H
#define SEXTANT_SYNC_OWNER_CHANGE_H

/* The way of one change of schema through its owner (fanout.md §7), shared by owner_change*.c.
 *
 *   RESOLVE ──▶ GATE ──▶ LOOK ──▶ JOURNAL ──▶ HOME ──▶ RECORD ──▶ COPIES ──▶ answered
 *   (the real  (writes   (what is  (fdatasync) (sent)   (refused:  (sync policies)
 *    name)      in it     at home?)              │       durable)
 *               are over)                        └─▶ LOST ─▶ LOOK_AGAIN ─▶ over
 *                                            (quarantine)
 *
 * 1. Nothing goes to home before its record is durable, and every lane knows that it must compare the collection.
 * 2. What makes or removes something holds the collection (the ledger's gate) until its outcome is known; one that is unknown
 *    is, after the quarantine, what home then shows.
 * 3. A collection is made only if the journal has deleted the last one of that name, or made none. */

#include "proxy/sync/incarnations.h"
#include "proxy/sync/owner_job.h"
#include "proxy/sync/schema.h"

enum change_state {
    CHANGE_RESOLVE,
    CHANGE_GATE,
    CHANGE_LOOK,
    CHANGE_JOURNAL,
    CHANGE_HOME,
    CHANGE_RECORD,
    CHANGE_COPIES,
    CHANGE_LOST
};

struct change {
    TAILQ_ENTRY(change) entry; /* of home->changes */
    struct home *home;
    struct order *order;   /* NULL: nobody waits for it any more */
    struct errand *errand; /* of an operator who ordered it; else NULL */
    struct arena arena;
    enum change_state state;
    enum op_id op;
    struct str name; /* the collection's own; empty: aliases */
    struct str target, old_inc, new_inc;
    struct buf body;
    struct lane *lanes[ORDER_COPIES_MAX];
    unsigned n_lanes;
    uint64_t lsn; /* 0: not recorded */
    int64_t timeout_us;
    bool is_adopting, is_gated, has_turn, is_late, is_inside /* the lanes count it as open */;
    struct catalog_wait catalog;
    struct ledger_gate gate;
    struct timer timer; /* the deadline, later the quarantine */
    struct ask *ask;
};

/* owner_change.c */
bool op_is_gated(enum op_id op);
bool op_removes(enum op_id op); /* data, so that what lanes have of it must be walked */
struct change *change_new(struct home *h, struct str name, enum op_id op);
void change_free(struct change *c);
void change_refuse(struct change *c, enum fail fail, struct str detail); /* the end of it */
void change_finish(struct change *c);                                    /* with what the order holds; the end of it */
void change_enter(struct change *c);                                     /* the name is known: on to the gate */

/* owner_change_home.c */
void change_look(struct change *c);               /* it is alone in its collection */
void change_append(struct change *c);             /* into the journal, and on */
void change_lose(struct change *c);               /* its outcome is not known: from now on, for a quarantine */
void change_over(struct change *c, bool is_done); /* its outcome is known: lanes may go by what home shows */

static inline struct change *
change_of_gate(const struct ledger_gate *gate)
{
    return (struct change *)((uintptr_t)gate - offsetof(struct change, gate));
}

#endif
