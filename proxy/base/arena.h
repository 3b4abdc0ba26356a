/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_ARENA_H
#define SEXTANT_BASE_ARENA_H

/* Memory that is released all at once: one per transaction, per configuration, per test. A zeroed struct is valid.
 * Not for sharing between threads while it is written to. */

#include <stddef.h>

#include "proxy/base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at, *end;
};

void *arena_alloc(struct arena *a, size_t size);     /* zeroed, aligned for any type */
struct str arena_str(struct arena *a, struct str s); /* a copy, with a NUL after it */
struct str arena_join(struct arena *a, struct str first, struct str second, struct str third);
struct str arena_u64(struct arena *a, uint64_t value); /* in decimal digits */
struct str arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a); /* forgets everything but keeps one chunk, unless that is large */
void arena_fini(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, n, type) ((type *)arena_alloc((a), (n) * sizeof(type)))

#endif
