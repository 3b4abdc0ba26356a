/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_JOB_H
#define SEXTANT_SYNC_OWNER_JOB_H

/* The way of one write through its owner (fanout.md §3), shared by owner_write.c, owner_home.c and owner_scan.c.
 *
 *   RESOLVE ──▶ WAIT ──▶ JOURNAL ──▶ QUEUE ──▶ HOME ──▶ RECORD ──▶ COPIES ──▶ answered
 *   (name) │    (held,   (fdatasync)  (others  (sent)   (refused:   (sync
 *          │     gate)      ▲          first)    │       durable)    policies)
 *          ▼                │                    │ one part of several
 *         GATE ──▶ SCAN ────┴────────────────────┘
 *       (alone in  (ids that a
 *    the collection)  filter selects)
 *
 * 1. Nothing goes to home before its record is durable, and its points are marked in every lane.
 * 2. Of one point at most one write is at home, in the order of LSNs (ledger.h).
 * 3. A refusal is durable before the client hears of it.
 * 4. The order is delivered exactly once. A job ends no sooner than its write has left the ledger.
 * 5. What touches no point is not recorded: it changes nothing that copies have. */

#include "proxy/sync/owner_impl.h"

enum job_state { JOB_RESOLVE, JOB_WAIT, JOB_GATE, JOB_SCAN, JOB_JOURNAL, JOB_QUEUE, JOB_HOME, JOB_RECORD, JOB_COPIES };

struct job {
    TAILQ_ENTRY(job) entry; /* of home->waiting in WAIT, else of home->running */
    struct home *home;
    struct order *order;
    enum job_state state;
    struct str collection;             /* its own name, in the order's arena */
    bool is_spread, is_plain, is_late; /* the first two of its collection at home */
    struct lane *lanes[ORDER_COPIES_MAX];
    unsigned n_lanes;
    struct catalog_wait catalog;
    struct timer deadline;
    struct ask *ask;    /* of SCAN and HOME */
    bool is_unverified; /* of SCAN and HOME: its answer is there; was it a process that is known that gave it? */
    int64_t connection_us;
    struct readback *readback; /* of HOME, after its answer */
    struct ledger_gate gate;

    /* What is done now: all of it, or of a batch with filters one operation after the other. */
    enum op_id op;
    const struct touch *touch;
    struct buf body;
    struct touch_point *targets; /* all that it may change: named ones and found ones */
    struct mark_key *points;     /* the same, as marks have them */
    unsigned n_points;
    struct ledger_write write;

    unsigned part;                      /* of a batch with filters: which comes next */
    struct buf results;                 /* of its parts so far, JSON */
    void (*then)(struct job *job);      /* when enough copies have it */
    unsigned n_there[ORDER_COPIES_MAX]; /* of each lane: so many of the points are there, the first ones */
    struct point_id *found;             /* by SCAN */
    unsigned n_found, room_found;
};

/* owner_write.c */
void order_deliver(struct order *order);                               /* with what it holds */
void order_pass(struct order *order, const struct ask_answer *answer); /* home's answer becomes the client's */
void order_pass_refusal(struct order *order, const struct catalog_entry *entry); /* of a look-up, as home says it */
void job_move(struct job *job, enum job_state to);
void job_refuse(struct job *job, enum fail fail, struct str detail); /* the end of it */
void job_answer(struct job *job);                                    /* with what the order holds; the end of it */
uint64_t job_lanes(const struct job *job);
int64_t job_timeout_us(const struct job *job); /* what the client asked of home; 0: nothing */
bool job_make_points(struct job *job);         /* from touch and what was found; false: there are none */
enum fail job_may_begin(const struct job *job);

/* owner_home.c */
void job_append(struct job *job);                   /* into the journal, and on */
void job_send(struct job *job);                     /* to home */
void job_await_watch(struct job *job);              /* until home was asked who it is */
void home_look_at_answers(struct home *h);          /* is it known by now who gave them? */
void job_withdraw(struct job *job, enum fail fail); /* it is in the journal, and will never be sent */

/* owner_known.c */
bool job_tells_state(const struct job *job); /* does its text say what its points are when home has done it? */
void job_leave_known(struct job *job); /* the ledger; which keeps the body, if it has come back from home's request */

/* owner_scan.c */
void job_open_gate(struct job *job);                    /* it is alone in its collection */
void job_keep_result(struct job *job, struct str body); /* of what is done now: home's answer */
void job_finish_scan(struct job *job);                  /* what it found is believed */
bool job_next_part(struct job *job);                    /* false: there is none, or it has none */

/* owner_copies.c: policies that wait for copies */
void job_await_copies(struct job *job, void (*then)(struct job *job));
struct str job_done(const struct job *job);     /* clusters that have it: "eu,us" */
bool job_reaches_copies(const struct job *job); /* as many as are needed, by what is known now */

static inline struct job *
job_of_write(const struct ledger_write *w)
{
    return (struct job *)((uintptr_t)w - offsetof(struct job, write));
}

static inline struct job *
job_of_gate(const struct ledger_gate *gate)
{
    return (struct job *)((uintptr_t)gate - offsetof(struct job, gate));
}

#endif
