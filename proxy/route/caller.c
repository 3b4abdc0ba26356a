/* SPDX-License-Identifier: Apache-2.0
 *
 * Who calls and where from. Two questions are answered by one walk along the hops that a header names, nearest first:
 *   1. Whose word counts? The first hop that is not a trusted proxy (last_hop): its hints are believed if it is in
 *      SEXTANT_TRUSTED_CALLERS.
 *   2. Whose place counts? The same hop; but a trusted caller speaks for somebody, so there the walk goes on to the first
 *      hop that is neither trusted proxy nor trusted caller.
 * Invariant: an entry is only believed when the hop that wrote it, the one before, is trusted.
 */
#include "proxy/route/caller.h"

#include "proxy/route/forwarded.h"

static bool
is_in(const struct cidr *nets, unsigned n, const struct addr *a)
{
    for (unsigned i = 0; i < n; i++) {
        if (cidr_has(&nets[i], a))
            return true;
    }
    return false;
}

/* The hops of all fields of the configured header, nearest first. */
struct walk {
    const struct message *req;
    const struct trust *trust;
    unsigned fields_left; /* fields that have not been opened yet, from the last to the first */
    struct hops hops;
    unsigned at;
    bool is_broken; /* a hop had no address */
};

static bool
open_next_field(struct walk *w)
{
    while (w->fields_left) {
        const struct field *f = &w->req->fields[--w->fields_left];

        if (!str_eq(f->name, w->trust->header))
            continue;
        if (f->id == FIELD_FORWARDED)
            hops_parse_forwarded(f->value, &w->hops);
        else
            hops_parse_list(f->value, &w->hops);
        w->at = 0;
        if (w->hops.n)
            return true;
    }
    return false;
}

/* The next hop; false when there is none or it has no address, which ends the walk for good. */
static bool
next_hop(struct walk *w, struct addr *ret_addr)
{
    if (w->is_broken || (w->at == w->hops.n && !open_next_field(w)))
        return false;
    w->is_broken = !hop_address(w->hops.nodes[w->at++], ret_addr);
    return !w->is_broken;
}

static void
walk_hops(const struct trust *trust, const struct message *req, struct caller *caller)
{
    struct walk walk;
    struct addr hop = caller->address;
    bool is_proxy = is_in(trust->proxies, trust->n_proxies, &hop);
    bool was_caller = false;

    walk.req = req;
    walk.trust = trust;
    walk.fields_left = trust->header.len ? req->n_fields : 0;
    walk.hops.n = walk.at = 0;
    walk.is_broken = false;
    for (;;) {
        bool is_caller = is_in(trust->callers, trust->n_callers, &hop);

        if (!is_proxy && !was_caller) {
            caller->last_hop = hop;
            caller->is_trusted = was_caller = is_caller;
        }
        if ((!is_proxy && !is_caller) || !next_hop(&walk, &hop))
            break;
        caller->address = hop;
        caller->address_source = ADDRESS_HEADER;
        is_proxy = is_in(trust->proxies, trust->n_proxies, &hop);
    }
    if (caller->last_hop.family ==
        0) { /* proxies all the way: the last of them speaks for itself, if it could be read */
        caller->last_hop = caller->address;
        caller->is_trusted = !walk.is_broken && is_in(trust->callers, trust->n_callers, &caller->address);
    }
}

static const struct place *
find_override(const struct overrides *overrides, const struct addr *a)
{
    for (unsigned i = 0; i < overrides->n; i++) {
        if (cidr_has(&overrides->items[i].net, a))
            return &overrides->items[i].place;
    }
    return NULL;
}

/* Overrides are written for an address as it is seen, or for the IPv4 address inside a tunnel's. */
static bool
place_by_address(const struct world *w, const struct addr *address, struct place *ret_place)
{
    struct addr inner = addr_unwrap(address);
    const struct place *found = find_override(w->overrides, address);

    if (!found)
        found = find_override(w->overrides, &inner);
    if (found) {
        *ret_place = *found;
        ret_place->source = PLACE_OVERRIDE;
        return true;
    }
    if (!w->geo || (addr_is_special(&inner) && !w->conf->place_special))
        return false;
    return geo_db_lookup(w->geo, address, ret_place);
}

void
caller_place(const struct world *w, const struct addr *address, struct str hint, struct place *ret_place)
{
    *ret_place = (struct place){ .source = PLACE_NONE };
    if (hint.len && place_parse(hint, ret_place)) {
        ret_place->source = PLACE_HINT;
        return;
    }
    if (address->family && place_by_address(w, address, ret_place))
        return;
    *ret_place = (struct place){ .source = PLACE_NONE };
    if (w->has_default_place) {
        *ret_place = w->default_place;
        ret_place->source = PLACE_DEFAULT;
    }
}

static enum fail
take_hint(const struct message *req, enum field_id id, struct str *ret_hint, struct str *ret_error)
{
    if (message_count(req, id) > 1) {
        *ret_error = arena_printf(req->arena, STR_FMT " stands there more than once", STR_ARG(field_name(id)));
        return FAIL_BAD_HINT;
    }
    *ret_hint = message_value(req, id);
    return FAIL_NONE;
}

static enum fail
take_hints(const struct message *req, struct caller *caller, struct str *ret_error)
{
    struct place place;
    enum fail fail = take_hint(req, FIELD_X_SEXTANT_PLACE, &caller->hint_place, ret_error);

    if (!fail)
        fail = take_hint(req, FIELD_X_SEXTANT_CLUSTER, &caller->hint_cluster, ret_error);
    if (!fail)
        fail = take_hint(req, FIELD_X_SEXTANT_ENDPOINT, &caller->hint_endpoint, ret_error);
    if (!fail)
        fail = take_hint(req, FIELD_X_SEXTANT_PARTITION, &caller->hint_partition, ret_error);
    if (!fail && caller->hint_place.len && !place_parse(caller->hint_place, &place)) {
        int len = caller->hint_place.len < 64 ? (int)caller->hint_place.len : 64;

        *ret_error = arena_printf(req->arena,
            "X-Sextant-Place \"%.*s\" is not a place: a country (DE), a cloud region (aws:eu-central-1) or lat,lon",
            len, caller->hint_place.p);
        fail = FAIL_BAD_HINT;
    }
    return fail;
}

enum fail
caller_resolve(const struct world *w, const struct addr *peer, bool via_proxy_protocol, const struct message *req,
    struct caller *ret_caller, struct str *ret_error)
{
    struct caller caller = { .address = *peer };
    enum fail fail = FAIL_NONE;

    caller.address_source = via_proxy_protocol ? ADDRESS_PROXY_PROTOCOL : ADDRESS_PEER;
    walk_hops(w->trust, req, &caller);
    if (caller.is_trusted)
        fail = take_hints(req, &caller, ret_error);
    caller_place(w, &caller.address, fail ? STR_NONE : caller.hint_place, &caller.place);
    *ret_caller = caller;
    return fail;
}
