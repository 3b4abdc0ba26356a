/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/route/forwarded.h"

struct parse_case {
    const char *value;
    const char *hops; /* nearest first, by blanks; "-": then comes one that is no address */
};

static const struct parse_case list_cases[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "192.0.2.1, 192.0.2.2", "192.0.2.2 192.0.2.1" },
    { " 192.0.2.1 ,\t192.0.2.2 ", "192.0.2.2 192.0.2.1" },
    { "192.0.2.1,,192.0.2.2,", "192.0.2.2 192.0.2.1" },
    { "", "" },
    { " , ,", "" },
    { "192.0.2.1:4711", "192.0.2.1" },
    { "[2001:db8::1]:4711, 2001:db8::2", "2001:db8::2 2001:db8::1" },
    { "fe80::1%eth0, ::ffff:192.0.2.9", "192.0.2.9 fe80::1" },
    { "unknown, 192.0.2.2", "192.0.2.2 -" },
    { "192.0.2.1, unknown, 192.0.2.2", "192.0.2.2 -" },
    { "192.0.2.1 192.0.2.2", "-" },
    { "\"192.0.2.1\"", "-" },
    { "192.0.2.256", "-" },
    { "192.0.2.1:99999", "-" },
    { "for=192.0.2.1", "-" },
};

static const struct parse_case forwarded_cases[] = {
    { "for=192.0.2.1", "192.0.2.1" },
    { "For=192.0.2.1;proto=https;by=203.0.113.43", "192.0.2.1" },
    { "for=192.0.2.1, FOR=198.51.100.17", "198.51.100.17 192.0.2.1" },
    { "for=\"192.0.2.1:4711\"", "192.0.2.1" },
    { "for=192.0.2.1:4711", "192.0.2.1" },
    { "for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17" },
    { "for=\"[2001:db8::1]\", for=[2001:db8::2]", "2001:db8::2 2001:db8::1" },
    { "for=2001:db8::2", "2001:db8::2" },
    { "for=\"_gazonk\"", "-" },
    { "for=_hidden, for=192.0.2.2", "192.0.2.2 -" },
    { "for=unknown", "-" },
    { "for=\"192.0.2.1:_port-1\"", "192.0.2.1" },
    { "for=\"[2001:db8::1]:_p\"", "2001:db8::1" },
    { "for=\"2001:db8::1:_p\"", "-" },
    { "for=\"192.0.2.1:_\"", "-" },
    { "proto=https;host=\"a,b;c\";for=192.0.2.1", "192.0.2.1" },
    { "proto=https", "-" },
    { "proto=https, for=192.0.2.1", "192.0.2.1 -" },
    { "for=192.0.2.1;for=192.0.2.2", "-" },
    { "for=192.0.2.1 ; proto=http , for=192.0.2.2", "192.0.2.2 192.0.2.1" },
    { ", for=192.0.2.1,,", "192.0.2.1" },
    { "", "" },
    { ";", "-" },
    /* what stands at the left cannot spoil what trusted proxies wrote at the right */
    { "for=\"evil, for=192.0.2.1", "192.0.2.1 -" },
    { "for=\"evil, for=\"[2001:db8::1]\"", "2001:db8::1 -" },
    { "for=\"evil\\\", for=192.0.2.1", "192.0.2.1 -" },
    { "for=evil\\, for=\"192.0.2.1\"", "192.0.2.1 -" },
    { "for, for=192.0.2.1", "192.0.2.1 -" },
    { "for=, for=192.0.2.1", "192.0.2.1 -" },
    { "=x, for=192.0.2.1", "192.0.2.1 -" },
    /* a client's Host inside a proxy's element is no element and no pair */
    { "for=192.0.2.1;host=\"a, for=1.1.1.1\"", "192.0.2.1" },
    { "for=192.0.2.1;host=\"a;for=1.1.1.1\"", "192.0.2.1" },
    { "for=192.0.2.1;host=\"a\\\", for=1.1.1.1;b=\\\"c\"", "192.0.2.1" },
    { "host=\"a;for=1.1.1.1;b\"", "-" },
    { "for = 192.0.2.1", "-" },
    { "for=192.0.2.1 for=192.0.2.2", "-" },
    { "for=\"192\\.0.2.1\"", "-" },
    { "for=\"192.0.2.1", "-" },
    { "for=192.0.2.1;", "192.0.2.1" },
    { "for=192.0.2.1;;proto=http", "192.0.2.1" },
};

static void
parse(const char *header, struct str value, struct hops *ret_hops)
{
    struct arena arena = { 0 };
    struct message m;

    message_init(&m, &arena);
    message_add(&m, STR("x-other"), STR("198.51.100.1"));
    message_add(&m, str_from(header), value);
    forwarded_parse(&m, str_from(header), ret_hops);
    arena_fini(&arena);
}

static void
print_hops(const struct hops *hops, char *out, size_t size)
{
    size_t at = 0;
    char text[ADDR_TEXT_MAX];

    out[0] = '\0';
    for (unsigned i = 0; i < hops->n; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "", addr_print(&hops->addrs[i], -1, text));
    if (hops->is_cut)
        snprintf(out + at, size - at, "%s-", at ? " " : "");
}

static void
run(const struct parse_case *cases, size_t n, const char *header)
{
    for (size_t i = 0; i < n; i++) {
        struct hops hops;
        char got[4096];

        parse(header, str_from(cases[i].value), &hops);
        print_hops(&hops, got, sizeof(got));
        if (strcmp(got, cases[i].hops) != 0)
            fail_msg("\"%s\": expected \"%s\", got \"%s\"", cases[i].value, cases[i].hops, got);
    }
}

static void
test_lists_are_read_from_the_right(void **state)
{
    run(list_cases, sizeof(list_cases) / sizeof(*list_cases), "x-forwarded-for");
}

static void
test_forwarded_follows_its_grammar(void **state)
{
    run(forwarded_cases, sizeof(forwarded_cases) / sizeof(*forwarded_cases), "forwarded");
}

/* One hop more than fits, named 192.0.2.0, .1, ... from the left: the nearest are kept. */
static void
test_hops_are_bounded(void **state)
{
    char value[HOPS_MAX * 32] = "";
    struct hops hops;
    char text[ADDR_TEXT_MAX];
    size_t at = 0;

    for (int i = 0; i <= HOPS_MAX; i++)
        at += (size_t)snprintf(value + at, sizeof(value) - at, "192.0.2.%d,", i);
    parse("x-forwarded-for", str_make(value, at), &hops);
    assert_int_equal(hops.n, HOPS_MAX);
    assert_true(hops.is_cut);
    assert_string_equal(addr_print(&hops.addrs[0], -1, text), "192.0.2.32");
    assert_string_equal(addr_print(&hops.addrs[HOPS_MAX - 1], -1, text), "192.0.2.1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read_from_the_right),
        cmocka_unit_test(test_forwarded_follows_its_grammar),
        cmocka_unit_test(test_hops_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
