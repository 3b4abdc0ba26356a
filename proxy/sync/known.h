/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_KNOWN_H
#define SEXTANT_SYNC_KNOWN_H

/* What points are at home by the text of the write that set them whole, or deleted them, so that a ship need not ask (fanout.md §6). The ledger
 * keeps it as long as nothing else was recorded on the point: see ledger_leave_known(). */

#include <sys/queue.h>

#include "proxy/sync/state.h"

struct spot;

struct known_row {
    struct known *of;
    struct str vector, payload; /* JSON, in of->text; no vector: it is not there */
    unsigned n_wanted;          /* lanes that have yet to take it */
    struct spot *spot;          /* the ledger's; NULL: it is not known any more */
};

struct known { /* of one write */
    TAILQ_ENTRY(known) entry;
    struct state_text *text;
    size_t bytes; /* all that it takes */
    int64_t at_us;
    unsigned n, n_left; /* rows; those with a spot */
    struct known_row rows[];
};

/* n rows to be filled in, in the order of the write's points. The body is taken over. */
struct known *known_new(struct buf *body, unsigned n, int64_t now_us);
void known_free(struct known *k);

#endif
