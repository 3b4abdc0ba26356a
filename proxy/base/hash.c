/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "proxy/base/clock.h"

void
hash_key_draw(struct hash_key *ret_key)
{
    ssize_t n;

    do
        n = getrandom(ret_key, sizeof(*ret_key), 0);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(*ret_key))
        return;
    /* A kernel without getrandom(): better guessable than constant. */
    ret_key->k0 = (uint64_t)clock_mono_us() * UINT64_C(0x9e3779b97f4a7c15);
    ret_key->k1 = (uint64_t)clock_wall_us() ^ (uint64_t)(uintptr_t)ret_key;
}

static uint64_t
rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void
mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void
take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

/* At most eight bytes of it. */
static inline uint64_t
little_endian(const char *p, size_t n)
{
    uint64_t word = 0;

    memcpy(&word, p, n);
    return le64toh(word);
}

uint64_t
hash_keyed(const struct hash_key *key, struct str bytes)
{
    uint64_t v[4] = { key->k0 ^ UINT64_C(0x736f6d6570736575), key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261), key->k1 ^ UINT64_C(0x7465646279746573) };
    uint64_t total = (uint64_t)bytes.len << 56;

    for (; bytes.len >= 8; bytes = str_skip(bytes, 8))
        take(v, little_endian(bytes.p, 8));
    take(v, total | (bytes.len ? little_endian(bytes.p, bytes.len) : 0));
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
