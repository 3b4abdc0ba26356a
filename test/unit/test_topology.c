/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_fixture.h"

#include "conf/url.h"

/* --- URLs -------------------------------------------------------------------------------------------------------- */

static void
test_urls(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        const char *prefix;
        bool is_literal;
    } cases[] = {
        { "http://qdrant", "qdrant", 6333, "", false },
        { "http://Qdrant-1.Example.COM:80", "qdrant-1.example.com", 80, "", false },
        { "HTTP://q:1/", "q", 1, "", false },
        { "https://Q", "q", 6333, "", false },
        { "HTTPS://q:443/x/", "q", 443, "/x", false },
        { "http://q_1.svc.cluster.local.:65535/a/B_c//", "q_1.svc.cluster.local.", 65535, "/a/B_c", false },
        { "http://10.0.0.1", "10.0.0.1", 6333, "", true },
        { "http://10.0.0.1:80/x", "10.0.0.1", 80, "/x", true },
        { "http://[2001:DB8::1]:80/x/y.z", "2001:db8::1", 80, "/x/y.z", true },
        { "http://[::1]", "::1", 6333, "", true },
        { "http://1.example", "1.example", 6333, "", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        struct url u;
        const char *error = url_parse(str_from(cases[i].text), &a, &u);

        if (error)
            fail_msg("%s: %s", cases[i].text, error);
        assert_str_equal(u.text, cases[i].text);
        assert_str_equal(u.host, cases[i].host);
        assert_str_equal(u.prefix, cases[i].prefix);
        assert_int_equal(u.port, cases[i].port);
        assert_int_equal(u.is_literal, cases[i].is_literal);
        assert_int_equal(u.is_tls, cases[i].text[4] == 's' || cases[i].text[4] == 'S');
        assert_int_equal(u.addr.family, !u.is_literal ? 0 : strchr(cases[i].host, ':') ? 6 : 4);
        arena_fini(&a);
    }
}

