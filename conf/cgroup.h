/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_CGROUP_H
#define SEXTANT_CONF_CGROUP_H

/* What the kernel's files say about the limits of a control group, either version (cgroups(7)). Pure: texts in, numbers out. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/str.h"

/* Where this process stands, from /proc/self/cgroup; empty where it does not say. Slices of the text. */
struct cgroup_paths {
    struct str unified;     /* version 2 */
    struct str cpu, memory; /* version 1 */
};

void cgroup_paths(struct str text, struct cgroup_paths *ret_paths);
/* The group above ("/a/b" → "/a" → "/"); false at the top. */
bool cgroup_parent(struct str *path);

/* CPUs' worth of time: from cpu.max ("150000 100000"), or from cpu.cfs_quota_us and cpu.cfs_period_us. 0: no limit, or no sense. */
double cgroup_cpu_max(struct str text);
double cgroup_cpu_quota(struct str quota, struct str period);
/* Bytes, from memory.max, memory.high or memory.limit_in_bytes. 0: no limit. */
uint64_t cgroup_memory(struct str text);

/* Worker threads for so many CPUs that may be used and so much quota (0: none): rounded up, at least 1. */
unsigned cgroup_workers(unsigned cpus, double quota);

#endif
