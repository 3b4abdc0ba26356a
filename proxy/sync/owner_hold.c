/* SPDX-License-Identifier: Apache-2.0
 *
 * Quarantines: after an unknown outcome, the time until what was sent can no longer be carried out (fanout.md §2). It ends when
 * its time has passed and the collection is quiet, as Qdrant applies by itself what failed half-way. Then the points are marked
 * once more, and those of a write are released.
 *
 *   until_us ─▶ quiet? ─▶ yes, or the collection is gone: over
 *      ▲─────────┘ no, or it cannot be told
 */
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/quiet.h"
#include "proxy/sync/readback.h"

enum { QUIET_US = 5 * 1000 * 1000, AGAIN_US = 1000 * 1000 };

int64_t
owner_quarantine_us(const struct owner *o)
{
    return o->up->fleet->world->conf->quarantine * USEC_PER_MSEC;
}

static int64_t
length_us(const struct owner *o, int64_t timeout_us)
{
    int64_t least_us = owner_quarantine_us(o);

    return timeout_us * 2 > least_us ? timeout_us * 2 : least_us;
}

static struct quarantine *
begin(struct home *h, uint32_t collection, int64_t timeout_us)
{
    struct quarantine *q = MEM_NEW(struct quarantine);

    q->home = h;
    q->collection = collection;
    q->timeout_us = timeout_us;
    q->until_us = owner_now_us(h->owner) + length_us(h->owner, timeout_us);
    TAILQ_INSERT_TAIL(&h->quarantines, q, entry);
    return q;
}

void
home_quarantine(struct home *h, struct ledger_hold *hold, uint64_t lanes, uint32_t collection, int64_t timeout_us)
{
    struct quarantine *q = begin(h, collection, timeout_us);

    q->hold = hold;
    q->lanes = lanes;
}

void
lane_quarantine(struct lane *l, const struct mark_key *points, unsigned n, int64_t timeout_us)
{
    struct quarantine *q = begin(l->home, points[0].collection, timeout_us);

    q->lane = l;
    q->points = mem_array(n, sizeof(*points));
    memcpy(q->points, points, n * sizeof(*points));
    q->n_points = n;
}

void
home_taint(struct home *h, uint32_t collection)
{
    begin(h, collection, 0);
    h->settling.n_taints++;
}

void
lane_taint(struct lane *l, uint32_t collection)
{
    begin(l->home, collection, 0)->lane = l;
    l->n_taints++;
}

void
lane_taint_all(struct lane *l)
{
    struct quarantine *q;

    TAILQ_FOREACH (q, &l->home->quarantines, entry) {
        if (q->lane != l || q->n_points == 0)
            continue;
        mem_free(q->points);
        q->points = NULL;
        q->n_points = 0;
        l->n_taints++;
    }
}

static void
drop(struct quarantine *q)
{
    TAILQ_REMOVE(&q->home->quarantines, q, entry);
    quiet_cancel(&q->quiet);
    readback_cancel(&q->readback);
    mem_free(q->points);
    mem_free(q);
}

void
lane_drop_quarantines(struct lane *l)
{
    struct quarantine *q, *next;

    for (q = TAILQ_FIRST(&l->home->quarantines); q; q = next) {
        next = TAILQ_NEXT(q, entry);
        if (q->lane == l)
            drop(q);
    }
    l->n_taints = 0;
}

void
home_drop_quarantines(struct home *h)
{
    struct quarantine *q;

    while ((q = TAILQ_FIRST(&h->quarantines)))
        drop(q);
}

/* --- the end of one ---------------------------------------------------------------------------------------------- */

static void
end_of_write(struct quarantine *q)
{
    struct lane *l;

    crash_point(CRASH_AT_OWNER_HOLD_OVER);
    LIST_FOREACH (l, &q->home->lanes, entry) {
        if (q->lanes >> l->index & 1 && !rule_is_off(RULE_AGAIN))
            lane_mark(l, q->hold->points, q->hold->n_points, q->hold->age, false);
    }
    crash_point(CRASH_AT_OWNER_HOLD_MARKED);
    ledger_release(q->home->ledger, q->hold);
    crash_point(CRASH_AT_OWNER_HOLD_RELEASED);
}

static void
end_of_ship(struct quarantine *q)
{
    struct lane *l = q->lane;

    if (q->n_points) {
        crash_point(CRASH_AT_LANE_QUARANTINE_OVER);
        for (unsigned i = 0; i < q->n_points; i++)
            marks_again(l->marks, &q->points[i]);
        crash_point(CRASH_AT_LANE_MARKED_AGAIN);
    } else if (--l->n_taints == 0) {
        marks_again_all(l->marks);
        crash_point(CRASH_AT_LANE_TAINT_OVER);
    }
}

/* What came of it is known now, and must be after home's power failed as well. */
static void
on_read_back(void *arg, bool is_done)
{
    struct quarantine *q = arg;
    struct home *h = q->home;

    q->readback = NULL;
    if (!is_done) {
        q->until_us = owner_now_us(h->owner) + AGAIN_US;
        return;
    }
    end_of_write(q);
    drop(q);
    home_run(h);
}

static void
on_quiet(void *arg, const struct outcome *why, const struct quiet_collection *c)
{
    struct quarantine *q = arg;
    struct home *h = q->home;
    bool is_gone = why->kind == OUTCOME_REFUSED && why->status == 404;

    q->quiet = NULL;
    if (!is_gone && (why->kind != OUTCOME_OK || !c->is_quiet)) {
        q->until_us = owner_now_us(h->owner) + AGAIN_US;
        return;
    }
    if (q->hold && !is_gone) {
        q->readback = readback_start(h, q->hold->age.lsn, q->hold->points, q->hold->n_points, on_read_back, q);
        return;
    }
    if (q->hold)
        end_of_write(q);
    else if (q->lane)
        end_of_ship(q);
    else
        h->settling.n_taints--;
    drop(q);
    home_run(h);
}

void
home_check_quarantines(struct home *h)
{
    struct owner *o = h->owner;
    struct quarantine *q;

    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (q->quiet || q->readback || (q->hold && !home_may_send(h)) || owner_now_us(o) < q->until_us)
            continue;
        q->quiet = quiet_ask_collection(o->up, str_from(q->lane ? q->lane->copy : h->name),
            lexicon_name(o->collections, q->collection), QUIET_US, on_quiet, q);
    }
}
