/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_TENURE_H
#define SEXTANT_SYNC_TENURE_H

/* Who may write to a home: the rules of its claim, as a machine that is told what was read and when, and says what to do
 * next. Times are of a clock that runs on while the machine sleeps (clock_boot_us()). Pure.
 *
 *                read: nothing there ──────────────> create the collection, identify, insert the claim
 *   STARTING ─── read: released, and ours ─────────> replace it
 *                read: somebody's ──> WATCHING ────> replace it, once it has not moved for three periods
 *                                                         │
 *   read: ours, with the number just written  <───────────┘
 *      └─> HELD: renewed each period; allows sending for two periods from when the newest confirmed renewal began
 *   anything that must not be ──> FROZEN: nothing is written and nothing allowed any more, until the edge starts anew
 *   RELEASING ──> RELEASED, given up: another journal may take it
 *
 * 1. Nothing is believed but what is read: the answer to a write says nothing.
 * 2. Each attempt to write takes a new number, so that what is read says which attempt landed, and when that one began.
 * 3. A claim is replaced only if it still is the one that was read, wherever late requests are. */

#include "proxy/sync/notes.h"

#define TENURE_PERIOD_US INT64_C(2000000)

enum tenure_state { TENURE_STARTING, TENURE_WATCHING, TENURE_HELD, TENURE_RELEASING, TENURE_RELEASED, TENURE_FROZEN };

enum tenure_why {
    TENURE_FINE,
    TENURE_MISSING,       /* what was there is not: the home was emptied, or restored from elsewhere */
    TENURE_OTHER_CLUSTER, /* another identity than the journal knows */
    TENURE_FOREIGN,       /* another journal's claim */
    TENURE_ALIVE,         /* another process renews it */
    TENURE_COPIED,        /* a later start of this very journal claimed it */
    TENURE_BEHIND,        /* the claim knows of records that this journal does not have */
    TENURE_RESTORED       /* the claim is older than what a loss of power explains */
};

enum tenure_do {
    TENURE_READ,     /* ask for the notes, then tenure_read() or tenure_failed() */
    TENURE_CREATE,   /* these write, then tenure_wrote() */
    TENURE_IDENTIFY, /* with tenure.fresh_identity */
    TENURE_CLAIM,    /* with tenure.draft, on condition of tenure.seen if tenure.has_seen */
    TENURE_WAIT,
    TENURE_NOTHING
};

struct tenure_self {
    notes_uuid journal;
    char start[NOTES_START_LEN + 1];
    uint64_t starts;
    notes_uuid identity; /* of the home, as the journal knows it; empty: it knows none */
    bool has_claimed;    /* the journal knows that the claim was held once, and not that it was given up */
    bool may_replace;    /* whatever claim there is, if nobody renews it: an operator said so */
};

struct tenure {
    struct tenure_self self;
    enum tenure_state state;
    enum tenure_why why;
    uint64_t lsn, floor_lsn; /* see tenure_set_lsn() */
    unsigned n_rewinds;      /* the home was seen to have lost its last seconds */
    /* Private, but for what TENURE_IDENTIFY and TENURE_CLAIM need. */
    enum tenure_do todo;
    int64_t todo_at_us;
    notes_uuid fresh_identity;
    struct claim_note seen, draft;
    bool has_seen, is_releasing, is_freeing, has_held;
    int64_t drafted_us;   /* when the draft began to be written */
    uint64_t confirmed;   /* number of the newest confirmed renewal */
    int64_t confirmed_us; /* when that began */
    int64_t watched_us;   /* since when the watched claim has not moved */
    char watched_start[NOTES_START_LEN + 1];
    uint64_t watched_counter;
    bool has_moved; /* once, since it is watched or was last seen to fall back */
};

/* `fresh_identity` is what the cluster is called if it has no identity. */
void tenure_init(struct tenure *t, const struct tenure_self *self, const char *fresh_identity, int64_t now_us);
/* The journal's last durable LSN (a claim that knows of one which a crash takes back would say that the journal is an older
 * copy), and the LSN that any claim of it had to reach before the span that a home may lose with its power (60 s before its last
 * answer). Written into renewals, held against claims that are read. */
void tenure_set_lsn(struct tenure *t, uint64_t durable_lsn, uint64_t floor_lsn);

/* What to do now, asked once after each event and each wait. With TENURE_WAIT in how many microseconds to ask again. For
 * TENURE_CLAIM a new draft was made, and begins to be written now. */
enum tenure_do tenure_next(struct tenure *t, int64_t now_us, int64_t *ret_wait_us);
void tenure_read(struct tenure *t, const struct notes *notes, int64_t now_us);
void tenure_failed(struct tenure *t, int64_t now_us);
void tenure_hurry(struct tenure *t, int64_t now_us); /* the next renewal is due now */
/* The write ended; `is_done`: with 2xx, or with 409 as somebody else was first. Whatever it was, it is read now. */
void tenure_wrote(struct tenure *t, bool is_done, int64_t now_us);

bool tenure_may_send(const struct tenure *t, int64_t now_us);
/* Give it back: a successor then need not wait. Never before the last write was sent. */
void tenure_release(struct tenure *t, int64_t now_us);
/* The same of one that was held, for good: any journal may take it then. */
void tenure_give_up(struct tenure *t, int64_t now_us);

const char *tenure_state_name(enum tenure_state state);
const char *tenure_sentence(enum tenure_why why); /* for the operator: "" for TENURE_FINE */

#endif
