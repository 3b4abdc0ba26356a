/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the admin listener is. Run beside a server, with its environment, ctl needs no options: it reads the same variables.
 */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>

#include "conf/read_file.h"
#include "conf/topology.h"
#include "proxy/ctl/ctl_impl.h"

enum { PORTS_BYTES = 65536, TOKEN_BYTES = 4096, HTTP_PORT = 80 };

struct str
ctl_environ(const struct ctl *c, const char *name)
{
    struct str wanted = str_from(name), key, value;

    for (char **e = c->environ; *e; e++) {
        if (str_cut(str_from(*e), '=', &key, &value) && str_eq(key, wanted))
            return value;
    }
    return STR_NONE;
}

/* --- an address -------------------------------------------------------------------------------------------------- */

static bool
resolve(struct ctl *c, struct str host, struct str port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    struct str name = arena_str(&c->arena, host), service = arena_str(&c->arena, port);
    int error = getaddrinfo(name.p, service.p, &hints, &found);

    if (error) {
        buf_printf(&c->err, "sextant ctl: " STR_FMT ": %s\n", STR_ARG(host), gai_strerror(error));
        return false;
    }
    addr_from_sockaddr(found->ai_addr, &c->place.addr, &c->place.port);
    freeaddrinfo(found);
    return true;
}

/* "http://127.0.0.1:6390", "[::1]:6390", "localhost:6390" */
static bool
parse_admin(struct ctl *c)
{
    struct str text = c->admin, host, port, path;
    uint64_t number = HTTP_PORT;

    if (str_starts(text, STR("https://"))) {
        buf_add(&c->err, STR("sextant ctl: --admin: the admin listener speaks http\n"));
        return false;
    }
    if (str_starts(text, STR("http://")))
        text = str_skip(text, 7);
    str_cut(text, '/', &text, &path);
    c->place.host = text;
    if (addr_parse_port(text, &c->place.addr, &c->place.port)) {
        c->place.port = c->place.port ? c->place.port : HTTP_PORT;
        return true;
    }
    if (str_cut(text, ':', &host, &port) && (!str_to_u64(port, &number) || number > 65535)) {
        buf_printf(&c->err, "sextant ctl: --admin: \"" STR_FMT "\" is no address\n", STR_ARG(c->admin));
        return false;
    }
    return resolve(c, host, port.len ? port : STR("80"));
}

/* A server that let the system choose a port has written it down. */
static bool
read_ports(struct ctl *c, struct str dir, struct str *ret_admin)
{
    struct str text, path = arena_printf(&c->arena, STR_FMT "/ports.json", STR_ARG(dir));
    const char *error = dir.len ? read_file(path, PORTS_BYTES, &c->arena, &text) : "there is no SEXTANT_STATE_DIR";
    struct json_doc *doc = error ? NULL : json_parse(text, &error, NULL);

    if (!doc) {
        buf_printf(&c->err, "sextant ctl: SEXTANT_ADMIN_LISTEN has no port, and " STR_FMT " cannot be read: %s\n",
            STR_ARG(path), error);
        return false;
    }
    *ret_admin = arena_str(&c->arena, json_string(json_get(json_root(doc), "admin")));
    json_free(doc);
    return true;
}

/* Whoever listens on all addresses is reached on loopback. */
static void
to_loopback(struct addr *a)
{
    static const struct addr any4 = { .family = 4 }, any6 = { .family = 6 };
    static const struct addr loopback4 = { .family = 4, .bytes = { 127, 0, 0, 1 } };
    static const struct addr loopback6 = { .family = 6, .bytes = { [15] = 1 } };

    *a = addr_eq(a, &any4) ? loopback4 : addr_eq(a, &any6) ? loopback6 : *a;
}

static bool
place_of_server(struct ctl *c, const struct conf *conf, struct conf_issues *issues)
{
    struct str text = conf->admin_listen;
    char name[ADDR_TEXT_MAX];
    unsigned n = 0;
    struct listen_conf *l = listen_parse(STR("SEXTANT_ADMIN_LISTEN"), text, &n, &c->arena, issues);

    if (text.len == 0 || n == 0) {
        buf_add(&c->err, text.len ? STR("sextant ctl: SEXTANT_ADMIN_LISTEN is no address\n")
                                  : STR("sextant ctl: the admin listener is turned off (SEXTANT_ADMIN_LISTEN)\n"));
        return false;
    }
    c->place.addr = l->addr;
    c->place.port = l->port;
    if (l->port == 0) {
        if (!read_ports(c, conf->state_dir, &text) || !addr_parse_port(text, &c->place.addr, &c->place.port))
            return false;
    }
    to_loopback(&c->place.addr);
    c->place.host = arena_str(&c->arena, str_from(addr_print(&c->place.addr, c->place.port, name)));
    return true;
}

/* --- both -------------------------------------------------------------------------------------------------------- */

static bool
read_token(struct ctl *c)
{
    const char *error = read_file(c->token_file, TOKEN_BYTES, &c->arena, &c->token);

    if (error) {
        buf_printf(&c->err, "sextant ctl: " STR_FMT ": %s\n", STR_ARG(c->token_file), error);
        return false;
    }
    c->token = str_trim(c->token);
    return true;
}

/* A token file that cannot be read explains the refusal that follows. */
static void
tell_issues(struct ctl *c, const struct conf_issues *issues)
{
    for (unsigned i = 0; i < issues->n; i++) {
        if (!str_starts(issues->items[i].source, STR("SEXTANT_ADMIN_TOKEN")))
            continue;
        buf_add(&c->err, STR("sextant ctl: "));
        text_escape(issues->items[i].source, false, &c->err);
        buf_add(&c->err, STR(": "));
        text_escape(issues->items[i].text, false, &c->err);
        buf_putc(&c->err, '\n');
    }
}

bool
ctl_find_place(struct ctl *c)
{
    struct conf_issues issues = { .arena = &c->arena };
    struct conf *conf = conf_load(c->environ, &issues);
    bool ok = true;

    c->token = arena_str(&c->arena, conf->admin_token);
    if (c->token_file.p)
        ok = read_token(c);
    else
        tell_issues(c, &issues);
    if (ok)
        ok = c->admin.p ? parse_admin(c) : place_of_server(c, conf, &issues);
    conf_free(conf);
    return ok;
}
