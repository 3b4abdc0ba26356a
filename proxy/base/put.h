/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_PUT_H
#define SEXTANT_BASE_PUT_H

/* Bytes put into room that was reserved for all of them: each call tells where the next one goes. For texts made of many short
 * pieces, where a call of memcpy() for each costs more than its bytes. */

#include "proxy/base/str.h"

static inline char *
put_str(char *at, struct str s)
{
    if (s.len > 16)
        return (char *)memcpy(at, s.p, s.len) + s.len;
    if (s.len >= 8) { /* the two halves overlap, or meet */
        memcpy(at, s.p, 8);
        memcpy(at + s.len - 8, s.p + s.len - 8, 8);
        return at + s.len;
    }
    if (s.len >= 4) {
        memcpy(at, s.p, 4);
        memcpy(at + s.len - 4, s.p + s.len - 4, 4);
        return at + s.len;
    }
    for (size_t i = 0; i < s.len; i++)
        at[i] = s.p[i];
    return at + s.len;
}

/* A literal: its length is known when it is compiled. */
#define PUT(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

/* In decimal digits, STR_U64_MAX of them at most. */
char *put_u64(char *at, uint64_t value);

#endif
