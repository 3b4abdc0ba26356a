/* SPDX-License-Identifier: Apache-2.0
 *
 * What a walk does with differences. A mending one marks them; what will be overwritten or deleted is kept first. A comparison
 * looks again before it believes them, as pages of two clusters are not of one moment.
 */
#include "proxy/base/crash_point.h"
#include "proxy/sync/walk_impl.h"

enum { LOOKS = 3, LOOK_AGAIN_US = 300 * 1000 };

static struct mark_key
key_of(const struct walk *w, const struct walk_task *task, const struct walk_difference *d)
{
    return (struct mark_key){ .collection = task->collection,
        .shard_key = w->n_keys ? task->shard_key : 0,
        .point = d->source ? d->source->id : d->target->id };
}

/* Is a change of it on its way as it is, or did one come to the copy after home was read? */
static enum marks_moves
moves(const struct walk *w, const struct mark_key *key)
{
    return marks_moves(w->lane->marks, key, w->read_us);
}

static void
count(struct walk_tally *t, enum walk_kind kind)
{
    t->missing += kind == WALK_MISSING;
    t->unlike += kind == WALK_UNLIKE;
    t->extra += kind == WALK_EXTRA;
}

/* --- comparing --------------------------------------------------------------------------------------------------- */

static bool
was_seen(const struct walk *w, const struct walk_difference *d)
{
    const struct point_id *id = d->source ? &d->source->id : &d->target->id;

    for (unsigned i = 0; i < w->n_suspects; i++) {
        if (w->suspects[i].kind == d->kind && point_eq(&w->suspects[i].id, id))
            return true;
    }
    return false;
}

/* Those that differ at each look, and have no reason to. */
static bool
report(struct walk *w, struct walk_task *task)
{
    struct walk_suspect kept[WALK_SUSPECTS_MAX] = { { .kind = 0 } };
    unsigned n = 0;

    for (unsigned i = 0; i < w->comparison.n; i++) {
        const struct walk_difference *d = &w->comparison.differences[i];
        struct mark_key key = key_of(w, task, d);

        if (moves(w, &key) != MARKS_MOVES && (w->tries == 0 || was_seen(w, d)))
            kept[n++] = (struct walk_suspect){ key.point, d->kind };
    }
    memcpy(w->suspects, kept, n * sizeof(*kept));
    w->n_suspects = n;
    if (n && ++w->tries < LOOKS) {
        timer_set(&w->rest, LOOK_AGAIN_US);
        return false;
    }
    for (unsigned i = 0; i < n; i++)
        count(&task->tally, kept[i].kind);
    return true;
}

/* --- mending ----------------------------------------------------------------------------------------------------- */

/* Of some it cannot be told yet; in a second it can. */
static bool
must_look_again(struct walk *w, const struct walk_task *task)
{
    for (unsigned i = 0; i < w->comparison.n; i++) {
        struct mark_key key = key_of(w, task, &w->comparison.differences[i]);

        if (moves(w, &key) == MARKS_MOVED_JUST_THEN)
            return w->tries++ < LOOKS;
    }
    return false;
}

static bool
mend(struct walk *w, struct walk_task *task)
{
    struct walk_comparison *c = &w->comparison;
    uint64_t extra = task->tally.extra;
    unsigned n = 0;

    if (must_look_again(w, task)) {
        timer_set(&w->rest, USEC_PER_SEC);
        return false;
    }
    for (unsigned i = 0; i < c->n; i++) {
        struct mark_key key = key_of(w, task, &c->differences[i]);

        if (moves(w, &key) != MARKS_RESTS)
            continue;
        c->differences[n++] = c->differences[i];
        extra += c->differences[i].kind == WALK_EXTRA;
    }
    c->n = n;
    if (n)
        crash_point(CRASH_AT_WALK_COMPARED);
    if (!w->may_delete && walk_is_too_much(extra, task->n_target)) {
        walk_stop(w, task, extra);
        return false;
    }
    if (!walk_keep(w, task)) {
        timer_set(&w->rest, USEC_PER_SEC);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        struct mark_key key = key_of(w, task, &c->differences[i]);

        lane_mark(w->lane, &key, 1, w->age, false);
        count(&task->tally, c->differences[i].kind);
    }
    if (n)
        crash_point(CRASH_AT_WALK_MARKED);
    return true;
}

bool
walk_take_differences(struct walk *w, struct walk_task *task)
{
    return w->is_report ? report(w, task) : mend(w, task);
}
