/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_STREAM_LIB_H
#define SEXTANT_TEST_UNIT_STREAM_LIB_H

/* Two joined streams, over TCP on loopback, over TLS on that, or in memory, so that the same tests run on all. */

#include "proxy/net/stream.h"

struct joined {
    bool is_tcp; /* TLS too */
    struct tls_fixture *tls;
    struct loop *loop;
    struct timer deadline;
    struct stream *a, *b; /* TCP: a has connected, b was accepted */
    int events_a, events_b;
    bool (*is_done)(struct joined *f);
};

extern const struct addr joined_loopback;
extern char joined_scratch[1 << 16];

int joined_set_up_tcp(void **state);
int joined_set_up_tls(void **state);
int joined_set_up_memory(void **state);
int joined_tear_down(void **state);

void joined_on_a(void *arg);
void joined_on_b(void *arg);
void joined_on_accept(void *arg, struct stream *s); /* of a listener: s becomes b */
bool joined_has_both_events(struct joined *f);
bool joined_has_event_a(struct joined *f);
bool joined_has_event_b(struct joined *f);
/* Let events happen until is_done() says so (looked at after each event). */
void joined_run_until(struct joined *f, bool (*is_done)(struct joined *f));
/* Whatever the kernel has to tell by now is told. */
void joined_run_a_while(struct joined *f);

ssize_t joined_put(struct stream *s, const char *text);
ssize_t joined_get(struct stream *s); /* into joined_scratch */

#endif
