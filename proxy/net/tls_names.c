/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/tls_names.h"

int
tls_names_fit(const struct tls_names *names, struct str host)
{
    int dot, best = 0;
    struct str rest;

    if (host.len && host.p[host.len - 1] == '.')
        host.len--;
    dot = str_find(host, '.');
    rest = dot > 0 ? str_skip(host, (size_t)dot) : STR_NONE;
    for (unsigned i = 0; i < names->n; i++) {
        struct str name = names->items[i];

        if (str_eq_nocase(name, host))
            return 2;
        if (rest.len > 1 && str_starts(name, STR("*.")) && str_eq_nocase(str_skip(name, 1), rest))
            best = 1;
    }
    return best;
}

unsigned
tls_names_choose(const struct tls_names *const *sets, unsigned n, struct str host)
{
    unsigned best = 0;
    int best_fit = 0;

    for (unsigned i = 0; i < n && host.len; i++) {
        int fit = tls_names_fit(sets[i], host);

        if (fit > best_fit) {
            best_fit = fit;
            best = i;
        }
    }
    return best;
}
