/* SPDX-License-Identifier: Apache-2.0
 *
 * What a copy may have been sent since some moment: for a walk, whose pages of home and copy are not of one moment.
 */
#include "proxy/sync/marks_impl.h"

uint64_t
marks_flights(const struct marks *m)
{
    return m->last_number;
}

uint64_t
marks_moved(const struct marks *m, uint64_t flights)
{
    uint64_t n = m->last_number - flights;

    for (unsigned state = 0; state < MARK_STATES; state++)
        n += state == MARK_SETTLED ? 0 : m->counts[state];
    return n;
}

enum marks_moves
marks_moves(const struct marks *m, const struct mark_key *key, int64_t since_us)
{
    uint32_t at = table_find(m, key);
    const struct slot *s = at != NO_SLOT ? &m->slots[at] : NULL;
    uint8_t seconds = s ? (uint8_t)(s->byte - mark_second(since_us)) : 0;

    if (!s)
        return MARKS_RESTS;
    if (s->state != MARK_SETTLED)
        return MARKS_MOVES;
    if (seconds == 0)
        return MARKS_MOVED_JUST_THEN;
    /* seconds wrap; what is settled is not older than MARKS_SETTLE_SECONDS and a little */
    return seconds < UINT8_MAX / 2 ? MARKS_MOVES : MARKS_RESTS;
}
