/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_ADDR_H
#define SEXTANT_BASE_ADDR_H

/* IP addresses and networks in one normal form: IPv4-mapped IPv6 is IPv4, zones are dropped. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proxy/base/str.h"

#define ADDR_TEXT_MAX 56 /* "[" IPv6 "]:65535" and a NUL */

struct addr {
    uint8_t family;    /* 0 none (also Unix sockets), 4, 6 */
    uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

struct cidr {
    struct addr base; /* bits past the prefix are zero */
    uint8_t bits;     /* 0..32 or 0..128 */
};

/* Bare IPv4 or IPv6 ("192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "[2001:db8::1]"). False leaves *ret_addr alone. */
bool addr_parse(struct str s, struct addr *ret_addr);
/* The same with an optional port ("192.0.2.1:80", "[2001:db8::1]:80", bare IPv6 without one). *ret_port is 0 when absent. */
bool addr_parse_port(struct str s, struct addr *ret_addr, uint16_t *ret_port);
void addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret_addr, uint16_t *ret_port);
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret_sa);
/* Returns text; port < 0 leaves it out. IPv6 is bracketed only with a port. "unknown" for family 0. */
const char *addr_print(const struct addr *a, int port, char text[ADDR_TEXT_MAX]);
bool addr_is_loopback(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);

/* "10.0.0.0/8", "2001:db8::/32" or a single address. Host bits past the prefix must be zero: false otherwise. */
bool cidr_parse(struct str s, struct cidr *ret_cidr);
bool cidr_has(const struct cidr *net, const struct addr *a);
bool cidr_covers(const struct cidr *outer, const struct cidr *inner);

#endif
