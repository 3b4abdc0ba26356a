/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_ORDER_H
#define SEXTANT_SYNC_ORDER_H

/* A write on its way between the worker that has its client and the owner of its home: one belongs to it at a time, and it
 * goes over whole by a post. The worker fills what is asked, owner_submit(), and gets it back with the answer in it. */

#include "proxy/http/message.h"
#include "proxy/net/loop.h"
#include "proxy/route/operation.h"
#include "proxy/sync/touch.h"

enum { ORDER_COPIES_MAX = 63 };

enum verdict {
    VERDICT_COMMITTED,
    VERDICT_REJECTED,  /* over; of a write to a single point: it did nothing */
    VERDICT_INDEFINITE /* it may have been done, or may yet be */
};
const char *verdict_name(enum verdict v); /* "committed", ...: X-Sextant-Outcome */

struct owner;

struct order {
    struct arena arena;  /* of all that stands below */
    struct owner *owner; /* set by owner_submit() */
    /* Asked. */
    struct loop *loop;                /* of the worker */
    void (*on_done)(struct order *o); /* on that loop, once; it frees the order */
    void *arg;                        /* the worker's, who may change it at any time */
    struct operation op;
    struct message fields;                                /* to be sent along */
    struct str partition, home, copies[ORDER_COPIES_MAX]; /* names */
    unsigned n_copies, n_needed;                          /* copies that must be up to date before the answer */
    struct touch touch;                                   /* of points; a change of schema has none */
    struct buf body;                                      /* decoded */
    int64_t began_us;                                     /* monotonic */
    int64_t deadline_us;                                  /* of the answer; absolute, monotonic */
    struct touch_query query; /* what the client asked for; home is asked to wait in any case */
    /* Answered. */
    enum fail fail;    /* FAIL_NONE: home's answer is there */
    struct str detail; /* of a fail */
    int64_t retry_after_s;
    struct message answer;
    struct buf answer_body;
    enum verdict verdict;
    struct str done; /* clusters that have it, comma-separated */
    uint64_t lsn;    /* of its record; 0: none was made */
    unsigned tries;
    int64_t sent_us, first_byte_us;
};

struct order *order_new(void);
void order_free(struct order *o);

#endif
