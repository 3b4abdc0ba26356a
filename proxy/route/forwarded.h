/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_FORWARDED_H
#define SEXTANT_ROUTE_FORWARDED_H

/* The hops that a client-address header names: a plain list (X-Forwarded-For and its like) or Forwarded (RFC 7239). Pure. */

#include "proxy/base/addr.h"

#define HOPS_MAX 64

/* Hops of one field value as texts, the nearest (rightmost) first. An empty text is a hop that names no address. */
struct hops {
    struct str nodes[HOPS_MAX];
    unsigned n;
};

/* Empty list elements are skipped. Of more than HOPS_MAX hops the nearest are given, the last of them as unknown. */
void hops_parse_list(struct str value, struct hops *ret_hops);
/* A value that breaks the grammar gives one unknown hop, as nobody can say where an element of it begins. An element
 * without for=, or with two, is an unknown hop. Tokens may hold ':', '[' and ']' unquoted, as many senders have it. */
void hops_parse_forwarded(struct str value, struct hops *ret_hops);

/* The address of a hop, with or without port (which may be obfuscated). False for "unknown", "_hidden" and all else. */
bool hop_address(struct str node, struct addr *ret_addr);

#endif
