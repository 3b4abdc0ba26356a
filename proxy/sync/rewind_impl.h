/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_REWIND_IMPL_H
#define SEXTANT_SYNC_REWIND_IMPL_H

/* For owner_rewind.c and rewind_send.c only. */

#include "proxy/sync/owner_impl.h"
#include "proxy/sync/record.h"

struct redo;

enum stage { SETTLING, RECORDING, READING, SENDING, SAVING, NOTING };

struct span_write { /* of one record of the span */
    uint64_t lsn;
    bool is_left_out, is_done; /* refused or not sent; acknowledged */
};

struct span_state {
    uint64_t ref, lsn;
};

struct span_void {
    uint64_t lsn;
    char *collection;
};

struct rewind {
    struct home *home;
    enum stage stage;
    char processes[WATCH_PROCESSES]
                  [QUIET_ID_MAX + 1]; /* that are known once it is over: one a node that was started anew */
    unsigned n_processes;
    uint64_t from, upto, at; /* LSNs; the next to be read */
    uint64_t beginning;      /* of the record that says so */
    bool is_told, is_second; /* another one began before it, and did not end */
    struct span_write *writes;
    struct span_state *states;
    struct span_void *voids;
    unsigned n_writes, n_states, n_voids, room_writes, room_states;
    unsigned next; /* of the writes */
    struct ledger *ledger;
    TAILQ_HEAD(, redo) redos;
    unsigned n_redos, n_refused, n_sent;
    uint64_t saves; /* so many checkpoints must be there */
    struct timer step;
    struct buf bytes; /* of the record that is read */
    int64_t began_us, began_boot_us;
};

struct mark_key *rewind_points(struct owner *o, const struct record_write *w); /* the caller's to free */

/* rewind_send.c */
bool rewind_send(
    struct rewind *r); /* as much as may be on its way now; true: all of it is done. Else `step` fires again */
void rewind_stop_sending(struct rewind *r);

#endif