static void
test_urls_that_are_refused(void **state)
{
    static const char *const cases[][2] = {
        { "q:6333", "expected a URL" },
        { "ftp://q", "expected a URL" },
        { "", "expected a URL" },
        { "http:/q", "expected a URL" },
        { "http://", "the host is neither" },
        { "http://:80", "the host is neither" },
        { "http:///x", "the host is neither" },
        { "http://me:secret@q", "a URL may not carry a user" },
        { "http://me@q", "a URL may not carry a user" },
        { "http://q?x=1", "a URL may not carry a query" },
        { "http://q/#top", "a URL may not carry a query or a fragment" },
        { "http://q:", "the port must be" },
        { "http://q:0", "the port must be" },
        { "http://q:65536", "the port must be" },
        { "http://q:80x", "the port must be" },
        { "http://[::1]:", "the port must be" },
        { "http://[::1", "expected [address]" },
        { "http://[::1]80", "expected [address]" },
        { "http://::1", "an IPv6 address must stand in [ ]" },
        { "http://::1:6333", "an IPv6 address must stand in [ ]" },
        { "http://[1.2.3.4]", "the host is neither" },
        { "http://[q]", "the host is neither" },
        { "http://[fe80::1%eth0]", "an address may not carry a zone" },
        { "http://256.1.1.1", "the host is neither" },
        { "http://1.2.3", "the host is neither" },
        { "http://a..b", "the host is neither" },
        { "http://.a", "the host is neither" },
        { "http://-a", "the host is neither" },
        { "http://a-", "the host is neither" },
        { "http://a b", "the host is neither" },
        { "http://*", "the host is neither" },
        { "http://q/a//b", "the path prefix must be plain" },
        { "http://q//", "" }, /* fine */
        { "http://q/a/../b", "the path prefix must be plain" },
        { "http://q/./b", "the path prefix must be plain" },
        { "http://q/..", "the path prefix must be plain" },
        { "http://q/a%2fb", "the path prefix must be plain" },
        { "http://q/\xc3\xa4", "the path prefix must be plain" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        struct url u = { .port = 7 };
        const char *error = url_parse(str_from(cases[i][0]), &a, &u);

        if (!*cases[i][1] ? error != NULL
                          : !error || strncmp(error, cases[i][1], strlen(cases[i][1])) != 0 || u.port != 7)
            fail_msg("%s: %s", cases[i][0], error ? error : "no error");
        arena_fini(&a);
    }
}

/* --- clusters ---------------------------------------------------------------------------------------------------- */

static void
test_a_topology(void **state)
{
    const char *env[] = { "SEXTANT_CLUSTERS= eu http://a:1,http://b:2/x at=aws:eu-central-1 # comment; no entry\n"
                          "ap2_x http://c country=JP at=35.7,139.7 bias=-20 weight=2.5; us http://d at=US\n\n"
                          "w http://e,http://f weight=1,3 at=0,0",
        "SEXTANT_LOCAL_CLUSTER=us", NULL };
    struct fixture f;
    const struct cluster_conf *c;

    fixture_conf(&f, env);
    f.topology = topology_parse(f.conf, &f.arena, &f.issues);
    fixture_says(&f, "");
    assert_int_equal(f.topology->n_clusters, 4);
    c = f.topology->clusters;
    assert_str_equal(c[0].name, "eu");
    assert_int_equal(c[0].n_endpoints, 2);
    assert_int_equal(c[0].endpoints[1].number, 2);
    assert_str_equal(c[0].endpoints[1].url.prefix, "/x");
    assert_string_equal(c[0].country, "DE");
    assert_true(c[0].at.has_point);
    assert_int_equal(c[0].line, 1);
    assert_int_equal(c[0].column, 2);
    assert_str_equal(c[1].name, "ap2_x");
    assert_string_equal(c[1].country, "JP");
    assert_true(c[1].bias == -20);
    assert_true(c[1].endpoints[0].weight == 2.5);
    assert_int_equal(c[2].line, 2);
    assert_int_equal(c[2].index, 2);
    assert_string_equal(c[2].country, "US");
    assert_string_equal(c[3].country, "");
    assert_true(c[3].endpoints[0].weight == 1 && c[3].endpoints[1].weight == 3);
    assert_int_equal(topology_find(f.topology, STR("w")), 3);
    assert_int_equal(topology_find(f.topology, STR("x")), -1);
    assert_int_equal(f.topology->local_cluster, 2);
    assert_true(f.topology->has_region); /* that of the local cluster */
    assert_string_equal(f.topology->region.country, "US");
    fixture_fini(&f);
}

#define PLACE_HINT_TEXT "is not a place: expected a cloud region (aws:eu-central-1), a country (DE) or lat,lon"
#define NO_CLUSTER \
    "SEXTANT_CLUSTERS:1:1: error: no cluster is defined; for example: SEXTANT_CLUSTERS='eu http://qdrant:6333 " \
    "at=aws:eu-central-1'\n"
#define EU "SEXTANT_CLUSTERS=eu http://e at=DE"

static const char *const mistakes[][3] = {
    { "SEXTANT_CLUSTERS=", "", NO_CLUSTER },
    { "SEXTANT_CLUSTERS= # none yet\n;", "SEXTANT_LOCAL_CLUSTER=eu", NO_CLUSTER },
    { "SEXTANT_WORKERS=x", "", "SEXTANT_WORKERS:1:1: error: expected a whole number, not \"x\"\n" NO_CLUSTER },
    { "SEXTANT_CLUSTERS=/nonexistent", "",
        "SEXTANT_CLUSTERS:1:1: error: cannot read /nonexistent: No such file or directory\n" },
    { "SEXTANT_CLUSTERS=eu", "",
        "SEXTANT_CLUSTERS:1:1: error: cluster eu has no URL: expected name url[,url...] at=PLACE\n"
        "SEXTANT_CLUSTERS:1:1: error: cluster eu has no at=PLACE: a cloud region such as aws:eu-central-1, a "
        "country or "
        "lat,lon\n" },
    { "SEXTANT_CLUSTERS=eu at=DE", "",
        "SEXTANT_CLUSTERS:1:1: error: cluster eu has no URL: expected name url[,url...] at=PLACE\n" },
    { "SEXTANT_CLUSTERS=\n eu http://e\n", "",
        "SEXTANT_CLUSTERS:2:2: error: cluster eu has no at=PLACE: a cloud region such as aws:eu-central-1, a "
        "country or "
        "lat,lon\n" },
    { "SEXTANT_CLUSTERS=Eu http://e at=DE", "",
        "SEXTANT_CLUSTERS:1:1: error: \"Eu\" is not a cluster name: up to 63 of a-z, 0-9, - and _, beginning with "
        "a "
        "letter or digit\n" },
    { "SEXTANT_CLUSTERS=-a http://e at=DE", "",
        "SEXTANT_CLUSTERS:1:1: error: \"-a\" is not a cluster name: up to 63 of a-z, 0-9, - and _, beginning with "
        "a "
        "letter or digit\n" },
    { EU "; eu http://f at=US", "", "SEXTANT_CLUSTERS:1:20: error: cluster eu is defined twice, first in line 1\n" },
    { EU ",http://x", "", "SEXTANT_CLUSTERS:1:16: error: \"DE,http://x\" " PLACE_HINT_TEXT "\n" },
    { "SEXTANT_CLUSTERS=eu http://e,https://f at=DE", "", "" },
    { "SEXTANT_CLUSTERS=eu http://e,https://e at=DE", "",
        "SEXTANT_CLUSTERS:1:13: error: endpoint https://e is listed twice, first in cluster eu\n" },
    { "SEXTANT_CLUSTERS=eu http://e#x at=DE", "",
        "SEXTANT_CLUSTERS:1:4: error: \"http://e#x\": a URL may not carry a query or a fragment\n" },
    { "SEXTANT_CLUSTERS=eu http://e,http://E:6333/ at=DE", "",
        "SEXTANT_CLUSTERS:1:13: error: endpoint http://E:6333/ is listed twice, first in cluster eu\n" },
    { EU "\nus http://f,http://e at=US", "",
        "SEXTANT_CLUSTERS:2:13: error: endpoint http://e is listed twice, first in cluster eu\n" },
    { "SEXTANT_CLUSTERS=eu http://e http://f at=DE", "",
        "SEXTANT_CLUSTERS:1:13: error: \"http://f\" is not understood: expected at=, country=, bias= or weight=; "
        "URLs are "
        "separated by commas without blanks\n" },
    { "SEXTANT_CLUSTERS=eu http://e at=aws:eu-centrl-1", "",
        "SEXTANT_CLUSTERS:1:16: error: \"aws:eu-centrl-1\" " PLACE_HINT_TEXT "; did you mean aws:eu-central-1?\n" },
    { "SEXTANT_CLUSTERS=eu http://e at=germanywestcentral", "",
        "SEXTANT_CLUSTERS:1:16: error: \"germanywestcentral\" " PLACE_HINT_TEXT
        "; did you mean azure:germanywestcentral?\n" },
    { "SEXTANT_CLUSTERS=eu http://e at=de", "",
        "SEXTANT_CLUSTERS:1:16: error: \"de\" " PLACE_HINT_TEXT "; did you mean DE?\n" },
    { "SEXTANT_CLUSTERS=eu http://e at=91,0", "", "SEXTANT_CLUSTERS:1:16: error: \"91,0\" " PLACE_HINT_TEXT "\n" },
    { EU " country=UK", "",
        "SEXTANT_CLUSTERS:1:27: error: \"UK\" is not a country: expected two capitals such as DE; did you mean "
        "GB?\n" },
    { EU " country=Germany", "",
        "SEXTANT_CLUSTERS:1:27: error: \"Germany\" is not a country: expected two capitals such as DE\n" },
    { EU " country=FR", "", "SEXTANT_CLUSTERS:1:27: error: country=FR contradicts at=, which is in DE\n" },
    { EU " contry=DE", "",
        "SEXTANT_CLUSTERS:1:19: error: \"contry=DE\" is not understood: expected at=, country=, bias= or weight=; "
        "did you "
        "mean country?\n" },
    { EU " at=US", "", "SEXTANT_CLUSTERS:1:19: error: at= is given twice\n" },
    { EU " bias=100", "", "SEXTANT_CLUSTERS:1:24: error: a bias is a percentage from -99 to 99, not \"100\"\n" },
    { EU " weight=0", "", "SEXTANT_CLUSTERS:1:26: error: a weight is a number from 0.001 to 1000, not \"0\"\n" },
    { EU " weight=1,2", "", "SEXTANT_CLUSTERS:1:26: error: 2 weights for 1 endpoints: give one, or one each\n" },
    { EU, "SEXTANT_LOCAL_CLUSTER=eo", "SEXTANT_LOCAL_CLUSTER:1:1: error: no cluster is called eo; did you mean eu?\n" },
    { EU, "SEXTANT_REGION=aws:eu-central-9",
        "SEXTANT_REGION:1:1: error: \"aws:eu-central-9\" " PLACE_HINT_TEXT "; did you mean aws:eu-central-1?\n" },
    { "SEXTANT_CLUSTERS=eu nonsense at=XX bias=x; eu y", "", /* all at once */
        "SEXTANT_CLUSTERS:1:4: error: \"nonsense\": expected a URL such as http://qdrant-1:6333\n"
        "SEXTANT_CLUSTERS:1:16: error: \"XX\" " PLACE_HINT_TEXT "\n"
        "SEXTANT_CLUSTERS:1:24: error: a bias is a percentage from -99 to 99, not \"x\"\n"
        "SEXTANT_CLUSTERS:1:27: error: cluster eu is defined twice, first in line 1\n"
        "SEXTANT_CLUSTERS:1:30: error: \"y\": expected a URL such as http://qdrant-1:6333\n"
        "SEXTANT_CLUSTERS:1:27: error: cluster eu has no at=PLACE: a cloud region such as aws:eu-central-1, a "
        "country or "
        "lat,lon\n" },
};

static void
test_mistakes_in_clusters(void **state)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        const char *env[] = { mistakes[i][0], mistakes[i][1], NULL };
        struct fixture f;

        fixture_conf(&f, env);
        topology_parse(f.conf, &f.arena, &f.issues);
        fixture_says(&f, mistakes[i][2]);
        fixture_fini(&f);
    }
}

