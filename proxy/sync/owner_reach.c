/* SPDX-License-Identifier: Apache-2.0
 *
 * How far writes have come, told to whoever reads with X-Sextant-Token (fanout.md §11): of a copy its lane's position, of a home
 * whether the process that answers there is one that has lost nothing. And, to all readers, who lacks data: of what is only behind,
 * or compared out of doubt, an older state is read, but nobody reads what is not there yet, or no more:
 *
 *   a copy   that nothing was brought to, was emptied, is a copy again, or lacks a collection that no record deleted: until a walk has
 *            passed all of it, and what that found has landed, but for points that it refuses
 *   a copy   that another cluster stands for, by its identity
 *   a home   whose claim or identity is gone, is older than a loss of power explains, or is another cluster's: until a claim is held
 *   a home   that is being restored
 *
 * Told at each tick, and at once when it changes. A position that is not told lapses; data that are lacking are so until the
 * opposite is told.
 */
#include "proxy/sync/owner_reach.h"

#include "proxy/obs/log.h"
#include "proxy/store/identity.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/upstream/reach.h"

static int
index_of(const struct owner *o, const char *cluster)
{
    return topology_find(o->up->fleet->world->topology, str_from(cluster));
}

/* --- who lacks data ---------------------------------------------------------------------------------------------- */

static void
tell_lack(const struct owner *o, int home, int cluster, bool lacks)
{
    const struct fleet *f = o->up->fleet;

    if (reach_tell_lack(f, (unsigned)home, (unsigned)cluster, lacks))
        log_info("cluster %s: %s of home %s, it is %sread", f->clusters[cluster].cluster->name,
            lacks ? "known to lack data" : "not known any more to lack data", f->clusters[home].cluster->name,
            lacks ? "not " : "");
}

bool
lane_has_lost(struct lane *l)
{
    if (lane_is_restoring(l) || lane_is_filling(l))
        return false;
    l->has_lost = l->is_partial = true;
    l->home->owner->is_save_due = true;
    lane_check_again(l); /* perhaps all of it is gone */
    lane_tell_reach(l);
    return true;
}

/* What was found by the walk that fills it has the lowest age. */
void
lane_look_whether_whole(struct lane *l)
{
    struct mark_age oldest;
    bool is_brought = !marks_oldest(l->marks, MARKS_OPEN & ~(1U << MARK_PARKED), &oldest) || oldest.lsn > 1;

    if (l->is_partial && l->check == LANE_SHIPS && !l->has_lost && !lane_is_filling(l) && is_brought) {
        l->is_partial = false;
        l->home->owner->is_save_due = true;
    }
}

static bool
is_of_lost_data(enum tenure_why why)
{
    return why == TENURE_MISSING || why == TENURE_RESTORED || why == TENURE_OTHER_CLUSTER;
}

void
home_note_loss(struct home *h)
{
    enum tenure_state state = claim_state(h->claim);
    bool was_lost = h->is_lost;

    if (state == TENURE_HELD)
        h->is_lost = false;
    else if (state == TENURE_FROZEN && is_of_lost_data(claim_why(h->claim)))
        h->is_lost = true;
    if (h->is_lost == was_lost)
        return;
    h->owner->is_save_due = true;
    home_tell_reach(h);
}

/* --- how far writes have come ------------------------------------------------------------------------------------ */

/* After a start, what an earlier process had sent may come late, and undo what was there. */
static uint64_t
told_position(const struct lane *l)
{
    return l->check == LANE_SHIPS && l->n_taints == 0 && !l->is_partial ? lane_position(l) : 0;
}

void
lane_tell_reach(struct lane *l)
{
    struct owner *o = l->home->owner;
    int home = index_of(o, l->home->name), copy = index_of(o, l->copy);

    l->told_lsn = told_position(l);
    if (home < 0 || copy < 0 || lane_is_restoring(l))
        return;
    reach_tell(o->up->fleet, (unsigned)home, (unsigned)copy, l->told_lsn, l->sure_us, owner_now_us(o));
    tell_lack(o, home, copy, l->is_partial || l->is_swapped);
}

void
home_tell_reach(struct home *h)
{
    struct owner *o = h->owner;
    const struct watch *w = &h->watch;
    int home = index_of(o, h->name);
    uint64_t lsn = h->claim && w->is_sure && !h->rewind && !home_is_frozen(h) ? REACH_ALL : 0;

    if (home < 0 || h->restores)
        return;
    reach_tell(o->up->fleet, (unsigned)home, (unsigned)home, lsn, w->sure_us, owner_now_us(o));
    tell_lack(o, home, home, h->is_lost || h->restore);
}

void
home_begin_reach(struct home *h)
{
    struct owner *o = h->owner;
    struct journal_stats stats;
    char uuid[UUID_TEXT_BYTES];
    int home = index_of(o, h->name);
    struct lane *l;

    if (home < 0)
        return;
    journal_stats(o->journal, &stats);
    journal_uuid_print(&stats.uuid, uuid);
    reach_begin(o->up->fleet, (unsigned)home, stamp_journal(str_from(uuid)), stats.starts);
    home_tell_reach(h);
    LIST_FOREACH (l, &h->lanes, entry)
        lane_tell_reach(l);
}
