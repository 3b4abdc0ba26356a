/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_HOLD_H
#define SEXTANT_SYNC_OWNER_HOLD_H

/* Quarantines, shared by owner_*.c and lane*.c. */

#include "proxy/sync/ledger.h"

struct home;
struct lane;
struct owner;
struct quiet;
struct readback;

/* What a client may ask home to try for is taken for a day at most. */
enum { TIMEOUT_MOST_S = 24 * 3600 };

static inline int64_t
timeout_us_of(uint64_t seconds)
{
    return (int64_t)(seconds < TIMEOUT_MOST_S ? seconds : TIMEOUT_MOST_S) * 1000 * 1000;
}

/* After an unknown outcome: until what was sent can no longer be carried out. */
struct quarantine {
    TAILQ_ENTRY(quarantine) entry;
    struct home *home;
    struct lane *
        lane; /* of a ship to it, or of what an earlier process may have sent it; NULL: of a write at home, or of what an
                        * earlier owner may have sent there */
    struct ledger_hold *hold; /* of a write */
    uint64_t lanes;           /* of a write: bits of those that are to be marked */
    int64_t timeout_us;       /* of what was sent: what it asked for; 0: nothing */
    struct mark_key *points;  /* of a ship; none: of an earlier process */
    unsigned n_points;
    uint32_t collection;
    int64_t until_us;
    struct readback *readback; /* of a write: what came of it, before it is over */
    struct quiet *quiet;       /* is the collection quiet? Asked once the time has passed */
};
TAILQ_HEAD(quarantines, quarantine);

int64_t owner_quarantine_us(const struct owner *o); /* SEXTANT_QUARANTINE, as it is now */
void home_quarantine(struct home *h, struct ledger_hold *hold, uint64_t lanes, uint32_t collection, int64_t timeout_us);
void lane_quarantine(struct lane *l, const struct mark_key *points, unsigned n, int64_t timeout_us);
void home_taint(struct home *h, uint32_t collection); /* an earlier owner may have sent it something */
void lane_taint_all(struct lane *l); /* its marks are dropped: what was sent for them is like an earlier process's */
void lane_taint(struct lane *l, uint32_t collection); /* an earlier process may have sent it something */
void home_check_quarantines(struct home *h);
void lane_drop_quarantines(struct lane *l); /* of what was sent to it */
void home_drop_quarantines(struct home *h);

#endif
