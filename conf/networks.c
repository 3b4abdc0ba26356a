/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/networks.h"

struct networks_run {
    uint8_t family, bits;
    unsigned first, n;
};

int
networks_order(const void *a, const void *b)
{
    const struct cidr *x = a, *y = b;

    if (x->bits != y->bits)
        return (int)y->bits - (int)x->bits;
    if (x->base.family != y->base.family)
        return (int)x->base.family - (int)y->base.family;
    return memcmp(x->base.bytes, y->base.bytes, sizeof(x->base.bytes));
}

static bool
is_same_run(const struct cidr *a, const struct cidr *b)
{
    return a->bits == b->bits && a->base.family == b->base.family;
}

struct networks
networks_index(const struct cidr *list, unsigned n, struct arena *arena)
{
    struct networks networks = { .items = list, .n = n };
    unsigned n_runs = 0;

    for (unsigned i = 0; i < n; i++)
        n_runs += i == 0 || !is_same_run(&list[i - 1], &list[i]);
    networks.runs = ARENA_ARRAY(arena, n_runs + 1, struct networks_run);
    for (unsigned i = 0; i < n; i++) {
        if (i == 0 || !is_same_run(&list[i - 1], &list[i]))
            networks.runs[networks.n_runs++] = (struct networks_run){ list[i].base.family, list[i].bits, i, 0 };
        networks.runs[networks.n_runs - 1].n++;
    }
    return networks;
}

/* Of networks of one length the last that begins at or before an address is the only one that can have it. */
static unsigned
last_until(const struct cidr *list, unsigned n, const struct addr *a)
{
    unsigned low = 0;

    while (n > 1) {
        unsigned half = n / 2;

        if (memcmp(list[low + half].base.bytes, a->bytes, sizeof(a->bytes)) <= 0)
            low += half;
        n -= half;
    }
    return low;
}

int
networks_find(const struct networks *networks, const struct addr *a)
{
    for (unsigned i = 0; i < networks->n_runs; i++) {
        const struct networks_run *run = &networks->runs[i];
        unsigned at;

        if (run->family != a->family)
            continue;
        at = run->first + last_until(&networks->items[run->first], run->n, a);
        if (cidr_has(&networks->items[at], a))
            return (int)at;
    }
    return -1;
}
