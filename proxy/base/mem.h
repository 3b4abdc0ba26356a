/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_MEM_H
#define SEXTANT_BASE_MEM_H

/* Allocation that cannot fail: running out of memory ends the process with a message, as a half-served request would be
 * worse than a restart. Everything that grows with input is bounded by its owner before it gets here. */

#include <stddef.h>

void *mem_alloc(size_t size);                 /* zeroed */
void *mem_array(size_t n, size_t size);       /* zeroed; n * size may not overflow */
void *mem_grow(void *old, size_t size);       /* like realloc; new bytes are not zeroed */
char *mem_dup(const char *bytes, size_t len); /* adds a NUL */
void mem_free(void *p);                       /* NULL is fine */

/* Zeroed, in pages of 2 MB where the system has them: for much that is read at random, where most of the time is spent on
 * finding pages. `size` is not 0. Not for mem_grow() or mem_free(). */
void *mem_large(size_t size);
void mem_large_free(void *p, size_t size); /* with the size that was asked for; NULL is fine */

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
