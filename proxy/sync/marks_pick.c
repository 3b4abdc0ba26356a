/* SPDX-License-Identifier: Apache-2.0
 *
 * Which marks are shipped next: of one collection and shard key, those that somebody waits for first, then by age.
 */
#include "proxy/sync/marks_impl.h"

/* Of so many picks one goes by age alone: marks that somebody waits for may not starve the others. */
enum { FAIR_PICK = 4 };

static uint64_t
top_lsn(const struct marks *m, const struct vec *heap)
{
    return heap->n ? m->slots[heap->items[0]].lsn : UINT64_MAX;
}

/* The heap that the group's next mark stands on; fair: the one with the older top. */
static const struct vec *
next_heap(const struct marks *m, const struct group *g, bool is_fair)
{
    const struct vec *urgent = &g->ready[1], *other = &g->ready[0];

    if (!is_fair)
        return urgent->n ? urgent : other;
    return top_lsn(m, urgent) < top_lsn(m, other) ? urgent : other;
}

static bool
goes_before(const struct marks *m, const struct group *a, const struct group *b, bool is_fair)
{
    if (!is_fair && !a->ready[1].n != !b->ready[1].n)
        return a->ready[1].n > 0;
    return top_lsn(m, next_heap(m, a, is_fair)) < top_lsn(m, next_heap(m, b, is_fair));
}

static bool
has_ready(const struct group *g)
{
    return g->ready[0].n || g->ready[1].n;
}

static const struct group *
next_group(const struct marks *m, bool is_fair)
{
    const struct group *best = NULL;

    for (const struct group *g = m->group_table; g; g = g->hh.next) {
        if (has_ready(g) && !g->is_blocked && (!best || goes_before(m, g, best, is_fair)))
            best = g;
    }
    return best;
}

static void
take_off(struct marks *m, uint32_t at, struct mark_pick *ret_pick)
{
    struct mark_view view;

    mark_view_of(m, at, &view);
    table_move(m, at, MARK_FLYING);
    *ret_pick = (struct mark_pick){ view.key, m->last_number, view.payload_only };
}

unsigned
marks_pick(struct marks *m, unsigned max, struct mark_pick *ret_picks)
{
    bool is_fair = m->n_picks++ % FAIR_PICK == FAIR_PICK - 1;
    const struct group *g = next_group(m, is_fair);
    unsigned n = 0;

    for (; g && n < max && has_ready(g); n++)
        take_off(m, next_heap(m, g, is_fair)->items[0], &ret_picks[n]);
    return n;
}

bool
marks_take(struct marks *m, const struct mark_key *key, struct mark_pick *ret_pick)
{
    uint32_t at = table_find(m, key);

    if (at == NO_SLOT || m->slots[at].state != MARK_READY || m->groups[m->slots[at].group]->is_blocked)
        return false;
    take_off(m, at, ret_pick);
    return true;
}
