/* SPDX-License-Identifier: Apache-2.0
 *
 * Hops are looked at from the connection outwards, and two questions are answered on the way:
 *   1. Whose word counts? The first hop that is not a trusted proxy: its hints are believed if it is a trusted caller.
 *   2. Whose place counts? The same hop; but a trusted caller speaks for somebody, so there the walk goes on to the first hop
 *      that is neither trusted proxy nor trusted caller.
 * An address in the header is only believed when the hop that wrote it, the one before, is trusted.
 */
#include "proxy/route/caller.h"

#include "proxy/route/forwarded.h"

bool
trust_is_proxy(const struct trust *trust, const struct addr *a)
{
    return networks_find(&trust->proxies, a) >= 0;
}

static bool
is_caller(const struct trust *trust, const struct addr *a)
{
    return networks_find(&trust->callers, a) >= 0;
}

static void
walk_hops(const struct trust *trust, const struct message *req, struct caller *c)
{
    struct hops hops;
    unsigned next = 0;

    hops.n = 0;
    hops.is_cut = false;
    if (trust->header.len && (trust_is_proxy(trust, &c->address) || is_caller(trust, &c->address)))
        forwarded_parse(req, trust->header, &hops);
    while (next < hops.n && trust_is_proxy(trust, &c->last_hop))
        c->last_hop = hops.addrs[next++];
    c->address = c->last_hop;
    /* A proxy that is listed as a caller too speaks for itself only when nobody unreadable stands behind it. */
    c->is_trusted = is_caller(trust, &c->last_hop) &&
                    !(hops.is_cut && next == hops.n && trust_is_proxy(trust, &c->last_hop));
    while (c->is_trusted && next < hops.n && (trust_is_proxy(trust, &c->address) || is_caller(trust, &c->address)))
        c->address = hops.addrs[next++];
    if (next)
        c->address_source = ADDRESS_HEADER;
}

/* Overrides are written for an address as it is seen, or for the IPv4 address inside a tunnel's. */
static const struct place *
find_override(const struct overrides *overrides, const struct addr *a)
{
    int at = networks_find(&overrides->networks, a);

    return at < 0 ? NULL : &overrides->items[at].place;
}

void
caller_place(const struct world *w, const struct addr *address, struct str hint, struct place *ret_place)
{
    struct place p = { .source = PLACE_NONE };
    struct addr inner = addr_unwrap(address);
    const struct place *override;

    if (hint.len && place_parse(hint, &p)) {
        p.source = PLACE_HINT;
        *ret_place = p;
        return;
    }
    override = find_override(w->overrides, address);
    if (!override && inner.family != address->family)
        override = find_override(w->overrides, &inner);
    if (override) {
        *ret_place = *override;
        return;
    }
    if (w->geo && (w->conf->place_special || !addr_is_special(&inner)) && geo_db_lookup(w->geo, address, &p)) {
        *ret_place = p;
        return;
    }
    *ret_place = w->has_default_place ? w->default_place : p;
    if (!w->has_default_place)
        ret_place->source = PLACE_NONE;
}

static bool
take_hint(const struct message *req, enum field_id id, struct str *ret_hint)
{
    *ret_hint = message_value(req, id);
    return message_count(req, id) <= 1;
}

/* NULL, or what is wrong with the hints. */
static const char *
take_hints(const struct message *req, struct caller *c)
{
    struct place parsed;
    bool is_clear = take_hint(req, FIELD_X_SEXTANT_PLACE, &c->hint_place);

    is_clear &= take_hint(req, FIELD_X_SEXTANT_CLUSTER, &c->hint_cluster);
    is_clear &= take_hint(req, FIELD_X_SEXTANT_ENDPOINT, &c->hint_endpoint);
    is_clear &= take_hint(req, FIELD_X_SEXTANT_PARTITION, &c->hint_partition);
    if (!is_clear)
        return "an X-Sextant-* header stands there twice";
    if (c->hint_place.len && !place_parse(c->hint_place, &parsed))
        return "X-Sextant-Place: expected a country, a cloud region or lat,lon";
    return NULL;
}

enum fail
caller_resolve(const struct world *w, const struct addr *peer, bool via_proxy_protocol, const struct message *req,
    struct caller *ret_caller, struct str *ret_error)
{
    struct caller c = { .address = *peer,
        .last_hop = *peer,
        .address_source = via_proxy_protocol ? ADDRESS_PROXY_PROTOCOL : ADDRESS_PEER };
    const char *error = NULL;

    walk_hops(w->trust, req, &c);
    if (c.is_trusted)
        error = take_hints(req, &c);
    caller_place(w, &c.address, error ? STR_NONE : c.hint_place, &c.place);
    *ret_caller = c;
    if (!error)
        return FAIL_NONE;
    *ret_error = str_from(error);
    return FAIL_BAD_HINT;
}
