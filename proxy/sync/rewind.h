/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_REWIND_H
#define SEXTANT_SYNC_REWIND_H

/* A home that lost its last seconds with its power is sent them again (fanout.md §10). Each process of a home has an identity, which
 * the journal knows; one that it does not know gets nothing before the rewind: every record since a minute before the last sign
 * of life of the processes that it knows, in order.
 *
 *   watch (owner_watch.c):   no process known ──▶ learned
 *                            asked every two seconds, and at once when home failed ──▶ known: sure, writes may go there
 *                                                                                 └─▶ unknown: rewind
 *   rewind (owner_rewind.c): what is at home comes back ─▶ beginning recorded ─▶ span read, points marked ─▶ sent ─▶ checkpoint
 *                            ─▶ process recorded as known ─▶ asked again. Another process meanwhile: from the beginning
 *
 * A home may stand on several nodes, each an endpoint, which are asked in turn. One that is away may have lost its power: the span
 * begins a minute before the last answer of the node that has been silent for longest.
 *
 * A rewind that began anew, here or after a crash, first lets come what the one before may have sent to the same process: older
 * records, which would undo newer ones.
 *
 * 1. Nothing else is sent to home or read from it for shipping meanwhile.
 * 2. A crash in between begins it anew: the process is known only when all of it was done, and the marks are in a checkpoint. */

#include "proxy/sync/quiet.h"

struct home;
struct owner;
struct rewind;

enum { WATCH_PROCESSES = 32 };

struct watch_node {   /* an endpoint of the home */
    int64_t known_us; /* when it was last found to be a known process; 0: never */
    bool is_away;
};

struct watch {
    char processes[WATCH_PROCESSES][QUIET_ID_MAX + 1]; /* known ones */
    unsigned n_processes;                              /* ever */
    struct quiet *asking;
    struct watch_node nodes[ENDPOINTS_MAX];
    uint64_t pending; /* those that are to be asked before home is sure */
    unsigned endpoint;
    int64_t asked_us, due_us;
    int64_t born_us;   /* since when this process has the home */
    int64_t late_us;   /* until then something may come that a rewind has sent which another took the place of */
    int64_t sure_us;   /* connections that were established before lead to a known process */
    bool is_sure;      /* none was another process after the last failure, and one answered */
    bool is_blind;     /* it does not tell */
    bool is_doubted;   /* something failed since it was asked */
    bool is_away;      /* none of them answers */
    bool is_recording; /* the first of all */
};

/* owner_watch.c */
void watch_tick(struct home *h);
void watch_soon(struct home *h);   /* ask now */
void watch_verify(struct home *h); /* ask all now: an answer waits for that */
void watch_doubt(struct home *h);  /* something failed: its process may be another */
void watch_learn(struct home *h, struct str id);
bool watch_trusts(const struct home *h, int64_t connection_us);
bool watch_knows(const struct home *h, const char *id);
void watch_record(struct home *h, const char *id); /* it is known once that is durable */
void watch_fini(struct home *h);
void watch_put(const struct home *h, struct buf *out); /* into a checkpoint */
bool watch_take(struct home *h, struct str *io);
uint64_t owner_needed_lsn(const struct owner *o); /* later records may be needed, for a start or for a rewind */

/* owner_rewind.c */
void rewind_begin(struct home *h, const char *process); /* also when one is under way: it begins anew, for both */
void rewind_free(struct home *h);
bool home_is_rewinding(const struct home *h);
/* The collection was deleted: nothing of what was written to it before is to be sent again. */
void rewind_void(struct home *h, struct str collection);

#endif
