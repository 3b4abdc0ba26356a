/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_ADMISSION_H
#define SEXTANT_FLOW_ADMISSION_H

/* Whether a client connection is let in. Over a limit there are two answers: a few connections more are taken on, told
 * which limit it was as the answer to their request, and may still ask for this edge's health; beyond those a fixed text is
 * written without reading anything.
 *
 * When there are too many in all, those that have been idle longest make room first. */

#include "proxy/flow/edge.h"

struct admission {
    enum fail fail; /* NONE: welcome; else what its requests are told */
    bool is_shut;   /* not even that: turn it away */
    bool is_counted;
    atomic_ulong *entry; /* counted for its address, or NULL */
};

/* Count it in all, until admission_leave(); one that is shut is not counted. */
void admission_enter(struct edge *e, struct admission *ret_a);
/* Count it for an address, once that is known; trusted proxies are not counted. May turn `a` into shut. */
void admission_name(struct edge *e, struct admission *a, const struct addr *address);
void admission_leave(struct edge *e, struct admission *a);
/* Write the answer of a shut one. NULL: there is no way to say it (TLS has not begun). */
void admission_turn_away(struct edge *e, const struct admission *a, struct stream *s);

#endif
