/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_TLS_NAMES_H
#define SEXTANT_NET_TLS_NAMES_H

/* Names that a certificate is good for, and the choice among certificates by the name that a client asks for (SNI). */

#include "proxy/base/str.h"

struct tls_names {
    struct str *items; /* lower case: "example.com", "*.example.com" */
    unsigned n;
};

/* How well does it fit: 2 by a name, 1 by a wildcard (which stands for exactly one label, RFC 6125), 0 not at all. */
int tls_names_fit(const struct tls_names *names, struct str host);
/* Index of the set that fits best, the first of equals; 0, the default, when none does. */
unsigned tls_names_choose(const struct tls_names *const *sets, unsigned n, struct str host);

#endif
