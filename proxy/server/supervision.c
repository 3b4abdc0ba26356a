/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service manager is told. A sign of life goes out only when every worker has answered since the last one: a control
 * thread that runs says nothing about those that serve.
 */
#include <signal.h>
#include <unistd.h>

#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

static void
answer(void *arg)
{
    atomic_bool *has_answered = arg;

    atomic_store(has_answered, true);
}

static void
ask_workers(struct server *s)
{
    for (unsigned i = 0; i < s->n_started; i++) {
        if (!atomic_exchange(&s->has_answered[i], false))
            continue; /* the question before waits still */
        loop_post(s->workers[i]->loop, answer, &s->has_answered[i]);
    }
}

static void
on_watchdog(void *arg)
{
    struct server *s = arg;
    unsigned silent = 0;

    timer_set(&s->watchdog, s->supervised.watchdog_us / 4);
    for (unsigned i = 0; i < s->n_started; i++)
        silent += !atomic_load(&s->has_answered[i]);
    if (silent && !s->was_silent)
        log_error("%u worker%s not answer: the watchdog is not told that all is well", silent,
            silent == 1 ? " does" : "s do");
    s->was_silent = silent > 0;
    if (silent)
        return;
    notify_say(s->notify, "WATCHDOG=1");
    ask_workers(s);
}

void
supervision_init(struct server *s)
{
    timer_init(&s->watchdog, s->loop, on_watchdog, s);
}

void
supervision_ready(struct server *s)
{
    for (unsigned i = 0; i < s->n_started; i++)
        atomic_store(&s->has_answered[i], true);
    if (server_is_followed(s))
        notify_say(s->notify, "MAINPID=%d", (int)getpid());
    notify_say(s->notify, "READY=1\nSTATUS=serving, configuration %llu", (unsigned long long)s->generation);
    if (s->notify && s->supervised.watchdog_us)
        timer_set(&s->watchdog, 0);
}

void
supervision_reload(struct server *s, bool is_begin, bool is_refused)
{
    if (s->handover.is_done || s->n_stops)
        return; /* what it was told last stays */
    if (is_begin)
        notify_say(s->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration",
            (long long)clock_mono_us());
    else
        notify_say(s->notify, "READY=1\nSTATUS=serving, configuration %llu%s", (unsigned long long)s->generation,
            is_refused ? "; the last reload was refused" : "");
}

void
supervision_stop(struct server *s)
{
    notify_say(s->notify, "STOPPING=1\nSTATUS=draining");
}

void
supervision_hand_over(struct server *s, struct str pid)
{
    timer_clear(&s->watchdog);
    if (server_is_followed(s))
        notify_say(
            s->notify, "MAINPID=" STR_FMT "\nSTATUS=handed over to process " STR_FMT, STR_ARG(pid), STR_ARG(pid));
}
