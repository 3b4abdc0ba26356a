/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PATH_H
#define SEXTANT_ROUTE_PATH_H

/* The canonical path of a request target, and its segments as Qdrant's handlers will see them. Pure. */

#include "proxy/base/arena.h"
#include "proxy/base/fail.h"
#include "proxy/base/str.h"

enum { PATH_SEGMENTS_MAX = 8 }; /* the deepest route has seven; deeper paths are only counted */

struct path {
    struct str
        text; /* "/a/b": no empty, "." or ".." segments; escapes (upper case) exactly where RFC 3986 wants them */
    struct str query;                       /* after '?', as it came */
    struct str segments[PATH_SEGMENTS_MAX]; /* percent-decoded, valid UTF-8 */
    unsigned n;                             /* of the whole path */
    uint32_t slashed;                       /* bit i: segment i holds an escaped slash (bit 31: some segment past 30) */
    uint32_t nulled;                        /* the same for an escaped NUL */
    bool climbs;                            /* an escaped slash stands beside "." or ".." */
};

/* Fails: BAD_TARGET (not starting with a slash, longer than Qdrant reads, blanks, control bytes, '#', broken escapes, not
 * UTF-8), DOT_SEGMENT. Slices of the target where it is canonical already, else copies in the arena. */
enum fail path_parse(struct str target, struct arena *arena, struct path *ret_path);

/* A name as one segment of a path. */
struct str path_encode(struct str segment, struct arena *arena);

/* How many code points has this valid UTF-8? */
size_t path_code_points(struct str s);

#endif
