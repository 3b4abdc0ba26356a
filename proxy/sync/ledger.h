/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LEDGER_H
#define SEXTANT_SYNC_LEDGER_H

/* Which writes of one home are under way, and in which order: at most one at home for each point, in the order of their
 * LSNs. Points whose last write has an unknown outcome are held: nothing is sent for them until the hold is released.
 * Pure: it is told what happened and says what may be done. Not for several threads.
 *
 *   enter (all its points queue up at once) -> durable and first everywhere: ready -> leave (outcome known)
 *                                                                                  \-> hold (unknown) -> release
 *
 * A gate closes a collection: it opens its turn when no write of the collection is left without its outcome, and until
 * ledger_gate_end() nothing else may enter. */

#include <sys/queue.h>

#include "proxy/sync/known.h"
#include "proxy/sync/marks.h"

struct ledger;
struct ledger_turn;

/* Lives inside its owner, zeroed before it enters. */
struct ledger_write {
    const struct mark_key *points; /* distinct, all of one collection; must stay until it has left */
    unsigned n_points;
    struct mark_age age;       /* of its record */
    struct ledger_turn *turns; /* from here on of the ledger */
    unsigned n_waits;
    bool is_inside, is_ready, is_taken;
    TAILQ_ENTRY(ledger_write) entry, ready_entry;
};

struct ledger_hold {
    LIST_ENTRY(ledger_hold) entry;
    struct mark_key *points;
    unsigned n_points;
    struct mark_age age; /* of the write without an outcome */
};

/* Lives inside its owner, zeroed before ledger_gate(). */
struct ledger_gate {
    uint32_t collection;
    bool is_schema; /* the owner's: whose it is */
    bool is_queued, is_open;
    TAILQ_ENTRY(ledger_gate) entry;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l); /* whatever is inside is forgotten; holds are freed */

/* May this write enter now? No, while one of its points is held or its collection has a gate that is not `through`. */
bool ledger_may_enter(
    const struct ledger *l, const struct mark_key *points, unsigned n, const struct ledger_gate *through);
/* `w->age.lsn` is larger than that of any that entered before. */
void ledger_enter(struct ledger *l, struct ledger_write *w);
void ledger_durable(struct ledger *l, struct ledger_write *w); /* its record is on the disk */
/* The next write that may be sent to home, in the order in which they became so; NULL: none. Once each. */
struct ledger_write *ledger_take_ready(struct ledger *l);
/* Its outcome is definite, or it was never sent and never will be. */
void ledger_leave(struct ledger *l, struct ledger_write *w);
/* The same of one that home has done, of which `k` tells what its points are now. That is kept for each of its points that no
 * other write waits at, until the next one enters, or ledger_forget(), or `n_lanes` have taken it, or it is one of so many that
 * the oldest go. `k` is the ledger's. */
void ledger_leave_known(struct ledger *l, struct ledger_write *w, struct known *k, unsigned n_lanes);
/* Its outcome is unknown: it leaves, and its points are held. The hold is the ledger's. */
struct ledger_hold *ledger_hold(struct ledger *l, struct ledger_write *w);
/* The same for points of a write of a former life. They are copied. */
struct ledger_hold *ledger_hold_points(
    struct ledger *l, const struct mark_key *points, unsigned n, struct mark_age age);
void ledger_release(struct ledger *l, struct ledger_hold *hold); /* frees it; those that waited behind go on */

/* The oldest write on this point that is inside, NULL when every one has its outcome, known or given up for unknown. A reading
 * of the point that begins now shows all before it but late ones, and those are covered by a hold (rule 2 of shipping). */
const struct ledger_write *ledger_pending(const struct ledger *l, const struct mark_key *point);
/* The same, and what the point is at home; NULL: that must be asked. Never both. */
struct known_row *ledger_look(
    const struct ledger *l, const struct mark_key *point, const struct ledger_write **ret_pending);
void ledger_taken(struct ledger *l, struct known_row *row, unsigned n_lanes); /* so many need it no more */
void ledger_forget(struct ledger *l, int64_t before_us); /* what has become known before; home may be another now */
bool ledger_is_held(const struct ledger *l, const struct mark_key *point);
unsigned ledger_open(const struct ledger *l);                     /* writes inside */
const struct ledger_hold *ledger_holds(const struct ledger *l);   /* the first; LIST_NEXT(hold, entry) */
const struct ledger_write *ledger_writes(const struct ledger *l); /* the oldest; TAILQ_NEXT */
uint64_t ledger_oldest_lsn(const struct ledger *l);               /* inside or held; 0: none */

void ledger_gate(struct ledger *l, struct ledger_gate *gate);
struct ledger_gate *ledger_take_gate(struct ledger *l); /* the next whose turn it is; NULL: none. Once each */
void ledger_gate_end(
    struct ledger *l, struct ledger_gate *gate); /* also of one that never opened, or was never queued */

#endif
