/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_ERRAND_H
#define SEXTANT_SYNC_ERRAND_H

/* What an operator asks of the owner, on its way between the thread that was asked and the owner's: it goes over by a post, is
 * carried out there, at once or in the course of time, and comes back with an answer.
 *
 *   errand_new ─▶ owner_send ─▶ (owner) run ─▶ errand_answer or errand_refuse ─▶ on_done, which frees it
 *
 * 1. Each is answered once. An owner that ends refuses those that it has.
 * 2. Whoever asked may go before the answer comes: it sets `arg` to NULL and on_done does nothing but free. */

#include <sys/queue.h>

#include "proxy/base/json.h"
#include "proxy/net/loop.h"

struct errand;
struct lane;
struct owner;

typedef void errand_fn(struct owner *o, struct errand *e); /* on the owner's thread, once */

struct errand {
    LIST_ENTRY(errand) entry; /* from here on the owner's, until it is answered */
    struct owner *owner;
    errand_fn *run;
    struct loop *loop;                 /* of the asker */
    void (*on_done)(struct errand *e); /* on that loop, once; it frees the errand */
    void *arg;                         /* the asker's, who may change it at any time */
    struct json_doc *doc;
    struct json body;  /* an object: what is asked */
    struct str by;     /* who asks, for the log */
    void *held;        /* of `run`, while it is under way */
    int status;        /* of HTTP */
    uint64_t saves;    /* it waits for so many checkpoints; 0: it does not */
    struct buf answer; /* JSON */
};
LIST_HEAD(errands, errand);

struct errand *errand_new(struct json body, const char *by); /* both are copied */
void errand_free(struct errand *e);
/* From any thread whose loop takes posts until the owner is freed. */
void owner_send(struct owner *o, struct errand *e);

/* The owner's thread: with what stands in e->answer; or with {"error": "…"}. */
void errand_answer(struct errand *e, int status);
void errand_refuse(struct errand *e, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* All of one kind that wait for the same record: it is durable (0), or the journal could not be written (-errno). */
void owner_recorded_errands(struct owner *o, errand_fn *run, const void *held, int error);
/* The same, once a checkpoint keeps what was ordered: a crash after the answer does not undo it. */
void errand_answer_saved(struct errand *e);
void owner_saved_errands(struct owner *o, int error); /* one was written, or could not be */
void owner_end_errands(struct owner *o);
struct lane *errand_lane(struct owner *o, struct errand *e); /* its target; NULL after refusing it */

/* The orders. `target` of the body is a lane, as HOME/COPY. */
errand_fn owner_adopt; /* {"target": HOME/COLLECTION}: what stands there was compared, and is Sextant's from now on */
errand_fn
    owner_held; /* {"target": HOME, HOME/COPY or none}: points that wait for what may come late, and those that a copy refuses */
errand_fn owner_retry; /* {"target"}: what the copy refused, and what rests after failures, is tried again now */

/* "target": a line of the map, LINE, or one of its partitions, LINE/PARTITION. {"target", "without", "reason"}: its writes are
 * refused from now on, so that it can be drained; copies in `without` need not be. {"target"}: they are taken again. */
errand_fn owner_freeze, owner_unfreeze;
errand_fn owner_release; /* {"target": HOME}: its claim is given up, once all that it is the home of is drained */

/* {"target", "collection" (or all), "delete"}: compare the copy with home and mend it, however much is to be deleted if so said */
errand_fn owner_resync;
/* {"target": HOME, "from", "behind", "delete"}: bring a home back from a copy, although that lacks changes if so said, and however
 * much is to be deleted there. {"target": HOME, "cancel"}: do not, if nothing of it was changed yet */
errand_fn owner_restore;
/* {"begin", "target" (or all), "collection" (or all), "repair"}: how the comparisons stand; begun first, if so said */
errand_fn owner_compare;

#endif
