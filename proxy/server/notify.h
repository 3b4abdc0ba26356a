/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_NOTIFY_H
#define SEXTANT_SERVER_NOTIFY_H

/* Telling a service manager how it goes: sd_notify(3)'s protocol, which is small and promised to stay. Control thread. */

#include "proxy/base/str.h"

struct notify;

/* NULL when nobody asks (empty) or the address cannot be used. "@name" is an abstract one. */
struct notify *notify_new(struct str address);
void notify_free(struct notify *n); /* NULL is fine */
/* Lines such as "READY=1\nSTATUS=serving". Never waits; NULL: nothing happens. */
void notify_say(struct notify *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
