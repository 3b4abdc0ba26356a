/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_HOP_H
#define SEXTANT_ROUTE_HOP_H

/* What an edge tells another with a write that it forwards: the text of X-Sextant-Hop. Pure. */

#include "proxy/base/arena.h"

#define HOP_EVERY "-" /* instead of a partition: a change of schema, for all of the line */

struct hop {
    struct str from;      /* name of the edge that took the write; may be empty */
    uint64_t line;        /* what it decided by: fanout_conf.lines */
    int64_t within_ms;    /* its client waits no longer; 0: not said */
    struct str partition; /* as decided */
};

/* "1 from=us line=0f3a… within=2500 partition=asia,oceania" */
struct str hop_print(const struct hop *hop, struct arena *arena);
/* False: no text of this version. Slices of `text`. */
bool hop_parse(struct str text, struct hop *ret_hop);

#endif
