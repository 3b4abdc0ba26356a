/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proxy/base/mem.h"

enum { CHUNK = 8192, KEPT = 2 * CHUNK, ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    _Alignas(16) char bytes[];
};

static void
add_chunk(struct arena *a, size_t size)
{
    struct arena_chunk *c = mem_grow(NULL, sizeof(*c) + size);

    c->next = a->chunks;
    c->size = size;
    a->chunks = c;
    a->at = c->bytes;
    a->end = c->bytes + size;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    /* Nothing takes a place too: an arena that has none yet would give a null pointer. */
    size_t need = (size + !size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    void *p;

    if ((size_t)(a->end - a->at) < need)
        add_chunk(a, need > CHUNK / 4 ? need + CHUNK : CHUNK);
    p = a->at;
    a->at += need;
    memset(p, 0, need);
    return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.p, s.len);
    return str_make(copy, s.len);
}

struct str
arena_join(struct arena *a, struct str first, struct str second, struct str third)
{
    struct str parts[] = { first, second, third };
    char *text = arena_alloc(a, first.len + second.len + third.len + 1), *at = text;

    for (unsigned i = 0; i < 3; i++) {
        if (parts[i].len)
            memcpy(at, parts[i].p, parts[i].len);
        at += parts[i].len;
    }
    return str_make(text, (size_t)(at - text));
}

struct str
arena_u64(struct arena *a, uint64_t value)
{
    char digits[STR_U64_MAX];

    return arena_str(a, str_of_u64(value, digits));
}

struct str
arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char *text;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return str_make(text, (size_t)len);
}

void
arena_reset(struct arena *a)
{
    struct arena_chunk *c;

    while ((c = a->chunks) && (c->next || c->size > KEPT)) {
        a->chunks = c->next;
        mem_free(c);
    }
    a->at = c ? c->bytes : NULL;
    a->end = c ? c->bytes + c->size : NULL;
}

void
arena_fini(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;

        mem_free(a->chunks);
        a->chunks = next;
    }
    a->at = a->end = NULL;
}
