/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_JOURNAL_H
#define SEXTANT_STORE_JOURNAL_H

/* The journal: an append-only log of opaque records in one directory, which a power cut, a kill -9 and a failing disk leave with
 * every record that was reported durable. docs/journal.md says for operators what it withstands.
 *
 * All of this belongs to the thread of the loop, unless it says otherwise. Two threads of the journal's own do what blocks: one
 * writes and syncs records, the other prepares and recycles segments and writes checkpoints. */

#include "proxy/net/loop.h"
#include "proxy/store/segment.h"

struct journal;

enum { JOURNAL_SEGMENTS_LEAST = 4 };
#define JOURNAL_SEGMENT_BYTES ((uint64_t)64 << 20)

struct journal_record {
    uint64_t lsn;    /* from 1 on, +1 each */
    uint8_t kind;    /* 1 to 255; what it means is the owner's business */
    uint64_t ref;    /* LSN of the record that it is about, or 0 */
    int64_t wall_us; /* when it was appended; for people, never for order */
    struct str payload;
};

struct journal_options {
    const char *dir;
    uint64_t quota_bytes;   /* for segments and spare ones; at least JOURNAL_SEGMENTS_LEAST segments */
    uint64_t segment_bytes; /* 0: JOURNAL_SEGMENT_BYTES; a record never spans two */
    struct loop *loop;      /* callbacks come from it */
    int64_t lazy_us;        /* how long a lazy record, or the seal behind the last one, may wait; 0: a second */
    bool may_make;          /* an empty directory becomes a new journal; else it is refused */
};

/* Who is told what the journal holds, within journal_open(), in this order. */
struct journal_recovery {
    /* Once: the newest checkpoint; nothing, covering 0, when there is none. Returns the first LSN that the owner wants to see
     * again, covers_lsn + 1 or less; what was trimmed is left out. */
    uint64_t (*on_checkpoint)(uint64_t covers_lsn, struct str bytes, void *arg);
    /* Each record from there on, in order; the payload is valid during the call. Not 0 (-errno): journal_open() fails with it. */
    int (*on_record)(const struct journal_record *record, void *arg);
    void *arg;
};

/* Locks the directory, looks whether a journal can be kept there (writable, of this machine, locks and fsync work, space), and
 * recovers. 0, or -errno with a sentence in *ret_error: -EBADMSG when an acknowledged record or a checkpoint that is needed
 * cannot be read (which file, offset, LSN; nothing is changed then), -EWOULDBLOCK while another process has it open, -ENOENT
 * when it is empty and may not be made. */
int journal_open(const struct journal_options *options, const struct journal_recovery *recovery,
    struct journal **ret_journal, struct buf *ret_error);
/* Everything appended becomes durable, or fails; callbacks that are due are made from within. NULLs; safe on NULL. */
void journal_close(struct journal **jp);

/* Durable: 0. -errno: it never will be for this process; whether the next start finds it is unknown. */
typedef void journal_done_fn(uint64_t lsn, int error, void *arg);

/* Its LSN; the parts are copied. `done` (or NULL) is called from the loop, in order of LSN, never before this returned. A lazy
 * record does not cause a sync: it goes with the next one, after a second at the latest. 0, and no callback: the payload is longer
 * than journal_payload_max(), or the journal has failed. */
uint64_t journal_append(struct journal *j, uint8_t kind, uint64_t ref, bool lazy, const struct str *parts,
    unsigned n_parts, journal_done_fn *done, void *arg);
size_t journal_payload_max(const struct journal *j);
uint64_t journal_durable(const struct journal *j); /* any thread */
uint64_t journal_last(const struct journal *j);    /* highest LSN given */
int journal_error(const struct journal *j);        /* 0, or why it refuses for good; any thread */

/* May a record of so many bytes be begun? Says no while one segment is left: that is for the outcomes of what was begun, which
 * are appended without asking. Costs no system call. */
bool journal_has_room(struct journal *j, size_t payload);

/* Records up to here are not needed any more. Those leave, in whole segments, that both checkpoints cover: so one whose newest
 * checkpoint is broken still has what the older one needs. */
void journal_trim(struct journal *j, uint64_t upto_lsn);

/* What the owner knows of all records up to covers_lsn, which are durable; the bytes are copied. `done` is called once it is
 * durable (or -errno: the ones before stay). In order, one at a time. */
void journal_checkpoint(
    struct journal *j, uint64_t covers_lsn, struct str bytes, void (*done)(int error, void *arg), void *arg);

/* A durable record again; its payload lies in `buf` (which is cleared) until that changes. Blocking; one after another is fast.
 * -ENOENT: trimmed, or not durable yet. -EBADMSG: damaged. */
int journal_read(struct journal *j, uint64_t lsn, struct journal_record *ret_record, struct buf *buf);

struct journal_stats {
    struct journal_uuid uuid;
    uint32_t starts;
    bool is_new, is_in_memory; /* made by this start; the file system is one that a power cut empties */
    uint64_t first_lsn, last_lsn, durable_lsn, covers_lsn /* of the newest checkpoint */;
    uint64_t quota_bytes, used_bytes /* by segments with records */, file_bytes /* by all segments and spare ones */,
        disk_free_bytes, room_bytes /* before journal_has_room() says no, about */;
    uint32_t segments, spares;
    uint64_t commits, records, bytes, poisoned /* files given up after a failed write */, checkpoints;
    uint64_t sync_us, sync_max_us; /* sum over the commits, of write and fdatasync; longest of all */
    int error;
};
void journal_stats(struct journal *j, struct journal_stats *ret_stats);

#endif
