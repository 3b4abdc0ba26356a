/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy that is added, or added again, while writes are under way. Its walk reads what home is; what is not over at home then is marked
 * for it by itself, as if it had been a copy when that began.
 */
#include "proxy/base/clock.h"
#include "proxy/sync/owner_change.h"
#include "proxy/sync/owner_job.h"

static bool
has_lane(struct lane *const *lanes, unsigned n, const struct lane *l)
{
    for (unsigned i = 0; i < n; i++) {
        if (lanes[i] == l)
            return true;
    }
    return n == ORDER_COPIES_MAX;
}

/* Before its name is resolved it has none yet; one that is not durable tells its lanes when it is. */
static void
join_job(struct job *job, struct lane *l)
{
    bool is_open = job->write.is_inside && (job->state == JOB_QUEUE || job->state == JOB_HOME);

    if (job->state == JOB_RESOLVE || has_lane(job->lanes, job->n_lanes, l) || !lane_takes(l, job->order->op.collection))
        return;
    job->n_there[job->n_lanes] = 0;
    job->lanes[job->n_lanes++] = l;
    if (is_open)
        lane_expect(l, job->points, job->n_points, job->write.age, job->touch->flags & TOUCH_PAYLOAD_ONLY);
}

static void
join_change(struct change *c, struct lane *l)
{
    unsigned how = (c->is_gated ? SCHEMA_HOLDS : 0) | (op_removes(c->op) ? SCHEMA_REMOVES : 0);

    if (c->state == CHANGE_RESOLVE || has_lane(c->lanes, c->n_lanes, l) || (c->name.len && !lane_takes(l, c->name)))
        return;
    c->lanes[c->n_lanes++] = l;
    if (c->is_inside)
        lane_touch_schema(l, c->name, (struct mark_age){ c->lsn, clock_wall_us() }, how, true);
}

void
lane_join(struct lane *l)
{
    struct home *h = l->home;
    struct quarantine *q;
    struct change *c;
    struct job *job;

    l->has_joined = true;
    TAILQ_FOREACH (job, &h->waiting, entry)
        join_job(job, l);
    TAILQ_FOREACH (job, &h->running, entry)
        join_job(job, l);
    TAILQ_FOREACH (c, &h->changes, entry)
        join_change(c, l);
    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (q->hold && lane_takes(l, lexicon_name(h->owner->collections, q->collection)))
            q->lanes |= UINT64_C(1) << l->index;
    }
    lane_touch_schema(l, STR_NONE, (struct mark_age){ 0 }, 0, false); /* its aliases */
}
