/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_CHECKPOINT_H
#define SEXTANT_STORE_CHECKPOINT_H

/* Checkpoints: what the owner of a journal knew when it had applied all up to some LSN, so that a start need not begin with the
 * first record. Two slots, the older of which is replaced, so that one is whole whatever breaks off. Opaque bytes. */

#include "proxy/store/folder.h"

enum { CHECKPOINT_SLOTS = 2, CHECKPOINT_VERSION = 1 };
#define CHECKPOINT_BYTES_MAX ((size_t)4 << 30)

struct checkpoint {
    struct journal_uuid uuid;
    uint64_t sequence;    /* +1 each */
    uint64_t covers_lsn;  /* records up to here are in it */
    uint64_t durable_lsn; /* of the journal, when it was written: its end lies no earlier */
    int64_t wall_us;
    struct str bytes;
};

/* Into the slot of its sequence: durable when it returns 0. The file of that slot is untouched otherwise. */
int checkpoint_write(const struct folder *f, const struct checkpoint *c);

struct checkpoint_slot {
    bool exists;
    char fault[128];              /* why it cannot be used; "" when it can */
    struct checkpoint checkpoint; /* its bytes are in `file` */
    struct buf file;
};
/* Both slots. Never fails: what is wrong stands in the slots. */
void checkpoint_read(
    const struct folder *f, const struct journal_uuid *uuid, struct checkpoint_slot ret_slots[CHECKPOINT_SLOTS]);
/* The newest that can be used, or NULL. */
const struct checkpoint_slot *checkpoint_newest(const struct checkpoint_slot slots[CHECKPOINT_SLOTS]);
void checkpoint_slots_fini(struct checkpoint_slot slots[CHECKPOINT_SLOTS]);

/* Pure. NULL, or what is wrong; the bytes are those of the file. */
const char *checkpoint_decode(struct str file, struct checkpoint *ret_checkpoint);

#endif
