/* SPDX-License-Identifier: Apache-2.0
 *
 * How far writes have come, told to whoever reads with X-Sextant-Token (fanout.md §11): of a copy its lane's position, of a home
 * whether the process that answers there is one that has lost nothing. Told at each tick, and at once when it changes; what
 * is not told lapses.
 */
#include "proxy/sync/owner_reach.h"

#include "proxy/store/identity.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/upstream/reach.h"

static int
index_of(const struct owner *o, const char *cluster)
{
    return topology_find(o->up->fleet->world->topology, str_from(cluster));
}

/* After a start, what an earlier process had sent may come late, and undo what was there. */
static uint64_t
told_position(const struct lane *l)
{
    return l->check == LANE_SHIPS && l->n_taints == 0 ? lane_position(l) : 0;
}

void
lane_tell_reach(struct lane *l)
{
    struct owner *o = l->home->owner;
    int home = index_of(o, l->home->name), copy = index_of(o, l->copy);

    l->told_lsn = told_position(l);
    if (home >= 0 && copy >= 0 && !lane_is_restoring(l))
        reach_tell(o->up->fleet, (unsigned)home, (unsigned)copy, l->told_lsn, l->sure_us, owner_now_us(o));
}

void
home_tell_reach(struct home *h)
{
    struct owner *o = h->owner;
    const struct watch *w = &h->watch;
    int home = index_of(o, h->name);
    uint64_t lsn = h->claim && w->is_sure && !h->rewind && !home_is_frozen(h) ? REACH_ALL : 0;

    if (home >= 0)
        reach_tell(o->up->fleet, (unsigned)home, (unsigned)home, lsn, w->sure_us, owner_now_us(o));
}

void
home_begin_reach(struct home *h)
{
    struct owner *o = h->owner;
    struct journal_stats stats;
    char uuid[UUID_TEXT_BYTES];
    int home = index_of(o, h->name);

    if (home < 0)
        return;
    journal_stats(o->journal, &stats);
    journal_uuid_print(&stats.uuid, uuid);
    reach_begin(o->up->fleet, (unsigned)home, stamp_journal(str_from(uuid)), stats.starts);
}
