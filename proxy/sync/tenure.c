/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/tenure.h"

#include <string.h>

/* How long a renewal may be believed, how long a claim must rest before it is taken, and pauses after what did not work. */
enum { HELD_PERIODS = 2, WATCH_PERIODS = 3 };
#define PAUSE_US (TENURE_PERIOD_US / 8)

void
tenure_init(struct tenure *t, const struct tenure_self *self, const char *fresh_identity, int64_t now_us)
{
    *t = (struct tenure){ .self = *self, .todo = TENURE_READ, .todo_at_us = now_us };
    memcpy(t->fresh_identity, fresh_identity, sizeof(t->fresh_identity));
}

void
tenure_set_lsn(struct tenure *t, uint64_t durable_lsn, uint64_t floor_lsn)
{
    t->lsn = durable_lsn < NOTES_NUMBER_MAX ? durable_lsn : NOTES_NUMBER_MAX;
    t->floor_lsn = floor_lsn;
}

static void
plan(struct tenure *t, enum tenure_do todo, int64_t at_us)
{
    t->todo = todo;
    t->todo_at_us = at_us;
}

static void
freeze(struct tenure *t, enum tenure_why why)
{
    t->state = TENURE_FROZEN;
    t->why = why;
    plan(t, TENURE_NOTHING, 0);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static void
draft(struct tenure *t, int64_t now_us)
{
    uint64_t last = t->draft.counter;

    if (t->has_seen && t->seen.counter > last)
        last = t->seen.counter;
    t->draft = (struct claim_note){ .starts = t->self.starts, .lsn = t->lsn, .counter = last + 1 };
    t->draft.is_released = t->is_releasing;
    t->draft.is_free = t->is_freeing;
    memcpy(t->draft.journal, t->self.journal, sizeof(t->draft.journal));
    memcpy(t->draft.start, t->self.start, sizeof(t->draft.start));
    t->drafted_us = now_us;
}

enum tenure_do
tenure_next(struct tenure *t, int64_t now_us, int64_t *ret_wait_us)
{
    *ret_wait_us = 0;
    if (t->todo == TENURE_NOTHING)
        return TENURE_NOTHING;
    if (now_us < t->todo_at_us) {
        *ret_wait_us = t->todo_at_us - now_us;
        return TENURE_WAIT;
    }
    if (t->todo == TENURE_CLAIM)
        draft(t, now_us);
    return t->todo;
}

void
tenure_wrote(struct tenure *t, bool is_done, int64_t now_us)
{
    if (t->state != TENURE_FROZEN)
        plan(t, TENURE_READ, is_done ? now_us : now_us + PAUSE_US);
}

void
tenure_hurry(struct tenure *t, int64_t now_us)
{
    if (t->state == TENURE_HELD && t->todo == TENURE_CLAIM && t->todo_at_us > now_us)
        t->todo_at_us = now_us;
}

void
tenure_failed(struct tenure *t, int64_t now_us)
{
    if (t->state != TENURE_FROZEN)
        plan(t, TENURE_READ, now_us + PAUSE_US);
}

/* --- what a claim that was read means ---------------------------------------------------------------------------- */

static void
take(struct tenure *t, const struct claim_note *seen, int64_t at_us)
{
    t->seen = *seen;
    t->has_seen = true;
    plan(t, TENURE_CLAIM, at_us);
}

static void
confirm(struct tenure *t, const struct claim_note *seen)
{
    t->confirmed = seen->counter;
    t->confirmed_us = t->drafted_us;
    t->has_held = true;
    if (seen->is_released) {
        t->state = TENURE_RELEASED;
        plan(t, TENURE_NOTHING, 0);
        return;
    }
    t->state = t->is_releasing ? TENURE_RELEASING : TENURE_HELD;
    take(t, seen, t->is_releasing ? 0 : t->drafted_us + TENURE_PERIOD_US);
}

/* Does it move as that of one that lives does? What a dead one sent may land late, but once: all that it sent was on condition of
 * the same claim. And what falls has not been renewed: the home lost its last seconds, and whoever lives goes on from there. */
static bool
is_alive(struct tenure *t, const struct claim_note *seen)
{
    bool has_fallen = seen->counter < t->watched_counter;
    bool is_again = t->has_moved && !has_fallen;

    t->has_moved = !has_fallen;
    return is_again;
}

/* It cannot be told whether its holder lives but by looking whether it moves. */
static void
watch(struct tenure *t, const struct claim_note *seen, int64_t now_us)
{
    bool is_watched = t->state == TENURE_WATCHING;
    bool is_same = is_watched && strcmp(seen->start, t->watched_start) == 0 && seen->counter == t->watched_counter;
    int64_t end_us;

    if (seen->is_released) {
        take(t, seen, now_us);
        return;
    }
    if (is_watched && !is_same && is_alive(t, seen)) {
        freeze(t, TENURE_ALIVE);
        return;
    }
    if (!is_same) {
        t->state = TENURE_WATCHING;
        t->watched_us = now_us;
        memcpy(t->watched_start, seen->start, sizeof(t->watched_start));
        t->watched_counter = seen->counter;
    }
    end_us = t->watched_us + WATCH_PERIODS * TENURE_PERIOD_US;
    if (now_us >= end_us)
        take(t, seen, now_us);
    else
        plan(t, TENURE_READ, end_us - now_us < TENURE_PERIOD_US ? end_us : now_us + TENURE_PERIOD_US);
}

/* Older than it can be? Then nothing that follows from it is safe. */
static bool
has_fallen_back(struct tenure *t, const struct claim_note *seen)
{
    if (seen->lsn >= t->floor_lsn)
        return false;
    freeze(t, TENURE_RESTORED);
    return true;
}

static void
judge_own(struct tenure *t, const struct claim_note *seen, int64_t now_us)
{
    bool is_rewound = t->has_held && seen->counter < t->confirmed;

    if (seen->counter > t->draft.counter) {
        freeze(t, TENURE_COPIED); /* a machine that was copied while it ran */
    } else if (seen->counter == t->draft.counter) {
        confirm(t, seen);
    } else if (!is_rewound || !has_fallen_back(t, seen)) {
        t->n_rewinds += is_rewound;
        take(t, seen, now_us + PAUSE_US);
    }
}

/* Of this journal, by another start. */
static void
judge_sibling(struct tenure *t, const struct claim_note *seen, int64_t now_us)
{
    if (t->self.may_replace && !t->has_held) {
        watch(t, seen, now_us);
    } else if (seen->starts > t->self.starts || (seen->starts == t->self.starts && !seen->is_free)) {
        freeze(t, TENURE_COPIED);
    } else if (seen->lsn > t->lsn) {
        freeze(t, TENURE_BEHIND);
    } else if (!has_fallen_back(t, seen)) {
        t->n_rewinds += t->state == TENURE_HELD;
        watch(t, seen, now_us);
    }
}

static void
judge_foreign(struct tenure *t, const struct claim_note *seen, int64_t now_us)
{
    if (t->has_held || !(t->self.may_replace || (seen->is_free && !t->self.has_claimed)))
        freeze(t, TENURE_FOREIGN);
    else
        watch(t, seen, now_us);
}

/* --- what was read ----------------------------------------------------------------------------------------------- */

/* False after deciding: there is no claim of anybody yet, or there must not be one. */
static bool
read_identity(struct tenure *t, const struct notes *n, int64_t now_us)
{
    bool is_known = t->self.identity[0] || t->self.has_claimed || t->has_held;
    bool has_claimed = t->self.has_claimed || t->has_held;

    if (!n->identity[0]) {
        if (is_known)
            freeze(t, TENURE_MISSING);
        else
            plan(t, n->has_collection ? TENURE_IDENTIFY : TENURE_CREATE, now_us);
        return false;
    }
    if (t->self.identity[0] && strcmp(t->self.identity, n->identity) != 0) {
        freeze(t, TENURE_OTHER_CLUSTER);
        return false;
    }
    memcpy(t->self.identity, n->identity, sizeof(t->self.identity));
    if (n->has_claim)
        return true;
    if (has_claimed) {
        freeze(t, TENURE_MISSING);
    } else {
        t->has_seen = false;
        plan(t, TENURE_CLAIM, now_us);
    }
    return false;
}

void
tenure_read(struct tenure *t, const struct notes *n, int64_t now_us)
{
    const struct claim_note *seen = &n->claim;

    if (t->state == TENURE_FROZEN || !read_identity(t, n, now_us))
        return;
    if (strcmp(seen->journal, t->self.journal) != 0)
        judge_foreign(t, seen, now_us);
    else if (strcmp(seen->start, t->self.start) == 0)
        judge_own(t, seen, now_us);
    else
        judge_sibling(t, seen, now_us);
}

/* --- using it ---------------------------------------------------------------------------------------------------- */

bool
tenure_may_send(const struct tenure *t, int64_t now_us)
{
    return t->state == TENURE_HELD && now_us - t->confirmed_us < HELD_PERIODS * TENURE_PERIOD_US;
}

void
tenure_release(struct tenure *t, int64_t now_us)
{
    if (t->state == TENURE_FROZEN || t->is_releasing)
        return;
    t->is_releasing = true;
    if (!t->has_held) {
        t->state = TENURE_RELEASED;
        plan(t, TENURE_NOTHING, 0);
        return;
    }
    t->state = TENURE_RELEASING;
    if (t->todo_at_us > now_us)
        t->todo_at_us = now_us;
}

void
tenure_give_up(struct tenure *t, int64_t now_us)
{
    if (t->has_held && !t->is_releasing)
        t->is_freeing = true;
    tenure_release(t, now_us);
}

const char *
tenure_state_name(enum tenure_state state)
{
    static const char *const names[] = { "starting", "watching", "held", "releasing", "released", "frozen" };

    return names[state];
}

const char *
tenure_sentence(enum tenure_why why)
{
    static const char *const sentences[] = {
        [TENURE_FINE] = "",
        [TENURE_MISSING] =
            "the claim or the identity that was there is gone: the cluster was emptied, or restored from "
            "elsewhere",
        [TENURE_OTHER_CLUSTER] = "another cluster answers under this name than the journal knows",
        [TENURE_FOREIGN] =
            "another journal claims it: that edge owns this home, or this edge's journal directory is new",
        [TENURE_ALIVE] =
            "another process renews the claim: two edges own this home, or a copy of this journal is in use",
        [TENURE_COPIED] = "a later start of this journal claims it: its directory was copied or restored",
        [TENURE_BEHIND] = "the claim knows of records that this journal lacks: its directory was restored from an "
                          "older copy",
        [TENURE_RESTORED] = "the claim is older than a loss of power explains: the cluster was restored from elsewhere",
    };

    return sentences[why];
}
