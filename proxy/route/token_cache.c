/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/token_cache.h"

#include "proxy/base/mem.h"

struct entry {
    struct digest digest;
    uint64_t generation; /* 0: empty */
    uint64_t is_signed;  /* one bit a cluster */
    struct token_claims claims;
    char (*signatures)[DIGEST_BASE64_LEN]; /* by cluster, up to `n_signatures`; kept when the entry changes hands */
    unsigned n_signatures;
};

struct token_cache {
    struct entry entries[TOKEN_CACHE_ENTRIES];
};

_Static_assert(TOKEN_CACHE_ENTRIES == 256, "a byte of the digest picks the entry");
_Static_assert(CLUSTERS_MAX <= 64, "a set of clusters fits is_signed");

struct token_cache *
token_cache_new(void)
{
    return MEM_NEW(struct token_cache);
}

void
token_cache_free(struct token_cache *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < TOKEN_CACHE_ENTRIES; i++)
        mem_free(c->entries[i].signatures);
    mem_free(c);
}

static struct entry *
find(struct token_cache *c, const struct digest *digest, uint64_t generation)
{
    struct entry *e = &c->entries[digest->bytes[0]];

    return e->generation == generation && digest_equal(&e->digest, digest) ? e : NULL;
}

const struct token_claims *
token_cache_find(struct token_cache *c, const struct digest *digest, uint64_t generation, uint64_t now_s)
{
    const struct entry *e = find(c, digest, generation);

    return e && !token_is_expired(e->claims.exp, now_s) ? &e->claims : NULL;
}

void
token_cache_add(
    struct token_cache *c, const struct digest *digest, uint64_t generation, const struct token_claims *claims)
{
    struct entry *e = &c->entries[digest->bytes[0]];

    e->digest = *digest;
    e->generation = generation;
    e->is_signed = 0;
    e->claims = *claims;
}

static char *
room_for(struct entry *e, unsigned cluster)
{
    if (cluster >= e->n_signatures) {
        e->n_signatures = cluster + 1;
        e->signatures = mem_grow(e->signatures, e->n_signatures * sizeof(*e->signatures));
    }
    return e->signatures[cluster];
}

struct str
token_cache_sign(struct token_cache *c, const struct digest *digest, uint64_t generation, struct str token,
    const struct cluster_conf *cluster, struct arena *arena)
{
    struct entry *e = find(c, digest, generation);
    char fresh[DIGEST_BASE64_LEN], *signature = e ? room_for(e, cluster->index) : fresh;

    if (!e || !(e->is_signed >> cluster->index & 1))
        token_sign(token, cluster->options.api_key, signature);
    if (e)
        e->is_signed |= UINT64_C(1) << cluster->index;
    return token_with(token, signature, arena);
}
