/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_STATE_H
#define SEXTANT_SYNC_STATE_H

/* What points are at one cluster, as its answer to `POST /collections/{c}/points` tells, and the bodies that make them the
 * same at another one. Vectors and payloads go on as the bytes they came in: Qdrant takes `[[1,0],[0,1]]` for something else
 * than `[[1.0,0.0],[0.0,1.0]]`, and numbers beyond 2^53 must not pass through a double. Pure.
 *
 * 1. A point is absent only if a whole and well-formed answer to a request that named it, and nothing else, lacks it. An
 *    answer with a point that was not asked for, one twice, with a part missing or a field that isn't known changes nothing.
 * 2. Rows don't change any more once they were read.
 *
 * All that Qdrant prints it takes again (checked against 1.19: dense, multi and sparse vectors, named and not, none at all,
 * every datatype), and it reads back the same; only the order of named vectors changes from read to read. Rows of other nodes
 * come through gRPC inside Qdrant, where keys of payloads lose their order and integers above 2^63 - 1 their last digits. */

#include "proxy/base/arena.h"
#include "proxy/sync/point.h"

enum { STATE_POINTS_MAX = 256 };

enum state_kind { STATE_UNREAD, STATE_ABSENT, STATE_PRESENT };

struct state_point {
    struct point_id id;
    struct str shard_key; /* as JSON, `"a"` or `7`; empty: the collection has none */
};

/* Where texts of rows lie: an answer, or the body of a write. */
struct state_text {
    unsigned refs;
    struct buf bytes;
};

struct state_row {
    struct state_point point;
    enum state_kind kind;
    struct str vector, payload; /* JSON; of STATE_PRESENT */
};

struct state { /* read only for all but state_know() and state_take_answer() */
    unsigned refs;
    unsigned n;
    struct state_row *rows;      /* in the order given */
    struct state_row **by_point; /* sorted, once there is an answer */
    bool is_sorted;
    struct state_text **texts;
    unsigned n_texts;
    size_t bytes;          /* of all answers */
    int64_t connection_us; /* when the newest connection that they came by was established */
    struct arena arena;
};

/* At most STATE_POINTS_MAX points, none twice (assert). */
struct state *state_new(const struct state_point *points, unsigned n);
struct state *state_ref(struct state *s);
void state_unref(struct state *s);

struct state_text *state_text_new(struct buf *bytes); /* taken over */
void state_text_unref(struct state_text *text);
/* The row is known without asking: the point is this, which lies in `text` (a reference is taken); without a vector it is not there. */
void state_know(struct state *s, unsigned row, struct str vector, struct str payload, struct state_text *text);

/* The request for n rows, by index, that have one shard key. */
void state_put_read(const struct state *s, const unsigned *rows, unsigned n, struct buf *out);
/* The answer to it, taken over. False, with a sentence, when it cannot be relied on: then the rows are what they were. */
bool state_take_answer(struct state *s, const unsigned *rows, unsigned n, struct buf *answer, struct buf *ret_error);

/* Bodies for n rows, by index, that have one shard key: `PUT points` (of present ones, whole), `POST points/batch` with one
 * `overwrite_payload` each (of present ones), `POST points/delete`. */
enum state_write { STATE_UPSERT, STATE_PAYLOAD, STATE_DELETE };
void state_put_write(const struct state *s, enum state_write write, const unsigned *rows, unsigned n, struct buf *out);
/* About how many bytes a row adds to such a body; never too few. */
size_t state_write_bytes(const struct state *s, enum state_write write, unsigned row);

#endif
