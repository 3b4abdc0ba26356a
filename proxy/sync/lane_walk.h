/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LANE_WALK_H
#define SEXTANT_SYNC_LANE_WALK_H

/* Walks of a lane (fanout.md §8): all ids of its collections are passed in order at home and at the copy, and what differs is
 * marked, so that it is shipped; or only counted. The owner's thread only.
 *
 *   begin ─▶ which collections? ─▶ each: how many points? ─▶ pages, compared ─▶ over
 *                                     │                        │
 *                                     └── too many to delete ──┴─▶ stopped, until somebody says that it is meant
 *
 * 1. A walk marks, and nothing else: what is sent to a copy is decided by reading home once more.
 * 2. Everything written meanwhile is marked by itself. The lane's position stays where it was until the walk is over.
 * 3. What a mending walk would have deleted or overwritten at the copy is written to a file first.
 * 4. Its marks have no record: its place is saved with them, and after a start it goes on when nothing of an earlier process can
 *    reach the copy any more. */

#include "proxy/sync/owner_impl.h"

struct walk;

/* Begin, or begin again, to walk the collection at that copy; 0: all of the lane's. Goes on by itself. */
void lane_walk(struct lane *l, uint32_t collection, const char *why);
/* The same for a copy of which nothing is known to be right. One that has begun so goes on. `is_new`: it begins again. `fills`: the copy
 * is not to be read before it is over. */
void lane_walk_doubted(struct lane *l, const char *why, bool is_new, bool fills);
/* More marks than there is memory for: all are dropped for a walk, but those that must be kept. False: they need it all. */
bool lane_overflow(struct lane *l, unsigned points);
void lane_walk_run(struct lane *l);                         /* go on, if it may */
void lane_walk_interrupt(struct lane *l);                   /* what was read so far is read again */
void lane_walk_forget(struct lane *l, uint32_t collection); /* it is gone */
void lane_walk_revived(struct lane *l);                     /* the copy may have lost its last minute */
bool lane_has_dropped_settled(const struct lane *l);        /* in the last minute, and no walk brings them back */
void lane_walk_forgotten(struct lane *l, const char *why);  /* of what it got in the last minute marks are missing */
void lane_walk_fini(struct lane *l);
bool lane_is_mending(const struct lane *l);                        /* such a walk is not over, or stopped */
bool lane_is_filling(const struct lane *l);                        /* and what it finds is lacking */
uint64_t lane_walk_limit(const struct lane *l, uint64_t position); /* of the lane: not beyond this */
bool lane_walk_hides(
    const struct lane *l, uint64_t lsn); /* marks up to here were dropped: that there is none says nothing */
int64_t lane_walk_oldest_us(
    const struct lane *l, int64_t wall_us); /* the older of this (0: none) and the walk's begin */
void lane_walk_show(const struct lane *l, struct walk_view *ret_view);

/* lane_check.c: the position, everything with an LSN up to which is at the copy, and the note that says so there. */
uint64_t lane_position(const struct lane *l);
void lane_keep_position(struct lane *l); /* as a checkpoint begins that has it */
void lane_leave_note(struct lane *l);    /* of that, when the checkpoint is durable */

/* For a checkpoint. */
void lane_walk_save(const struct lane *l, struct buf *out);
bool lane_walk_load(struct lane *l, struct str bytes);

#endif
