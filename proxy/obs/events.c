/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/events.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "proxy/base/clock.h"

static const struct info {
    const char *name;
    enum event_level level;
} infos[EVENT_COUNT] = {
#define EVENT(id, name, level, meaning) [EVENT_##id] = { name, EVENT_##level },
#include "proxy/obs/events.def"
#undef EVENT
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event ring[EVENTS_KEPT]; /* _locked; number n stands at n % EVENTS_KEPT */
static uint64_t last;                  /* _locked */

static bool
is_same(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && strcmp(a->subject, b->subject) == 0 && strcmp(a->text, b->text) == 0;
}

void
events_add(enum event_kind kind, struct str subject, const char *format, ...)
{
    struct event e = { .wall_us = clock_wall_us(), .times = 1, .kind = kind }, *newest;
    va_list args;

    snprintf(e.subject, sizeof(e.subject), STR_FMT, STR_ARG(subject));
    va_start(args, format);
    vsnprintf(e.text, sizeof(e.text), format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    newest = &ring[last % EVENTS_KEPT];
    if (last && is_same(newest, &e)) {
        newest->wall_us = e.wall_us;
        newest->times++;
    } else {
        e.number = ++last;
        ring[e.number % EVENTS_KEPT] = e;
    }
    pthread_mutex_unlock(&lock);
}

unsigned
events_recent(struct event *ret_events, unsigned room)
{
    unsigned n = 0;

    pthread_mutex_lock(&lock);
    for (; n < room && n < EVENTS_KEPT && n < last; n++)
        ret_events[n] = ring[(last - n) % EVENTS_KEPT];
    pthread_mutex_unlock(&lock);
    return n;
}

const char *
events_kind_name(enum event_kind kind)
{
    return infos[kind].name;
}

const char *
events_level_name(enum event_kind kind)
{
    static const char *const names[] = { "good", "info", "warning", "bad" };

    return names[infos[kind].level];
}
