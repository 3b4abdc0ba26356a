/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_CRASH_POWER_LIB_H
#define SEXTANT_TEST_CRASH_POWER_LIB_H

/* What a power cut may take: everything that was written and not synced, in any selection of sectors; names that were changed and
 * not synced, the newest first. A process writes down what it overwrites; when it has ended, another one takes it back. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proxy/base/random.h"

struct power;

struct power *power_new(void); /* shared with processes that are forked from here; never freed but by power_free() */
void power_free(struct power *p);
void power_begin(struct power *p); /* this process writes down from here on */
enum power_loss { POWER_STAYS, POWER_TAKES_SOME, POWER_TAKES_ALL };
/* What it did not sync is gone, or some of it. Then begin anew. */
void power_cut(struct power *p, const char *dir, struct random *random, enum power_loss loss);

/* For the calls of fault_lib.c. */
void power_before_write(int fd, size_t len, off_t at);
void power_synced(int fd);

#endif
