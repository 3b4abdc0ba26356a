/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/known.h"

#include "proxy/base/mem.h"

enum { SPOT_BYTES = 160 /* about what the ledger needs for one */ };

struct known *
known_new(struct buf *body, unsigned n, int64_t now_us)
{
    struct known *k = mem_alloc(sizeof(*k) + n * sizeof(k->rows[0]));

    *k = (struct known){ .n = n, .at_us = now_us };
    k->bytes = sizeof(*k) + n * (sizeof(k->rows[0]) + SPOT_BYTES) + body->cap;
    k->text = state_text_new(body);
    for (unsigned i = 0; i < n; i++)
        k->rows[i] = (struct known_row){ .of = k };
    return k;
}

void
known_free(struct known *k)
{
    state_text_unref(k->text);
    mem_free(k);
}
