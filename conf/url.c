/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/url.h"

enum { DEFAULT_PORT = 6333, NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63 };

static bool
is_label(struct str s)
{
    if (s.len == 0 || s.len > LABEL_MAX_LEN || s.p[0] == '-' || s.p[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static bool
is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return true;
}

/* Labels between dots, one dot at the end allowed. A name whose last label is a number would be a mistyped address. */
static bool
is_name(struct str host)
{
    struct str rest = host, label = STR_NONE;

    if (host.len > NAME_MAX_LEN)
        return false;
    do {
        str_cut(rest, '.', &label, &rest);
        if (!is_label(label))
            return false;
    } while (rest.len);
    return !is_digits(label);
}

static bool
is_prefix(struct str path)
{
    struct str rest = path, segment;

    for (size_t i = 0; i < path.len; i++) {
        if (path.p[i] <= 0x20 || path.p[i] >= 0x7f || strchr("%\"<>\\^`{|}", path.p[i]))
            return false;
    }
    while (rest.len) { /* "/a/b": each segment follows a slash */
        str_cut(str_skip(rest, 1), '/', &segment, &rest);
        if (segment.len == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return false;
        rest = rest.len ? str_make(rest.p - 1, rest.len + 1) : rest;
    }
    return true;
}

static struct str
lower_copy(struct str s, struct arena *arena)
{
    char *copy = arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return str_make(copy, s.len);
}

/* Split "host", "host:port", "[v6]" or "[v6]:port"; the brackets go. */
static const char *
split_authority(struct str authority, struct str *ret_host, struct str *ret_port, bool *ret_has_port)
{
    int close = str_find(authority, ']');

    *ret_port = STR_NONE;
    if (authority.len && authority.p[0] == '[') {
        struct str after = close < 0 ? STR_NONE : str_skip(authority, (size_t)close + 1);

        if (close < 0 || (after.len && after.p[0] != ':'))
            return "expected [address] or [address]:port";
        *ret_host = str_make(authority.p + 1, (size_t)close - 1);
        *ret_has_port = after.len > 0;
        *ret_port = str_skip(after, 1);
        return NULL;
    }
    *ret_has_port = str_cut(authority, ':', ret_host, ret_port);
    return str_find(*ret_port, ':') >= 0 ? "an IPv6 address must stand in [ ]" : NULL;
}

static const char *
parse_authority(struct str authority, struct arena *arena, struct url *u)
{
    struct str host, port;
    uint64_t number = DEFAULT_PORT;
    bool has_port = false, is_bracketed = authority.len && authority.p[0] == '[';
    const char *error = split_authority(authority, &host, &port, &has_port);

    if (error)
        return error;
    if (has_port && (!str_to_u64(port, &number) || number == 0 || number > 65535))
        return "the port must be a number from 1 to 65535";
    if (str_find(host, '%') >= 0)
        return "an address may not carry a zone";
    u->port = (uint16_t)number;
    u->host = lower_copy(host, arena);
    u->is_literal = addr_parse(u->host, &u->addr);
    if (is_bracketed ? !u->is_literal || str_find(host, ':') < 0 : !u->is_literal && !is_name(u->host))
        return "the host is neither a name nor an address";
    return NULL;
}

const char *
url_parse(struct str text, struct arena *arena, struct url *ret_url)
{
    struct url u = { .text = arena_str(arena, text) };
    struct str rest;
    const char *error;
    int slash;

    u.is_tls = text.len >= 8 && str_eq_nocase(str_make(text.p, 8), STR("https://"));
    if (!u.is_tls && (text.len < 7 || !str_eq_nocase(str_make(text.p, 7), STR("http://"))))
        return "expected a URL such as http://qdrant-1:6333";
    rest = str_skip(u.text, u.is_tls ? 8 : 7);
    if (str_find(rest, '@') >= 0)
        return "a URL may not carry a user or a password";
    if (str_find(rest, '?') >= 0 || str_find(rest, '#') >= 0)
        return "a URL may not carry a query or a fragment";
    slash = str_find(rest, '/');
    u.prefix = slash < 0 ? STR("") : str_skip(rest, (size_t)slash);
    while (u.prefix.len && u.prefix.p[u.prefix.len - 1] == '/')
        u.prefix.len--;
    if (!is_prefix(u.prefix))
        return "the path prefix must be plain: no %, empty, . or .. segments";
    error = parse_authority(slash < 0 ? rest : str_make(rest.p, (size_t)slash), arena, &u);
    if (!error)
        *ret_url = u;
    return error;
}

bool
url_same_server(const struct url *a, const struct url *b)
{
    return a->port == b->port && str_eq(a->prefix, b->prefix) && a->is_literal == b->is_literal &&
           (a->is_literal ? addr_eq(&a->addr, &b->addr) : str_eq(a->host, b->host));
}
