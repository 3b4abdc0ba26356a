/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LEDGER_IMPL_H
#define SEXTANT_SYNC_LEDGER_IMPL_H

/* How the ledger lies in memory, for ledger*.c only. */

#include "proxy/base/hash.h"
#include "proxy/base/mem.h"
#include "proxy/sync/ledger.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

struct ledger_turn {
    struct ledger_write *write;
    struct spot *spot;
    TAILQ_ENTRY(ledger_turn) entry;
};

struct spot_key {
    uint64_t words[4]; /* the key without padding */
};

struct spot {
    struct spot_key key;
    TAILQ_HEAD(, ledger_turn) turns;
    unsigned n_holds;
    struct known_row *known;
    UT_hash_handle hh;
};

struct room { /* a collection in which something goes on */
    uint32_t collection;
    unsigned n_open;
    TAILQ_HEAD(, ledger_gate) gates; /* the first is open or waits for n_open to become 0 */
    UT_hash_handle hh;
};

struct ledger {
    struct hash_key hash_key; /* ids are chosen by strangers */
    struct spot *spots;
    struct room *rooms;
    TAILQ_HEAD(write_queue, ledger_write) writes, ready; /* all by LSN; those that may be taken */
    LIST_HEAD(, ledger_hold) holds;
    unsigned n_open;
    TAILQ_HEAD(, known) known; /* oldest first; each has a row with a spot */
    size_t known_bytes;
};

/* ledger.c */
struct spot *spot_find(const struct ledger *l, const struct mark_key *point); /* NULL: there is none */
void spot_put(struct ledger *l, struct spot *spot);                           /* frees it, if nothing is there */

/* ledger_known.c */
void spot_know(struct ledger *l, struct spot *spot, struct known_row *row); /* if nothing else is there */
void spot_forget(struct ledger *l, struct spot *spot);                      /* the spot is the caller's to put */
void ledger_keep(struct ledger *l, struct known *k); /* taken over, with what its spots have of it */

#endif
