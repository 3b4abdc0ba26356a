/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/forwarded.h"

/* The last element of a comma-separated list, commas inside quotes not counting; the list loses it. */
static struct str
take_last(struct str *list)
{
    size_t at = list->len;
    bool quoted = false;
    struct str last;

    while (at > 0) {
        char c = list->p[at - 1];

        if (c == '"')
            quoted = !quoted;
        if (c == ',' && !quoted)
            break;
        at--;
    }
    last = str_trim(str_skip(*list, at));
    list->len = at ? at - 1 : 0;
    return last;
}

/* for=192.0.2.1;proto=http;by=... ; the value may be quoted. Empty when there is no for= or two. */
static struct str
take_for(struct str element)
{
    struct str pair, key, value, found = STR_NONE;

    while (element.len) {
        str_cut(element, ';', &pair, &element);
        str_cut(pair, '=', &key, &value);
        if (!str_eq_nocase(str_trim(key), STR("for")))
            continue;
        if (found.p)
            return STR_NONE;
        found = str_trim(value);
        if (found.len >= 2 && found.p[0] == '"' && found.p[found.len - 1] == '"')
            found = str_make(found.p + 1, found.len - 2);
    }
    return found;
}

/* False: not an address, and nothing further left can be believed. */
static bool
add_hop(struct str element, bool is_forwarded, struct hops *hops)
{
    uint16_t port;

    if (is_forwarded)
        element = take_for(element);
    if (hops->n == HOPS_MAX || !addr_parse_port(element, &hops->addrs[hops->n], &port))
        return false;
    hops->n++;
    return true;
}

void
forwarded_parse(const struct message *m, struct str header, struct hops *ret_hops)
{
    bool is_forwarded = str_eq(header, STR("forwarded"));

    ret_hops->n = 0;
    for (unsigned i = m->n_fields; i > 0; i--) {
        const struct field *f = &m->fields[i - 1];
        struct str list = f->value;

        if (!str_eq(f->name, header))
            continue;
        do {
            if (!add_hop(take_last(&list), is_forwarded, ret_hops))
                return;
        } while (list.len);
    }
}
