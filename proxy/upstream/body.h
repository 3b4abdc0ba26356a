/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_BODY_H
#define SEXTANT_UPSTREAM_BODY_H

/* A request body on its way: kept whole while it may have to be sent again, else a sliding window. Pure. */

#include <assert.h>

#include "proxy/base/buf.h"

struct body {
    struct buf bytes; /* from offset `base` on */
    uint64_t base;
    bool is_complete; /* no more will come */
    bool is_window;   /* what was sent is forgotten: cannot be sent again, one reader only */
};

enum { BODY_ROOM_KEPT = 256 * 1024 }; /* a window that is empty holds on to no more than this */

static inline uint64_t
body_end(const struct body *b)
{
    return b->base + buf_len(&b->bytes);
}

/* What is there from an offset on; the offset must still be held. */
static inline struct str
body_from(const struct body *b, uint64_t at)
{
    assert(at >= b->base && at <= body_end(b));
    return str_skip(buf_str(&b->bytes), (size_t)(at - b->base));
}

/* Forget everything before `at` if this is a window. */
static inline void
body_sent(struct body *b, uint64_t at)
{
    if (b->is_window && at > b->base) {
        buf_consume(&b->bytes, (size_t)(at - b->base));
        b->base = at;
        if (buf_len(&b->bytes) == 0 && b->bytes.cap > BODY_ROOM_KEPT)
            buf_fini(&b->bytes);
    }
}

#endif
