/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_TRIE_H
#define SEXTANT_GEOIP_GEO_TRIE_H

/* A binary trie from addresses to small numbers, built bottom up, equal halves merged, with a table for the first 16 bits.
 * Immutable once finished. Pure. */

#include "proxy/base/addr.h"

enum { GEO_NONE = 0 }; /* the class of an address that nothing is known of */

struct geo_trie;

/* A subtree while building: a class, or a node. */
typedef uint32_t geo_ref;

struct geo_trie *geo_trie_new(void);
void geo_trie_free(struct geo_trie *t);
geo_ref geo_trie_leaf(uint32_t class_id); /* class_id < 2^31 */
/* The subtree with these halves (bit 0, bit 1). */
geo_ref geo_trie_join(struct geo_trie *t, geo_ref zero, geo_ref one);
void geo_trie_finish(struct geo_trie *t, geo_ref v4, geo_ref v6);

uint32_t geo_trie_lookup(const struct geo_trie *t, const struct addr *a);
size_t geo_trie_memory(const struct geo_trie *t);
uint64_t geo_trie_nodes(const struct geo_trie *t);

#endif
