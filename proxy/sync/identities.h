/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_IDENTITIES_H
#define SEXTANT_SYNC_IDENTITIES_H

/* Which cluster of the configuration is which, by what they hold (notes.h): two names for one would make it its own copy, or
 * the copy of two homes, which write over each other. Pure. */

#include "conf/topology.h"
#include "proxy/sync/notes.h"

enum { IDENTITIES_NAME_MAX = 64 };

struct identities {
    struct {
        char name[IDENTITIES_NAME_MAX];
        notes_uuid identity;
    } rows[CLUSTERS_MAX];
    unsigned n;
};

/* Remember what was read of a cluster, in place of what was known of that name. The name of another one that has the same
 * identity, or STR_NONE. */
struct str identities_find(
    const struct identities *all, const char *identity); /* the cluster that has it, or STR_NONE */
struct str identities_add(struct identities *all, struct str cluster, const char *identity);

#endif
