/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_ANSWER_H
#define SEXTANT_ROUTE_ANSWER_H

/* Bodies of answers made here, in Qdrant's own shapes. Pure. */

#include "proxy/base/buf.h"
#include "proxy/route/operation.h"

/* {"status":{"error":"..."},"time":0.0}; the failure's sentence with the detail after it. A collection that no line maps is
 * told exactly as Qdrant tells one that does not exist. */
void answer_error(struct buf *out, enum fail fail, const struct operation *op, struct str detail);
/* Does Qdrant answer this with an empty body? */
bool answer_is_empty(enum fail fail);
/* Is it told as bare text, its sentence and nothing else, as Qdrant's keys do? */
bool answer_is_text(enum fail fail);
/* A cluster's Location as callers may see it: without scheme and host, which are the endpoint's, and without `prefix`, the
 * path that its URL puts before every target. A slice of `value`. */
struct str answer_location(struct str value, struct str prefix);
/* Operations answered here: healthz, livez, readyz, GET / (version known), exists of a collection that is not mapped. Returns
 * the content type; *ret_status is changed when it is not 200. */
struct str answer_local(
    struct buf *out, const struct operation *op, bool is_ready, struct str version, int *ret_status);

#endif
