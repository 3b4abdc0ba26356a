/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_RESOURCES_H
#define SEXTANT_SERVER_RESOURCES_H

/* What this process may use, as far as the system says: CPUs, memory, descriptors. Read once, at the start; defaults follow
 * it, values that were given do not. */

#include <pthread.h>
#include <sched.h>

#include "conf/conf.h"
#include "proxy/base/buf.h"

struct resources {
    cpu_set_t cpu_set;     /* that it may run on */
    unsigned cpus;         /* so many */
    double cpu_quota;      /* CPUs' worth of time in its control group, or in one above; 0: no limit */
    uint64_t memory_bytes; /* limit of its control group, or of one above; 0: none */
    uint64_t descriptors;
};

/* `root` is "" or a folder that stands for / (tests). Raises the limit of descriptors as far as it may. */
void resources_read(const char *root, struct resources *ret_r);
/* Keep a worker on one CPU: those that may be used are dealt out in turn. */
void resources_pin(const struct resources *r, pthread_t thread, unsigned number);
unsigned resources_workers(const struct resources *r, const struct conf *conf);
/* Lower what was not given to what fits; doubts about what was given, and what was lowered, as lines into `out`. */
void resources_fit(const struct resources *r, struct conf *conf, unsigned n_clusters, struct buf *out);
/* One line that says what was decided and why. */
void resources_print(const struct resources *r, const struct conf *conf, unsigned n_workers, struct buf *out);

#endif
