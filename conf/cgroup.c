/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/cgroup.h"

#include <math.h>

/* Version 1 writes a number near the largest one when there is no limit. */
#define UNLIMITED (UINT64_C(1) << 60)

static bool
has_word(struct str list, struct str word)
{
    struct str item;

    while (list.len) {
        str_cut(list, ',', &item, &list);
        if (str_eq(item, word))
            return true;
    }
    return false;
}

/* "0::/user.slice" and "4:cpu,cpuacct:/docker/1f"; a path may hold colons. */
void
cgroup_paths(struct str text, struct cgroup_paths *ret_paths)
{
    struct cgroup_paths paths = { .unified = STR_NONE };
    struct str line, number, controllers, path;

    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (!str_cut(line, ':', &number, &path) || !str_cut(path, ':', &controllers, &path))
            continue;
        if (!str_starts(path, STR("/")))
            continue;
        if (controllers.len == 0)
            paths.unified = path;
        if (has_word(controllers, STR("cpu")))
            paths.cpu = path;
        if (has_word(controllers, STR("memory")))
            paths.memory = path;
    }
    *ret_paths = paths;
}

bool
cgroup_parent(struct str *path)
{
    if (path->len <= 1)
        return false;
    while (path->p[path->len - 1] != '/')
        path->len--;
    if (path->len > 1)
        path->len--;
    return true;
}

double
cgroup_cpu_quota(struct str quota, struct str period)
{
    uint64_t used, of;

    if (!str_to_u64(str_trim(quota), &used) || !str_to_u64(str_trim(period), &of) || used == 0 || of == 0)
        return 0; /* "-1" and "max" are no limit */
    return (double)used / (double)of;
}

double
cgroup_cpu_max(struct str text)
{
    struct str quota, period;

    return str_cut(str_trim(text), ' ', &quota, &period) ? cgroup_cpu_quota(quota, period) : 0;
}

uint64_t
cgroup_memory(struct str text)
{
    uint64_t bytes;

    return str_to_u64(str_trim(text), &bytes) && bytes < UNLIMITED ? bytes : 0;
}

unsigned
cgroup_workers(unsigned cpus, double quota)
{
    double most = quota > 0 ? ceil(quota) : (double)cpus;

    if (cpus == 0 || most < 1)
        return 1;
    return most < cpus ? (unsigned)most : cpus;
}
