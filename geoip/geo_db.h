/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_DB_H
#define SEXTANT_GEOIP_GEO_DB_H

/* MaxMind databases compiled into one prefix trie at load; the files are closed before the call returns. Immutable after
 * loading, so any thread may look up without a lock. */

#include "geoip/geo_place.h"

struct geo_db;

struct geo_db_info {
    struct str path, type; /* database_type of the file */
    int64_t build_epoch;   /* seconds since 1970 */
    uint64_t networks;
};

/* Load files in order; the first that knows an address wins. Refuses (NULL, a sentence in error) files that are corrupt,
 * truncated, nested too deeply, larger than 4 GiB or writable by others than their owner and group. Blocking: never on a worker. */
struct geo_db *geo_db_load(const struct str *paths, unsigned n, char *error, size_t error_size);
void geo_db_free(struct geo_db *db);

/* True and *ret_place with source PLACE_DATABASE when known. Unwraps tunnels; does not check for special addresses.
 * No system call, no allocation: 50 ns hot. */
bool geo_db_lookup(const struct geo_db *db, const struct addr *a, struct place *ret_place);

unsigned geo_db_files(const struct geo_db *db, const struct geo_db_info **ret_infos);
size_t geo_db_memory(const struct geo_db *db);

#endif
