/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/resources.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conf/cgroup.h"

enum { FILE_BYTES = 16 * 1024, RESERVE = 256, MEMORY_SHARE = 4 };
#define MIB (1024.0 * 1024)

/* --- reading ----------------------------------------------------------------------------------------------------- */

struct file {
    char bytes[FILE_BYTES];
};

static struct str
read_file(struct file *f, const char *root, const char *place, struct str path, const char *name)
{
    char full[PATH_MAX];
    int n = snprintf(full, sizeof(full), "%s%s" STR_FMT "/%s", root, place, STR_ARG(path), name);
    int fd = n > 0 && n < (int)sizeof(full) ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got;

    if (fd < 0)
        return STR_NONE;
    got = read(fd, f->bytes, sizeof(f->bytes));
    close(fd);
    return str_make(f->bytes, got > 0 ? (size_t)got : 0);
}

static double
least(double a, double b)
{
    return a > 0 && (b <= 0 || a < b) ? a : b;
}

/* A group has at most what each group above it has. Inside a container the path may be that of outside, where nothing is
 * mounted: then the top is the container's own group. */
static void
read_unified(struct resources *r, const char *root, struct str path)
{
    struct file f;

    do {
        r->cpu_quota = least(r->cpu_quota, cgroup_cpu_max(read_file(&f, root, "/sys/fs/cgroup", path, "cpu.max")));
        r->memory_bytes = (uint64_t)least(
            (double)r->memory_bytes, (double)cgroup_memory(read_file(&f, root, "/sys/fs/cgroup", path, "memory.max")));
    } while (cgroup_parent(&path));
}

static void
read_cpu(struct resources *r, const char *root, struct str path)
{
    struct file quota, period;

    do
        r->cpu_quota = least(
            r->cpu_quota, cgroup_cpu_quota(read_file(&quota, root, "/sys/fs/cgroup/cpu", path, "cpu.cfs_quota_us"),
                              read_file(&period, root, "/sys/fs/cgroup/cpu", path, "cpu.cfs_period_us")));
    while (cgroup_parent(&path));
}

static void
read_memory(struct resources *r, const char *root, struct str path)
{
    struct file f;

    do
        r->memory_bytes = (uint64_t)least((double)r->memory_bytes,
            (double)cgroup_memory(read_file(&f, root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")));
    while (cgroup_parent(&path));
}

static uint64_t
raise_descriptors(void)
{
    struct rlimit limit, raised;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    raised = (struct rlimit){ limit.rlim_max, limit.rlim_max };
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return limit.rlim_max;
    return limit.rlim_cur;
}

void
resources_read(const char *root, struct resources *ret_r)
{
    struct resources r = { .cpus = 1 };
    struct cgroup_paths paths;
    struct file f;

    if (sched_getaffinity(0, sizeof(r.cpu_set), &r.cpu_set) == 0)
        r.cpus = (unsigned)CPU_COUNT(&r.cpu_set);
    cgroup_paths(read_file(&f, root, "/proc/self", STR_NONE, "cgroup"), &paths);
    if (paths.unified.len)
        read_unified(&r, root, paths.unified);
    if (paths.cpu.len)
        read_cpu(&r, root, paths.cpu);
    if (paths.memory.len)
        read_memory(&r, root, paths.memory);
    r.descriptors = raise_descriptors();
    *ret_r = r;
}

void
resources_pin(const struct resources *r, pthread_t thread, unsigned number)
{
    unsigned left = number % r->cpus;
    cpu_set_t one;

    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &r->cpu_set))
            continue;
        if (left-- == 0) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    pthread_setaffinity_np(thread, sizeof(one), &one);
}

/* --- deciding ---------------------------------------------------------------------------------------------------- */

unsigned
resources_workers(const struct resources *r, const struct conf *conf)
{
    return conf->workers ? (unsigned)conf->workers : cgroup_workers(r->cpus, r->cpu_quota);
}

static void
fit_memory(const struct resources *r, struct conf *conf, struct buf *out)
{
    uint64_t share = r->memory_bytes / MEMORY_SHARE;

    if (r->memory_bytes == 0 || conf->replay_total <= share)
        return;
    if (conf_origin(conf, "replay_total")->is_given) {
        buf_printf(out,
            "SEXTANT_REPLAY_TOTAL (%.0f MiB) is much of the %.0f MiB that this process may use: it may be killed for "
            "it\n",
            (double)conf->replay_total / MIB, (double)r->memory_bytes / MIB);
        return;
    }
    conf->replay_total = share;
    buf_printf(out, "SEXTANT_REPLAY_TOTAL is %.0f MiB, a quarter of the memory that this process may use\n",
        (double)share / MIB);
}

/* A client's connection may need one to a cluster. */
static uint64_t
descriptors_for(const struct conf *conf, uint64_t connections, unsigned n_clusters)
{
    uint64_t upstream = conf->cluster_connections * n_clusters;

    return connections + (upstream < connections ? upstream : connections) + RESERVE;
}

static void
fit_descriptors(const struct resources *r, struct conf *conf, unsigned n_clusters, struct buf *out)
{
    uint64_t need = descriptors_for(conf, conf->max_connections, n_clusters);
    uint64_t most = r->descriptors > RESERVE + 2 ? (r->descriptors - RESERVE) / 2 : 1;

    if (r->descriptors == 0 || need <= r->descriptors)
        return;
    if (conf_origin(conf, "max_connections")->is_given) {
        buf_printf(out,
            "SEXTANT_MAX_CONNECTIONS=%llu may need %llu descriptors, but the limit is %llu: raise it (LimitNOFILE=, "
            "ulimit -n)\n",
            (unsigned long long)conf->max_connections, (unsigned long long)need, (unsigned long long)r->descriptors);
        return;
    }
    conf->max_connections = most;
    buf_printf(out,
        "SEXTANT_MAX_CONNECTIONS is %llu, as the limit of descriptors is %llu: raise it (LimitNOFILE=, ulimit -n)\n",
        (unsigned long long)most, (unsigned long long)r->descriptors);
}

void
resources_fit(const struct resources *r, struct conf *conf, unsigned n_clusters, struct buf *out)
{
    fit_memory(r, conf, out);
    fit_descriptors(r, conf, n_clusters, out);
}

void
resources_print(const struct resources *r, const struct conf *conf, unsigned n_workers, struct buf *out)
{
    buf_printf(out, "%u worker%s (", n_workers, n_workers == 1 ? "" : "s");
    if (conf->workers)
        buf_add(out, STR("as SEXTANT_WORKERS says; "));
    buf_printf(out, "%u CPU%s may be used", r->cpus, r->cpus == 1 ? "" : "s");
    if (r->cpu_quota > 0)
        buf_printf(out, ", time of %.2f", r->cpu_quota);
    buf_printf(out, "), %llu descriptors for %llu connections, ", (unsigned long long)r->descriptors,
        (unsigned long long)conf->max_connections);
    if (r->memory_bytes)
        buf_printf(out, "%.0f MiB of memory", (double)r->memory_bytes / MIB);
    else
        buf_add(out, STR("memory without a limit"));
}
