/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_CENSUS_H
#define SEXTANT_FLOW_CENSUS_H

/* How many of something each address has, for all threads, in memory that never grows. An address is a whole IPv4 address or
 * the first 64 bits of an IPv6 one, which is what one subscriber gets.
 *
 * An entry is one word, name and count together, so no lock is needed: it is free when the count is 0. Eight entries share a
 * place; when all eight count something, one more address there is not counted (NULL). Two threads that bring the same new
 * address at the same instant may make two entries of it, each with the whole limit. Both err on the side of letting in. */

#include <stdatomic.h>

#include "proxy/base/addr.h"
#include "proxy/base/hash.h"

struct census;

struct census *census_new(void);
void census_free(struct census *c);
/* One more; *ret_count says how many there are now, this one included. NULL: not counted. */
atomic_ulong *census_enter(struct census *c, const struct addr *a, unsigned *ret_count);
void census_leave(atomic_ulong *entry); /* safe on NULL */
/* The part of an address that counts as one. */
struct str census_name(const struct addr *a);

#endif
