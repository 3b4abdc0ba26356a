/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_HASH_H
#define SEXTANT_BASE_HASH_H

/* SipHash-2-4 (Aumasson, Bernstein, 2012): for tables whose keys strangers choose. Without the key nobody can tell which
 * inputs meet in one place. */

#include <stdint.h>

#include "proxy/base/str.h"

struct hash_key {
    uint64_t k0, k1;
};

void hash_key_draw(struct hash_key *ret_key); /* from the kernel's random numbers */
uint64_t hash_keyed(const struct hash_key *key, struct str bytes);

#endif
