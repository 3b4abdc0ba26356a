/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_LE_H
#define SEXTANT_BASE_LE_H

/* Numbers in files of ours: little-endian on every machine, at any address. */

#include <stdint.h>

static inline uint32_t
le32_get(const void *from)
{
    const uint8_t *p = from;

    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
le64_get(const void *from)
{
    return le32_get(from) | (uint64_t)le32_get((const uint8_t *)from + 4) << 32;
}

static inline void
le32_put(void *to, uint32_t value)
{
    uint8_t *p = to;

    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static inline void
le64_put(void *to, uint64_t value)
{
    le32_put(to, (uint32_t)value);
    le32_put((uint8_t *)to + 4, (uint32_t)(value >> 32));
}

#endif
