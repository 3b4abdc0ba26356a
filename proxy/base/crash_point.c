/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/crash_point.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stddef.h>
#include <unistd.h>

#include "proxy/base/str.h"

enum crash_point crash_point_armed;

static atomic_uint_fast64_t times_left;

static const char *const names[CRASH_POINTS] = {
    [CRASH_NONE] = "none",
#define CRASH_POINT(id, name) [CRASH_AT_##id] = name,
#include "proxy/base/crash_point.def"
#undef CRASH_POINT
};

const char *
crash_point_name(enum crash_point p)
{
    return names[p];
}

bool
crash_point_arm(const char *text)
{
    struct str name, count;
    uint64_t n = 1;

    if (str_cut(str_from(text), ':', &name, &count) && (!str_to_u64(count, &n) || n == 0))
        return false;
    for (unsigned p = CRASH_NONE + 1; p < CRASH_POINTS; p++) {
        if (str_eq(name, str_from(names[p]))) {
            atomic_store(&times_left, n);
            crash_point_armed = p;
            return true;
        }
    }
    return false;
}

bool
crash_point_arm_from(char *const *environ)
{
    static const struct str variable = { "SEXTANT_TEST_CRASH_POINT=", sizeof("SEXTANT_TEST_CRASH_POINT=") - 1 };

    for (; *environ; environ++)
        if (str_starts(str_from(*environ), variable))
            return crash_point_arm(*environ + variable.len);
    return true;
}

void
crash_point_hit(void)
{
    if (atomic_fetch_sub(&times_left, 1) == 1)
        kill(getpid(), SIGKILL);
}
