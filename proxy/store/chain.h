/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_CHAIN_H
#define SEXTANT_STORE_CHAIN_H

/* What a journal's directory holds, read and judged without changing anything: for the start, and for verify and dump, which must
 * find the same. Sentences name file, offset and LSN. */

#include "proxy/store/checkpoint.h"
#include "proxy/store/identity.h"

struct chain {
    const struct folder *folder;
    struct identity identity;
    struct segment_header *segments; /* oldest first, each with the name of its generation */
    unsigned n_segments;
    struct checkpoint_slot slots[CHECKPOINT_SLOTS];
};

/* The identity must be there. 0, or -errno with a sentence: a header that cannot be read, a file that is too short or
 * too long, one of another journal. Damaged checkpoints are no error here. Finish it in any case. */
int chain_load(struct chain *c, const struct folder *f, const struct identity *identity, struct buf *ret_error);
void chain_fini(struct chain *c);

/* Up to here the journal was durable once, as its checkpoints tell. */
uint64_t chain_known_lsn(const struct chain *c);
/* The checkpoint to begin with, NULL for none: then the journal has all its records. -EBADMSG and a sentence when neither. In
 * *ret_doubt what is wrong with a checkpoint that can be done without. */
int chain_checkpoint(
    const struct chain *c, const struct checkpoint_slot **ret_slot, struct buf *ret_doubt, struct buf *ret_error);

/* Go through a segment. `each` (or NULL) may end it by something other than 0, which is returned. In the last one, where records
 * end, *ret_scan says what is after them. 0, -EBADMSG and a sentence, or -errno. Its `bytes` are gone when this returns. */
typedef int chain_each_fn(const struct record *record, size_t at, void *arg);
int chain_scan(const struct chain *c, unsigned segment, chain_each_fn *each, void *arg, struct segment_scan *ret_scan,
    struct buf *ret_error);

#endif
