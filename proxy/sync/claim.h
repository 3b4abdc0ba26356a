/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_CLAIM_H
#define SEXTANT_SYNC_CLAIM_H

/* The claim on one home of this edge: taken, renewed and given back by requests to the home itself, by the rules of tenure.h.
 * The thread of the upstream's loop only. */

#include "proxy/base/clock.h"
#include "proxy/sync/tenure.h"
#include "proxy/upstream/upstream.h"

struct claim;

struct claim_spec {
    struct str home;         /* name of the cluster; copied */
    const char *journal;     /* its UUID */
    uint64_t starts;         /* how often it was opened, this time included */
    const char *identity;    /* of the home as the journal knows it; "": it knows none */
    bool has_claimed;        /* the journal has a record that this claim was held */
    bool may_replace;        /* see tenure.h */
    uint64_t lsn, floor_lsn; /* see tenure_set_lsn() */
};

/* Something that the functions below tell has changed; that sending is allowed no more by the clock alone is not told. From the
 * loop; it may free the claim. */
typedef void claim_change_fn(void *arg);

/* Begins at once, and goes on for ever by itself. When it is first held, the caller records identity and claim durably before
 * it sends the first write: only then can a home that was emptied or swapped be told from a new one. */
struct claim *claim_new(struct upstream *up, const struct claim_spec *spec, claim_change_fn *on_change, void *arg);
void claim_free(struct claim *c); /* without giving it back; NULL is fine */
void claim_set_lsn(struct claim *c, uint64_t durable_lsn, uint64_t floor_lsn); /* see tenure_set_lsn() */

/* May a write leave for the home at this moment (of clock_boot_us())? Ask right before each is sent: the answer turns to no by
 * the clock alone. */
bool claim_may_send(const struct claim *c, int64_t boot_us);
enum tenure_state claim_state(const struct claim *c);
enum tenure_why claim_why(const struct claim *c);
struct str claim_trouble(const struct claim *c);   /* why it is frozen, or cannot be taken or renewed; empty: nothing */
const char *claim_identity(const struct claim *c); /* of the home; "": not known yet */
int64_t claim_confirmed_us(const struct claim *c); /* of clock_boot_us(): when the newest confirmed renewal began */
void claim_hurry(struct claim *c);                 /* renew it now: what is confirmed later was read later than this */
unsigned claim_rewinds(const struct claim *c);     /* how often the home was seen to have lost its last seconds */
/* No write may be sent any more. Done when claim_state() is RELEASED or FROZEN, perhaps at once; a home that cannot be asked
 * delays that for as long. */
void claim_release(struct claim *c);
void claim_give_up(struct claim *c); /* the same of one that is held, for good: any journal may take it then */

#endif
