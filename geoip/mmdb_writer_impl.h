/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_MMDB_WRITER_IMPL_H
#define SEXTANT_GEOIP_MMDB_WRITER_IMPL_H

/* What mmdb_writer.c gathers and mmdb_writer_file.c writes. */

#include "geoip/mmdb_writer.h"

#define DATA UINT32_C(0x80000000)
enum { EMPTY = 0, ROOT = 1 }; /* node 0 is not used, so that 0 can be "nothing" */

struct node {
    uint32_t half[2]; /* EMPTY, a node, or DATA | record index */
};

struct record {
    char country[2];
    bool has_point;
    double lat, lon;
    uint32_t offset; /* when written */
};

struct mmdb_writer {
    struct node *nodes;
    uint32_t n_nodes, cap_nodes;
    struct record *records;
    uint32_t n_records, cap_records;
    unsigned record_size; /* at least */
    bool is_geoip2;
    uint32_t *table; /* hash table of record index + 1; twice as large as cap_records */
};

#endif
