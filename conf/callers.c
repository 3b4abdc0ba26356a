/* SPDX-License-Identifier: Apache-2.0
 *
 * The short lists about connections: listeners, whom to believe, places of networks.
 */
#include <stdlib.h>

#include "conf/option_table.h"
#include "conf/scan.h"
#include "conf/terms.h"
#include "conf/topology.h"

/* --- listeners --------------------------------------------------------------------------------------------------- */

static bool
parse_suffix(const struct scan *scan, struct word item, struct str suffix, struct listen_conf *l)
{
    bool *flag = str_eq(suffix, STR("proxy")) ? &l->proxy_protocol : str_eq(suffix, STR("tls")) ? &l->tls : NULL;

    if (!flag)
        scan_error(scan, item, "unknown suffix /" STR_FMT ": expected /tls, /proxy, both or none", STR_ARG(suffix));
    else if (*flag)
        scan_error(scan, item, "the suffix /" STR_FMT " is given twice", STR_ARG(suffix));
    if (!flag || *flag)
        return false;
    return *flag = true;
}

/* "1.2.3.4:80", "[::1]:80", ":80" (every IPv4 address). The port is a must, 0 lets the system choose. */
static bool
parse_address(struct str address, struct listen_conf *l)
{
    struct addr any = { .family = 4 };
    uint64_t port;

    if (address.len > 1 && address.p[0] == ':' && address.p[1] != ':') {
        l->addr = any;
        if (!str_to_u64(str_skip(address, 1), &port) || port > 65535)
            return false;
        l->port = (uint16_t)port;
        return true;
    }
    return str_find(address, '%') < 0 && addr_parse_port(address, &l->addr, &l->port) && str_find(address, ':') >= 0 &&
           address.p[address.len - 1] != ']' && (l->addr.family == 4 || address.p[0] == '[');
}

static bool
parse_listen(const struct scan *scan, struct word item, struct listen_conf *l)
{
    struct str address, suffix, rest;
    bool has_suffix = str_cut(item.text, '/', &address, &rest);

    *l = (struct listen_conf){ .text = item.text };
    while (has_suffix) {
        has_suffix = str_cut(rest, '/', &suffix, &rest);
        if (!parse_suffix(scan, item, suffix, l))
            return false;
    }
    if (parse_address(address, l)) {
        l->is_private = addr_is_loopback(&l->addr);
        return true;
    }
    scan_error(scan, item, "\"" STR_FMT "\" is not a listening address: expected such as 0.0.0.0:6333 or [::]:6333",
        STR_ARG(item.text));
    return false;
}

/* Could not both be bound? IPv6 listeners take no IPv4 connections, so the families don't meet. */
static bool
is_conflict(const struct listen_conf *a, const struct listen_conf *b)
{
    static const uint8_t any[16];
    bool is_wild = memcmp(a->addr.bytes, any, 16) == 0 || memcmp(b->addr.bytes, any, 16) == 0;

    return a->port && a->port == b->port && a->addr.family == b->addr.family &&
           (is_wild || addr_eq(&a->addr, &b->addr));
}

static struct listen_conf *
parse_list(struct scan *scan, unsigned *ret_n, struct word **ret_words, struct arena *arena)
{
    unsigned n_words, n = 0;
    struct word *words = scan_list(scan, arena, &n_words);
    struct listen_conf *list = ARENA_ARRAY(arena, n_words + 1, struct listen_conf);

    for (unsigned i = 0; i < n_words; i++) {
        const struct listen_conf *other = NULL;

        if (!parse_listen(scan, words[i], &list[n]))
            continue;
        for (unsigned j = 0; j < n; j++)
            other = is_conflict(&list[j], &list[n]) ? &list[j] : other;
        if (other)
            scan_error(
                scan, words[i], STR_FMT " conflicts with " STR_FMT, STR_ARG(words[i].text), STR_ARG(other->text));
        else
            words[n++] = words[i];
    }
    *ret_n = n;
    *ret_words = words;
    return list;
}

