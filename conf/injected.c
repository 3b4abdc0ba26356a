/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubernetes puts variables for every service of a namespace into its containers. For a service called sextant, or
 * sextant-something, they begin with SEXTANT_ (the rest of the service's name in capitals, - as _):
 *
 *   …SERVICE_HOST   …SERVICE_PORT   …SERVICE_PORT_<name>   …PORT   …PORT_<n>_<TCP|UDP|SCTP>[_<PROTO|PORT|ADDR>]
 *
 * No option may be named like them: test_conf.c walks the table.
 */
#include "conf/conf.h"

/* Does `s` begin with `word`, as a whole word between underscores? */
static bool
takes_word(struct str s, struct str word)
{
    return str_starts(s, word) && (s.len == word.len || s.p[word.len] == '_');
}

/* "_6333_TCP_ADDR" */
static bool
is_port_tail(struct str s)
{
    static const char *const protocols[] = { "_TCP", "_UDP", "_SCTP" }, *const ends[] = { "", "_PROTO", "_PORT",
        "_ADDR" };
    size_t digits = 1;

    while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    if (s.len == 0 || s.p[0] != '_' || digits == 1)
        return false;
    for (unsigned i = 0; i < 12; i++) {
        struct str rest = str_skip(s, digits), protocol = str_from(protocols[i / 4]);

        if (str_starts(rest, protocol) && str_eq(str_skip(rest, protocol.len), str_from(ends[i % 4])))
            return true;
    }
    return false;
}

static bool
is_injected_tail(struct str s)
{
    if (str_eq(s, STR("SERVICE_HOST")) || str_eq(s, STR("PORT")))
        return true;
    if (takes_word(s, STR("SERVICE_PORT")))
        return true;
    return takes_word(s, STR("PORT")) && is_port_tail(str_skip(s, 4));
}

bool
conf_is_injected(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((i == 0 || name.p[i - 1] == '_') && is_injected_tail(str_skip(name, i)))
            return true;
    }
    return false;
}
