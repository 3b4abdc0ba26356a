/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_MARKS_H
#define SEXTANT_SYNC_MARKS_H

/* The marks of one lane: which points its copy may lack, since which record, and how far shipping them has come. Nothing
 * else decides what is sent to a copy, so a mark must never go while the copy may still lack the change. Pure, in memory,
 * one thread; the clock is a parameter. 40 bytes a mark at most with numeric ids, 48 once there was a UUID.
 *
 *                 set                      pick, take
 *      (no mark) ─────▶ READY ◀──────────────────────────▶ FLYING ──────────────────▶ SETTLED ──▶ (no mark)
 *                        │ ▲     failed, or set meanwhile    │  shipped, clean         │  after 60 s
 *                        │ └────────── ready ──── DELAYED ◀──┤  shipped, but a write had no outcome
 *                   park │ ▲ unpark                          │
 *                        ▼ │                                 └─▶ WAITING ──▶ READY     shipped, but an earlier ship's
 *                       PARKED                                     again, revive       outcome is unknown
 *
 *  1. A mark has the age of the *oldest* change that the copy may lack, and what changed is a union: only payload, or all.
 *  2. A flight has a number of its own that no other ever had. What is set while it is in the air is kept apart: landing
 *     clears what was marked when it took off, never what came later.
 *  3. At most one flight of a point is in the air.
 *  4. set() on a mark in any state leads back to READY (or, from FLYING, will once it has landed); expect() too, but from no mark
 *     and from SETTLED to DELAYED.
 */

#include "proxy/base/buf.h"
#include "proxy/base/hash.h"
#include "proxy/sync/point.h"

struct marks;

struct mark_key {
    uint32_t collection, shard_key; /* interned by the owner of the lanes; shard key 0: none */
    struct point_id point;
};

struct mark_age { /* of a change: its record and when that was taken */
    uint64_t lsn; /* below 2^48 */
    int64_t wall_us;
};

enum mark_state { MARK_READY, MARK_FLYING, MARK_DELAYED, MARK_PARKED, MARK_WAITING, MARK_SETTLED, MARK_STATES };

/* Sets of states, for marks_oldest(). */
enum {
    MARKS_UNSHIPPED = 1 << MARK_READY | 1 << MARK_FLYING | 1 << MARK_DELAYED | 1 << MARK_PARKED, /* for the lag */
    MARKS_OPEN = MARKS_UNSHIPPED | 1 << MARK_WAITING /* the lane's position lies below all of these */
};

struct mark_pick {
    struct mark_key key;
    uint64_t number; /* of the flight */
    bool payload_only;
};

struct mark_view {
    struct mark_key key;
    struct mark_age age;
    enum mark_state state;
    unsigned reason; /* why it was parked */
    unsigned again;  /* ships of unknown outcome whose quarantine isn't over */
    bool payload_only;
};

/* `key` makes the hash unguessable. Beyond the budget nothing new is marked; what is marked already always can be. */
struct marks *marks_new(size_t budget_bytes, const struct hash_key *key);
void marks_free(struct marks *m);
void marks_clear(struct marks *m); /* forgets all of them, flights too: for a lane that becomes a walk */

/* For a lane that becomes a walk: forgets all but what is in the air. The walk must not begin before every quarantine of ships to
 * the copy is over, and then marks_again_all() is due; marks_again() of them is not. Settled ones go too: if the copy loses its last
 * minute within the next one, the walk has to begin again. */
void marks_shed(struct marks *m);
void marks_forget_settled(struct marks *m); /* those alone: the same is due */

/* False: over the budget, nothing was marked. The lane must become a walk before the write goes on. */
bool marks_set(struct marks *m, const struct mark_key *key, struct mark_age age, bool payload_only);
/* The same for a write that is about to be sent and has no outcome yet: a point of which the copy lacks nothing else waits for
 * that, as a ship before it would have to be made again. marks_ready() must follow. */
bool marks_expect(struct marks *m, const struct mark_key *key, struct mark_age age, bool payload_only);
/* These are set next: what of the table lies far from the processor is fetched for all at once, not for one after the other. */
enum { MARKS_HASTE = 64 };
void marks_hasten(const struct marks *m, const struct mark_key *keys, unsigned n); /* n <= MARKS_HASTE */
/* Somebody waits for it: it goes before others from now on, until it is shipped. */
void marks_promote(struct marks *m, const struct mark_key *key);

/* Up to `max` marks that are ready, the oldest first, all of one collection and shard key; they are in the air from now on.
 * Call it before the points are read at home. Gives their count. */
unsigned marks_pick(struct marks *m, unsigned max, struct mark_pick *ret_picks);
/* This one, if it is ready and its collection not blocked: when a read for another lane serves this one too. */
bool marks_take(struct marks *m, const struct mark_key *key, struct mark_pick *ret_pick);

