/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_BUF_H
#define SEXTANT_BASE_BUF_H

/* A byte queue in one piece of memory: append at the end, consume at the front. A zeroed struct is a valid empty one. */

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/base/str.h"

struct buf {
    char *data;
    size_t start, end, cap;
};

void buf_fini(struct buf *b); /* releases the memory; b is empty and usable afterwards */

static inline size_t
buf_len(const struct buf *b)
{
    return b->end - b->start;
}

/* Valid until the next call that changes b. */
static inline struct str
buf_str(const struct buf *b)
{
    /* Nothing may be added to a null pointer, not even nothing (C11 6.5.6). */
    return b->data ? str_make(b->data + b->start, b->end - b->start) : str_make("", 0);
}

char *buf_make_room(struct buf *b, size_t room); /* for buf_reserve() */

/* Where at least `room` bytes may be written, then buf_commit(). */
static inline char *
buf_reserve(struct buf *b, size_t room)
{
    return b->cap - b->end >= room ? b->data + b->end : buf_make_room(b, room);
}

static inline void
buf_commit(struct buf *b, size_t n)
{
    assert(b->cap - b->end >= n);
    b->end += n;
}

/* The same for who has a pointer behind the last byte that was written. */
static inline void
buf_end_at(struct buf *b, const char *end)
{
    buf_commit(b, (size_t)(end - b->data) - b->end);
}

static inline void
buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), bytes, len);
    b->end += len;
}

static inline void
buf_add(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.len);
}

static inline void
buf_putc(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->end++;
}

void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args);
void buf_put_u64(struct buf *b, uint64_t value);
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);                /* keeps the memory */
void buf_truncate(struct buf *b, size_t len); /* keep the first len bytes */

/* Memory of emptied buffers, for whoever needs some next: of many users only few need theirs at once. One thread's. */
enum { BUF_SHELF_BUFFERS = 256, BUF_SHELF_BYTES = 1024 * 1024 /* in all */, BUF_SHELF_LARGEST = 64 * 1024 };
struct buf_shelf {
    struct buf buffers[BUF_SHELF_BUFFERS];
    unsigned n;
    size_t bytes;
};
void buf_shelve(struct buf *b, struct buf_shelf *shelf);   /* b must be empty */
void buf_unshelve(struct buf *b, struct buf_shelf *shelf); /* nothing happens when b has memory, or the shelf none */
void buf_shelf_fini(struct buf_shelf *shelf);              /* it is empty and usable afterwards */

/* What all buffers of the process hold, small ones apart. Any thread. */
size_t buf_memory(void);

/* Hand over the content as a NUL-terminated string to be freed with mem_free(); b is empty afterwards. */
char *buf_take(struct buf *b);

#endif
