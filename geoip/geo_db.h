/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_DB_H
#define SEXTANT_GEOIP_GEO_DB_H

/* MaxMind databases, each compiled into a prefix trie at load; the files are closed before the call returns. Immutable after
 * loading, so any thread may look up without a lock. What is taken from a record: geo_record.c. */

#include "geoip/geo_place.h"

struct geo_db;

struct geo_db_info {
    struct str path, type; /* database_type of the file */
    int64_t build_epoch;   /* seconds since 1970 */
    uint64_t networks;     /* of its search tree, IPv4 counted once */
};

/* Load files in order; the first that knows an address wins. Refuses (NULL, "path: reason" in error) files that are absent,
 * corrupt, truncated, nested too deeply, 4 GiB or larger, or writable by others than their owner and group; nothing of them
 * remains. It may change or vanish as soon as the call returns. Needs /proc. Blocking: never on a worker. */
struct geo_db *geo_db_load(const struct str *paths, unsigned n, char *error, size_t error_size);
void geo_db_free(struct geo_db *db);

/* True and *ret_place with source PLACE_DATABASE when known; what is known may be only a continent or a point. Unwraps tunnels; does not check for special addresses.
 * No system call, no allocation: 50 ns hot. */
bool geo_db_lookup(const struct geo_db *db, const struct addr *a, struct place *ret_place);

unsigned geo_db_files(const struct geo_db *db, const struct geo_db_info **ret_infos);
size_t geo_db_memory(const struct geo_db *db); /* bytes */

#endif
