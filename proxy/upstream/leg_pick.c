/* SPDX-License-Identifier: Apache-2.0
 *
 * Which backend of its cluster a leg asks next. Only looks.
 */
#include "proxy/upstream/leg_impl.h"

enum { BACKENDS_PER_CLUSTER = 64 };

/* The strictness of the choice: first usable ones that are not penalised for the collection, then those too, then any. */
enum choosing { CHOOSE_GOOD, CHOOSE_USABLE, CHOOSE_ANY };

static bool
is_eligible(const struct leg *leg, const struct fleet_backend *fb, enum choosing how)
{
    enum health_state state = backend_state(fb->backend);

    if (how == CHOOSE_ANY)
        return leg->spec.try_down || state == HEALTH_EJECTED;
    if (!health_is_usable(state))
        return false;
    return how == CHOOSE_USABLE || !backend_is_penalised(fb->backend, leg->spec.op->collection, leg_now_us(leg));
}

static int
pick_how(const struct leg *leg, enum choosing how)
{
    const struct fleet_cluster *fc = leg_fleet_cluster(leg);
    struct choice choices[BACKENDS_PER_CLUSTER];
    unsigned n = fc->n_backends < BACKENDS_PER_CLUSTER ? fc->n_backends : BACKENDS_PER_CLUSTER;

    for (unsigned i = 0; i < n; i++) {
        const struct fleet_backend *fb = &fc->backends[i];

        choices[i] = (struct choice){
            .is_eligible = !(leg->tried >> i & 1) && !leg_is_held(leg, fb) && is_eligible(leg, fb, how),
            .outstanding = atomic_load_explicit(&fb->backend->shared.outstanding, memory_order_relaxed),
            .latency_us = (double)atomic_load_explicit(&fb->backend->shared.latency_us, memory_order_relaxed),
            .weight = fb->weight * backend_share(fb->backend, leg_now_us(leg)),
        };
    }
    return balance_pick(choices, n, n > 1 ? upstream_random(leg->up) : 0);
}

static int
pick_pinned(const struct leg *leg)
{
    const struct fleet_cluster *fc = leg_fleet_cluster(leg);
    unsigned number = leg->spec.endpoint ? leg->spec.endpoint : 1;

    for (unsigned i = 0; i < fc->n_backends && i < BACKENDS_PER_CLUSTER; i++) {
        if (fc->backends[i].endpoint == number)
            return leg->tried >> i & 1 || leg_is_held(leg, &fc->backends[i]) ? -1 : (int)i;
    }
    return -1;
}

int
leg_pick(const struct leg *leg)
{
    int chosen = -1;

    if (leg->spec.is_pinned)
        return pick_pinned(leg);
    for (int how = CHOOSE_GOOD; how <= CHOOSE_ANY && chosen < 0; how++)
        chosen = pick_how(leg, (enum choosing)how);
    return chosen;
}

/* Before any is looked at: most clusters are one endpoint to us. */
static bool
has_untried(const struct leg *leg)
{
    unsigned n = leg_fleet_cluster(leg)->n_backends;

    return n && ~leg->tried << (n < BACKENDS_PER_CLUSTER ? BACKENDS_PER_CLUSTER - n : 0) != 0;
}

bool
leg_has_endpoint(const struct leg *leg)
{
    return !leg->spec.is_pinned && has_untried(leg) && leg_pick(leg) >= 0;
}
