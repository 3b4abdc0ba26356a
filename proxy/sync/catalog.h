/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_CATALOG_H
#define SEXTANT_SYNC_CATALOG_H

/* What a write must know of its collection at home: the name behind an alias, and whether one shard of one replica holds it.
 * Asked of home when it is wanted and older than CATALOG_FRESH_US; used for at most CATALOG_USE_US, so that a change that
 * was made past this edge is seen after that. What passes through this edge makes the catalog forget at once.
 *
 * An alias read before it was moved is harmless: the write is sent to the collection whose points were marked, by its real
 * name, as if it had come a moment earlier.
 *
 * Never calls back before catalog_find() returned; each waiter once, or never after catalog_cancel(). One loop's thread. */

#include <sys/queue.h>

#include "proxy/sync/ask.h"
#include "proxy/sync/quiet.h"

enum { CATALOG_FRESH_US = 5 * 1000 * 1000, CATALOG_USE_US = 10 * 1000 * 1000 };

struct catalog;
struct catalog_item;

struct catalog_entry {
    enum fail fail;               /* FAIL_NONE: the rest is known */
    int status;                   /* 200; or home's answer that there is no such collection, or that it cannot say */
    struct str body;              /* that answer */
    struct str name;              /* the collection's own */
    struct quiet_collection told; /* by it: limits, and whether it has several shards or replicas */
    int64_t asked_us;
};

/* Lives inside its owner, zeroed before its first use. */
struct catalog_wait {
    void (*fn)(void *arg, const struct catalog_entry *entry); /* the entry lives until fn returns */
    void *arg;
    struct catalog_item *item; /* of the catalog: it waits for this one */
    TAILQ_ENTRY(catalog_wait) entry;
};

/* `cluster` is copied; the upstream must outlive it. */
struct catalog *catalog_new(struct upstream *up, struct str cluster);
void catalog_free(struct catalog *c); /* waiters are forgotten */
/* What is known and fresh enough, else NULL: then wait->fn is called. Valid until the next turn of the loop. */
const struct catalog_entry *catalog_find(struct catalog *c, struct str name, struct catalog_wait *wait);
void catalog_cancel(struct catalog_wait *wait); /* also of one that does not wait */
void catalog_forget(struct catalog *c);         /* everything; answers under way are not kept */

#endif
