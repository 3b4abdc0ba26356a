/* SPDX-License-Identifier: Apache-2.0
 *
 * The short lists about connections: listeners, whom to believe, places of networks.
 */
#include <stdlib.h>

#include "conf/scan.h"
#include "conf/topology.h"

/* A comma-separated option as words: blanks and newlines between items do no harm. */
static bool
next_item(struct word *rest, struct word *ret_item)
{
    while (word_item(rest, ret_item)) {
        while (ret_item->text.len &&
               (ret_item->text.p[0] == ' ' || ret_item->text.p[0] == '\n' || ret_item->text.p[0] == '\t'))
            *ret_item = word_from(*ret_item, 1);
        ret_item->text = str_trim(ret_item->text);
        if (ret_item->text.len)
            return true;
    }
    return false;
}

static unsigned
count_items(struct str text)
{
    unsigned n = 1;

    for (size_t i = 0; i < text.len; i++)
        n += text.p[i] == ',' || text.p[i] == '\n' || text.p[i] == ';';
    return n;
}

static bool
parse_listen(struct scan *scan, struct word item, struct listen_conf *l)
{
    struct str address = item.text, suffix;

    l->text = item.text;
    if (str_cut(item.text, '/', &address, &suffix)) {
        if (str_eq(suffix, STR("tls"))) {
            scan_error(scan, item, "TLS listeners are not in this version: they come with a later one");
            return false;
        }
        if (!str_eq(suffix, STR("proxy"))) {
            scan_error(scan, item, "unknown suffix /" STR_FMT ": expected /proxy or none", STR_ARG(suffix));
            return false;
        }
        l->proxy_protocol = true;
    }
    /* ":6333" is every IPv4 address. */
    if (address.len > 1 && address.p[0] == ':' && address.p[1] != ':') {
        uint64_t port;

        l->addr = (struct addr){ .family = 4 };
        if (str_to_u64(str_skip(address, 1), &port) && port <= 65535) {
            l->port = (uint16_t)port;
            return true;
        }
    } else if (addr_parse_port(address, &l->addr, &l->port) && (str_find(address, ':') >= 0) &&
               (l->addr.family == 4 || address.p[0] == '[')) {
        return true;
    }
    scan_error(scan, item, "\"" STR_FMT "\" is not a listening address: expected such as 0.0.0.0:6333 or [::]:6333",
        STR_ARG(item.text));
    return false;
}

struct listen_conf *
listen_parse(struct str source, struct str text, unsigned *ret_n, struct arena *arena, struct conf_issues *issues)
{
    struct scan scan = scan_begin(source, text, issues);
    struct word rest = { text, 1, 1 }, item;
    struct listen_conf *list = ARENA_ARRAY(arena, count_items(text), struct listen_conf);
    unsigned n = 0;

    while (next_item(&rest, &item)) {
        bool is_twin = false;

        list[n] = (struct listen_conf){ .text = STR_NONE };
        if (!parse_listen(&scan, item, &list[n]))
            continue;
        for (unsigned i = 0; i < n; i++)
            is_twin |= list[n].port && addr_eq(&list[i].addr, &list[n].addr) && list[i].port == list[n].port;
        if (is_twin)
            scan_error(&scan, item, STR_FMT " is listed twice", STR_ARG(item.text));
        else
            n++;
    }
    *ret_n = n;
    return list;
}

static struct cidr *
parse_cidrs(const struct conf *conf, const char *field, struct str text, unsigned *ret_n, struct arena *arena,
    struct conf_issues *issues)
{
    struct scan scan = scan_begin(conf_source(conf, field), text, issues);
    struct word rest = { text, 1, 1 }, item;
    struct cidr *list = ARENA_ARRAY(arena, count_items(text), struct cidr);
    unsigned n = 0;

    while (next_item(&rest, &item)) {
        if (cidr_parse(item.text, &list[n]))
            n++;
        else
            scan_error(&scan, item,
                "\"" STR_FMT "\" is not a network: expected such as 10.0.0.0/8 or 2001:db8::/32, no host bits",
                STR_ARG(item.text));
    }
    *ret_n = n;
    return list;
}

static bool
is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return s.len > 0;
}

struct trust *
trust_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct trust *t = ARENA_NEW(arena, struct trust);
    struct str header = conf->client_address;

    t->proxies = parse_cidrs(conf, "trusted_proxies", conf->trusted_proxies, &t->n_proxies, arena, issues);
    t->callers = parse_cidrs(conf, "trusted_callers", conf->trusted_callers, &t->n_callers, arena, issues);
    if (str_eq(header, STR("peer")) || header.len == 0)
        return t;
    if (!is_token(header)) {
        conf_issue(issues, true, conf_source(conf, "client_address"), 1, 1,
            "expected peer, Forwarded or a header's name, not \"" STR_FMT "\"", STR_ARG(header));
        return t;
    }
    t->header = arena_str(arena, header);
    for (size_t i = 0; i < header.len; i++) {
        char *c = (char *)(uintptr_t)&t->header.p[i];

        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    return t;
}

static int
longest_first(const void *a, const void *b)
{
    const struct place_override *x = a, *y = b;

    return (int)y->net.bits - (int)x->net.bits;
}

static void
parse_override(struct scan *scan, struct word item, struct overrides *o)
{
    struct place_override *into = &o->items[o->n];
    struct str net, place;

    if (!str_cut(item.text, '=', &net, &place)) {
        scan_error(scan, item, "expected CIDR=PLACE, not \"" STR_FMT "\"", STR_ARG(item.text));
        return;
    }
    if (!cidr_parse(net, &into->net)) {
        scan_error(
            scan, item, "\"" STR_FMT "\" is not a network: expected such as 10.0.0.0/8, no host bits", STR_ARG(net));
        return;
    }
    if (!place_parse(place, &into->place)) {
        scan_error(scan, word_from(item, net.len + 1),
            "\"" STR_FMT "\" is not a place: expected a cloud region, a country or lat,lon", STR_ARG(place));
        return;
    }
    for (unsigned i = 0; i < o->n; i++) {
        if (addr_eq(&o->items[i].net.base, &into->net.base) && o->items[i].net.bits == into->net.bits) {
            scan_error(scan, item, "network " STR_FMT " is listed twice", STR_ARG(net));
            return;
        }
    }
    into->place.source = PLACE_OVERRIDE;
    o->n++;
}

/* "1.2.3.0/24=50.1,8.7": a comma may also stand inside a point, so an item without '=' belongs to the one before. */
static bool
next_override(struct word *rest, struct word *ret_item)
{
    if (!next_item(rest, ret_item))
        return false;
    while (rest->text.p) {
        struct word after = *rest, more;

        if (!word_item(&after, &more) || str_find(more.text, '=') >= 0 || str_trim(more.text).len == 0)
            break;
        ret_item->text.len = (size_t)(more.text.p + more.text.len - ret_item->text.p);
        *rest = after;
    }
    return true;
}

struct overrides *
overrides_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct overrides *o = ARENA_NEW(arena, struct overrides);
    struct scan scan = scan_begin(conf_source(conf, "overrides"), conf->overrides, issues);
    struct word *words, item;
    unsigned n;

    o->items = ARENA_ARRAY(arena, count_items(conf->overrides) + conf->overrides.len / 8, struct place_override);
    while (scan_entry(&scan, arena, &words, &n)) {
        for (unsigned i = 0; i < n; i++) {
            struct word rest = words[i];

            while (next_override(&rest, &item))
                parse_override(&scan, item, o);
        }
    }
    if (o->n)
        qsort(o->items, o->n, sizeof(*o->items), longest_first);
    return o;
}
