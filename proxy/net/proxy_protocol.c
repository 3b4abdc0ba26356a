/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict where the specification leaves a choice: version 1 takes one space between fields and CRLF at the end; version 2
 * takes STREAM over IPv4 and IPv6, and UNSPEC or Unix sockets only as "speaks for itself".
 */
#include "proxy/net/proxy_protocol.h"

#include <string.h>

enum { V1_MAX = 107, V2_HEAD = 16, V2_BODY_MAX = 4096 };

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool
take_field(struct str *line, struct str *ret_field)
{
    str_cut(*line, ' ', ret_field, line);
    return ret_field->len > 0;
}

static bool
take_port(struct str text, uint16_t *ret_port)
{
    uint64_t value;

    if (!str_to_u64(text, &value) || value > 65535 || (text.len > 1 && text.p[0] == '0'))
        return false;
    *ret_port = (uint16_t)value;
    return true;
}

static bool
parse_v1_line(struct str line, struct proxy_header *h)
{
    struct str protocol, source, destination, source_port;
    bool is_v4;

    if (!take_field(&line, &protocol))
        return false;
    if (str_eq(protocol, STR("UNKNOWN"))) {
        h->is_local = true;
        return true;
    }
    is_v4 = str_eq(protocol, STR("TCP4"));
    if (!is_v4 && !str_eq(protocol, STR("TCP6")))
        return false;
    if (!take_field(&line, &source) || !take_field(&line, &destination) || !take_field(&line, &source_port))
        return false;
    if ((str_find(source, ':') < 0) != is_v4 || (str_find(destination, ':') < 0) != is_v4)
        return false;
    return addr_parse(source, &h->source) && addr_parse(destination, &h->destination) &&
        take_port(source_port, &h->source_port) && take_port(line, &h->destination_port);
}

static int
parse_v1(struct str input, struct proxy_header *h)
{
    struct str line = str_make(input.p, input.len < V1_MAX ? input.len : (size_t)V1_MAX);
    int end = str_find(line, '\n');

    if (end < 0)
        return input.len < V1_MAX ? 0 : -1;
    if (end < 1 || line.p[end - 1] != '\r')
        return -1;
    line = str_make(line.p + 6, (size_t)end - 7);
    return parse_v1_line(line, h) ? end + 1 : -1;
}

static uint16_t
big_endian(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void
take_v2_addr(const char *p, unsigned size, struct addr *ret_addr)
{
    uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    *ret_addr = (struct addr){ .family = size == 4 ? 4 : 6 };
    if (size == 16 && memcmp(p, mapped, sizeof(mapped)) == 0) {
        ret_addr->family = 4;
        p += 12;
        size = 4;
    }
    memcpy(ret_addr->bytes, p, size);
}

static bool
parse_v2_body(unsigned family, struct str body, struct proxy_header *h)
{
    unsigned size = family == 0x11 ? 4 : 16;

    if (family == 0x00 || family == 0x31 || family == 0x32) {
        h->is_local = true;
        return true;
    }
    if ((family != 0x11 && family != 0x21) || body.len < 2 * size + 4)
        return false;
    take_v2_addr(body.p, size, &h->source);
    take_v2_addr(body.p + size, size, &h->destination);
    h->source_port = big_endian(body.p + 2 * size);
    h->destination_port = big_endian(body.p + 2 * size + 2);
    return true;
}

static int
parse_v2(struct str input, struct proxy_header *h)
{
    unsigned version, command, length;

    if (input.len < V2_HEAD)
        return 0;
    version = (unsigned char)input.p[12] >> 4;
    command = (unsigned char)input.p[12] & 15;
    length = big_endian(input.p + 14);
    if (version != 2 || command > 1 || length > V2_BODY_MAX)
        return -1;
    if (input.len < V2_HEAD + length)
        return 0;
    if (command == 0)
        h->is_local = true;
    else if (!parse_v2_body((unsigned char)input.p[13], str_make(input.p + V2_HEAD, length), h))
        return -1;
    return (int)(V2_HEAD + length);
}

static bool
begins_like(struct str input, const char *signature, size_t len)
{
    return memcmp(input.p, signature, input.len < len ? input.len : len) == 0;
}

int
proxy_header_parse(struct str input, struct proxy_header *ret_header)
{
    struct proxy_header h = { 0 };
    int used;

    if (input.len == 0)
        return 0;
    if (begins_like(input, "PROXY ", 6))
        used = input.len < 6 ? 0 : parse_v1(input, &h);
    else if (begins_like(input, v2_signature, sizeof(v2_signature)))
        used = parse_v2(input, &h);
    else
        used = -1;
    if (used > 0)
        *ret_header = h;
    return used;
}
