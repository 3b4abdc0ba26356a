/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_SCHEMA_H
#define SEXTANT_SYNC_SCHEMA_H

/* What a collection is, as a cluster's answers tell, and the requests that make a copy the same as home. Portable is what
 * decides which data fit in: vectors, sparse vectors, shard keys, indexes of payload, metadata, aliases. What only decides how
 * they are stored (shard numbers, replication, optimizers, WAL, HNSW, quantisation, on_disk) is taken from home when a copy's
 * collection is made, and never compared. Pure.
 *
 * 1. Requests come in an order in which none is refused for want of another, and what takes data away comes last but for what
 *    it makes room for; such requests are marked.
 * 2. Metadata's member `_sextant` is Sextant's: {"inc": an incarnation}. It is neither compared nor written by a plan, but for
 *    the collection that a plan makes. */

#include "proxy/base/arena.h"
#include "proxy/base/json.h"
#include "proxy/http/message.h"

#define SCHEMA_OWN "_sextant"
enum { SCHEMA_INC_LEN = 32 };

struct schema {
    struct json_doc *doc, *keys_doc;
    struct json config, params, indexes, metadata, shard_keys;
    struct str incarnation; /* empty: it has none */
    uint64_t points;        /* about so many */
    bool is_custom;         /* it has shard keys */
    bool is_quiet;          /* nothing waits in its update queue */
};

/* The answers to GET /collections/{c} and, of one that is_custom, GET /collections/{c}/shards (else empty). False, and
 * nothing is held: they aren't such answers. */
bool schema_read(struct str info, struct str keys, struct schema *ret_schema);
void schema_fini(struct schema *s);     /* also of a zeroed one */
bool schema_is_custom(struct str info); /* must the shard keys be asked for as well? */

enum { SCHEMA_STEPS_MAX = 256 };

struct schema_step {
    enum method method;
    struct str target, body; /* an empty body: none */
    bool removes;            /* data */
};

struct schema_plan {
    struct schema_step steps[SCHEMA_STEPS_MAX]; /* the first so many, when there are more */
    unsigned n, n_removing;
    struct str conflict; /* not empty: nothing makes them the same but to make the copy anew. A sentence */
    struct str first;    /* the first difference, in words; empty: there is none */
};

/* `copy` NULL: it lacks the collection. `tuning`: a JSON object whose members take the place of home's where the copy's is made;
 * may be empty. Texts live in the arena. */
void schema_compare(const struct schema *home, const struct schema *copy, struct str collection, struct str tuning,
    struct arena *arena, struct schema_plan *ret_plan);

/* Answers to GET /aliases of both. `keeps`: is this name ours to bring there? Both of an alias must be. False: they aren't such
 * answers. */
typedef bool schema_keep_fn(void *arg, struct str name);
bool schema_compare_aliases(struct str home, struct str copy, schema_keep_fn *keeps, void *arg, struct arena *arena,
    struct schema_plan *ret_plan);

/* PATCH /collections/{c} that gives it this incarnation. */
struct schema_step schema_stamp(struct str collection, struct str incarnation, struct arena *arena);
/* The body of a request that makes a collection, with the incarnation in its metadata. False: it isn't an object, or speaks of
 * `_sextant` itself. */
bool schema_put_create(struct str body, struct str incarnation, struct buf *out);
/* Does it speak of `_sextant`? Of a PATCH. */
bool schema_names_own(struct str body);
/* The answer to GET /collections/{c} as clients are to see it: without what is Sextant's. */
void schema_put_shown(struct str info, struct buf *out);

#endif
