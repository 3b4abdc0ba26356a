/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals as events. libevent keeps one receiver of signals per process, so only one loop (the control thread's) may watch
 * them; the threads of other loops block them.
 */
#include "proxy/net/loop_impl.h"

#include <assert.h>

#include "proxy/base/mem.h"

struct signal_watch {
    struct event event;
    struct loop *loop;
    void (*fn)(int signal, void *arg);
    void *arg;
};

static void
on_signal(evutil_socket_t signal, short what, void *arg)
{
    struct signal_watch *w = arg;

    loop_touch(w->loop);
    w->fn((int)signal, w->arg);
}

struct signal_watch *
signal_watch_new(struct loop *loop, int signal, void (*fn)(int signal, void *arg), void *arg)
{
    struct signal_watch *w = MEM_NEW(struct signal_watch);

    assert(loop->base);
    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    event_assign(&w->event, loop->base, signal, EV_SIGNAL | EV_PERSIST, on_signal, w);
    event_add(&w->event, NULL);
    return w;
}

void
signal_watch_free(struct signal_watch *w)
{
    if (!w)
        return;
    event_del(&w->event);
    mem_free(w);
}
