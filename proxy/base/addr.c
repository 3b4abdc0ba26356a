/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/addr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void
from_v4(const void *bytes, struct addr *ret_addr)
{
    *ret_addr = (struct addr){ .family = 4 };
    memcpy(ret_addr->bytes, bytes, 4);
}

static void
from_v6(const void *bytes, struct addr *ret_addr)
{
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        from_v4((const uint8_t *)bytes + 12, ret_addr);
        return;
    }
    *ret_addr = (struct addr){ .family = 6 };
    memcpy(ret_addr->bytes, bytes, 16);
}

/* Up to 255, without leading zeros. */
static bool
parse_byte(const char **at, const char *end, uint8_t *ret_byte)
{
    const char *start = *at, *p = start;
    unsigned value = 0;

    for (; p < end && p < start + 3 && *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (unsigned)(*p - '0');
    if (p == start || value > 255 || (*start == '0' && p > start + 1))
        return false;
    *at = p;
    *ret_byte = (uint8_t)value;
    return true;
}

/* As inet_pton() reads it: four decimal numbers. */
static bool
parse_v4(struct str s, uint8_t bytes[4])
{
    const char *at = s.p, *end = s.p + s.len;

    for (unsigned i = 0; i < 4; i++) {
        if (i && (at == end || *at++ != '.'))
            return false;
        if (!parse_byte(&at, end, &bytes[i]))
            return false;
    }
    return at == end;
}

bool
addr_parse(struct str s, struct addr *ret_addr)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    struct str zone;

    if (parse_v4(s, bytes)) {
        from_v4(bytes, ret_addr);
        return true;
    }
    if (s.len >= 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
        s = str_make(s.p + 1, s.len - 2);
    if (str_cut(s, '%', &s, &zone) && zone.len == 0)
        return false;
    if (parse_v4(s, bytes)) {
        from_v4(bytes, ret_addr);
        return true;
    }
    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, '\0', s.len))
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (inet_pton(AF_INET6, text, bytes) == 1) {
        from_v6(bytes, ret_addr);
        return true;
    }
    return false;
}

bool
addr_parse_port(struct str s, struct addr *ret_addr, uint16_t *ret_port)
{
    struct str host = s, port = STR_NONE;
    struct addr a;
    uint64_t number = 0;

    if (s.len && s.p[0] != '[' && parse_v4(s, a.bytes)) {
        from_v4(a.bytes, ret_addr);
        *ret_port = 0;
        return true;
    }
    if (s.len && s.p[0] == '[') {
        int close = str_find(s, ']');

        if (close < 0)
            return false;
        host = str_make(s.p, (size_t)close + 1);
        port = str_skip(s, (size_t)close + 1);
        if (port.len && port.p[0] != ':')
            return false;
        if (port.len && port.len < 2)
            return false;
        port = str_skip(port, 1);
    } else if (str_find(s, ':') >= 0 && str_find(str_skip(s, (size_t)str_find(s, ':') + 1), ':') < 0) {
        str_cut(s, ':', &host, &port);
        if (port.len == 0)
            return false;
    }
    if (port.len && (!str_to_u64(port, &number) || number > 65535))
        return false;
    if (!addr_parse(host, &a))
        return false;
    *ret_addr = a;
    *ret_port = (uint16_t)number;
    return true;
}

void
addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret_addr, uint16_t *ret_port)
{
    *ret_addr = (struct addr){ 0 };
    *ret_port = 0;
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

        from_v4(&in->sin_addr, ret_addr);
        *ret_port = ntohs(in->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

        from_v6(&in6->sin6_addr, ret_addr);
        *ret_port = ntohs(in6->sin6_port);
    }
}

socklen_t
addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret_sa)
{
    memset(ret_sa, 0, sizeof(*ret_sa));
    if (a->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret_sa;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, a->bytes, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret_sa;

    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, a->bytes, 4);
    return sizeof(*in);
}

static char *
print_byte(uint8_t byte, char *at)
{
    if (byte >= 100)
        *at++ = (char)('0' + byte / 100);
    if (byte >= 10)
        *at++ = (char)('0' + byte / 10 % 10);
    *at++ = (char)('0' + byte % 10);
    return at;
}

static void
print_v4(const uint8_t bytes[4], char *at)
{
    for (unsigned i = 0; i < 4; i++) {
        at = print_byte(bytes[i], at);
        *at++ = i < 3 ? '.' : '\0';
    }
}

const char *
addr_print(const struct addr *a, int port, char text[ADDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];

    if (a->family != 4 && a->family != 6)
        return "unknown";
    if (a->family == 4)
        print_v4(a->bytes, port < 0 ? text : host);
    else
        inet_ntop(AF_INET6, a->bytes, port < 0 ? text : host, INET6_ADDRSTRLEN);
    if (port >= 0)
        snprintf(text, ADDR_TEXT_MAX, a->family == 4 ? "%s:%d" : "[%s]:%d", host, port);
    return text;
}

bool
addr_is_loopback(const struct addr *a)
{
    static const struct addr loopback6 = { .family = 6, .bytes = { [15] = 1 } };

    return (a->family == 4 && a->bytes[0] == 127) || addr_eq(a, &loopback6);
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void
mask(uint8_t bytes[16], unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

        if (keep < 8)
            bytes[i] &= (uint8_t)(0xff00U >> keep);
    }
}

bool
cidr_parse(struct str s, struct cidr *ret_cidr)
{
    struct str host, length;
    struct cidr net;
    uint8_t masked[16];
    uint64_t bits;
    bool has_length = str_cut(s, '/', &host, &length);

    if (!addr_parse(host, &net.base))
        return false;
    bits = net.base.family == 4 ? 32 : 128;
    if (has_length) {
        uint64_t max = bits;
        bool mapped = net.base.family == 4 && str_find(host, ':') >= 0;

        if (!str_to_u64(length, &bits))
            return false;
        if (mapped) {
            if (bits < 96)
                return false;
            bits -= 96;
        }
        if (bits > max)
            return false;
    }
    memcpy(masked, net.base.bytes, 16);
    mask(masked, (unsigned)bits);
    if (memcmp(masked, net.base.bytes, 16) != 0)
        return false;
    net.bits = (uint8_t)bits;
    *ret_cidr = net;
    return true;
}

/* Do two runs of eight bytes begin with the same bits? At most 64. */
static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return bits == 0 || be64toh(x ^ y) >> (64 - bits) == 0;
}

bool
cidr_has(const struct cidr *net, const struct addr *a)
{
    unsigned high = net->bits < 64 ? net->bits : 64;

    return a->family == net->base.family && same_bits(a->bytes, net->base.bytes, high) &&
           same_bits(a->bytes + 8, net->base.bytes + 8, net->bits - high);
}

bool
cidr_covers(const struct cidr *outer, const struct cidr *inner)
{
    return outer->bits <= inner->bits && cidr_has(outer, &inner->base);
}
