/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_TRIE_H
#define SEXTANT_GEOIP_GEO_TRIE_H

/* A prefix trie from addresses to small numbers (classes). Pure. It is built bottom up out of halves and then finished:
 * only then, and from then on immutably, it answers. Equal halves are merged. */

#include "proxy/base/addr.h"

enum { GEO_NONE = 0 }; /* the class of an address that nothing is known of */

struct geo_trie;

/* A subtree while building: a class, or what geo_trie_join() gave. */
typedef uint32_t geo_ref;

struct geo_trie *geo_trie_new(void);
void geo_trie_free(struct geo_trie *t);
geo_ref geo_trie_leaf(uint32_t class_id); /* class_id < 2^31 */
/* The subtree with these halves (bit 0, bit 1). A subtree may be used more than once, and is at most 128 bits high. */
geo_ref geo_trie_join(struct geo_trie *t, geo_ref zero, geo_ref one);
/* False: subtrees are used over and over, so that the trie would be much larger than what was joined. Then it may only be
 * freed. Data that really is a tree never comes near that. */
bool geo_trie_finish(struct geo_trie *t, geo_ref v4, geo_ref v6);

uint32_t geo_trie_lookup(const struct geo_trie *t, const struct addr *a);
size_t geo_trie_memory(const struct geo_trie *t); /* bytes, once finished */

#endif