static void
test_as_many_clusters_as_promised(void **state)
{
    for (unsigned n = CLUSTERS_MAX; n <= CLUSTERS_MAX + 1; n++) {
        struct buf text = { 0 };
        const char *env[2] = { NULL, NULL };
        struct fixture f;

        buf_add(&text, STR("SEXTANT_CLUSTERS="));
        for (unsigned i = 0; i < n; i++)
            buf_printf(&text, "c%u http://h%u at=DE\n", i, i);
        buf_putc(&text, '\0');
        env[0] = buf_str(&text).p;
        fixture_conf(&f, env);
        f.topology = topology_parse(f.conf, &f.arena, &f.issues);
        fixture_says(&f, n > CLUSTERS_MAX ? "SEXTANT_CLUSTERS:65:1: error: there may be 64 clusters at most\n" : "");
        assert_int_equal(f.topology->n_clusters, CLUSTERS_MAX);
        fixture_fini(&f);
        buf_fini(&text);
    }
}

static void
test_as_many_endpoints_as_promised(void **state)
{
    for (unsigned n = ENDPOINTS_MAX; n <= ENDPOINTS_MAX + 2; n += 2) {
        struct buf text = { 0 };
        const char *env[2] = { NULL, NULL };
        struct fixture f;

        buf_add(&text, STR("SEXTANT_CLUSTERS=eu "));
        for (unsigned i = 0; i < n; i++)
            buf_printf(&text, "%shttp://%03u.h", i ? "," : "", i);
        buf_add(&text, STR(" at=DE"));
        buf_putc(&text, '\0');
        env[0] = buf_str(&text).p;
        fixture_conf(&f, env);
        f.topology = topology_parse(f.conf, &f.arena, &f.issues);
        fixture_says(
            &f, n > ENDPOINTS_MAX ? "SEXTANT_CLUSTERS:1:836: error: a cluster may have 64 endpoints at most\n" : "");
        assert_int_equal(f.topology->clusters[0].n_endpoints, ENDPOINTS_MAX);
        fixture_fini(&f);
        buf_fini(&text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_urls_that_are_refused),
        cmocka_unit_test(test_a_topology),
        cmocka_unit_test(test_mistakes_in_clusters),
        cmocka_unit_test(test_as_many_clusters_as_promised),
        cmocka_unit_test(test_as_many_endpoints_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
