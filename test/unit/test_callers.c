/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_fixture.h"

static void
test_listeners(void **state)
{
    const char *env[] = {
        "SEXTANT_LISTEN=127.0.0.1:6333, [2001:db8::1]:80/proxy,:0/tls;[::]:6333/proxy/tls 0.0.0.0:0 # any",
        "SEXTANT_ADMIN_LISTEN=[::1]:6390", NULL
    };
    struct listeners *l;
    struct fixture f;

    fixture_conf(&f, env);
    l = listeners_parse(f.conf, &f.arena, &f.issues);
    fixture_says(&f, "");
    assert_int_equal(l->n, 5);
    assert_str_equal(l->items[1].text, "[2001:db8::1]:80/proxy");
    assert_int_equal(l->items[0].port, 6333);
    assert_int_equal(l->items[0].addr.family, 4);
    assert_false(l->items[0].proxy_protocol);
    assert_int_equal(l->items[1].port, 80);
    assert_int_equal(l->items[1].addr.family, 6);
    assert_true(l->items[1].proxy_protocol);
    assert_int_equal(l->items[2].addr.family, 4);
    assert_int_equal(l->items[2].port, 0);
    assert_false(l->items[0].tls);
    assert_false(l->items[1].tls);
    assert_true(l->items[2].tls);
    assert_true(l->items[3].tls && l->items[3].proxy_protocol);
    assert_int_equal(l->n_admin, 1);
    assert_int_equal(l->admin[0].port, 6390);
    assert_true(l->admin[0].is_private);
    assert_true(l->items[0].is_private);
    assert_false(l->items[1].is_private);
    fixture_fini(&f);
}

#define NOT_LOOPBACK \
    "whoever reaches the admin listener reads configuration and traffic and gives orders: beyond loopback it needs " \
    "SEXTANT_ADMIN_TOKEN\n"
#define LISTEN_HINT " is not a listening address: expected such as 0.0.0.0:6333 or [::]:6333\n"

