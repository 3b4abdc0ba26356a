/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/identities.h"

#include <assert.h>
#include <string.h>

static unsigned
row_of(struct identities *all, struct str cluster)
{
    unsigned i = 0;

    while (i < all->n && !str_eq(str_from(all->rows[i].name), cluster))
        i++;
    if (i == all->n) {
        assert(i < CLUSTERS_MAX && cluster.len < IDENTITIES_NAME_MAX);
        memcpy(all->rows[i].name, cluster.p, cluster.len);
        all->rows[i].name[cluster.len] = '\0';
        all->n++;
    }
    return i;
}

struct str
identities_find(const struct identities *all, const char *identity)
{
    for (unsigned i = 0; i < all->n; i++) {
        if (strcmp(all->rows[i].identity, identity) == 0)
            return str_from(all->rows[i].name);
    }
    return STR_NONE;
}

struct str
identities_add(struct identities *all, struct str cluster, const char *identity)
{
    unsigned row = row_of(all, cluster);

    memcpy(all->rows[row].identity, identity, NOTES_UUID_LEN + 1);
    for (unsigned i = 0; i < all->n; i++) {
        if (i != row && strcmp(all->rows[i].identity, identity) == 0)
            return str_from(all->rows[i].name);
    }
    return STR_NONE;
}
