/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_MERGE_H
#define SEXTANT_ROUTE_MERGE_H

/* Answers of several clusters made one. Pure. */

#include "proxy/base/buf.h"
#include "proxy/route/operation.h"

struct part {
    struct str cluster; /* name, for messages */
    enum fail fail;     /* FAIL_NONE when a complete answer came */
    int status;
    struct str body; /* decoded */
    struct str content_type;
};

/* Is this name for the caller to be taken from that part? */
typedef bool list_keep_fn(void *arg, struct str collection, unsigned part);

/* GET /collections and GET /aliases: one answer with the kept names of every part, all sorted by their bytes, none twice.
 * An alias is kept by its collection's name and its own: both must be kept. False when a part is not a list (a failure, not
 * 200, or not of Qdrant's shape): *ret_bad is the first such part, and `out` is as it was. */
bool merge_lists(enum op_id id, const struct part *parts, unsigned n, list_keep_fn *keep, void *arg, double seconds,
    struct buf *out, unsigned *ret_bad);

/* Schema operations sent to every home. */
enum schema_verdict {
    SCHEMA_SAME,      /* all say the same: parts[*ret_index] is the answer */
    SCHEMA_COMPLETED, /* some changed, the others had it already: parts[*ret_index] (a success) is the answer */
    SCHEMA_FAILED     /* parts[*ret_index] is the first failure; the same request again completes it */
};
/* A part that was not tried has FAIL_NONE and status 0. 409 counts as "had it already" only when configs[i] (the answer of
 * GET /collections/{c} from the cluster of parts[i]) agrees in its portable part with the config of a cluster that has just
 * made the collection. `configs` is NULL at first; *ret_needs_configs is set (with SCHEMA_FAILED) when it must be fetched, of all
 * parts, to decide; it is never set when `configs` is given: what could not be fetched proves nothing. */
enum schema_verdict merge_schema(const struct operation *op, const struct part *parts, unsigned n,
    const struct part *configs, unsigned *ret_index, bool *ret_needs_configs);
/* Portable configuration: params.vectors, sparse_vectors, sharding_method, metadata, hnsw/quantization/strict mode. */
bool merge_configs_equal(struct str a, struct str b);
/* "eu: 200 ok; us: 502 CONNECT_REFUSED; ap: not tried". Other answers are followed by the error text that came with them. */
void merge_outcomes(const struct part *parts, unsigned n, struct buf *out);

#endif
