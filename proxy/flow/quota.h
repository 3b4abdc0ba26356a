/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_QUOTA_H
#define SEXTANT_FLOW_QUOTA_H

/* Token buckets of strangers, for all threads, in memory that never grows.
 *
 * A bucket is one number, the time at which it will be full again (GCRA, ITU-T I.371): a request moves it on by one interval and
 * is refused when that would put it further ahead than the burst allows. So taking from it is one compare-and-swap, and a bucket
 * that is full is the same as one that is not there. Eight buckets share a place; a name that comes new takes the one that is
 * nearest to full. When all eight are in use that one forgets what it owed, and when two threads meet over one bucket a request
 * may be let in too many: both err on the side of letting in. All workers share the buckets, as a client's connections are
 * spread over them, and a share for each would refuse those whose connections lie in one. */

#include <stdatomic.h>
#include <stdint.h>

struct quota;

struct quota *quota_new(void);
void quota_free(struct quota *q);
/* Take one request from the bucket of `name` (a keyed hash), which gains `rate` a second and holds `burst`, both at least 1.
 * 0: taken. Else nothing is taken, and there will be one in so many microseconds. */
int64_t quota_take(struct quota *q, uint64_t name, uint64_t rate, uint64_t burst, int64_t now_us);

#endif
