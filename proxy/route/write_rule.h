/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_WRITE_RULE_H
#define SEXTANT_ROUTE_WRITE_RULE_H

/* The bodies of Qdrant's eight point writes: what may stand in them, and what they do. Pure. */

#include "proxy/route/operation.h"

enum write_flags {
    WRITE_VECTORS = 1, /* its points are objects with vectors, else they are ids */
    WRITE_DELETES = 2, /* takes points away */
    WRITE_PATCHES = 4, /* changes a part of points that must be there */
    WRITE_PAYLOAD = 8, /* changes payloads only */
    WRITE_BOTH = 16    /* by points and by filter in one request; else only one of them counts */
};

enum { WRITE_MEMBERS_MAX = 3 };

struct write_rule {
    enum op_id id;
    const char *name;                          /* in a batch */
    const char *content[WRITE_MEMBERS_MAX];    /* members besides points and shard_key */
    const char *conditions[WRITE_MEMBERS_MAX]; /* those that look at the present state; none when null */
    unsigned flags;
};

const struct write_rule *write_rule_of(enum op_id id); /* NULL: not such a write */
const struct write_rule *write_rule_named(struct str name);
bool write_rule_has_content(const struct write_rule *rule, struct str member);
bool write_rule_has_condition(const struct write_rule *rule, struct str member);

#endif
