/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_CALLER_H
#define SEXTANT_ROUTE_CALLER_H

/* Who calls and from where. Pure. */

#include "proxy/http/message.h"
#include "proxy/route/world.h"

struct hop;

enum address_source { ADDRESS_PEER, ADDRESS_PROXY_PROTOCOL, ADDRESS_HEADER };

struct caller {
    struct addr address; /* whose place counts; family 0 when unknown */
    enum address_source address_source;
    struct addr last_hop; /* the last hop that is not a trusted proxy: its trust decides about hints */
    bool is_trusted;      /* last_hop is in SEXTANT_TRUSTED_CALLERS */
    struct place place;   /* source says how it was found */
    /* Hints of a trusted caller; empty otherwise. */
    struct str hint_place, hint_cluster, hint_endpoint, hint_partition;
    const struct hop *hop; /* another edge's, which has placed its client and decided; NULL: a client's own */
};

/* `peer` is the transport's peer or what the PROXY protocol said (`via_proxy_protocol`). The configured header is read from
 * the right across trusted proxies only; an entry that does not parse ends the walk at the hop before it, and if that is a
 * trusted proxy nobody is trusted. Behind a trusted caller the walk goes on, as its header names the end user that it speaks
 * for: the first hop that is neither trusted proxy nor trusted caller is the address, while last_hop stays the caller itself.
 * FAIL_BAD_HINT (with *ret_error) when a trusted caller's X-Sextant-Place is not a place or a hint stands there twice;
 * *ret_caller is filled all the same, for the log. */
enum fail caller_resolve(const struct world *w, const struct addr *peer, bool via_proxy_protocol,
    const struct message *req, struct caller *ret_caller, struct str *ret_error);

/* Is it one of SEXTANT_TRUSTED_PROXIES? */
bool trust_is_proxy(const struct trust *trust, const struct addr *a);

/* The place alone, in order: hint, override, database (never for special-purpose addresses), default. */
void caller_place(const struct world *w, const struct addr *address, struct str hint, struct place *ret_place);

#endif
