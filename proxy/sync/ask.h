/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_ASK_H
#define SEXTANT_SYNC_ASK_H

/* One request of the edge's own to a named cluster, its answer collected whole. Which endpoint is asked, the cluster's key,
 * places, time limits and connections are those of a forwarded request (leg.h); a cluster that is judged down is tried all
 * the same, one that an operator holds is not.
 *
 * Never calls back before ask_start() returned; on_done exactly once, from the loop, unless ask_cancel() ran; never after
 * that. The thread of the upstream's loop only; loop_settle() before the upstream is freed. */

#include "proxy/upstream/upstream.h"

struct ask;

struct ask_spec {
    struct str cluster; /* its name in the upstream's fleet */
    unsigned endpoint;  /* this number of it; 0: whichever is best */
    enum method method;
    struct str target; /* path and query, encoded; copied */
    struct buf *body;  /* JSON, taken over: empty afterwards. NULL: none */
    const struct message
        *fields;        /* sent as well, copied; NULL: none. What belongs to framing and connections is left out */
    size_t limit;       /* longest body of an answer that is taken; 0: ASK_LIMIT */
    int64_t timeout_us; /* for all of it, from now on; > 0 */
    bool may_repeat; /* may be sent again after bytes of it left: reads, and writes of which a second time is harmless.
                         * Without it only what certainly left nothing behind is tried at another endpoint */
};

enum { ASK_LIMIT = 1 << 20 };

struct ask_answer {
    enum fail fail;             /* FAIL_NONE: a whole answer is there, whatever its status */
    bool sent_nothing;          /* certainly no byte of the request left: nothing can have happened, now or later */
    bool is_too_long;           /* FAIL_UPSTREAM_CUT, because of the limit */
    int64_t connection_us;      /* when the connection that was used last was established; 0: there was none */
    int status;                 /* this and the rest: only with FAIL_NONE */
    const struct message *head; /* this and the body live until on_done returns */
    struct str body;
    struct buf *bytes;   /* where the body lies: may be taken over */
    struct buf *request; /* the body that was sent: so may this */
};

typedef void ask_done_fn(void *arg, const struct ask_answer *answer);

/* A cluster that the fleet does not have (any more) is answered FAIL_NO_HEALTHY_CLUSTER, a target that means nothing to Qdrant
 * with what operation_parse() says of it; both sent nothing. */
struct ask *ask_start(struct upstream *up, const struct ask_spec *spec, ask_done_fn *on_done, void *arg);
void ask_cancel(struct ask **ap); /* NULLs; safe on NULL and inside callbacks; the connection is closed */

#endif
