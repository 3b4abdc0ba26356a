/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_MMDB_METADATA_H
#define SEXTANT_GEOIP_MMDB_METADATA_H

/* The metadata at the end of a MaxMind database, checked before libmaxminddb sees it. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MMDB_METADATA_MAX = 128 * 1024, MMDB_METADATA_MARKER = 14, MMDB_SEPARATOR = 16 };

struct mmdb_metadata {
    uint32_t node_count;
    unsigned record_size, ip_version;
    uint64_t tree_size; /* bytes, without the separator that follows */
};

/* Find it in the last bytes of a file (all of a small one, MMDB_METADATA_MAX of a large one): the offset behind its marker. */
bool mmdb_metadata_find(const uint8_t *tail, size_t size, size_t *ret_offset);
/* What the metadata at `data` says; NULL, or why it can't be right. */
const char *mmdb_metadata_read(const uint8_t *data, size_t size, struct mmdb_metadata *ret_metadata);

#endif
