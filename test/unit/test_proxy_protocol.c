/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proxy/net/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIX_A "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define SIX_B "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"
#define TEN "xxxxxxxxxx"
#define UNIX_BYTES TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "xxxxxx"

static const struct {
    const char *name;
    struct str input;
    const char *source, *destination; /* NULL: local */
} valid[] = {
    { "v1 IPv4", STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1:56324", "198.51.100.2:443" },
    { "v1 IPv4 extremes", STR("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), "255.255.255.255:65535", "0.0.0.0:0" },
    { "v1 IPv6", STR("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "[2001:db8::1]:1", "[::1]:2" },
    { "v1 IPv6 longest",
        STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
            "65535\r\n"),
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
    { "v1 IPv6 capitals", STR("PROXY TCP6 2001:DB8::A 2001:DB8::B 1 2\r\n"), "[2001:db8::a]:1", "[2001:db8::b]:2" },
    { "v1 IPv4-mapped", STR("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "192.0.2.7:1", "[::1]:2" },
    { "v1 unknown", STR("PROXY UNKNOWN\r\n"), NULL, NULL },
    { "v1 unknown with rest", STR("PROXY UNKNOWN any thing\rat all ~\r\n"), NULL, NULL },
    { "v1 unknown longest", STR("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN "x\r\n"), NULL, NULL },
    { "v2 IPv4", STR(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"), "192.0.2.1:56324",
        "198.51.100.2:443" },
    { "v2 IPv4 datagram", STR(SIGNATURE "\x21\x12\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02"), "192.0.2.1:1",
        "198.51.100.2:2" },
    { "v2 IPv4 and TLVs", STR(SIGNATURE "\x21\x11\0\x13\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02\x01\0\x04http"),
        "192.0.2.1:1", "198.51.100.2:2" },
    { "v2 IPv6", STR(SIGNATURE "\x21\x21\0\x24" SIX_A SIX_B "\0\x01\xff\xff"), "[2001:db8::1]:1",
        "[2001:db8::2]:65535" },
    { "v2 IPv6 datagram", STR(SIGNATURE "\x21\x22\0\x24" SIX_A SIX_B "\0\x01\0\x02"), "[2001:db8::1]:1",
        "[2001:db8::2]:2" },
    { "v2 IPv4-mapped", STR(SIGNATURE "\x21\x21\0\x24" MAPPED SIX_B "\0\x01\0\x02"), "192.0.2.7:1", "[2001:db8::2]:2" },
    { "v2 local", STR(SIGNATURE "\x20\0\0\0"), NULL, NULL },
    { "v2 local, family ignored", STR(SIGNATURE "\x20\xff\0\x03xyz"), NULL, NULL },
    { "v2 local, short family", STR(SIGNATURE "\x20\x11\0\0"), NULL, NULL },
    { "v2 unspecified", STR(SIGNATURE "\x21\0\0\x02xy"), NULL, NULL },
    { "v2 Unix", STR(SIGNATURE "\x21\x31\0\xd8" UNIX_BYTES), NULL, NULL },
};

static const struct {
    const char *name;
    struct str input;
} invalid[] = {
    { "HTTP", STR("GET / HTTP/1.1\r\n") },
    { "TLS", STR("\x16\x03\x01\x02") },
    { "blank line", STR("\r\n\r\nG") },
    { "lower case", STR("proxy TCP4") },
    { "v1 two spaces", STR("PROXY  TCP4") },
    { "v1 TCP5", STR("PROXY TCP5") },
    { "v1 UDP4", STR("PROXY U4") },
    { "v1 tcp4", STR("PROXY tcp4") },
    { "v1 UNKNOWNS", STR("PROXY UNKNOWNS") },
    { "v1 bad byte before the end", STR("PROXY TCP4 192.0.2.1x") },
    { "v1 LF only", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n") },
    { "v1 CR CR LF", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n") },
    { "v1 NUL", STR("PROXY TCP4 192.0.2.1\0") },
    { "v1 wrong family", STR("PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n") },
    { "v1 wrong family of the second", STR("PROXY TCP4 192.0.2.2 2001:db8::1 1 2\r\n") },
    { "v1 IPv4 under TCP6", STR("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n") },
    { "v1 zone", STR("PROXY TCP6 fe80::1%1 ::1 1 2\r\n") },
    { "v1 brackets", STR("PROXY TCP6 [fe80::1] ::1 1 2\r\n") },
    { "v1 leading zero in an address", STR("PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n") },
    { "v1 too large a byte", STR("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n") },
    { "v1 three parts", STR("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n") },
    { "v1 leading zero in a port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n") },
    { "v1 large port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n") },
    { "v1 long port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 100000\r\n") },
    { "v1 hexadecimal port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 a 2\r\n") },
    { "v1 no second port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n") },
    { "v1 empty second port", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n") },
    { "v1 three ports", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n") },
    { "v1 trailing space", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n") },
    { "v1 double space", STR("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n") },
    { "v1 empty", STR("PROXY TCP4 \r\n") },
    { "v1 no end in 107", STR("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN "xxx") },
    { "v1 end past 107", STR("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN "xx\r\n") },
    { "v2 version 1", STR(SIGNATURE "\x11") },
    { "v2 version 3", STR(SIGNATURE "\x31") },
    { "v2 command 2", STR(SIGNATURE "\x22") },
    { "v2 family 4", STR(SIGNATURE "\x21\x41") },
    { "v2 protocol 3", STR(SIGNATURE "\x21\x13") },
    { "v2 IPv4 without protocol", STR(SIGNATURE "\x21\x10") },
    { "v2 protocol without family", STR(SIGNATURE "\x21\x01") },
    { "v2 IPv4 short", STR(SIGNATURE "\x21\x11\0\x0b") },
    { "v2 IPv6 short", STR(SIGNATURE "\x21\x21\0\x23") },
    { "v2 Unix short", STR(SIGNATURE "\x21\x31\0\xd7") },
    { "v2 huge", STR(SIGNATURE "\x21\x11\x10\x01") },
    { "v2 local huge", STR(SIGNATURE "\x20\0\xff\xff") },
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

static void
test_valid(void **state)
{
    for (size_t i = 0; i < N(valid); i++) {
        struct proxy_header h = { .source_port = 77 };
        char text[ADDR_TEXT_MAX];
        char longer[512];
        int n = proxy_header_parse(valid[i].input, &h);

        if (n != (int)valid[i].input.len)
            fail_msg("%s: %d", valid[i].name, n);
        assert_int_equal(h.is_local, valid[i].source == NULL);
        if (valid[i].source) {
            assert_string_equal(addr_print(&h.source, h.source_port, text), valid[i].source);
            assert_string_equal(addr_print(&h.destination, h.destination_port, text), valid[i].destination);
        } else {
            assert_int_equal(h.source.family, 0);
            assert_int_equal(h.source_port, 0);
        }
        /* what follows is not looked at */
        memcpy(longer, valid[i].input.p, valid[i].input.len);
        memcpy(longer + valid[i].input.len, "GET / HTTP/1.1\r\n", 16);
        assert_int_equal(proxy_header_parse(str_make(longer, valid[i].input.len + 16), &h), n);
    }
}

static void
test_truncated(void **state)
{
    for (size_t i = 0; i < N(valid); i++)
        for (size_t len = 0; len < valid[i].input.len; len++) {
            struct proxy_header h = { .source_port = 77 };
            int n = proxy_header_parse(str_make(valid[i].input.p, len), &h);

            if (n != 0)
                fail_msg("%s cut to %zu: %d", valid[i].name, len, n);
            assert_int_equal(h.source_port, 77);
        }
}

/* Every other value of one byte of the signature is refused, whole and as soon as it shows. */
static void
try_corruptions(const struct str input, size_t at)
{
    for (int flip = 1; flip < 256; flip++) {
        char copy[512];
        struct proxy_header h;

        memcpy(copy, input.p, input.len);
        copy[at] = (char)(copy[at] ^ flip);
        assert_int_equal(proxy_header_parse(str_make(copy, input.len), &h), -1);
        if (at > 0) /* the first byte may be that of the other version */
            assert_int_equal(proxy_header_parse(str_make(copy, at + 1), &h), -1);
    }
}

static void
test_corrupt_signature(void **state)
{
    for (size_t i = 0; i < N(valid); i++) {
        size_t signature = valid[i].input.p[0] == 'P' ? 6 : 12;

        for (size_t at = 0; at < signature; at++)
            try_corruptions(valid[i].input, at);
    }
}

static void
test_invalid(void **state)
{
    for (size_t i = 0; i < N(invalid); i++) {
        struct proxy_header h = { .source_port = 77 };
        int n = proxy_header_parse(invalid[i].input, &h);

        if (n != -1)
            fail_msg("%s: %d", invalid[i].name, n);
        assert_int_equal(h.source_port, 77);
    }
}

/* The largest version 2 header that is taken. */
static void
test_v2_longest(void **state)
{
    static char input[16 + 4096];
    struct proxy_header h;

    memcpy(input, SIGNATURE "\x21\x11\x10\x00\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02", 28);
    assert_int_equal(proxy_header_parse(str_make(input, sizeof(input) - 1), &h), 0);
    assert_int_equal(proxy_header_parse(str_make(input, sizeof(input)), &h), (int)sizeof(input));
    assert_int_equal(h.destination_port, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_corrupt_signature),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_v2_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
