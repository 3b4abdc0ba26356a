/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/order.h"

#include "proxy/base/mem.h"

struct order *
order_new(void)
{
    struct order *o = MEM_NEW(struct order);

    message_init(&o->fields, &o->arena);
    message_init(&o->answer, &o->arena);
    return o;
}

void
order_free(struct order *o)
{
    if (!o)
        return;
    buf_fini(&o->body);
    buf_fini(&o->answer_body);
    arena_fini(&o->arena);
    mem_free(o);
}

const char *
verdict_name(enum verdict v)
{
    static const char *const names[] = { "committed", "rejected", "indefinite" };

    return names[v];
}
