/* SPDX-License-Identifier: Apache-2.0
 *
 * What other threads see of the owner.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/sync/restore_impl.h"

void
owner_show_lane(struct owner *o, struct lane *l)
{
    pthread_mutex_lock(&o->shared.lock);
    o->shared.lanes = mem_grow(o->shared.lanes, (o->shared.n_lanes + 1) * sizeof(struct lane *));
    o->shared.lanes[o->shared.n_lanes++] = l;
    pthread_mutex_unlock(&o->shared.lock);
}

void
owner_hide_lane(struct owner *o, struct lane *l)
{
    unsigned n = 0;

    pthread_mutex_lock(&o->shared.lock);
    for (unsigned i = 0; i < o->shared.n_lanes; i++) {
        if (o->shared.lanes[i] != l)
            o->shared.lanes[n++] = o->shared.lanes[i];
    }
    o->shared.n_lanes = n;
    pthread_mutex_unlock(&o->shared.lock);
}

static int64_t
lag_us_locked(const struct lane *l)
{
    int64_t now_us = clock_mono_us(), lag_us = clock_wall_us() - l->shared.oldest_wall_us;

    if (l->shared.oldest_wall_us == 0)
        return 0;
    if (l->shared.most_us && lag_us > now_us - l->shared.most_us)
        lag_us = now_us - l->shared.most_us;
    return lag_us > now_us - l->shared.least_us ? lag_us : now_us - l->shared.least_us;
}

unsigned
owner_lanes(struct owner *o, struct lane_view *ret_views, unsigned max)
{
    unsigned n;

    pthread_mutex_lock(&o->shared.lock);
    n = o->shared.n_lanes;
    for (unsigned i = 0; i < n && i < max; i++) {
        struct lane *l = o->shared.lanes[i];

        pthread_mutex_lock(&l->shared.lock);
        ret_views[i] = l->shared.view;
        ret_views[i].lag_us = lag_us_locked(l);
        pthread_mutex_unlock(&l->shared.lock);
    }
    pthread_mutex_unlock(&o->shared.lock);
    return n;
}

void
owner_show_restores(struct owner *o)
{
    struct restores *r = &o->shared.restores;
    const struct home *h;

    pthread_mutex_lock(&o->shared.lock);
    r->n = 0;
    LIST_FOREACH (h, &o->homes, entry) {
        if (h->restore && r->n < RESTORES_MAX)
            restore_show(h, &r->rows[r->n++]);
    }
    pthread_mutex_unlock(&o->shared.lock);
}

unsigned
owner_restores(struct owner *o, struct restore_view *ret_views, unsigned max)
{
    unsigned n;

    pthread_mutex_lock(&o->shared.lock);
    n = o->shared.restores.n < max ? o->shared.restores.n : max;
    memcpy(ret_views, o->shared.restores.rows, n * sizeof(*ret_views));
    pthread_mutex_unlock(&o->shared.lock);
    return n;
}

void
owner_look(struct owner *o, struct owner_view *ret_view)
{
    pthread_mutex_lock(&o->shared.lock);
    *ret_view = o->shared.view;
    pthread_mutex_unlock(&o->shared.lock);
}

struct metrics *
owner_metrics(struct owner *o)
{
    return o->metrics;
}

struct residency *
owner_residency(struct owner *o)
{
    return o->residency;
}

void
restore_show(const struct home *h, struct restore_view *ret_view)
{
    static const char *const stages[] = { [RESTORE_OFF] = "off",
        [RESTORE_RECORDS] = "begins",
        [RESTORE_CLAIMS] = "claims",
        [RESTORE_SETTLES] = "settles",
        [RESTORE_WALKS] = "walks",
        [RESTORE_REWINDS] = "sends again",
        [RESTORE_SAVES] = "ends",
        [RESTORE_ENDS] = "ends" };
    const struct restore *r = h->restore;

    *ret_view = (struct restore_view){ .stage = stages[r->stage], .may_delete = r->may_delete };
    snprintf(ret_view->home, sizeof(ret_view->home), "%s", h->name);
    snprintf(ret_view->from, sizeof(ret_view->from), "%s", r->from);
    snprintf(ret_view->trouble, sizeof(ret_view->trouble), "%s", r->trouble);
}