struct listen_conf *
listen_parse(struct str source, struct str text, unsigned *ret_n, struct arena *arena, struct conf_issues *issues)
{
    struct scan scan = scan_begin(source, text, issues);
    struct word *words;

    return parse_list(&scan, ret_n, &words, arena);
}

static void
check_admin(const struct scan *scan, struct word at, const struct listen_conf *admin, const struct listeners *l,
    const struct conf *conf)
{
    if (!admin->is_private && conf->admin_token.len == 0 && !conf_origin(conf, "admin_token")->is_bad)
        scan_error(scan, at,
            "whoever reaches the admin listener reads configuration and traffic and gives orders: beyond loopback it "
            "needs SEXTANT_ADMIN_TOKEN");
    if (admin->proxy_protocol)
        scan_error(scan, at, "the admin listener does not speak the PROXY protocol");
    if (admin->tls)
        scan_error(scan, at, "the admin listener does not speak TLS");
    for (unsigned i = 0; i < l->n; i++) {
        if (is_conflict(&l->items[i], admin))
            scan_error(scan, at, STR_FMT " conflicts with " STR_FMT " of SEXTANT_LISTEN", STR_ARG(admin->text),
                STR_ARG(l->items[i].text));
    }
}

struct listeners *
listeners_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct listeners *l = ARENA_NEW(arena, struct listeners);
    struct scan scan = scan_option(conf, "listen", conf->listen, issues);
    struct scan admin_scan = scan_option(conf, "admin_listen", conf->admin_listen, issues);
    unsigned n_errors = issues->n_errors;
    struct word *words;

    l->items = parse_list(&scan, &l->n, &words, arena);
    if (l->n == 0 && issues->n_errors == n_errors && !conf_origin(conf, "listen")->is_bad)
        conf_option_issue(issues, true, conf, "listen", "expected an address such as 0.0.0.0:6333");
    l->admin = parse_list(&admin_scan, &l->n_admin, &words, arena);
    for (unsigned i = 0; i < l->n_admin; i++)
        check_admin(&admin_scan, words[i], &l->admin[i], l, conf);
    if (l->n_admin > 1)
        scan_error(&admin_scan, words[1], "there may be one admin listener");
    return l;
}

/* --- trust ------------------------------------------------------------------------------------------------------- */

static struct networks
parse_networks(
    const struct conf *conf, const char *field, struct str text, struct arena *arena, struct conf_issues *issues)
{
    struct scan scan = scan_option(conf, field, text, issues);
    unsigned n_words, n = 0;
    struct word *words = scan_list(&scan, arena, &n_words);
    struct cidr *list = ARENA_ARRAY(arena, n_words + 1, struct cidr);

    for (unsigned i = 0; i < n_words; i++) {
        if (!term_network(&scan, words[i], &list[n]))
            continue;
        if (list[n].bits == 0)
            scan_warning(&scan, words[i], STR_FMT " believes everybody", STR_ARG(words[i].text));
        n++;
    }
    if (n)
        qsort(list, n, sizeof(*list), networks_order);
    return networks_index(list, n, arena);
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

/* The options about the address agree, or one of them does nothing. */
static void
check_header(const struct conf *conf, const struct trust *t, struct conf_issues *issues)
{
    if (t->header.len == 0 && t->proxies.n)
        conf_option_issue(issues, false, conf, "trusted_proxies",
            "SEXTANT_CLIENT_ADDRESS=peer: no header is read, so this has no effect");
    if (t->header.len && t->proxies.n + t->callers.n == 0 &&
        !str_eq(conf->client_address, str_from(option_find("client_address")->default_value)))
        conf_option_issue(issues, false, conf, "client_address",
            "the header is read only from SEXTANT_TRUSTED_PROXIES and _CALLERS, and there are none");
}

static void
parse_header(const struct conf *conf, struct trust *t, struct arena *arena, struct conf_issues *issues)
{
    struct str header = conf->client_address;
    char *copy;

    if (str_eq_nocase(header, STR("peer")))
        return;
    if (!is_token(header)) {
        conf_option_issue(issues, true, conf, "client_address",
            "expected peer, Forwarded or the name of a header, not \"" STR_FMT "\"", STR_ARG(header));
        return;
    }
    copy = arena_alloc(arena, header.len + 1);
    for (size_t i = 0; i < header.len; i++)
        copy[i] = (char)(header.p[i] >= 'A' && header.p[i] <= 'Z' ? header.p[i] + ('a' - 'A') : header.p[i]);
    t->header = str_make(copy, header.len);
}

struct trust *
trust_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct trust *t = ARENA_NEW(arena, struct trust);

    t->proxies = parse_networks(conf, "trusted_proxies", conf->trusted_proxies, arena, issues);
    t->callers = parse_networks(conf, "trusted_callers", conf->trusted_callers, arena, issues);
    parse_header(conf, t, arena, issues);
    check_header(conf, t, issues);
    return t;
}

