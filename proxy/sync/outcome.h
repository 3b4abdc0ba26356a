/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OUTCOME_H
#define SEXTANT_SYNC_OUTCOME_H

/* What came of a request to a cluster, told from its answer or from the lack of one. Pure.
 *
 * Of writes (sent with wait=true): OK is only what Qdrant calls completed. `may_land_later` says that the request, or a part
 * of it, may still come into force after now, though not for ever: the points that it names are to be written once more when
 * the quarantine is over. It is never true of what certainly was not sent.
 *
 *   nothing was sent                          UNREACHABLE
 *   200 "completed"                           OK
 *   200 anything else ("wait_timeout", …)     UNKNOWN, later: it is in the queue
 *   no whole answer, 408, 5xx, odd statuses   UNKNOWN, later
 *   401, 403                                  DENIED
 *   429                                       THROTTLED; later where the collection is spread
 *   400, 404 but for the collection's own     REFUSED; later where it is spread: the first shard that failed has answered,
 *                                             others may be at work
 *   other 4xx                                 REFUSED
 */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/buf.h"
#include "proxy/base/fail.h"

enum outcome_kind {
    OUTCOME_OK,
    OUTCOME_REFUSED,     /* the cluster does not take it, and would not the next time */
    OUTCOME_UNREACHABLE, /* of writes: nothing was sent; of reads: no use, try again */
    OUTCOME_UNKNOWN,     /* of reads: there is an answer that cannot be relied on */
    OUTCOME_THROTTLED,   /* not now: see retry_after_us */
    OUTCOME_DENIED       /* the cluster refuses the key */
};
const char *outcome_name(enum outcome_kind kind); /* "ok", "refused", … */

struct outcome {
    enum outcome_kind kind;
    bool may_land_later;
    enum fail fail;         /* FAIL_NONE when there was an answer */
    int status;             /* of the answer; 0 none */
    int64_t retry_after_us; /* what a 429 asked for, at most an hour; 0 it did not say */
    struct buf text;        /* why, in the cluster's words where it has some; the holder's to release */
};
void outcome_fini(struct outcome *o);

/* An answer, or the lack of one. */
struct outcome_facts {
    enum fail fail;
    bool sent_nothing;
    int status;
    struct str body, retry_after;
};

/* n_parts: how many results are due, each of which has to be completed: 0 for a plain write, the operations of a batch.
 * is_spread: the collection has several shards or replicas there. */
void outcome_of_write(const struct outcome_facts *f, unsigned n_parts, bool is_spread, struct outcome *ret);
/* OK: there is a 200, whose body is to be looked at. Never lands later. */
void outcome_of_read(const struct outcome_facts *f, struct outcome *ret);
/* The answer was a 200 and is no use after all. */
void outcome_distrust(struct outcome *o, struct str why);

#endif
