/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/url.h"

enum { DEFAULT_PORT = 6333 };

static bool
is_name(struct str host)
{
    if (host.len == 0 || host.len > 253)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return host.p[0] != '.' && host.p[0] != '-';
}

static bool
is_prefix(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '%' || (c == '/' && i + 1 < path.len && path.p[i + 1] == '/'))
            return false;
    }
    return true;
}

static const char *
parse_authority(struct str authority, struct arena *arena, struct url *u)
{
    struct str host, port = STR_NONE;
    uint64_t number = DEFAULT_PORT;
    int close = authority.len && authority.p[0] == '[' ? str_find(authority, ']') : -1;

    if (close > 0) {
        host = str_make(authority.p, (size_t)close + 1);
        port = str_skip(authority, (size_t)close + 1);
        if (port.len && port.p[0] != ':')
            return "expected host:port";
        port = str_skip(port, 1);
    } else {
        str_cut(authority, ':', &host, &port);
    }
    if (port.len && (!str_to_u64(port, &number) || number == 0 || number > 65535))
        return "the port must be a number from 1 to 65535";
    u->port = (uint16_t)number;
    u->host = arena_str(arena, host);
    for (size_t i = 0; i < host.len; i++) {
        char *c = (char *)(uintptr_t)&u->host.p[i];

        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    u->is_literal = addr_parse(u->host, &u->addr);
    return u->is_literal || is_name(u->host) ? NULL : "the host is neither an address nor a name";
}

const char *
url_parse(struct str text, struct arena *arena, struct url *ret_url)
{
    struct url u = { .text = arena_str(arena, text) };
    struct str rest, authority;
    const char *error;
    int slash;

    if (str_starts(text, STR("https://")))
        return "https is not in this version: TLS to clusters comes with a later one";
    if (!str_starts(text, STR("http://")))
        return "expected a URL such as http://qdrant-1:6333";
    rest = str_skip(u.text, 7);
    if (str_find(rest, '@') >= 0)
        return "a URL may not carry a user or password";
    if (str_find(rest, '?') >= 0 || str_find(rest, '#') >= 0)
        return "a URL may not carry a query or fragment";
    slash = str_find(rest, '/');
    authority = slash < 0 ? rest : str_make(rest.p, (size_t)slash);
    u.prefix = slash < 0 ? STR("") : str_skip(rest, (size_t)slash);
    while (u.prefix.len && u.prefix.p[u.prefix.len - 1] == '/')
        u.prefix.len--;
    if (!is_prefix(u.prefix))
        return "the path prefix must be plain, without %, blanks or empty segments";
    error = parse_authority(authority, arena, &u);
    if (!error)
        *ret_url = u;
    return error;
}
