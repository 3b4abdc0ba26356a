/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/quota.h"

#include "proxy/base/mem.h"

enum { PLACES = 8192, WAYS = 8 };

struct quota {
    struct bucket {
        atomic_ulong name;
        atomic_llong full_ns; /* when it is full again */
    } buckets[PLACES][WAYS];
};

struct quota *
quota_new(void)
{
    return MEM_NEW(struct quota);
}

void
quota_free(struct quota *q)
{
    mem_free(q);
}

static struct bucket *
find(struct bucket *place, unsigned long name)
{
    struct bucket *best = NULL;
    long long best_ns = 0;

    for (unsigned i = 0; i < WAYS; i++) {
        long long full_ns = atomic_load_explicit(&place[i].full_ns, memory_order_relaxed);

        if (atomic_load_explicit(&place[i].name, memory_order_relaxed) == name)
            return &place[i];
        if (!best || full_ns < best_ns) {
            best = &place[i];
            best_ns = full_ns;
        }
    }
    atomic_store_explicit(&best->name, name, memory_order_relaxed);
    atomic_store_explicit(&best->full_ns, 0, memory_order_relaxed);
    return best;
}

int64_t
quota_take(struct quota *q, uint64_t name, uint64_t rate, uint64_t burst, int64_t now_us)
{
    struct bucket *b = find(q->buckets[name % PLACES], name);
    long long now_ns = now_us * 1000, interval_ns = (long long)(UINT64_C(1000000000) / rate);
    long long was = atomic_load_explicit(&b->full_ns, memory_order_relaxed), next;

    do {
        next = (was > now_ns ? was : now_ns) + interval_ns;
        if (next - now_ns > interval_ns * (long long)burst)
            return (next - now_ns - interval_ns * (long long)burst + 999) / 1000;
    } while (
        !atomic_compare_exchange_weak_explicit(&b->full_ns, &was, next, memory_order_relaxed, memory_order_relaxed));
    return 0;
}
