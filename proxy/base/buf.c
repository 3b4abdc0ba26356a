/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/buf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "proxy/base/mem.h"

/* Small ones are many, change often and come to little: they are not counted. */
enum { COUNTED_BYTES = 4096 };
static atomic_size_t counted;

static void
recount(size_t from, size_t to)
{
    from = from < COUNTED_BYTES ? 0 : from;
    to = to < COUNTED_BYTES ? 0 : to;
    if (to != from)
        atomic_fetch_add_explicit(&counted, to - from, memory_order_relaxed);
}

size_t
buf_memory(void)
{
    return atomic_load_explicit(&counted, memory_order_relaxed);
}

void
buf_fini(struct buf *b)
{
    recount(b->cap, 0);
    mem_free(b->data);
    *b = (struct buf){ 0 };
}

char *
buf_make_room(struct buf *b, size_t room)
{
    size_t len = buf_len(b);

    if (b->start && b->cap - len >= room && b->start >= len) {
        memmove(b->data, b->data + b->start, len);
    } else {
        size_t cap = b->cap ? b->cap : 256;

        while (cap < len + room)
            cap *= 2;
        if (b->start) {
            char *fresh = mem_alloc(cap);

            memcpy(fresh, b->data + b->start, len);
            mem_free(b->data);
            b->data = fresh;
        } else {
            b->data = mem_grow(b->data, cap);
        }
        recount(b->cap, cap);
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return b->data + len;
}

void
buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    char *at = buf_reserve(b, 64);
    int need;

    va_copy(again, args);
    need = vsnprintf(at, b->cap - b->end, format, args);
    assert(need >= 0);
    if ((size_t)need >= b->cap - b->end) {
        at = buf_reserve(b, (size_t)need + 1);
        vsnprintf(at, (size_t)need + 1, format, again);
    }
    va_end(again);
    b->end += (size_t)need;
}

void
buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void
buf_put_u64(struct buf *b, uint64_t value)
{
    char digits[STR_U64_MAX];

    buf_add(b, str_of_u64(value, digits));
}

void
buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_len(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void
buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

void
buf_truncate(struct buf *b, size_t len)
{
    assert(len <= buf_len(b));
    b->end = b->start + len;
}

void
buf_shelve(struct buf *b, struct buf_shelf *shelf)
{
    assert(buf_len(b) == 0);
    if (!b->data)
        return;
    if (shelf->n == BUF_SHELF_BUFFERS || b->cap > BUF_SHELF_LARGEST || shelf->bytes + b->cap > BUF_SHELF_BYTES) {
        buf_fini(b);
        return;
    }
    buf_clear(b);
    shelf->bytes += b->cap;
    shelf->buffers[shelf->n++] = *b;
    *b = (struct buf){ 0 };
}

void
buf_unshelve(struct buf *b, struct buf_shelf *shelf)
{
    if (b->data || !shelf->n)
        return;
    *b = shelf->buffers[--shelf->n];
    shelf->bytes -= b->cap;
}

void
buf_shelf_fini(struct buf_shelf *shelf)
{
    while (shelf->n)
        buf_fini(&shelf->buffers[--shelf->n]);
    shelf->bytes = 0;
}

char *
buf_take(struct buf *b)
{
    char *text = mem_dup(b->data + b->start, buf_len(b));

    buf_fini(b);
    return text;
}
