/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_JOURNAL_IMPL_H
#define SEXTANT_STORE_JOURNAL_IMPL_H

/* For the files of the journal only: journal.c (the loop's side), recovery.c (open), writer.c and upkeep.c (the two threads),
 * reader.c. */

#include <pthread.h>
#include <stdatomic.h>

#include "proxy/store/checkpoint.h"
#include "proxy/store/identity.h"
#include "proxy/store/journal.h"

enum {
    SPARES_WANTED = 2,                         /* the next segment, and the one that is kept for outcomes */
    SPARES_KEPT = 4,                           /* recycled ones beyond this go */
    INDEX_BYTES = 256 * 1024,                  /* a segment's index has an entry for each so many */
    WRITER_KEEPS_BYTES = 8 << 20,              /* of a batch's memory, when it is done */
    SEGMENT_RESERVE = 2 * RECORD_HEADER_BYTES, /* of a segment, for its last seals */
};

struct segment_entry {
    uint64_t lsn, at;
};

struct segment {
    uint64_t generation, first_lsn, bytes, stamp;
    struct segment_entry *index; /* of the loop's reader and the writer, under the lock */
    unsigned n_index;
};

struct waiter {
    uint64_t lsn;
    journal_done_fn *done;
    void *arg;
};

struct checkpoint_job {
    struct checkpoint_job *next;
    uint64_t covers_lsn;
    struct buf bytes;
    void (*done)(int error, void *arg);
    void *arg;
    int error;
};

/* What is posted to the loop: it may be run after the journal was closed. */
struct news {
    struct journal *journal; /* NULL: closed */
    atomic_bool is_posted;
};

struct journal {
    struct folder folder;
    struct identity identity;
    struct loop *loop;
    struct news *news;
    uint64_t segment_bytes;
    int64_t lazy_us;
    uint32_t quota_segments;
    bool is_new, is_in_memory;

    /* the loop's */
    uint64_t next_lsn, trim_lsn;
    struct waiter *waiters; /* a ring */
    unsigned n_waiters, first_waiter, waiters_room;
    struct {
        int fd;
        uint64_t generation, lsn, at; /* the record that follows the last one read */
    } reader;

    /* the writer's */
    struct {
        int fd;
        uint64_t at, generation, stamp, bytes;
        struct buf batch;
        bool needs_seal;
        int64_t seal_at_us;
        uint64_t indexed_at;
    } writer;

    atomic_uint_fast64_t durable_lsn;
    atomic_int error; /* -errno once it has failed for good */

    pthread_t writer_thread, upkeep_thread;
    bool has_writer, has_upkeep;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t to_writer, to_upkeep, spare_ready;
        bool is_stopping; /* the writer ends when everything is written */
        bool is_done;     /* and the other thread when it has nothing to do */

        struct buf pending; /* drafts, in order */
        uint64_t writing;   /* bytes of drafts that the writer took and did not publish yet */
        bool is_eager;      /* one of them is not lazy */
        int64_t lazy_at_us; /* when the first of them has waited long enough */

        struct segment *segments; /* oldest first; the last one is written to */
        unsigned n_segments;
        uint64_t active_at; /* writer.at, for others */

        uint64_t spares[SPARES_KEPT + 1], next_spare;
        unsigned n_spares;
        bool is_making, is_spare_wanted; /* one is being made; the writer waits for one */
        int spare_error;                 /* of the last one that could not be made; 0 when one was ready since */
        bool may_try_again;

        uint64_t *trimmed; /* generations that become spare */
        unsigned n_trimmed;
        int ended_fd; /* of a segment that is complete, to be synced once more and closed; -1: none */

        struct checkpoint_job *jobs, *results;
        uint64_t checkpoint_sequence, covers_lsn[CHECKPOINT_SLOTS];

        uint64_t disk_free;
        struct journal_stats stats;
    } shared;
};

/* recovery.c: everything up to and with the segment that is written to; before the threads. */
int journal_recover(struct journal *j, const struct journal_options *options, const struct journal_recovery *recovery,
    struct buf *ret_error);

/* writer.c */
void *journal_writer(void *journal);
bool writer_can_seal(const struct journal *j);
int writer_seal(struct journal *j); /* written and synced */
/* A new segment that begins with the drafts of the range (may be none), durable and the one that is written to when it returns
 * 0. It waits for a spare file. */
int writer_install(struct journal *j, char *range, size_t len, uint64_t first_lsn);
void journal_post_news(struct journal *j);

/* upkeep.c */
void *journal_upkeep(void *journal);
int upkeep_make_spare(struct journal *j);
bool upkeep_may_make_locked(const struct journal *j);

/* journal.c */
void segment_add_locked(struct journal *j, const struct segment *s);
uint64_t journal_covered_locked(const struct journal *j); /* what both checkpoints cover */

#endif
