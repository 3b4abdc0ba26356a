/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_LIMIT_H
#define SEXTANT_UPSTREAM_LIMIT_H

/* How many requests a cluster may have outstanding, found from how long it takes to answer. Pure.
 *
 * Each answer's time is told as a multiple of what is usual for its own operation at that cluster, so that a change of the mix
 * (scrolls of 100 ms among searches of 1 ms) is no change of load. The mean multiple of a window of half a second decides:
 *
 *   above the tolerance    limit = what was outstanding at most, or the limit if lower, x tolerance/multiple (1/2 at least)
 *   else, limit in use     limit + its square root
 *   else                   as it is: a limit that nobody comes near says nothing
 *
 * What is usual is learned slowly, and only while nothing is in the way, as a baseline that follows the load would let the
 * limit climb with it. No request is ever held back to measure. Instead, a limit that has lain at its floor for a while has
 * shown that the load is not what makes answers slow: then what is usual is learned anew. */

#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_MULTIPLE_MAX = 10, LIMIT_SAMPLES = 10, LIMIT_AT_FLOOR = 10 };

struct limit_conf {
    double floor, ceiling; /* floor <= ceiling */
    double tolerance;      /* > 1 */
};

struct limit_window {
    double multiple; /* mean, each sample at most LIMIT_MULTIPLE_MAX */
    unsigned peak;   /* most outstanding at a time */
};

struct limit {
    double now;        /* 0: no window yet, which means the ceiling */
    unsigned at_floor; /* windows in a row that ended there and were too slow */
    bool is_strained;  /* nothing may be learned from the times of now */
    bool must_relearn; /* set by the step that found out */
};

void limit_step(struct limit *l, const struct limit_conf *conf, const struct limit_window *w);

/* What is usual for one operation: a mean over the first samples, then one that remembers for about a minute, as only one
 * sample a second is looked at. */
struct usual {
    uint32_t us, n;
    int64_t next_us; /* when the next sample counts */
};
enum { USUAL_SAMPLES = 16, USUAL_MEMORY = 64 };

static inline bool
usual_is_known(const struct usual *u)
{
    return u->n >= USUAL_SAMPLES;
}
void usual_learn(struct usual *u, int64_t sample_us, int64_t now_us);

#endif
