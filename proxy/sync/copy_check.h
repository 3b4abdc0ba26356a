/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_COPY_CHECK_H
#define SEXTANT_SYNC_COPY_CHECK_H

/* Is a copy what the journal takes it for? Its notes (notes.h) are read before a lane ships to it; where there are none, the
 * cluster is given an identity. And the note that is left there: whose journal is shipped to it, and how far. Obeys the
 * contract of ask.h. */

#include "proxy/sync/notes.h"
#include "proxy/upstream/upstream.h"

enum copy_verdict {
    COPY_FRESH,  /* nothing was ever shipped to it by anybody's journal for this home */
    COPY_KNOWN,  /* it is as this journal left it, up to the position */
    COPY_WALK,   /* it must be compared whole: it was emptied, or the journal was lost or restored */
    COPY_FOREIGN /* it is not the cluster that it should be: nothing may be sent there */
};

struct copy_spec {
    struct str cluster;
    const char *home;     /* identity of the home */
    const char *journal;  /* UUID */
    const char *identity; /* of this cluster as the journal knows it; "": it knows none */
    uint64_t lsn;         /* the journal's last one */
};

struct copy_result {
    struct str trouble; /* not empty: it could not be asked, and the rest means nothing */
    enum copy_verdict verdict;
    const char *why; /* for COPY_WALK and COPY_FOREIGN: a sentence */
    bool lacks;      /* by its notes it never had what home has, or has it no more, or it is another cluster */
    notes_uuid identity;
    uint64_t position; /* COPY_KNOWN */
};

const char *copy_verdict_name(enum copy_verdict verdict);
/* What the notes of a copy mean; `is_new`: there was no identity, so it was just given one. Pure. */
void copy_judge(const struct copy_spec *spec, const struct notes *notes, bool is_new, struct copy_result *ret_result);

struct copy_check;
typedef void copy_check_fn(void *arg, const struct copy_result *result);
/* Record the identity of a FRESH or emptied copy durably before anything is shipped to it. The texts of `spec` are copied. */
struct copy_check *copy_check_start(
    struct upstream *up, const struct copy_spec *spec, int64_t timeout_us, copy_check_fn *on_done, void *arg);
void copy_check_cancel(struct copy_check **cp); /* NULLs; safe on NULL */

/* Leave a note at a copy. `trouble` is empty if it is there. Only the newest is worth anything: one at a time. */
struct copy_mark;
typedef void copy_mark_fn(void *arg, struct str trouble);
struct copy_mark *copy_mark_start(struct upstream *up, struct str cluster, const char *home,
    const struct copy_note *note, int64_t timeout_us, copy_mark_fn *on_done, void *arg);
void copy_mark_cancel(struct copy_mark **mp);

#endif
