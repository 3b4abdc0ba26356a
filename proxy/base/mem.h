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

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
