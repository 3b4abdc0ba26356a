/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_PATH_H
#define SEXTANT_ROUTE_PATH_H

/* A request path in the one form that everybody reads alike, as actix-web (Qdrant's server) normalises it: runs of `/` are
 * one, a trailing `/` is dropped, percent-escapes are decoded for matching. Pure. */

#include "proxy/base/arena.h"
#include "proxy/base/fail.h"

enum { PATH_SEGMENTS_MAX = 12 };

struct path {
    struct str text;                        /* canonical, escaped again where needed */
    struct str segments[PATH_SEGMENTS_MAX]; /* decoded */
    unsigned n; /* more segments than fit: n is PATH_SEGMENTS_MAX + 1 and no route matches */
};

/* `raw` is the part before '?'. No allocation when it is canonical already. Fails: BAD_TARGET, DOT_SEGMENT, NAME_INVALID (a
 * collection's name with an encoded slash). */
enum fail path_parse(struct str raw, struct arena *arena, struct path *ret_path);

#endif