/* --- overrides --------------------------------------------------------------------------------------------------- */

/* An override and where it stands, until all are there. */
struct override_at {
    struct place_override o;
    struct word at;
};

struct override_list {
    struct override_at *items;
    unsigned n;
};

/* The longest prefix first; equal networks as they were written. */
static int
longest_first(const void *a, const void *b)
{
    const struct override_at *x = a, *y = b;
    int order = networks_order(&x->o.net, &y->o.net);

    return order ? order : (x->at.text.p > y->at.text.p) - (x->at.text.p < y->at.text.p);
}

static void
parse_override(const struct scan *scan, struct word item, struct override_list *list)
{
    struct override_at *into = &list->items[list->n];
    struct word net = item;
    struct str place;

    into->at = item;
    if (!str_cut(item.text, '=', &net.text, &place)) {
        scan_error(scan, item, "expected CIDR=PLACE, not \"" STR_FMT "\"", STR_ARG(item.text));
        return;
    }
    if (!term_network(scan, net, &into->o.net) || !term_place(scan, word_from(item, net.text.len + 1), &into->o.place))
        return;
    into->o.place.source = PLACE_OVERRIDE;
    list->n++;
}

static bool
is_number(struct str s)
{
    double number;

    return str_to_double(s, &number);
}

/* "192.0.2.0/24=50.1,8.7": the comma of a point does not end its item. */
static void
parse_overrides(const struct scan *scan, struct word rest, struct override_list *list)
{
    struct word item, more;

    while (word_item(&rest, &item)) {
        struct word after = rest;

        if (word_item(&after, &more) && is_number(more.text)) {
            item.text.len = (size_t)(more.text.p + more.text.len - item.text.p);
            rest = after;
        }
        if (item.text.len)
            parse_override(scan, item, list);
    }
}

struct overrides *
overrides_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct overrides *o = ARENA_NEW(arena, struct overrides);
    struct scan scan = scan_option(conf, "overrides", conf->overrides, issues);
    struct override_list list = { .n = 0 };
    struct cidr *nets;
    struct word *words;
    unsigned n, cap = 1;

    for (size_t i = 0; i < conf->overrides.len; i++)
        cap += conf->overrides.p[i] == '=';
    list.items = ARENA_ARRAY(arena, cap, struct override_at);
    while (scan_entry(&scan, arena, &words, &n)) {
        for (unsigned i = 0; i < n; i++)
            parse_overrides(&scan, words[i], &list);
    }
    if (list.n)
        qsort(list.items, list.n, sizeof(*list.items), longest_first);
    o->items = ARENA_ARRAY(arena, list.n + 1, struct place_override);
    nets = ARENA_ARRAY(arena, list.n + 1, struct cidr);
    for (unsigned i = 0; i < list.n; i++) {
        nets[i] = list.items[i].o.net;
        o->items[o->n++] = list.items[i].o;
        if (i && networks_order(&list.items[i - 1].o.net, &list.items[i].o.net) == 0)
            scan_error(&scan, list.items[i].at, "\"" STR_FMT "\": this network is listed twice, first in line %u",
                STR_ARG(list.items[i].at.text), list.items[i - 1].at.line);
    }
    o->networks = networks_index(nets, o->n, arena);
    return o;
}
