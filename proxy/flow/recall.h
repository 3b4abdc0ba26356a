/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_RECALL_H
#define SEXTANT_FLOW_RECALL_H

/* SEXTANT_SESSION=credential: which record of a journal each credential has last written to each collection. One for the process;
 * all threads, without a lock. Of a credential nothing is kept: it is part of a number that whoever asks makes with a key
 * of this process. The memory is fixed: 128 KiB for each home, from its first write on. Two that meet in one cell share the later of
 * their records, so nothing is forgotten before the process ends; it may be thought newer than it is, which costs a read its
 * nearest copy until that has caught up. */

#include <stdbool.h>
#include <stdint.h>

enum { RECALL_CELLS = 16384 };

struct recall;

struct recall *recall_new(void);
void recall_free(struct recall *r);
/* `name` wrote this record (below 2^48) to a home, of which this is the slot. */
void recall_note(struct recall *r, unsigned home, uint64_t name, uint64_t journal, uint64_t lsn);

struct recalled {
    uint64_t lsn;     /* 0: nothing is known of it */
    bool is_of_other; /* of another journal than the one asked for: it cannot be compared */
};
struct recalled recall_look(const struct recall *r, unsigned home, uint64_t name, uint64_t journal);

#endif
