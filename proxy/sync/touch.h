/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_TOUCH_H
#define SEXTANT_SYNC_TOUCH_H

/* Which points a write may change, from its body. Journal and marks rest on it: a point too many costs one transfer, a point too
 * few is a lost write in another region. So it reads the bodies that Qdrant 1.19 documents, member by member, and refuses what
 * is none of them, even where Qdrant would find some meaning in it. Pure. */

#include "proxy/route/operation.h"
#include "proxy/sync/point.h"

enum touch_kind {
    TOUCH_POINTS, /* these at most, whatever their state */
    TOUCH_SCAN,   /* what the filter selects now, and `points` */
    TOUCH_PARTS   /* a batch with a filter: one operation after the other */
};

enum touch_flags {
    TOUCH_PAYLOAD_ONLY = 1,
    TOUCH_STATE = 2 /* what comes out depends on what was there, on the shard keys there are, or on a model */
};

struct touch_point {
    struct point_id id;
    unsigned shard_key; /* in touch.shard_keys */
    unsigned text;      /* in touch.texts, if it has any */
};

struct touch_text {
    struct str vector, payload; /* JSON; no vector: the point is not there */
};

/* Slices of the body or copies in the arena. */
struct touch {
    enum touch_kind kind;
    unsigned flags;
    struct touch_point *points; /* distinct, in order */
    unsigned n_points;
    struct str *shard_keys; /* JSON text of one key, in one spelling ("a", 7); the first is empty: none */
    unsigned n_shard_keys;
    struct str filter;        /* SCAN: JSON text */
    unsigned scan_key;        /* SCAN: the shard key that it is about */
    struct touch_part *parts; /* PARTS */
    unsigned n_parts;
    unsigned n_operations; /* of a batch, whatever its kind */
    /* What each point is afterwards, if all of the write is done: of upserts of whole points and deletions, each point once. NULL:
     * that cannot be told. */
    struct touch_text *texts;
    bool leaves_none; /* texts: none of them is there */
};

struct touch_part {
    enum op_id op;
    struct str body; /* as if it were sent alone */
    struct touch touch;
};

enum { TOUCH_POINTS_MAX = 1000000, TOUCH_SHARD_KEYS_MAX = 1000, TOUCH_PARTS_MAX = 100000 };

/* `body` is decoded; `op` one of the nine point writes. Fails: BAD_BODY and BODY_TOO_LARGE (over the limits above), with a text
 * in *ret_error. */
enum fail touch_of(enum op_id op, struct str body, struct arena *arena, struct touch *ret_touch, struct str *ret_error);

enum touch_form {
    TOUCH_FORM_IDS,     /* by ids: all of them must be there, where the operation says so */
    TOUCH_FORM_EXISTING /* by a filter on ids: those that aren't there are skipped */
};

/* The body once more, with these ids instead of its points and filter; everything else stays byte for byte. With no ids at all
 * it is a filter that selects nothing, as Qdrant refuses an empty list. The body must be one that touch_of() took, of an
 * operation that can have a filter (false: it can't). */
bool touch_with_ids(
    enum op_id op, struct str body, enum touch_form form, const struct point_id *ids, unsigned n, struct buf *out);

/* What the query of a write says, and the same query with wait=true. */
enum touch_ordering { TOUCH_WEAK, TOUCH_MEDIUM, TOUCH_STRONG };
struct touch_query {
    bool wait;
    bool has_timeout;
    uint64_t timeout_s;
    enum touch_ordering ordering;
    struct str waiting; /* everything else in it as it came */
};
/* Fails: BAD_TARGET, with a text: what Qdrant would refuse (a member twice, other values). */
enum fail touch_query_of(struct str query, struct arena *arena, struct touch_query *ret_query, struct str *ret_error);

#endif
