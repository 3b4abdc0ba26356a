/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be wrong with keys, each mistake told without the key.
 */
#include "test/unit/conf_files.h"

#include "conf/keys.h"

#define ONE "SEXTANT_CLUSTERS=eu http://a at=DE"
#define LONG_KEY "a-secret-of-some-length"

static const struct {
    const char *env[6];
    const char *expected; /* stands in what is said; NULL: nothing is said */
} cases[] = {
    { { ONE }, NULL },
    { { ONE, "SEXTANT_API_KEY=" LONG_KEY, "SEXTANT_CLUSTER_EU_API_KEY=another-" LONG_KEY }, NULL },
    { { ONE, "SEXTANT_CLUSTER_EU_API_KEY=" LONG_KEY }, "clients must show one to Sextant" },
    { { ONE, "SEXTANT_CLUSTER_EU_API_KEY=" }, "SEXTANT_CLUSTER_EU_API_KEY" },
    { { ONE, "SEXTANT_API_KEY=" LONG_KEY }, "cluster eu has no key" },
    { { ONE, "SEXTANT_API_KEY=k-" LONG_KEY, "SEXTANT_READ_ONLY_API_KEY=" LONG_KEY,
          "SEXTANT_CLUSTER_EU_API_KEY=" LONG_KEY },
        "same as the key of cluster eu" },
    { { ONE, "SEXTANT_API_KEY=" LONG_KEY, "SEXTANT_READ_ONLY_API_KEY=" LONG_KEY }, "same as a key that may write" },
    { { ONE, "SEXTANT_API_KEY=" LONG_KEY, "SEXTANT_ALT_API_KEY=" LONG_KEY }, "same as SEXTANT_API_KEY" },
    { { ONE, "SEXTANT_API_KEY=" LONG_KEY, "SEXTANT_CLUSTER_EU_JWT_RBAC=on" }, "signed again with the key" },
    { { ONE, "SEXTANT_API_KEY=" }, "SEXTANT_API_KEY" },
    { { ONE, "SEXTANT_ALT_API_KEY=" LONG_KEY }, "SEXTANT_" },
};

static void
test_mistakes(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct buf said = { 0 };

        fixture_conf(&f, cases[i].env);
        f.topology = topology_parse(f.conf, &f.arena, &f.issues);
        keys_parse(f.conf, f.topology, &f.arena, &f.issues);
        conf_issues_print(&f.issues, &said);
        buf_putc(&said, '\0');
        if (cases[i].expected ? !strstr(buf_str(&said).p, cases[i].expected) : buf_str(&said).p[0] != '\0')
            fail_msg("case %zu: %s", i, buf_str(&said).p);
        assert_null(strstr(buf_str(&said).p, LONG_KEY));
        buf_fini(&said);
        fixture_fini(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_mistakes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
