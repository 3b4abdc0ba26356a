/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop without descriptors, whose clock stands still until a test moves it. Timers, tasks and posts are those of a real
 * loop. Rule: at every instant all tasks and posts run before the next timer does.
 */
#include "proxy/net/loop_impl.h"

#include <assert.h>

#include "proxy/base/mem.h"

struct loop *
loop_new_virtual(int64_t start_us)
{
    struct loop *loop = MEM_NEW(struct loop);

    loop_init(loop, start_us);
    loop->is_running = true; /* its clock is never read */
    return loop;
}

static void
settle(struct loop *loop)
{
    while (loop_run_posts(loop) || loop_run_tasks(loop))
        ;
}

void
loop_advance(struct loop *loop, int64_t us)
{
    int64_t until_us = loop->now_us + us;

    assert(!loop->base && us >= 0);
    do
        settle(loop);
    while (timers_fire_one(loop, until_us));
    loop->now_us = until_us;
}
