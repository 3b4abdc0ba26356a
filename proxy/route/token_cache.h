/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_TOKEN_CACHE_H
#define SEXTANT_ROUTE_TOKEN_CACHE_H

/* Tokens verified lately, and their signatures for each cluster, so that a request with a known token costs no HMAC. One a
 * thread. Bounded: a newer token takes the place of an older one. Only tokens that passed are kept, under the digest of
 * the whole token and the number of the configuration that verified them, so that other keys find nothing here. */

#include "conf/topology.h"
#include "proxy/route/token.h"

enum { TOKEN_CACHE_ENTRIES = 256 };

struct token_cache;

struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *c); /* NULL is fine */

/* NULL when it is not known, or no longer good: verify it. Valid until the next call that adds. */
const struct token_claims *token_cache_find(
    struct token_cache *c, const struct digest *digest, uint64_t generation, uint64_t now_s);
void token_cache_add(
    struct token_cache *c, const struct digest *digest, uint64_t generation, const struct token_claims *claims);
/* The token as that cluster takes it. It is computed where it is not known. */
struct str token_cache_sign(struct token_cache *c, const struct digest *digest, uint64_t generation, struct str token,
    const struct cluster_conf *cluster, struct arena *arena);

#endif