/* The flight landed and the copy has confirmed all of it. `pending`: the oldest write on the point which had no outcome when
 * the read began (NULL: there was none); all before it is at the copy now, and stays there unless marks_unsure(): only then may
 * whoever waits for this copy be answered. `mono_us` is a clock that never jumps. False, and nothing happens: no such flight is
 * in the air. */
bool marks_shipped(
    struct marks *m, const struct mark_key *key, uint64_t number, const struct mark_age *pending, int64_t mono_us);
/* An earlier ship of the point may still land, and undo what landed after it, or has landed and is not repaired yet. Asked at the
 * landing: a landing before the quarantine's end answers nobody, also after it (SYNC in test/crash/ship.pml). */
bool marks_unsure(const struct marks *m, const struct mark_key *key);
/* It did not land; ready again, nothing is forgotten. `is_unknown`: it may still land, until marks_again(). */
bool marks_failed(struct marks *m, const struct mark_key *key, uint64_t number, bool is_unknown);
/* The copy refuses this very point, for a reason below 256. */
bool marks_park(struct marks *m, const struct mark_key *key, uint64_t number, unsigned reason);
bool marks_unpark(struct marks *m, const struct mark_key *key);
/* A write on the point got its outcome: what was delayed by it is ready. Call it for all points of the write. */
void marks_ready(struct marks *m, const struct mark_key *key);

/* The quarantine after one ship of unknown outcome is over: the point is shipped once more, whole. Call it once for each
 * marks_failed() that said unknown. */
void marks_again(struct marks *m, const struct mark_key *key);
/* After a start: every mark may have been in the air when the process before ended. marks_again_all() at the end of the
 * quarantine is for all of them what marks_again() is for one; ships since count for themselves. */
void marks_taint(struct marks *m);
void marks_again_all(struct marks *m);

/* Forget what was shipped 60 s before this moment, at which the copy was known to be the process that it had been. Call it about
 * once a second; the moment stands still while the copy does not answer. */
enum { MARKS_SETTLE_SECONDS = 60 };
void marks_settle(struct marks *m, int64_t mono_us);
/* The copy was seen with a new start-up identity: what it was sent in the last 60 s may be gone, and is ready again, whole. */
void marks_revive(struct marks *m);
uint64_t marks_floor(const struct marks *m); /* all below it was at the copy more than a minute ago */

/* Nothing of a blocked collection is picked. */
void marks_block(struct marks *m, uint32_t collection, bool is_blocked);
/* The collection is gone: its marks are forgotten, flights too. */
void marks_drop(struct marks *m, uint32_t collection);

/* The oldest change among the marks in these states; false when there is none. */
bool marks_oldest(const struct marks *m, unsigned states, struct mark_age *ret_age);
uint32_t marks_count(const struct marks *m, enum mark_state state);
size_t marks_memory(const struct marks *m);
/* For a walk, which reads home first, then the copy. How many flights took off so far; and, when there had been so many as home
 * was read: of how many points at most what the copy has now may differ, as a change is on its way or came meanwhile. */
uint64_t marks_flights(const struct marks *m);
uint64_t marks_moved(const struct marks *m, uint64_t flights);
/* The same of one point, for home as it was read at that moment of the clock of marks_shipped(). Landings are known to a second: of
 * one within that second it cannot be told. */
enum marks_moves { MARKS_RESTS, MARKS_MOVES, MARKS_MOVED_JUST_THEN };
enum marks_moves marks_moves(const struct marks *m, const struct mark_key *key, int64_t since_us);
bool marks_get(const struct marks *m, const struct mark_key *key, struct mark_view *ret_view);
/* One after the other in no order; *at is 0 at first. Marks that come or go meanwhile may be missed or seen twice. */
bool marks_next(const struct marks *m, uint32_t *at, struct mark_view *ret_view);

/* For a checkpoint, in pieces, so that other work comes between: start, then put() until it gives false. What is written
 * holds every mark there was at the start and still is at the end, in a state that it had meanwhile; what is set after the
 * start may be missing, so those records must be read again, and the start-up identity of the copy belongs to the start. One at
 * a time; marks_clear() cancels it. */
void marks_save_start(struct marks *m);
bool marks_save_put(struct marks *m, unsigned max, struct buf *out); /* about `max` marks; true: there is more */
void marks_save_cancel(struct marks *m);

/* What put() wrote, all pieces joined, into fresh marks; what flew or was delayed is ready. What was read is taken off *io.
 * Marks which weren't loaded whole are good for nothing but marks_free(). */
enum marks_load { MARKS_LOADED, MARKS_DAMAGED, MARKS_TOO_MANY /* for the budget: the lane must become a walk */ };
enum marks_load marks_load(struct marks *m, struct str *io, int64_t mono_us);

/* One point for files of others. */
void mark_key_put(struct buf *out, const struct mark_key *key);
bool mark_key_take(struct str *in, struct mark_key *ret_key);

#endif
