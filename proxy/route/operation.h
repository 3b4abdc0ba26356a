/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_OPERATION_H
#define SEXTANT_ROUTE_OPERATION_H

/* What a request means to Qdrant 1.19, from method and path (and, where it must be, the body). The 98 routes stand in
 * qdrant.def, and after them DASHBOARD and PREFLIGHT (any OPTIONS). Pure. */

#include "proxy/base/arena.h"
#include "proxy/base/buf.h"
#include "proxy/http/message.h"

enum op_kind { OP_READ, OP_WRITE, OP_SCHEMA, OP_CLUSTER, OP_SNAPSHOT, OP_SERVICE, OP_KIND_COUNT };

/* Where the operation belongs. */
enum op_scope {
    SCOPE_COLLECTION, /* the rule of the collection in its path */
    SCOPE_LIST,       /* GET /collections, GET /aliases: a part of every line */
    SCOPE_ALIASES,    /* POST /collections/aliases: the rule of the collections in its body */
    SCOPE_EDGE,       /* names no collection: the edge's own cluster, or the one a trusted caller names */
    SCOPE_SELF,       /* answered here: healthz, livez, readyz */
    SCOPE_ROOT,       /* GET /: answered here once a version is known */
    SCOPE_ANY         /* OPTIONS, dashboard, unknown paths without a collection: the nearest cluster */
};

enum op_resend {
    RESEND_SAFE,  /* may be sent again, anywhere that may answer it */
    RESEND_BODY,  /* a write: depends on what the body says, see operation_is_idempotent() */
    RESEND_STATE, /* the second answer may differ (409, false): the same cluster only, and only when nothing was sent */
    RESEND_NEVER
};

enum op_flags {
    OP_LOOKUP = 1,        /* its body may name a second collection */
    OP_NODE_LOCAL = 2,    /* belongs to one endpoint: no fail-over, always the same one */
    OP_UNBOUNDED = 4,     /* no body limit and no deadline: progress only (snapshots, uploads) */
    OP_STORAGE = 8,       /* whole-storage snapshot: trusted callers only when the map has a strict line */
    OP_CREATES = 16,      /* makes a collection */
    OP_SMALL_BODY = 32,   /* Qdrant takes 2 MiB at most here */
    OP_MANAGE = 64,       /* refused to a read-only key: it writes, or shows what only an operator should see */
    OP_OPEN = 128,        /* needs no key */
    OP_PAST_JOURNAL = 256 /* changes points by other means than writing them: not where writes fan out */
};

enum op_id {
    OP_UNKNOWN,
#define OP(id, method, path, kind, scope, resend, flags) OP_##id,
#include "proxy/route/qdrant.def"
#undef OP
    OP_COUNT
};

struct op_info {
    const char *name; /* "upsert_points": metrics label and log field */
    enum method method;
    const char *pattern; /* "/collections/{c}/points/{p}" */
    enum op_kind kind;
    enum op_scope scope;
    enum op_resend resend;
    unsigned flags;
};
const struct op_info *op_info(enum op_id id);
const char *op_kind_name(enum op_kind kind); /* "read", "write", ... */

struct operation {
    enum op_id id;
    const struct op_info
        *info;             /* never NULL; OP_UNKNOWN has two: never re-sent, OP_READ for GET and HEAD, else OP_WRITE */
    enum op_scope scope;   /* info's, but SCOPE_COLLECTION for unknown routes below /collections/{c} */
    struct str path;       /* canonical, percent-encoded again as needed: what clusters are sent */
    struct str query;      /* without '?', as it came */
    struct str collection; /* decoded; empty unless the scope is SCOPE_COLLECTION */
    int64_t timeout_ms;    /* timeout= of the query (at most 10^12), or -1 when absent, malformed or repeated */
};

/* Canonical path and meaning of a target. Fails: BAD_TARGET, DOT_SEGMENT, NAME_SLASH, NAME_NUL, NAME_LENGTH (none, or more than
 * 255 code points). Slices of `target` where that is canonical already, else copies in `arena`: nothing is allocated for
 * the usual request. The path that comes out means the same operation and collection again. "*" is a target of OPTIONS only. */
enum fail operation_parse(enum method method, struct str target, struct arena *arena, struct operation *ret_op);
/* The collection name of a target, for who is told that it is too long. */
struct str operation_long_name(struct str target, struct arena *arena);

/* Names of other collections in a JSON body (lookup_from, with_lookup; for SCOPE_ALIASES every collection and alias that the
 * actions name). Bodies are decoded already. FAIL_BAD_BODY with a text in *ret_error for what is not JSON, or has duplicate
 * keys. */
struct name_list {
    struct str *names;
    unsigned n;
};
enum fail operation_body_collections(const struct operation *op, struct str body, struct arena *arena,
    struct name_list *ret_names, struct str *ret_error);

/* Would sending this write again give the same state? (By ids, without conditions.) `body` decoded; STR_NONE: not known. */
bool operation_is_idempotent(const struct operation *op, struct str body);

#endif
