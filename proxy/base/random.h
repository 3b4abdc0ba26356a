/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_RANDOM_H
#define SEXTANT_BASE_RANDOM_H

/* Random numbers for names that must not collide, without a system call for each. One generator a thread. Not for keys:
 * who sees some of them can work out the rest. */

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *r); /* from the kernel */
uint64_t random_next(struct random *r);

#endif
