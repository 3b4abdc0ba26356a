/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_EVENTS_H
#define SEXTANT_OBS_EVENTS_H

/* The last few things that happened to this edge, for /status: kinds stand in events.def. Any thread may add, behind a lock:
 * events are rare, so never one for each request. They hold no addresses of callers. */

#include <stdint.h>

#include "proxy/base/str.h"

enum event_kind {
#define EVENT(id, name, level, meaning) EVENT_##id,
#include "proxy/obs/events.def"
#undef EVENT
    EVENT_COUNT
};
enum event_level { EVENT_GOOD, EVENT_INFO, EVENT_WARNING, EVENT_BAD };

enum { EVENTS_KEPT = 200, EVENT_SUBJECT = 80, EVENT_TEXT = 400 };

struct event {
    uint64_t number; /* 1, 2, ... since the start */
    int64_t wall_us; /* of the latest time */
    unsigned times;  /* in a row, nothing else in between */
    enum event_kind kind;
    char subject[EVENT_SUBJECT]; /* "eu/1", "eu", or "" for the edge itself; cut when longer */
    char text[EVENT_TEXT];       /* what and why; cut when longer */
};

void events_add(enum event_kind kind, struct str subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Newest first; how many. */
unsigned events_recent(struct event *ret_events, unsigned room);

const char *events_kind_name(enum event_kind kind);  /* "endpoint-down" */
const char *events_level_name(enum event_kind kind); /* "good", "info", "warning", "bad" */

#endif
