/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_FORWARDED_H
#define SEXTANT_ROUTE_FORWARDED_H

/* Client addresses in forwarding headers: X-Forwarded-For and the like (a list of addresses, ports and brackets allowed) and
 * Forwarded (RFC 7239). Pure. */

#include "proxy/base/addr.h"
#include "proxy/http/message.h"

enum { HOPS_MAX = 32 };

struct hops {
    struct addr addrs[HOPS_MAX]; /* rightmost first; ends before the first that is no address */
    unsigned n;
    bool is_cut; /* there is one that is no address, or one too many */
};

/* All fields of that lower-case name, read from the right. Empty elements are skipped. */
void forwarded_parse(const struct message *m, struct str header, struct hops *ret_hops);

#endif
