/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_SHIP_H
#define SEXTANT_SYNC_SHIP_H

/* ship(source, target, points): read what the points are at the source, make them the same at the target. Reading and writing
 * are apart, as one read serves every copy that needs it.
 *
 * Both never call back before their start returned, call on_done exactly once, from the loop, unless they were cancelled, and
 * never after that. What a write has sent may land after it was cancelled. The thread of the upstream's loop only;
 * loop_settle() before the upstream is freed. */

#include "proxy/sync/outcome.h"
#include "proxy/sync/state.h"
#include "proxy/upstream/upstream.h"

/* --- reading ----------------------------------------------------------------------------------------------------- */

enum {
    SHIP_READ_BYTES = 8 << 20,      /* more than that is not read for one state, nor asked for at once */
    SHIP_READ_ONE_BYTES = 64 << 20, /* but a point alone may have more */
};

struct ship_read_spec {
    struct str cluster, collection;   /* names; the collection's own, no alias */
    const struct state_point *points; /* none twice; copied */
    struct state *state; /* taken over, of these points: rows that are known are not asked for; NULL: none is */
    unsigned n;          /* 1 .. STATE_POINTS_MAX */
    int64_t timeout_us;  /* of each request */
};

/* The state is the caller's to release. After OK at least one row was read, the others may be STATE_UNREAD: they were too much
 * for one state, and are to be asked for again. After anything else those that were read are good too, and `why` tells what
 * stopped it (REFUSED without a status: a single point is larger than SHIP_READ_ONE_BYTES). `why` lives during the call. */
struct ship_read;
typedef void ship_read_done_fn(void *arg, struct state *state, const struct outcome *why);
struct ship_read *ship_read_start(
    struct upstream *up, const struct ship_read_spec *spec, ship_read_done_fn *on_done, void *arg);
void ship_read_cancel(struct ship_read **rp); /* NULLs; safe on NULL */

/* --- writing ----------------------------------------------------------------------------------------------------- */

enum { SHIP_WRITE_BYTES = 4 << 20 /* of a request, unless it is one point */ };

struct ship_write_spec {
    struct str cluster, collection; /* as above, of the target */
    struct state *state;            /* a reference is taken */
    const unsigned *rows;           /* of it, that were read; copied */
    unsigned n;                     /* 1 or more */
    const bool *payload_only;       /* of each: its vectors are known to be at the target; NULL: of none */
    unsigned max_points;            /* of a request; 0: STATE_POINTS_MAX */
    bool is_spread;                 /* the collection has several shards or replicas at the target */
    int64_t timeout_us;             /* what Qdrant is told, in whole seconds, at least one */
};

/* What came of some of the points. Each point of the write is in exactly one part, with those that were in the same request;
 * absent ones are deleted, the others written whole, or their payload alone: when the target lacks one of those, all of its
 * part are written whole (and `may_land_later` stays true if the first request may). */
struct ship_part {
    struct outcome outcome;
    const unsigned *rows;
    unsigned n;
    size_t bytes; /* bodies that may have reached the target */
};

/* Parts live during the call. */
struct ship_write;
typedef void ship_write_done_fn(void *arg, const struct ship_part *parts, unsigned n_parts);
struct ship_write *ship_write_start(
    struct upstream *up, const struct ship_write_spec *spec, ship_write_done_fn *on_done, void *arg);
void ship_write_cancel(struct ship_write **wp); /* NULLs; safe on NULL */

#endif
