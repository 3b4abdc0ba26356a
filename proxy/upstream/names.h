/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_NAMES_H
#define SEXTANT_UPSTREAM_NAMES_H

/* Host names of endpoints, looked up again as their TTL runs out; the last good set is kept when a look-up fails. Control
 * thread only. */

#include "conf/topology.h"
#include "proxy/net/resolver.h"

struct names;

/* on_change(arg): a set changed, or a first look-up ended. From the loop. */
struct names *names_new(struct loop *loop, void (*on_change)(void *arg), void *arg);
void names_free(struct names *n);
/* Follow the hosts of this topology, forget others. max_us bounds the time between look-ups. */
void names_follow(struct names *n, const struct topology *t, int64_t max_us);
unsigned names_failing(const struct names *n);                                           /* whose last look-up failed */
unsigned names_get(void *names, struct str host, struct addr *ret_addrs, unsigned room); /* a registry_resolve_fn */

#endif
