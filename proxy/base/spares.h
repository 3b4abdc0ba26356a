/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_SPARES_H
#define SEXTANT_BASE_SPARES_H

/* A few objects of one kind that nobody uses, for whoever needs one next. What they hold in memory is for their owner to keep
 * or release. A zeroed struct is a valid empty one. Belongs to one thread. */

#include <stdbool.h>
#include <stddef.h>

/* ASan finds the use of what was freed, not of what lies here. */
#ifdef __SANITIZE_ADDRESS__
enum { SPARES_MAX = 1, SPARES_KEPT = 0 };
#else
enum { SPARES_MAX = 256, SPARES_KEPT = SPARES_MAX };
#endif

struct spares {
    void *items[SPARES_MAX];
    unsigned n;
};

/* NULL when there is none. Its content is what it was. */
static inline void *
spares_take(struct spares *s)
{
    return s->n ? s->items[--s->n] : NULL;
}

/* False when there are enough: then it is the caller's to free. */
static inline bool
spares_give(struct spares *s, void *item)
{
    if (s->n >= SPARES_KEPT)
        return false;
    s->items[s->n++] = item;
    return true;
}

#endif
