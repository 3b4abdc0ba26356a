/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "conf/cgroup.h"

static const struct {
    const char *text, *unified, *cpu, *memory;
} places[] = {
    { "0::/\n", "/", "", "" },
    { "0::/system.slice/sextant.service\n", "/system.slice/sextant.service", "", "" },
    { "0::/a:b/c\n", "/a:b/c", "", "" },
    { "12:pids:/docker/1f\n5:cpuacct,cpu:/docker/1f\n3:memory:/docker/2e\n0::/system.slice/docker.service\n",
        "/system.slice/docker.service", "/docker/1f", "/docker/2e" },
    { "4:cpu,cpuacct:/kubepods/pod1/2\n9:cpuset:/x\n", "", "/kubepods/pod1/2", "" },
    { "1:name=systemd:/x\n", "", "", "" },
    { "0::", "", "", "" },
    { "garbage\n::\n0::relative\n", "", "", "" },
    { "", "", "", "" },
};

static void
test_paths(void **state)
{
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct cgroup_paths got;

        cgroup_paths(str_from(places[i].text), &got);
        assert_true(str_eq(got.unified, str_from(places[i].unified)));
        assert_true(str_eq(got.cpu, str_from(places[i].cpu)));
        assert_true(str_eq(got.memory, str_from(places[i].memory)));
    }
}

static void
test_parents(void **state)
{
    struct str path = STR("/a/bc/d");

    assert_true(cgroup_parent(&path));
    assert_true(str_eq(path, STR("/a/bc")));
    assert_true(cgroup_parent(&path));
    assert_true(str_eq(path, STR("/a")));
    assert_true(cgroup_parent(&path));
    assert_true(str_eq(path, STR("/")));
    assert_false(cgroup_parent(&path));
    path = STR_NONE;
    assert_false(cgroup_parent(&path));
}

static const struct {
    const char *text;
    double cpus;
} maxima[] = { { "max 100000\n", 0 }, { "150000 100000\n", 1.5 }, { "100000 100000", 1 }, { "5000 100000\n", 0.05 },
    { "100000", 0 }, { "100000 0\n", 0 }, { "-1 100000\n", 0 }, { "", 0 }, { "x y\n", 0 } };

static const struct {
    const char *quota, *period;
    double cpus;
} quotas[] = { { "-1\n", "100000\n", 0 }, { "200000\n", "100000\n", 2 }, { "25000\n", "50000\n", 0.5 }, { "", "", 0 },
    { "0\n", "100000\n", 0 }, { "1\n", "0\n", 0 } };

static void
test_cpu(void **state)
{
    for (unsigned i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++)
        assert_float_equal(cgroup_cpu_max(str_from(maxima[i].text)), maxima[i].cpus, 1e-9);
    for (unsigned i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++)
        assert_float_equal(
            cgroup_cpu_quota(str_from(quotas[i].quota), str_from(quotas[i].period)), quotas[i].cpus, 1e-9);
}

static void
test_memory(void **state)
{
    assert_int_equal(cgroup_memory(STR("max\n")), 0);
    assert_int_equal(cgroup_memory(STR("536870912\n")), 536870912);
    assert_int_equal(cgroup_memory(STR("9223372036854771712\n")), 0); /* version 1: none */
    assert_int_equal(cgroup_memory(STR("")), 0);
    assert_int_equal(cgroup_memory(STR("-1\n")), 0);
}

static const struct {
    unsigned cpus;
    double quota;
    unsigned workers;
} decisions[] = { { 8, 0, 8 }, { 8, 2, 2 }, { 8, 1.5, 2 }, { 8, 0.1, 1 }, { 2, 16, 2 }, { 1, 0, 1 }, { 0, 0, 1 },
    { 0, 4, 1 }, { 64, 1e12, 64 }, { 8, -1, 8 } };

static void
test_workers(void **state)
{
    for (unsigned i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
        assert_int_equal(cgroup_workers(decisions[i].cpus, decisions[i].quota), decisions[i].workers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
