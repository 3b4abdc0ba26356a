/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/server/resources.h"

/* A machine as its files show it; paths below the root. */
static const struct {
    const char *files[6][2];
    double quota;
    uint64_t memory;
} machines[] = {
    { { { NULL } }, 0, 0 },
    /* version 2, inside a container: its own group is the top */
    { { { "proc/self/cgroup", "0::/\n" }, { "sys/fs/cgroup/cpu.max", "150000 100000\n" },
          { "sys/fs/cgroup/memory.max", "536870912\n" } },
        1.5, 536870912 },
    /* version 2, a service below a slice that is narrower */
    { { { "proc/self/cgroup", "0::/a.slice/b.service\n" }, { "sys/fs/cgroup/a.slice/cpu.max", "100000 100000\n" },
          { "sys/fs/cgroup/a.slice/b.service/cpu.max", "400000 100000\n" },
          { "sys/fs/cgroup/a.slice/memory.max", "max\n" },
          { "sys/fs/cgroup/a.slice/b.service/memory.max", "1073741824\n" } },
        1, 1073741824 },
    /* version 2, the path of outside, which is not mounted */
    { { { "proc/self/cgroup", "0::/kubepods/pod1/2\n" }, { "sys/fs/cgroup/cpu.max", "50000 100000\n" } }, 0.5, 0 },
    /* version 1 in a container */
    { { { "proc/self/cgroup", "4:cpu,cpuacct:/docker/1f\n3:memory:/docker/1f\n" },
          { "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n" }, { "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" },
          { "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n" } },
        2, 268435456 },
    /* version 1 without limits */
    { { { "proc/self/cgroup", "4:cpu,cpuacct:/\n3:memory:/\n" }, { "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n" },
          { "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" },
          { "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n" } },
        0, 0 },
};

static void
make(const char *root, const char *path, const char *text)
{
    char full[PATH_MAX];
    FILE *file;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(full, 0700);
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
unmake(const char *root, const char *path)
{
    char full[PATH_MAX];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    unlink(full);
    for (char *p; (p = strrchr(full, '/')) && p > full + strlen(root); rmdir(full))
        *p = '\0';
}

static void
test_machines(void **state)
{
    for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        char root[] = "/tmp/test_resources.XXXXXX";
        struct resources r;

        assert_non_null(mkdtemp(root));
        for (unsigned j = 0; j < 6 && machines[i].files[j][0]; j++)
            make(root, machines[i].files[j][0], machines[i].files[j][1]);
        resources_read(root, &r);
        assert_float_equal(r.cpu_quota, machines[i].quota, 1e-9);
        assert_int_equal(r.memory_bytes, machines[i].memory);
        assert_true(r.cpus >= 1 && r.descriptors > 0);
        for (unsigned j = 0; j < 6 && machines[i].files[j][0]; j++)
            unmake(root, machines[i].files[j][0]);
        assert_int_equal(rmdir(root), 0);
    }
}

#define MIB (UINT64_C(1) << 20)

static const struct {
    struct resources r;
    const char *given;
    uint64_t replay_total, max_connections;
    const char *says; /* "" nothing */
} fits[] = {
    { { .cpus = 1, .descriptors = 1 << 20 }, NULL, 256 * MIB, 10000, "" },
    { { .cpus = 1, .descriptors = 1 << 20, .memory_bytes = 1024 * MIB }, NULL, 256 * MIB, 10000, "" },
    { { .cpus = 1, .descriptors = 1 << 20, .memory_bytes = 512 * MIB }, NULL, 128 * MIB, 10000,
        "SEXTANT_REPLAY_TOTAL is 128 MiB, a quarter" },
    { { .cpus = 1, .descriptors = 1 << 20, .memory_bytes = 512 * MIB }, "SEXTANT_REPLAY_TOTAL=200MiB", 200 * MIB, 10000,
        "may be killed for it" },
    { { .cpus = 1, .descriptors = 1024 }, NULL, 256 * MIB, 384, "SEXTANT_MAX_CONNECTIONS is 384, as the limit" },
    { { .cpus = 1, .descriptors = 1024 }, "SEXTANT_MAX_CONNECTIONS=500", 256 * MIB, 500, "may need 1256 descriptors" },
    { { .cpus = 1, .descriptors = 1256 }, "SEXTANT_MAX_CONNECTIONS=500", 256 * MIB, 500, "" },
    { { .cpus = 1, .descriptors = 20 }, NULL, 256 * MIB, 1, "SEXTANT_MAX_CONNECTIONS is 1," },
    { { .cpus = 1 }, NULL, 256 * MIB, 10000, "" }, /* unknown */
};

static void
test_fit(void **state)
{
    for (unsigned i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        char *environ[] = { (char *)(uintptr_t)fits[i].given, NULL };
        struct arena arena = { 0 };
        struct conf_issues issues = { .arena = &arena };
        struct conf *conf = conf_load(environ, &issues);
        struct buf out = { 0 };

        assert_int_equal(issues.n_errors, 0);
        resources_fit(&fits[i].r, conf, 1, &out);
        buf_putc(&out, '\0');
        assert_int_equal(conf->replay_total, fits[i].replay_total);
        assert_int_equal(conf->max_connections, fits[i].max_connections);
        assert_true(fits[i].says[0] ? strstr(buf_str(&out).p, fits[i].says) != NULL : buf_len(&out) == 1);
        buf_fini(&out);
        conf_free(conf);
        arena_fini(&arena);
    }
}

static void
test_line(void **state)
{
    struct resources r = { .cpus = 8, .cpu_quota = 1.5, .memory_bytes = 512 * MIB, .descriptors = 65536 };
    char *environ[] = { NULL };
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    struct conf *conf = conf_load(environ, &issues);
    struct buf out = { 0 };

    assert_int_equal(resources_workers(&r, conf), 2);
    resources_print(&r, conf, 2, &out);
    assert_true(str_eq(buf_str(&out), STR("2 workers (8 CPUs may be used, time of 1.50), 65536 descriptors for 10000 "
                                          "connections, 512 MiB of memory")));
    buf_fini(&out);
    conf_free(conf);
    arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
