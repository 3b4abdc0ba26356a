/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_CRASH_POINT_H
#define SEXTANT_BASE_CRASH_POINT_H

/* Named places at which a test ends the process by SIGKILL, to see what the next start makes of it. They cost one comparison,
 * so they are always there; nothing but a test arms one. */

#include <stdbool.h>

enum crash_point {
    CRASH_NONE,
#define CRASH_POINT(id, name) CRASH_AT_##id,
#include "proxy/base/crash_point.def"
#undef CRASH_POINT
    CRASH_POINTS
};

extern enum crash_point crash_point_armed;

const char *crash_point_name(enum crash_point p);
/* "NAME" or "NAME:N", the Nth time it is come by. False when there is none of that name. Before other threads run. */
bool crash_point_arm(const char *text);
/* By SEXTANT_TEST_CRASH_POINT of the environment, if it is there; the same results. */
bool crash_point_arm_from(char *const *environ);
void crash_point_hit(void);

static inline void
crash_point(enum crash_point p)
{
    if (__builtin_expect(crash_point_armed == p, 0))
        crash_point_hit();
}

#endif
