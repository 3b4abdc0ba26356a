/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_IMPL_H
#define SEXTANT_SYNC_OWNER_IMPL_H

/* Shared by owner_*.c and lane.c. Everything here belongs to the owner's thread, but what stands in `shared`. */

#include <pthread.h>
#include <sys/queue.h>

#include "proxy/obs/forecast.h"
#include "proxy/store/journal.h"
#include "proxy/sync/catalog.h"
#include "proxy/sync/claim.h"
#include "proxy/sync/errand.h"
#include "proxy/sync/freeze.h"
#include "proxy/sync/identities.h"
#include "proxy/sync/incarnations.h"
#include "proxy/sync/ledger.h"
#include "proxy/sync/lexicon.h"
#include "proxy/sync/owner.h"
#include "proxy/sync/owner_hold.h"
#include "proxy/sync/owner_restore.h"
#include "proxy/sync/owner_schema.h"
#include "proxy/sync/rewind.h"
#include "proxy/sync/succession.h"

enum { LANES_MAX = CLUSTERS_MAX, FLOOR_SAMPLES = 14, LANE_PROCESSES = 32, MARK_BYTES_MOST = 48 };

struct collection_wait;
struct flight;
struct job;
struct walk;

struct lane { /* one copy of one home */
    LIST_ENTRY(lane) entry;
    struct home *home;
    char *copy; /* the cluster's name */
    struct marks *marks;
    struct catalog *catalog; /* of the copy */
    LIST_HEAD(, collection_wait) collections;
    LIST_HEAD(, schema_item) schemas; /* lane_schema.c */
    struct schema_watch watch;
    LIST_HEAD(, flight) flights;
    unsigned n_flights, n_failures; /* the latter in a row */
    struct timer rest;              /* set: nothing is started until it fires */
    bool was_up;                    /* by its probes, at the last tick */
    unsigned index;                 /* its bit in masks of the home's lanes */
    unsigned n_taints;              /* quarantines of what an earlier process may have sent it */
    int64_t unparked_us;            /* when the refused ones were last let try again */
    enum { LANE_UNCHECKED, LANE_SHIPS, LANE_FOREIGN } check;
    bool is_recording; /* its identity, in the journal */
    struct copy_check *checking;
    struct copy_mark *noting;
    struct quiet *asking; /* which process is it now? */
    unsigned asked_endpoint;
    int64_t asked_us, sure_us,
        known_us;               /* sure: older connections lead to processes that were seen; known: it answered */
    int64_t round_us, alive_us; /* all endpoints answered since; what was confirmed a minute before is there to stay */
    bool is_dormant;            /* the map has no such copy (any more): nothing is marked, nothing sent */
    struct buf left_out;        /* collections that it was no copy of, until that is compared with the map again */
    bool is_new, has_joined;    /* the journal that was read had it not; writes under way are for it, too */
    bool is_partial, is_swapped, has_lost;            /* it lacks data: see owner_reach.h */
    char processes[LANE_PROCESSES][QUIET_ID_MAX + 1]; /* seen lately */
    unsigned n_processes;                             /* seen at all */
    uint64_t told_lsn, noted_lsn; /* position as readers were told, and in the newest note at the copy */
    uint64_t saved_lsn;           /* its position in the newest checkpoint; LANE_NOT_NOTED: none to note */
    char doubt[160];              /* why it must be compared with home; empty: it need not */
    struct walk *walk;            /* the one under way, or the last; NULL: there was none */
    int64_t shed_us;              /* when its marks were last dropped for a walk, monotonic; 0: never */
    char trouble[160];
    struct {
        pthread_mutex_t lock;
        struct lane_view view;     /* _locked */
        int64_t oldest_wall_us;    /* _locked; 0: it lacks nothing */
        int64_t least_us, most_us; /* _locked, monotonic: its age is between them (0: not known) */
    } shared;
};

#define LANE_NOT_NOTED UINT64_MAX

struct floor_sample {
    int64_t at_us;
    uint64_t lsn;
};

