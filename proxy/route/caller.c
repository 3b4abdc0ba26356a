/* SPDX-License-Identifier: Apache-2.0
 *
 * Hops are looked at from the connection outwards. As long as a hop is a trusted proxy the next address in the header is
 * believed. The first that is not is the last hop; if that is a trusted caller, one more address may follow: the end user
 * for whom it calls.
 */
#include "proxy/route/caller.h"

#include "proxy/route/forwarded.h"

static bool
is_in(const struct cidr *list, unsigned n, const struct addr *a)
{
    for (unsigned i = 0; i < n; i++) {
        if (cidr_has(&list[i], a))
            return true;
    }
    return false;
}

static void
walk_hops(const struct trust *trust, const struct message *req, struct caller *c)
{
    struct hops hops;
    unsigned next = 0;

    if (trust->header.len == 0 || (!is_in(trust->proxies, trust->n_proxies, &c->address) &&
                                      !is_in(trust->callers, trust->n_callers, &c->address)))
        return;
    forwarded_parse(req, trust->header, &hops);
    while (next < hops.n && is_in(trust->proxies, trust->n_proxies, &c->last_hop)) {
        c->last_hop = hops.addrs[next++];
        c->address_source = ADDRESS_HEADER;
    }
    c->address = c->last_hop;
    if (next < hops.n && is_in(trust->callers, trust->n_callers, &c->last_hop)) {
        c->address = hops.addrs[next];
        c->address_source = ADDRESS_HEADER;
    }
}

void
caller_place(const struct world *w, const struct addr *address, struct str hint, struct place *ret_place)
{
    struct place p = { .source = PLACE_NONE };

    if (hint.len && place_parse(hint, &p)) {
        p.source = PLACE_HINT;
        *ret_place = p;
        return;
    }
    for (unsigned i = 0; i < w->overrides->n; i++) {
        if (cidr_has(&w->overrides->items[i].net, address)) {
            *ret_place = w->overrides->items[i].place;
            return;
        }
    }
    if (w->geo && (w->conf->place_special || !addr_is_special(address)) && geo_db_lookup(w->geo, address, &p)) {
        *ret_place = p;
        return;
    }
    *ret_place = w->has_default_place ? w->default_place : p;
    if (!w->has_default_place)
        ret_place->source = PLACE_NONE;
}

static void
take_hints(const struct message *req, struct caller *c)
{
    if (!c->is_trusted)
        return;
    c->hint_place = message_value(req, FIELD_X_SEXTANT_PLACE);
    c->hint_cluster = message_value(req, FIELD_X_SEXTANT_CLUSTER);
    c->hint_endpoint = message_value(req, FIELD_X_SEXTANT_ENDPOINT);
    c->hint_partition = message_value(req, FIELD_X_SEXTANT_PARTITION);
}

enum fail
caller_resolve(const struct world *w, const struct addr *peer, bool via_proxy_protocol, const struct message *req,
    struct caller *ret_caller, struct str *ret_error)
{
    struct caller c = { .address = *peer, .last_hop = *peer,
        .address_source = via_proxy_protocol ? ADDRESS_PROXY_PROTOCOL : ADDRESS_PEER };
    struct place parsed;

    walk_hops(w->trust, req, &c);
    c.is_trusted = is_in(w->trust->callers, w->trust->n_callers, &c.last_hop);
    take_hints(req, &c);
    caller_place(w, &c.address, c.hint_place, &c.place);
    *ret_caller = c;
    if (c.hint_place.len && !place_parse(c.hint_place, &parsed)) {
        *ret_error = STR("X-Sextant-Place: expected a country, a cloud region or lat,lon");
        return FAIL_BAD_HINT;
    }
    return FAIL_NONE;
}
