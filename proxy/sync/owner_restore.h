/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_RESTORE_H
#define SEXTANT_SYNC_OWNER_RESTORE_H

/* What an operator orders after a loss: a new journal takes a home over from one that is lost, or a home is brought back from a
 * copy (docs/replication.md). Shared by owner_*.c and lane*.c; the owner's thread only.
 *
 *   takeover:  claimed, from whoever had it ─▶ settling ─▶ noted in the journal's directory ─▶ as any home; its lanes walk, as their
 *              copies have notes of another journal
 *   restore:   recorded (nothing else is sent to home from now on) ─▶ claimed again, if it was lost with the data ─▶ settling
 *              ─▶ collections made ─▶ walk copy ─▶ home ─▶ rewind: what the copy had not got of the last minute ─▶ lanes are to
 *              walk, which is saved ─▶ recorded as over
 *   called off: before home was changed. If its claim was held all the time it is as before; else recorded as off, and closed until
 *              the next order
 *
 * 1. Settling: what an earlier owner, or this one, had sent has come or never will: a quarantine, and not before the collections are
 *    quiet. A start in between begins it anew.
 * 2. The walk is that of a lane from the copy to home, whose home (`restores`) has no writes. A start in between begins it anew.
 * 3. Nothing is made at home that a record of this journal deleted. */

#include "proxy/base/buf.h"
#include "proxy/base/json.h"
#include "proxy/sync/owner.h"

struct home;
struct lane;
struct listing;
struct owner;
struct restore;

struct settling { /* of a home */
    struct listing *listing;
    bool is_listed;
    bool has_lanes;    /* an earlier owner may have shipped, too */
    unsigned n_taints; /* collections at home */
    int64_t until_us;
    uint64_t saves; /* so many checkpoints must be there */
};

/* owner.c */
struct home *home_new(struct owner *o, struct str name); /* one that is in no list */
void home_free(struct home *h);                          /* the same */
void owner_hide_lane(struct owner *o, struct lane *l);   /* from other threads */

/* owner_claim.c */
void home_claim_again(struct home *h); /* whoever claimed it, and whatever cluster it is */
void home_accept(struct home *h);      /* its claim is held: the journal notes whose it is */

/* owner_settle.c */
void home_settle(struct home *h, bool has_lanes); /* from now on */
bool home_has_settled(struct home *h);
void home_settle_fini(struct home *h);
void home_take_over(struct home *h); /* it is claimed */
void home_tick_takeover(struct home *h);

/* owner_restore.c */
void restore_tick(struct home *h);
void restore_free(struct home *h);
bool restore_holds_rewind(const struct home *h);
bool restore_may_send(const struct restore *r);                       /* to home, from the copy */
void restore_put(const struct home *h, struct buf *out);              /* for a checkpoint */
bool restore_take(struct home *h, struct str *in, uint64_t format);   /* of the checkpoint */
void restore_replay(struct home *h, struct str from, unsigned flags); /* of a record */
void restore_show(const struct home *h, struct restore_view *ret_view);

/* owner_view.c */
struct restores {
    struct restore_view rows[RESTORES_MAX];
    unsigned n;
};
void owner_show_restores(struct owner *o);

/* restore_walk.c */
bool lane_is_restoring(const struct lane *l);                                            /* from a copy to its home */
bool restore_skips(const struct lane *l, struct str collection, struct str incarnation); /* it was deleted */

#endif