struct home {
    LIST_ENTRY(home) entry;
    struct owner *owner;
    char *name;                             /* the cluster's */
    struct claim *claim;                    /* NULL: not owned any more, or not yet */
    bool has_held, is_recorded, is_running; /* the last: home_run() is at work */
    bool has_too_many, is_lost;             /* copies, by the map; its data, see owner_reach.h */
    bool takes_over;                        /* from another journal, whose last requests may be under way */
    struct settling settling;
    struct restore *restore;  /* under way: nothing but that is sent to it */
    struct restore *restores; /* this is no home, but the copy that one is restored from */
    char trouble[160];        /* with its claim */
    struct floor_sample floors[FLOOR_SAMPLES];
    unsigned n_floors;
    uint64_t floor_lsn;
    int64_t answered_us; /* when home last answered as a process that is known */
    struct watch watch;
    struct rewind *rewind; /* under way */
    struct ledger *ledger;
    struct catalog *catalog;
    LIST_HEAD(, lane) lanes;
    struct incarnations *incs;
    LIST_HEAD(, frozen) frozen;
    enum home_claims claims;
    bool is_claiming, is_giving_up;     /* that is being recorded; an order to */
    TAILQ_HEAD(, change) changes;       /* of schema */
    TAILQ_HEAD(, job) waiting, running; /* those that may not enter yet; all others */
    unsigned n_lanes;
    struct quarantines quarantines; /* its own and those of its lanes */
};

struct owner {
    pthread_t thread;
    bool is_started, is_ending, is_stopping;
    struct loop *loop;
    struct metrics *metrics;
    struct residency *residency;
    struct upstream *up;
    struct journal *journal;
    struct lexicon *collections, *shard_keys;
    struct identities known; /* of clusters, as the journal has them */
    struct hash_key hash_key;
    LIST_HEAD(, home) homes;
    struct errands errands;
    uint64_t marked_lsn; /* all records up to it are in the marks */
    struct timer tick, ending;
    int64_t end_by_us, saved_us;
    struct succession succession;
    bool is_saving, is_save_due; /* a checkpoint is being written, or is to be whatever was marked */
    uint64_t saved_lsn, n_saves, n_walks;
    int64_t fitted_us;    /* when it was last looked whether what the map has no more can go */
    struct forecast room; /* of the journal */
    struct {
        pthread_mutex_t lock;
        struct lane **lanes;                   /* _locked, of all homes */
        unsigned n_lanes;                      /* _locked */
        struct frozen_view frozen[FROZEN_MAX]; /* _locked */
        unsigned n_frozen;                     /* _locked */
        struct restores restores;              /* _locked */
        struct owner_view view;                /* _locked */
    } shared;
};

static inline int64_t
owner_now_us(const struct owner *o)
{
    return loop_now_us(o->loop);
}

/* owner.c */
struct home *owner_home(struct owner *o, struct str name);     /* NULL: not owned here */
struct home *owner_add_home(struct owner *o, struct str name); /* it, or a new one */
void owner_each_lane(struct owner *o, void (*fn)(struct lane *l));
void owner_add_homes(struct owner *o); /* those that the map says are owned here */
void owner_end(void *arg);             /* give claims back, then stop, or close the journal if it is to change hands */

/* owner_write.c: the way of one write */
void owner_take_order(void *arg); /* a post */
void home_run(struct home *h);    /* send what may be sent, let in what may come in, ship */
bool home_end(struct home *h);    /* answer all jobs; false: some wait for the disk, call it again */
/* Writes without an outcome, those in quarantine included, with the lanes that they are for. */
struct open_write {
    const struct mark_key *points;
    unsigned n_points;
    struct mark_age age;
    uint64_t lanes;     /* bits of those that it is for */
    int64_t timeout_us; /* how long home was asked to try; 0: not said */
};
typedef void home_open_fn(void *arg, const struct open_write *w);
void home_each_open(struct home *h, home_open_fn *fn, void *arg);

/* owner_copies.c */
void home_look_at_copies(struct home *h); /* answer those whose copies have it now */

/* owner_claim.c */
/* Of clusters, as the journal knows them; "": it knows none. Is there room for it? Remember it; and record it, too. */
const char *owner_identity(const struct owner *o, const char *cluster);
bool owner_can_learn(const struct owner *o, struct str cluster);
bool owner_learn_identity(struct owner *o, struct str cluster, struct str identity);
void owner_record_identity(
    struct owner *o, const char *cluster, const char *identity, journal_done_fn *done, void *arg);
void home_claim(struct home *h);                 /* from now on, once */
bool home_has_claim(const struct home *h);       /* and knows whose it is: what is sent now is this edge's to send */
enum fail home_fail(const struct home *h);       /* why not */
bool home_may_send(const struct home *h);        /* a write to it, or a ship from it, right now */
bool home_is_frozen(const struct home *h);       /* it will not be before the next start */
void home_renew(struct home *h, int64_t now_us); /* tell the claim how far the journal is */
bool home_release(struct home *h);               /* true: done. Call it again */

/* owner_recover.c */
void owner_save(struct owner *o); /* a checkpoint, unless one is on its way */

#include "proxy/sync/lane.h"

#endif
