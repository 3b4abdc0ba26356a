/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_FREEZE_H
#define SEXTANT_SYNC_FREEZE_H

/* Changes of the map that take something away are made in steps (docs/replication.md, "Changing the map"). An operator freezes a
 * partition; what was written to it reaches its copies; then it is drained, and its line may be changed, or the claim on
 * its home given up. Included by owner_impl.h; the owner's thread only.
 *
 *   (nothing) ─▶ frozen ─▶ drained: nothing was left for a whole quarantine, in which home and copies answered
 *       ▲           ▲         │
 *       │           └─────────┤ something is there again (a copy that was started anew, a walk)
 *       └── unfrozen ◀────────┴─▶ the map has changed: no line is this one any more
 *
 * 1. Frozen is durable before it is told, thawed only when that is durable.
 * 2. A reload may take away what is drained, and nothing else; a start what no mark and no open write speaks of.
 * 3. A home is given up at its cluster first, then in the journal: a crash in between leaves it frozen and claimed again. It is taken
 *    back in the journal first, and thawed then. */

#include <sys/queue.h>

#include "conf/partition_map.h"
#include "proxy/base/arena.h"
#include "proxy/base/buf.h"
#include "proxy/sync/errand.h"
#include "proxy/sync/record.h"

struct home;
struct lane;
struct owner;

struct frozen { /* the partition of a line that has this home */
    LIST_ENTRY(frozen) entry;
    struct home *home;
    struct arena arena; /* of the texts */
    struct str line, partition, without, reason, by, collections;
    int64_t since_wall_us;
    const struct rule *rule; /* in the map in use; NULL: no line is this one */
    int64_t clear_us;        /* since when nothing has been left; 0: something is */
    bool is_drained, is_recorded /* that it was, with its collections */;
    char left[200];
};

enum home_claims { HOME_UNCLAIMED, HOME_CLAIMED, HOME_GIVEN_UP }; /* as the journal knows it */

/* owner.c */
void owner_drop_home(struct home *h);               /* nothing of it is under way */
struct home *owner_begin_home_anew(struct home *h); /* one that nothing is known of but what is frozen */

/* owner_freeze.c */
bool home_freezes(const struct home *h, struct str collection);
bool frozen_has(const struct frozen *f, struct str collection); /* is it of that partition? By the map in use */
bool frozen_spares(const struct frozen *f, struct str copy);    /* nothing waits for this copy: it is to go */
/* By its patterns, by one of them, or by a collection that it takes; NULL: no line. */
const struct rule *frozen_find_rule(const struct partition_map *map, struct str name);
/* The partition of a line that fans out from this home; NULL: there is none. */
const struct partition *home_partition(const struct home *h, const struct rule *rule);
struct frozen *home_frozen(const struct home *h, struct str line);
/* As it is said; takes the place of what was said before. */
struct frozen *home_set_frozen(struct home *h, const struct record_frozen *r);
struct record_frozen frozen_as_record(const struct frozen *f);
void frozen_free(struct frozen *f);
bool frozen_say(
    struct owner *o, const struct record_frozen *r, struct errand *e); /* which is answered when that is durable */
void frozen_record(struct frozen *f, bool is_thawed);
void home_fit_frozen(struct home *h); /* to the map in use */
void home_drop_frozen(struct home *h);
void home_put_frozen(const struct home *h, struct buf *out); /* for a checkpoint */
bool home_take_frozen(struct home *h, struct str *in);
bool owner_replay_frozen(struct owner *o, struct str payload);

/* owner_drain.c */
void home_look_at_frozen(struct home *h); /* about once a second */
void owner_show_frozen(struct owner *o);
/* Which collections the map takes is not all that a journal that was read says: false, and why. */
bool owner_check_map(struct owner *o, struct buf *ret_error);

/* owner_release.c */
void home_record(
    struct home *h, enum home_claims claims, errand_fn *then); /* `then` answers errands that wait for it */
void home_claim_changed(struct home *h);
struct home *home_take_back(struct home *h); /* one that was given up; what it is from now on */
bool owner_replay_home(struct owner *o, struct str payload);
void owner_drop_homes(struct owner *o); /* those that were given up and are no home of the map any more */

#endif
