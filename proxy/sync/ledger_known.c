/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/ledger_impl.h"

enum { KNOWN_BYTES_MOST = 32 << 20 };

void
spot_forget(struct ledger *l, struct spot *spot)
{
    struct known_row *row = spot->known;
    struct known *k = row ? row->of : NULL;

    if (!k)
        return;
    spot->known = NULL;
    row->spot = NULL;
    if (--k->n_left)
        return;
    TAILQ_REMOVE(&l->known, k, entry);
    l->known_bytes -= k->bytes;
    known_free(k);
}

void
spot_know(struct ledger *l, struct spot *spot, struct known_row *row)
{
    if (spot->n_holds || !TAILQ_EMPTY(&spot->turns))
        return;
    spot_forget(l, spot);
    spot->known = row;
    row->spot = spot;
    row->of->n_left++;
}

static void
forget_oldest(struct ledger *l)
{
    struct known *k = TAILQ_FIRST(&l->known);

    for (unsigned i = 0, left = k->n_left; left; i++) { /* with the last of them it is gone */
        struct spot *spot = k->rows[i].spot;

        if (!spot)
            continue;
        left--;
        spot_forget(l, spot);
        spot_put(l, spot);
    }
}

struct known_row *
ledger_look(const struct ledger *l, const struct mark_key *point, const struct ledger_write **ret_pending)
{
    const struct spot *spot = spot_find(l, point);
    const struct ledger_turn *first = spot ? TAILQ_FIRST(&spot->turns) : NULL;

    *ret_pending = first ? first->write : NULL;
    return spot ? spot->known : NULL;
}

void
ledger_taken(struct ledger *l, struct known_row *row, unsigned n_lanes)
{
    struct spot *spot = row->spot;

    row->n_wanted -= n_lanes < row->n_wanted ? n_lanes : row->n_wanted;
    if (row->n_wanted)
        return;
    spot_forget(l, spot);
    spot_put(l, spot);
}

void
ledger_forget(struct ledger *l, int64_t before_us)
{
    while (!TAILQ_EMPTY(&l->known) && TAILQ_FIRST(&l->known)->at_us < before_us)
        forget_oldest(l);
}

void
ledger_keep(struct ledger *l, struct known *k)
{
    if (k->n_left == 0) {
        known_free(k);
        return;
    }
    TAILQ_INSERT_TAIL(&l->known, k, entry);
    l->known_bytes += k->bytes;
    while (l->known_bytes > KNOWN_BYTES_MOST)
        forget_oldest(l);
}