static void
test_mistakes_in_listeners(void **state)
{
    static const char *const cases[][3] = {
        { "", "SEXTANT_ADMIN_LISTEN=", "" },
        { "SEXTANT_LISTEN=", "", "SEXTANT_LISTEN:1:1: error: expected an address such as 0.0.0.0:6333\n" },
        { "SEXTANT_LISTEN=6333", "", "SEXTANT_LISTEN:1:1: error: \"6333\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=127.0.0.1", "", "SEXTANT_LISTEN:1:1: error: \"127.0.0.1\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=[::1]", "", "SEXTANT_LISTEN:1:1: error: \"[::1]\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=::1:80", "", "SEXTANT_LISTEN:1:1: error: \"::1:80\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=localhost:80", "", "SEXTANT_LISTEN:1:1: error: \"localhost:80\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=:65536", "", "SEXTANT_LISTEN:1:1: error: \":65536\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=:", "", "SEXTANT_LISTEN:1:1: error: \":\"" LISTEN_HINT },
        { "SEXTANT_LISTEN=:1,\n :2/https", "",
            "SEXTANT_LISTEN:2:2: error: unknown suffix /https: expected /tls, /proxy, both or none\n" },
        { "SEXTANT_LISTEN=:1/proxy/", "",
            "SEXTANT_LISTEN:1:1: error: unknown suffix /: expected /tls, /proxy, both or none\n" },
        { "SEXTANT_LISTEN=:1/tls/proxy/tls", "", "SEXTANT_LISTEN:1:1: error: the suffix /tls is given twice\n" },
        { "SEXTANT_LISTEN=:1/tls,:2/tls/proxy,:3/proxy/tls", "", "" },
        { "SEXTANT_LISTEN=:1,:1/proxy", "", "SEXTANT_LISTEN:1:4: error: :1/proxy conflicts with :1\n" },
        { "SEXTANT_LISTEN=:1, 127.0.0.1:1", "", "SEXTANT_LISTEN:1:5: error: 127.0.0.1:1 conflicts with :1\n" },
        { "SEXTANT_LISTEN=[::1]:1,[::]:1", "", "SEXTANT_LISTEN:1:9: error: [::]:1 conflicts with [::1]:1\n" },
        { "SEXTANT_LISTEN=0.0.0.0:1,[::]:1,127.0.0.1:2", "", "" },
        { "", "SEXTANT_ADMIN_LISTEN=0.0.0.0:1", "SEXTANT_ADMIN_LISTEN:1:1: error: " NOT_LOOPBACK },
        { "", "SEXTANT_ADMIN_LISTEN=10.0.0.1:1", "SEXTANT_ADMIN_LISTEN:1:1: error: " NOT_LOOPBACK },
        { "", "SEXTANT_ADMIN_LISTEN=[::]:1", "SEXTANT_ADMIN_LISTEN:1:1: error: " NOT_LOOPBACK },
        { "SEXTANT_ADMIN_TOKEN=0123456789abcdef", "SEXTANT_ADMIN_LISTEN=10.0.0.1:1", "" },
        { "", "SEXTANT_ADMIN_LISTEN=127.9.9.9:1", "" },
        { "", "SEXTANT_ADMIN_LISTEN=127.0.0.1:6333",
            "SEXTANT_ADMIN_LISTEN:1:1: error: 127.0.0.1:6333 conflicts with 0.0.0.0:6333 of SEXTANT_LISTEN\n" },
        { "", "SEXTANT_ADMIN_LISTEN=127.0.0.1:1/proxy",
            "SEXTANT_ADMIN_LISTEN:1:1: error: the admin listener does not speak the PROXY protocol\n" },
        { "", "SEXTANT_ADMIN_LISTEN=127.0.0.1:1/tls",
            "SEXTANT_ADMIN_LISTEN:1:1: error: the admin listener does not speak TLS\n" },
        { "", "SEXTANT_ADMIN_LISTEN=127.0.0.1:1,127.0.0.1:2",
            "SEXTANT_ADMIN_LISTEN:1:13: error: there may be one admin listener\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *env[] = { cases[i][0], cases[i][1], NULL };
        struct fixture f;

        fixture_conf(&f, env);
        listeners_parse(f.conf, &f.arena, &f.issues);
        fixture_says(&f, cases[i][2]);
        fixture_fini(&f);
    }
}

static void
test_trust(void **state)
{
    const char *env[] = { "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8,\n 192.0.2.1", "SEXTANT_TRUSTED_CALLERS=2001:db8::/32",
        "SEXTANT_CLIENT_ADDRESS=CF-Connecting-IP", NULL };
    struct fixture f;
    struct trust *t;

    fixture_conf(&f, env);
    t = trust_parse(f.conf, &f.arena, &f.issues);
    fixture_says(&f, "");
    assert_int_equal(t->proxies.n, 2);
    assert_int_equal(t->proxies.items[0].bits, 32);
    assert_int_equal(t->proxies.items[1].bits, 8);
    assert_int_equal(t->callers.n, 1);
    assert_str_equal(t->header, "cf-connecting-ip");
    fixture_fini(&f);
}

static void
test_mistakes_in_trust(void **state)
{
    static const char *const cases[][4] = {
        { "", "", "", "x-forwarded-for" },
        { "SEXTANT_CLIENT_ADDRESS=X-Forwarded-For", "", "", "x-forwarded-for" }, /* as printed by check */
        { "SEXTANT_CLIENT_ADDRESS=Peer", "", "", "" },
        { "SEXTANT_TRUSTED_PROXIES=10.0.0.1/8, 10.0.0.0/33 , x", "",
            "SEXTANT_TRUSTED_PROXIES:1:1: error: \"10.0.0.1/8\" is not a network: it has bits beyond its length; did "
            "you mean "
            "10.0.0.0/8?\n"
            "SEXTANT_TRUSTED_PROXIES:1:13: error: \"10.0.0.0/33\" is not a network: expected such as 10.0.0.0/8 or "
            "2001:db8::/32\n"
            "SEXTANT_TRUSTED_PROXIES:1:27: error: \"x\" is not a network: expected such as 10.0.0.0/8 or "
            "2001:db8::/32\n",
            "x-forwarded-for" },
        { "SEXTANT_TRUSTED_CALLERS=2001:db8::1/64,fe80::1%eth0", "",
            "SEXTANT_TRUSTED_CALLERS:1:1: error: \"2001:db8::1/64\" is not a network: it has bits beyond its length; "
            "did you mean "
            "2001:db8::/64?\n"
            "SEXTANT_TRUSTED_CALLERS:1:16: error: \"fe80::1%eth0\" is not a network: expected such as 10.0.0.0/8 or "
            "2001:db8::/32\n",
            "x-forwarded-for" },
        { "SEXTANT_TRUSTED_CALLERS=::/0", "", "SEXTANT_TRUSTED_CALLERS:1:1: warning: ::/0 believes everybody\n",
            "x-forwarded-for" },
        { "SEXTANT_CLIENT_ADDRESS=X Real", "",
            "SEXTANT_CLIENT_ADDRESS:1:1: error: expected peer, Forwarded or the name of a header, not \"X Real\"\n",
            "" },
        { "SEXTANT_CLIENT_ADDRESS=", "",
            "SEXTANT_CLIENT_ADDRESS:1:1: error: expected peer, Forwarded or the name of a header, not \"\"\n", "" },
        { "SEXTANT_CLIENT_ADDRESS=X-Real-IP", "",
            "SEXTANT_CLIENT_ADDRESS:1:1: warning: the header is read only from SEXTANT_TRUSTED_PROXIES and _CALLERS, "
            "and there "
            "are none\n",
            "x-real-ip" },
        { "SEXTANT_CLIENT_ADDRESS=peer", "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8",
            "SEXTANT_TRUSTED_PROXIES:1:1: warning: SEXTANT_CLIENT_ADDRESS=peer: no header is read, so this has no "
            "effect\n",
            "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *env[] = { cases[i][0], cases[i][1], NULL };
        struct fixture f;
        struct trust *t;

        fixture_conf(&f, env);
        t = trust_parse(f.conf, &f.arena, &f.issues);
        fixture_says(&f, cases[i][2]);
        assert_str_equal(t->header, cases[i][3]);
        fixture_fini(&f);
    }
}

static void
test_overrides(void **state)
{
    const char *env[] = { "SEXTANT_OVERRIDES=10.0.0.0/8=DE, 10.1.0.0/16=50.1,8.7,10.1.2.3=aws:us-east-1\n"
                          "# v6\n2001:db8::/32=JP;192.0.2.0/24=FR",
        NULL };
    struct overrides *o;
    struct fixture f;
    char text[32];

    fixture_conf(&f, env);
    o = overrides_parse(f.conf, &f.arena, &f.issues);
    fixture_says(&f, "");
    assert_int_equal(o->n, 5);
    assert_int_equal(o->items[0].net.bits, 32);
    assert_string_equal(place_print(&o->items[0].place, text), "US");
    for (unsigned i = 1; i < o->n; i++)
        assert_true(o->items[i - 1].net.bits >= o->items[i].net.bits);
    assert_string_equal(place_print(&o->items[1].place, text), "JP");
    assert_string_equal(place_print(&o->items[3].place, text), "50.10,8.70");
    assert_string_equal(place_print(&o->items[4].place, text), "DE");
    assert_int_equal(o->items[4].place.source, PLACE_OVERRIDE);
    assert_int_equal(o->items[4].place.continent, CONTINENT_EUROPE);
    fixture_fini(&f);
}

static void
test_mistakes_in_overrides(void **state)
{
    static const char *const cases[][2] = {
        { "SEXTANT_OVERRIDES=", "" },
        { "SEXTANT_OVERRIDES=DE", "SEXTANT_OVERRIDES:1:1: error: expected CIDR=PLACE, not \"DE\"\n" },
        { "SEXTANT_OVERRIDES=\n 10.0.0.1/8=DE", "SEXTANT_OVERRIDES:2:2: error: \"10.0.0.1/8\" is not a network: it has "
                                                "bits beyond its length; did you mean 10.0.0.0/8?\n" },
        { "SEXTANT_OVERRIDES=10.0.0.0/8=de", "SEXTANT_OVERRIDES:1:12: error: \"de\" is not a place: expected a cloud "
                                             "region (aws:eu-central-1), a country (DE) "
                                             "or lat,lon; did you mean DE?\n" },
        { "SEXTANT_OVERRIDES=10.0.0.0/8=?", "SEXTANT_OVERRIDES:1:12: error: \"?\" is not a place: expected a "
                                            "cloud region (aws:eu-central-1), a country "
                                            "(DE) or lat,lon\n" },
        { "SEXTANT_OVERRIDES=10.0.0.0/8=DE,11.0.0.0/8=US\n10.0.0.0/8=FR",
            "SEXTANT_OVERRIDES:2:1: error: \"10.0.0.0/8=FR\": this network is listed twice, first in line 1\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *env[] = { cases[i][0], NULL };
        struct fixture f;

        fixture_conf(&f, env);
        overrides_parse(f.conf, &f.arena, &f.issues);
        fixture_says(&f, cases[i][1]);
        fixture_fini(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_mistakes_in_listeners),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_mistakes_in_trust),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_mistakes_in_overrides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
