/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_H
#define SEXTANT_SYNC_OWNER_H

/* The owner of this edge's homes: one thread that records writes in the journal, sends them to their home in order, and
 * brings what came of them to the copies. It is told of new fleets and fallen backends as workers are. */

#include "proxy/obs/metrics.h"
#include "proxy/obs/residency.h"
#include "proxy/sync/order.h"
#include "proxy/upstream/upstream.h"

struct owner;

enum walk_state { WALK_NONE, WALK_MENDS, WALK_COMPARES, WALK_STOPPED, WALK_OVER };
const char *walk_state_name(enum walk_state state);

/* The walk of a lane, or its last one. */
struct walk_view {
    enum walk_state state;
    uint64_t number; /* 1, 2, ... of this process */
    char why[128], trouble[160], collection[128];
    uint64_t total, passed; /* points at home, as far as they were counted */
    uint64_t missing, unlike, extra, unsaved;
    unsigned n_left; /* collections that are not over */
};

/* What the status page shows of one copy of one home; also for those that are not owned here: nothing. */
struct lane_view {
    char home[64], copy[64];
    uint64_t marks;           /* points to be shipped, parked ones included */
    uint64_t parked;          /* those that the copy refuses */
    uint64_t again;           /* points that will be shipped once more, as an earlier ship may still come late */
    unsigned schemas_blocked; /* collections of which nothing is shipped, as they are not what home's are */
    unsigned schemas_differ;  /* those that differ without a record */
    uint64_t position;        /* reads that must not be older than this record may go there; 0: none may */
    int64_t lag_us;           /* age of the oldest unshipped change; 0: there is none */
    bool is_incomplete;       /* the copy is known to lack data: it is not read */
    char trouble[160];        /* what keeps it from shipping; empty: nothing */
    struct walk_view walk;
};

/* A partition whose writes an operator has frozen. */
struct frozen_view {
    char home[64], line[256], partition[128], without[128], reason[128], by[64];
    char left[200]; /* what keeps it from being drained; empty: nothing */
    int64_t since_wall_us;
    bool is_drained, is_given_up; /* the latter: its home */
};
enum { FROZEN_MAX = 64 };

/* A home that is brought back from a copy, or was to be. */
struct restore_view {
    char home[64], from[64];
    const char *stage; /* "off": it was called off, and is closed until the next order */
    char trouble[160]; /* with its claim */
    bool may_delete;
};
enum { RESTORES_MAX = CLUSTERS_MAX };

/* The journal, as of less than a second ago. */
struct owner_view {
    uint64_t last_lsn, durable_lsn, saved_lsn; /* saved: covered by the newest checkpoint */
    uint64_t used_bytes, quota_bytes, room_bytes;
    int64_t full_in_us;        /* until there is no room, by the last ten minutes; -1: it does not fill */
    uint64_t commits, sync_us; /* sum over the commits */
    unsigned n_open, n_held;   /* writes without an outcome; of those in quarantine, as it is not known */
    unsigned n_frozen;         /* partitions */
    int error;                 /* 0, or why it takes no more */
    unsigned n_rewinding;      /* homes that are sent their last minute again */
    unsigned n_restoring;      /* homes that are brought back from a copy */
    bool is_waiting;           /* the process before this one has it still */
};

/* Opens the journal and recovers, which may take a while. 0; or -errno and a sentence for the operator. `may_wait`: another
 * process that has it will give it up; it is taken over then, and until then writes wait. */
int owner_new(struct fleet *fleet, uint64_t seed, bool may_wait, struct owner **ret_owner, struct buf *ret_error);
int owner_start(struct owner *o); /* its thread; 0 or -errno */
/* Ends the thread: what was not sent is refused, what has no outcome is told so, claims are given back. Orders that it has
 * are delivered to their loops, which must still take posts. */
void owner_stop(struct owner *o);
/* The next process serves: finish what was begun, give claims back, close the journal. What comes afterwards is refused. */
void owner_retire(struct owner *o);
bool owner_has_retired(const struct owner *o); /* any thread */
void owner_free(struct owner *o);              /* stopped, or never started; NULL is fine */

/* From any thread: */
void owner_submit(struct owner *o, struct order *order);
void owner_post_fleet(struct owner *o, struct fleet *fleet);
void owner_post_fallen(struct owner *o, struct backend *b);
unsigned owner_lanes(struct owner *o, struct lane_view *ret_views, unsigned max);    /* gives how many there are */
unsigned owner_frozen(struct owner *o, struct frozen_view *ret_views, unsigned max); /* those that are shown */
unsigned owner_restores(struct owner *o, struct restore_view *ret_views, unsigned max);
void owner_look(struct owner *o, struct owner_view *ret_view);
struct metrics *owner_metrics(struct owner *o);
struct residency *owner_residency(
    struct owner *o); /* what went to copies: rule "fan-out", the home as partition and caller */

#endif
