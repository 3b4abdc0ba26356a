/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/marks_impl.h"

/* Quarantines: what is marked once more when they end. */

static void
mark_again(struct marks *m, uint32_t at)
{
    struct slot *s = &m->slots[at];

    if (s->state == MARK_FLYING) {
        mark_in_flight(m, s, s->lsn, s->time_ms, false);
        return;
    }
    s->payload_only = false;
    if (s->state == MARK_WAITING)
        table_move(m, at, MARK_READY);
}

void
marks_again(struct marks *m, const struct mark_key *key)
{
    uint32_t at = table_find(m, key);

    if (at == NO_SLOT || m->slots[at].again == 0)
        return;
    if (m->slots[at].again < AGAIN_MAX) /* one that is full has lost how many they were: only a restart clears it */
        m->slots[at].again--;
    mark_again(m, at);
}

void
marks_taint(struct marks *m)
{
    for (uint32_t at = 0; at < m->n; at++) {
        m->slots[at].again = 0;
        m->slots[at].is_tainted = true;
        if (m->slots[at].state == MARK_SETTLED)
            table_move(m, at, MARK_WAITING);
    }
}

void
marks_again_all(struct marks *m)
{
    for (uint32_t at = 0; at < m->n; at++) {
        if (!m->slots[at].is_tainted)
            continue;
        m->slots[at].is_tainted = false;
        mark_again(m, at);
    }
}

/* For want of memory. */

void
marks_shed(struct marks *m)
{
    for (uint32_t at = m->n; at-- > 0;) {
        struct slot *s = &m->slots[at];

        if (s->state != MARK_FLYING)
            table_remove(m, at);
        else if (slot_is_unsure(s))
            s->again = 0, s->is_tainted = true;
    }
}

void
marks_forget_settled(struct marks *m)
{
    for (uint32_t at = m->n; at-- > 0;) {
        if (m->slots[at].state == MARK_SETTLED)
            table_remove(m, at);
    }
}
