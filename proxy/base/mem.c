/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
