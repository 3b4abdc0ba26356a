/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_RESOLVER_H
#define SEXTANT_NET_RESOLVER_H

/* Names to addresses through c-ares (used in resolver.c only), with the TTL. Belongs to its loop's thread. */

#include "proxy/base/addr.h"
#include "proxy/net/loop.h"

#define RESOLVED_MAX 32

struct resolver;
struct lookup; /* one under way */

struct resolved {
    int error;                       /* 0, or -errno-like: -ENOENT no such name or no address, -ETIMEDOUT, -EIO */
    const char *error_text;          /* static; NULL without error */
    struct addr addrs[RESOLVED_MAX]; /* sorted by bytes, IPv4 first; no duplicates; the first 32 of more */
    unsigned n;                      /* 0 exactly when there is an error */
    int64_t ttl_us; /* of the shortest-lived record, at least 1 s; literal addresses and the hosts file have 60 s */
};

typedef void resolved_fn(void *arg, const struct resolved *result);

/* Servers and search list are those of /etc/resolv.conf now. When that cannot be read all lookups fail. */
struct resolver *resolver_new(struct loop *loop);
/* For tests: ask these servers ("127.0.0.1:5353,…") and give up soon; the hosts file is the one named by CARES_HOSTS. */
struct resolver *resolver_new_with(struct loop *loop, const char *servers_csv);
void resolver_free(struct resolver *r); /* cancels everything */
/* Never calls back before returning; exactly once unless lookup_cancel()led. Asks for A and AAAA; hosts file and
 * "localhost" included. The lookup is gone after its callback; cancelling it or freeing the resolver from there is fine. */
struct lookup *lookup_start(struct resolver *r, const char *name, resolved_fn *fn, void *arg);
void lookup_cancel(struct lookup **lp); /* NULLs; safe on NULL */

#endif
