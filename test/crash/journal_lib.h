/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_CRASH_JOURNAL_LIB_H
#define SEXTANT_TEST_CRASH_JOURNAL_LIB_H

/* A journal in a directory of its own, with small segments, whose records can be told from one another: what a record holds
 * follows from its LSN, and it is compared whenever one is seen again. */

#include <stdatomic.h>

#include "proxy/base/mem.h"
#include "proxy/store/chain.h"
#include "proxy/store/journal.h"

enum { SMALL_SEGMENT = 64 * 1024, SMALL_QUOTA = 16 * SMALL_SEGMENT };

/* What a process that may end at any moment tells the one that watches it. */
struct fixture_told {
    atomic_uint_fast64_t appended, acknowledged, covers;
};

struct fixture {
    char dir[64];
    struct loop *loop;
    struct journal *journal;
    struct buf error;
    uint64_t covers_lsn, from_lsn, seen, last_seen; /* of the last open */
    uint64_t want_from;                             /* LSN to be shown again from, 0: behind the checkpoint */
    uint64_t acknowledged;
    int64_t lazy_us; /* an hour, so that nothing depends on how long a test takes */
    int last_error;
    uint64_t checkpoint_lsn;
    unsigned n_done, n_checkpoints, want_done, want_checkpoints;
    struct fixture_told *told; /* or NULL */
    bool is_wrong;             /* a record was seen that is not what was appended */
};

struct str payload_of(uint64_t lsn, size_t len); /* valid until the next call in this thread; up to 256 KiB */
size_t length_of(uint64_t lsn);

int fixture_begin(struct fixture *f); /* 0, as cmocka wants it */
int fixture_end(struct fixture *f);   /* closes the journal, removes the directory */
int fixture_open_with(struct fixture *f, struct journal_options options); /* dir and loop are set here */
int fixture_open(struct fixture *f);

/* `len` 0: length_of() the LSN. */
uint64_t fixture_append(struct fixture *f, size_t len, bool lazy);
void fixture_wait(struct fixture *f, unsigned n);                   /* until n records were told of, in all */
void fixture_append_all(struct fixture *f, unsigned n, size_t len); /* one batch, and wait */
void fixture_checkpoint(struct fixture *f, uint64_t covers_lsn);    /* and wait */

/* One file of the directory: the bytes at `at` are overwritten, read, or the file is cut. */
void file_put(const char *dir, const char *name, uint64_t at, struct str bytes);
char file_get(const char *dir, const char *name, uint64_t at);
void file_cut(const char *dir, const char *name, uint64_t bytes);
void remove_files(const char *dir);
void copy_files(const char *from, const char *to);

#endif
