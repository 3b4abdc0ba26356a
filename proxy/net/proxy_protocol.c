/* SPDX-License-Identifier: Apache-2.0
 *
 * Both versions of the PROXY protocol, strictly: what the specification forbids is refused, as early as it shows, because
 * whoever reaches a listener that requires the header could otherwise choose the address that he is seen under.
 *
 * Version 1: "PROXY" SP ("TCP4" | "TCP6") SP source SP destination SP port SP port CRLF, or "PROXY UNKNOWN" … CRLF.
 * Version 2: signature (12), version and command (1), family and protocol (1), length (2), then `length` bytes: the
 * addresses of the family, then TLVs.
 */
#include "proxy/net/proxy_protocol.h"

#include <netinet/in.h>

#define V1_MAX 107
#define V2_HEAD 16
#define V2_BODY_MAX 4096

static const struct str v1_signature = { "PROXY ", 6 };
static const struct str v2_signature = { "\r\n\r\n\0\r\nQUIT\n", 12 };

/* Could s, with more bytes to come, begin with `prefix`? */
static bool
may_start(struct str s, struct str prefix)
{
    if (s.len > prefix.len)
        s.len = prefix.len;
    return str_eq(s, str_make(prefix.p, s.len));
}

static bool
parse_port(struct str s, uint16_t *ret_port)
{
    uint64_t port;

    if (s.len > 5 || (s.len > 1 && s.p[0] == '0') || !str_to_u64(s, &port) || port > 65535)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* The textual form decides the family: an IPv4-mapped address under TCP6 is fine, and comes out as IPv4. */
static bool
parse_address(struct str s, bool is_v6, struct addr *ret_addr)
{
    return (str_find(s, ':') >= 0) == is_v6 && str_find(s, '%') < 0 && str_find(s, '[') < 0 && addr_parse(s, ret_addr);
}

/* "source destination port port" */
static bool
parse_fields(struct str fields, bool is_v6, struct proxy_header *h)
{
    struct str source, destination, source_port, destination_port;

    return str_cut(fields, ' ', &source, &fields) && str_cut(fields, ' ', &destination, &fields) &&
           str_cut(fields, ' ', &source_port, &destination_port) && parse_address(source, is_v6, &h->source) &&
           parse_address(destination, is_v6, &h->destination) && parse_port(source_port, &h->source_port) &&
           parse_port(destination_port, &h->destination_port);
}

static bool
is_field_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':' ||
           c == ' ';
}

/* Where the line ends (offset of CR); -1 when it does not yet, -2 when it holds a byte that it may not. */
static int
find_line_end(struct str s, bool is_unknown)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\r' && i + 1 == s.len)
            return -1;
        if (s.p[i] == '\r' && s.p[i + 1] == '\n')
            return (int)i;
        if (!is_unknown && !is_field_byte(s.p[i]))
            return -2;
    }
    return -1;
}

static int
parse_v1(struct str input, struct proxy_header *ret_header)
{
    struct str line = str_make(input.p, input.len < V1_MAX ? input.len : V1_MAX);
    struct str rest = str_skip(line, v1_signature.len);
    bool is_unknown = may_start(rest, STR("UNKNOWN")), is_v6 = may_start(rest, STR("TCP6 "));
    struct str fields = str_skip(rest, is_unknown ? STR("UNKNOWN").len : STR("TCP4 ").len);
    struct proxy_header h = { .is_local = is_unknown };
    int end;

    if (!is_unknown && !is_v6 && !may_start(rest, STR("TCP4 ")))
        return -1;
    if (is_unknown && fields.len && fields.p[0] != ' ' && fields.p[0] != '\r')
        return -1;
    end = find_line_end(fields, is_unknown);
    if (end == -2 || (end == -1 && line.len == V1_MAX))
        return -1;
    if (end == -1)
        return 0;
    if (!is_unknown && !parse_fields(str_make(fields.p, (size_t)end), is_v6, &h))
        return -1;
    *ret_header = h;
    return (int)(fields.p - input.p) + end + 2;
}

static unsigned
get_u16(const char *p)
{
    return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

/* Addresses of `size` bytes each, then the two ports. */
static void
get_addresses(const char *p, size_t size, struct proxy_header *h)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    uint16_t port;

    if (size == 4) {
        h->source.family = h->destination.family = 4;
        memcpy(h->source.bytes, p, 4);
        memcpy(h->destination.bytes, p + 4, 4);
    } else { /* through the one place that knows IPv4-mapped addresses */
        memcpy(&in6.sin6_addr, p, 16);
        addr_from_sockaddr((struct sockaddr *)&in6, &h->source, &port);
        memcpy(&in6.sin6_addr, p + 16, 16);
        addr_from_sockaddr((struct sockaddr *)&in6, &h->destination, &port);
    }
    h->source_port = (uint16_t)get_u16(p + 2 * size);
    h->destination_port = (uint16_t)get_u16(p + 2 * size + 2);
}

/* Bytes that the addresses of a family take, or -1 for families that version 2 does not have. */
static int
address_bytes(uint8_t family)
{
    switch (family) {
    case 0x00: /* unspecified */
        return 0;
    case 0x11: /* IPv4, stream and datagram (QUIC ended in front of us) */
    case 0x12:
        return 12;
    case 0x21: /* IPv6 */
    case 0x22:
        return 36;
    case 0x31: /* Unix */
    case 0x32:
        return 216;
    default:
        return -1;
    }
}

static int
parse_v2(struct str input, struct proxy_header *ret_header)
{
    struct proxy_header h = { 0 };
    uint8_t command = input.len > 12 ? (uint8_t)input.p[12] : 0x20, family = input.len > 13 ? (uint8_t)input.p[13] : 0;
    int need = address_bytes(family);
    unsigned length;

    if (command != 0x20 && command != 0x21)
        return -1;
    h.is_local = command == 0x20; /* its family is to be ignored, whatever it says */
    if (!h.is_local && need < 0)
        return -1;
    if (input.len < V2_HEAD)
        return 0;
    length = get_u16(input.p + 14);
    if (length > V2_BODY_MAX || (!h.is_local && length < (unsigned)need))
        return -1;
    if (input.len < V2_HEAD + length)
        return 0;
    if (!h.is_local && (need == 12 || need == 36))
        get_addresses(input.p + V2_HEAD, need == 12 ? 4 : 16, &h);
    else
        h.is_local = true;
    *ret_header = h;
    return (int)(V2_HEAD + length);
}

int
proxy_header_parse(struct str input, struct proxy_header *ret_header)
{
    if (input.len == 0)
        return 0;
    if (may_start(input, v1_signature))
        return input.len < v1_signature.len ? 0 : parse_v1(input, ret_header);
    if (may_start(input, v2_signature))
        return input.len < v2_signature.len ? 0 : parse_v2(input, ret_header);
    return -1;
}
