/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

/* Whole large pages, but for less than half of one whole small ones. */
static size_t
large_size(size_t size)
{
    size_t unit = size < LARGE_PAGE / 2 ? PAGE : LARGE_PAGE;

    return (size + unit - 1) / unit * unit;
}

static void *
checked(void *p)
{
    if (!p) {
        fputs("sextant: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *
mem_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *
mem_array(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1));
}

void *
mem_grow(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

/* Mapped with room to spare on both sides of a boundary, and cut to it. The heap would give memory that has its small pages. */
void *
mem_large(size_t size)
{
    size_t wanted = large_size(size) + LARGE_PAGE;
    char *p = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *begin, *end;

    checked(p != MAP_FAILED && size ? p : NULL);
    begin = p + (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
    end = begin + large_size(size);
    if (begin > p)
        munmap(p, (size_t)(begin - p));
    if (p + wanted > end)
        munmap(end, (size_t)(p + wanted - end));
    madvise(begin, large_size(size), MADV_HUGEPAGE); /* where it is refused, memory is as slow as usual */
    return begin;
}

void
mem_large_free(void *p, size_t size)
{
    if (p)
        munmap(p, large_size(size));
}

char *
mem_dup(const char *bytes, size_t len)
{
    char *copy = checked(malloc(len + 1));

    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

void
mem_free(void *p)
{
    free(p);
}
