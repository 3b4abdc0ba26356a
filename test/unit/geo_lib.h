/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_GEO_LIB_H
#define SEXTANT_TEST_UNIT_GEO_LIB_H

/* MaxMind databases of every shape, also of shapes that no writer makes, for tests of the geo layer.
 *
 * Records and metadata are written as text: {key=value,…} [value,…] 'text' d1.5 (double) f1.5 (float) u7 (uint16) w7 (uint32)
 * q7 (uint64) i-7 (int32) b1 (boolean) xE0ff (raw bytes) *value (a pointer to the value, which is written before). */

#include <stdbool.h>
#include <stdint.h>

#include "geoip/geo_db.h"
#include "proxy/base/buf.h"

#define GEO_LIB_EMPTY UINT32_MAX

struct geo_fixture {
    unsigned ip_version, record_size;
    struct buf records;
    uint32_t (*nodes)[2]; /* GEO_LIB_EMPTY, GEO_LIB_DATA | offset of a record, or a node */
    uint32_t n_nodes;
    const char *metadata; /* instead of the usual */
    uint64_t raw_half;    /* when not 0: written in place of the first half of the root */
};
#define GEO_LIB_DATA UINT32_C(0x80000000)

void geo_fixture_init(struct geo_fixture *f, unsigned ip_version, unsigned record_size);
void geo_fixture_fini(struct geo_fixture *f);
uint32_t geo_fixture_record(struct geo_fixture *f, const char *text); /* its offset */
uint32_t geo_fixture_node(struct geo_fixture *f);                     /* a new one, both halves empty */
/* Make a network lead to `half`. IPv4 goes to ::/96 in an IPv6 file. */
void geo_fixture_network(struct geo_fixture *f, const char *network, uint32_t half);
void geo_fixture_add(struct geo_fixture *f, const char *network, const char *record);
/* The node at a network, made when there is none. */
uint32_t geo_fixture_node_at(struct geo_fixture *f, const char *network);
void geo_fixture_write(const struct geo_fixture *f, struct buf *out);

/* A file of these bytes; the path is valid until the file is dropped. */
struct str geo_lib_file(struct str bytes);
void geo_lib_drop(struct str path);

struct geo_db *geo_lib_load(
    struct str bytes, char *error, size_t error_size); /* through a file that is dropped again */
struct geo_db *geo_fixture_load(const struct geo_fixture *f, char *error, size_t error_size);
struct addr geo_lib_addr(const char *text);

#endif
