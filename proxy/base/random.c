/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256**, by Blackman and Vigna: a period of 2^256 - 1, so that generators seeded apart do not meet.
 */
#include "proxy/base/random.h"

#include <sys/random.h>

#include "proxy/base/clock.h"

void
random_init(struct random *r)
{
    *r = (struct random){ { 0 } };
    if (getrandom(r->state, sizeof(r->state), 0) != (ssize_t)sizeof(r->state))
        r->state[0] ^= (uint64_t)clock_wall_us() * 0x9e3779b97f4a7c15U;
    r->state[1] |= 1; /* all zeros would stay zeros */
}

static uint64_t
rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t
random_next(struct random *r)
{
    uint64_t *s = r->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}
