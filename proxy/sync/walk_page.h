/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_WALK_PAGE_H
#define SEXTANT_SYNC_WALK_PAGE_H

/* Pages of a walk: a range of a collection's ids, in Qdrant's order, as each of two clusters answers a scroll; and what differs
 * between them. Pure.
 *
 * 1. A point is missing from a range only if a whole and well-formed page that covers it lacks it: ids rise strictly from where
 *    the page was to begin, and what it says comes next lies behind them all. A page that is none tells nothing.
 * 2. Two pages are compared only as far as both reach.
 * 3. Points are alike when Qdrant would print the same for both but for the order of members and the spelling of numbers. */

#include "proxy/base/buf.h"
#include "proxy/sync/point.h"

enum { WALK_ROWS_MAX = 256 };

struct walk_row {
    struct point_id id;
    struct str vector, payload; /* JSON, in the answer */
};

struct walk_page {
    struct walk_row rows[WALK_ROWS_MAX];
    unsigned n;
    bool is_last;         /* nothing comes after its rows */
    struct point_id next; /* else: it covers all below this one */
};

/* The body of a scroll for up to `limit` points from `from` on (NULL: the first one), of one shard key (JSON; empty: none). */
void walk_put_scroll(unsigned limit, const struct point_id *from, struct str shard_key, struct buf *out);
/* The answer to it. False, with a sentence, when it cannot be relied on. */
bool walk_read_page(struct str body, const struct point_id *from, struct walk_page *ret_page, struct buf *ret_error);

bool walk_is_alike(const struct walk_row *a, const struct walk_row *b);

enum walk_kind { WALK_MISSING /* at the target */, WALK_UNLIKE, WALK_EXTRA /* only there */ };
struct walk_difference {
    enum walk_kind kind;
    const struct walk_row *source, *target; /* NULL where it lacks the point */
};
struct walk_comparison {
    struct walk_difference differences[2 * WALK_ROWS_MAX];
    unsigned n;
    unsigned n_source, n_target; /* rows that were compared */
    bool is_last;                /* the range ends with the collection */
    struct point_id next;        /* else: all below this one was compared */
};
/* Both from the same id on. */
void walk_compare(const struct walk_page *source, const struct walk_page *target, struct walk_comparison *ret);

/* Are so many points to be deleted that somebody must say that it is meant? `there`: how many the target has. */
bool walk_is_too_much(uint64_t to_delete, uint64_t there);

#endif
