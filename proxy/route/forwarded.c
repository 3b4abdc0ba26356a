/* SPDX-License-Identifier: Apache-2.0
 *
 * The right end of a forwarding header was written by the proxy next to us, the left end by anybody. So it is cut at
 * commas from the right: whatever stands at the left, quotes and all, cannot change how the elements of trusted proxies are
 * read. One element is then read from its left by the grammar, as a proxy may copy a client's Host into it
 * (host="a;for=192.0.2.1"). What breaks the grammar names no address, and nothing further left is believed.
 */
#include "proxy/route/forwarded.h"

static bool
is_quote(struct str s, size_t at)
{
    return s.p[at] == '"' && (at == 0 || s.p[at - 1] != '\\');
}

/* Where the last element of a comma-separated list begins, commas inside quotes (where there are any) not counting. */
static size_t
last_begins(struct str list, bool has_quotes)
{
    size_t at = list.len;
    bool quoted = false;

    if (!has_quotes) {
        const char *comma = memrchr(list.p, ',', list.len);

        return comma ? (size_t)(comma - list.p) + 1 : 0;
    }
    for (; at > 0; at--) {
        if (is_quote(list, at - 1))
            quoted = !quoted;
        if (list.p[at - 1] == ',' && !quoted)
            break;
    }
    return at;
}

/* The list, which is not empty, loses it. */
static struct str
take_last(struct str *list, bool has_quotes)
{
    size_t at = last_begins(*list, has_quotes);
    struct str last = str_trim(str_skip(*list, at));

    list->len = at ? at - 1 : 0;
    return last;
}

/* RFC 9110 §5.6.2, and what many senders put into for= without quotes. */
static bool
is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~:[]", c));
}

static struct str
take_token(struct str *rest)
{
    struct str token = str_make(rest->p, 0);

    while (token.len < rest->len && is_token_char(rest->p[token.len]))
        token.len++;
    *rest = str_skip(*rest, token.len);
    return token;
}

/* What stands between the quotes, escapes as they are: no address needs one. */
static bool
take_quoted(struct str *rest, struct str *ret_text)
{
    for (size_t i = 1; i < rest->len; i++) {
        if (rest->p[i] == '\\') {
            i++;
        } else if (rest->p[i] == '"') {
            *ret_text = str_make(rest->p + 1, i - 1);
            *rest = str_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
}

static bool
take_pair(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    *ret_name = take_token(rest);
    if (ret_name->len == 0 || rest->len == 0 || rest->p[0] != '=')
        return false;
    *rest = str_skip(*rest, 1);
    if (rest->len && rest->p[0] == '"')
        return take_quoted(rest, ret_value);
    *ret_value = take_token(rest);
    return ret_value->len > 0;
}

/* The node of for=192.0.2.1;proto=http;by=... (RFC 7239 §4). Empty without for=, with two, and for broken grammar. */
static struct str
take_for(struct str element)
{
    struct str name, value, node = STR_NONE;
    unsigned n_for = 0;

    while (element.len) {
        if (element.p[0] != ';') {
            if (!take_pair(&element, &name, &value))
                return STR_NONE;
            if (str_eq_nocase(name, STR("for"))) {
                node = value;
                n_for++;
            }
            element = str_trim(element);
            if (element.len && element.p[0] != ';')
                return STR_NONE;
        }
        if (element.len)
            element = str_trim(str_skip(element, 1));
    }
    return n_for == 1 ? node : STR_NONE;
}

/* RFC 7239 §6.3: "_" and letters, digits, ".", "_", "-". */
static bool
is_hidden_port(struct str port)
{
    if (port.len < 2 || port.p[0] != '_')
        return false;
    for (size_t i = 1; i < port.len; i++) {
        if (!is_token_char(port.p[i]) || strchr("!#$%&'*+^`|~:[]", port.p[i]))
            return false;
    }
    return true;
}

static bool
node_address(struct str node, struct addr *ret_addr)
{
    uint16_t port;
    size_t colon = node.len;

    if (node.len == 0)
        return false;
    if (addr_parse_port(node, ret_addr, &port))
        return true;
    while (colon && node.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !is_hidden_port(str_skip(node, colon)))
        return false;
    node.len = colon - 1;
    if (str_find(node, ':') >= 0 && node.p[0] != '[')
        return false;
    return addr_parse(node, ret_addr);
}

/* False: not an address, and nothing further left can be believed. */
static bool
add_hop(struct str element, bool is_forwarded, struct hops *hops)
{
    if (is_forwarded)
        element = take_for(element);
    if (hops->n == HOPS_MAX || !node_address(element, &hops->addrs[hops->n]))
        return false;
    hops->n++;
    return true;
}

void
forwarded_parse(const struct message *m, struct str header, struct hops *ret_hops)
{
    bool is_forwarded = str_eq(header, STR("forwarded"));

    ret_hops->n = 0;
    ret_hops->is_cut = false;
    for (unsigned i = m->n_fields; i > 0; i--) {
        const struct field *f = &m->fields[i - 1];
        struct str list = f->value;

        if (!str_eq(f->name, header))
            continue;
        while (list.len) {
            struct str element = take_last(&list, is_forwarded);

            if (element.len && !add_hop(element, is_forwarded, ret_hops)) {
                ret_hops->is_cut = true;
                return;
            }
        }
    }
}
