/* SPDX-License-Identifier: Apache-2.0
 *
 * The right end of a forwarding header was written by the proxy next to us, the left end by anybody. A plain list can be
 * read from the right, so what stands at the left cannot spoil it. Forwarded can't: quotes are only known from the left.
 * There a value is taken whole or not at all, and the caller of these functions then stops at the hop before, which is
 * always safe: it never makes anybody someone else.
 */
#include "proxy/route/forwarded.h"

static void
cut_at_limit(struct hops *hops)
{
    hops->nodes[HOPS_MAX - 1] = STR_NONE;
}

void
hops_parse_list(struct str value, struct hops *ret_hops)
{
    ret_hops->n = 0;
    while (value.len) {
        size_t start = value.len;
        struct str node;

        while (start && value.p[start - 1] != ',')
            start--;
        node = str_trim(str_skip(value, start));
        value.len = start ? start - 1 : 0;
        if (node.len == 0)
            continue;
        if (ret_hops->n == HOPS_MAX) {
            cut_at_limit(ret_hops);
            return;
        }
        ret_hops->nodes[ret_hops->n++] = node;
    }
}

static bool
is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~:[]", c));
}

static struct str
take_token(struct str *rest)
{
    size_t n = 0;

    while (n < rest->len && is_token_char(rest->p[n]))
        n++;
    struct str token = str_make(rest->p, n);

    *rest = str_skip(*rest, n);
    return token;
}

/* What stands between the quotes, escapes as they are: no address needs one, so hop_address() refuses them. */
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

static void
skip_blanks(struct str *rest)
{
    while (rest->len && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_skip(*rest, 1);
}

/* One element up to its comma, which is left in *rest. False: the grammar is broken. */
static bool
take_element(struct str *rest, struct str *ret_node, bool *ret_is_empty)
{
    unsigned n_for = 0, n_pairs = 0;
    struct str name, value;

    *ret_node = STR_NONE;
    for (;;) {
        skip_blanks(rest);
        if (rest->len && rest->p[0] != ';' && rest->p[0] != ',') {
            if (!take_pair(rest, &name, &value))
                return false;
            n_pairs++;
            if (str_eq_nocase(name, STR("for"))) {
                *ret_node = n_for++ ? STR_NONE : value;
            }
            skip_blanks(rest);
        }
        if (rest->len == 0 || rest->p[0] == ',')
            break;
        if (rest->p[0] != ';')
            return false;
        *rest = str_skip(*rest, 1);
    }
    *ret_is_empty = n_pairs == 0;
    return true;
}

static void
reverse_ring(const struct str *ring, unsigned n_seen, struct hops *ret_hops)
{
    ret_hops->n = n_seen < HOPS_MAX ? n_seen : HOPS_MAX;
    for (unsigned i = 0; i < ret_hops->n; i++)
        ret_hops->nodes[i] = ring[(n_seen - 1 - i) % HOPS_MAX];
    if (n_seen > HOPS_MAX)
        cut_at_limit(ret_hops);
}

void
hops_parse_forwarded(struct str value, struct hops *ret_hops)
{
    struct str ring[HOPS_MAX];
    unsigned n_seen = 0;

    for (;;) {
        struct str node;
        bool is_empty;

        if (!take_element(&value, &node, &is_empty)) {
            ret_hops->nodes[0] = STR_NONE;
            ret_hops->n = 1;
            return;
        }
        if (!is_empty)
            ring[n_seen++ % HOPS_MAX] = node;
        if (value.len == 0)
            break;
        value = str_skip(value, 1);
    }
    reverse_ring(ring, n_seen, ret_hops);
}

/* RFC 7239 §6.3: "_" and letters, digits, ".", "_", "-". */
static bool
is_hidden_port(struct str port)
{
    if (port.len < 2 || port.p[0] != '_')
        return false;
    for (size_t i = 1; i < port.len; i++) {
        char c = port.p[i];

        if (c == ':' || c == '[' || c == ']' || !is_token_char(c))
            return false;
    }
    return true;
}

bool
hop_address(struct str node, struct addr *ret_addr)
{
    uint16_t port;
    size_t colon = node.len;

    if (node.len == 0)
        return false;
    if (addr_parse_port(node, ret_addr, &port))
        return true;
    while (colon && node.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !is_hidden_port(str_skip(node, colon)))
        return false;
    node.len = colon - 1;
    if (str_find(node, ':') >= 0 && node.p[0] != '[')
        return false;
    return addr_parse(node, ret_addr);
}
