/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/lane_walk.h"

#include <stdio.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/walk_impl.h"

enum {
    BACKLOG_MAX = 1024, /* marks that wait to be shipped: more are not added */
    SETTLE_US = MARKS_SETTLE_SECONDS * 1000 * 1000,
};

/* --- life -------------------------------------------------------------------------------------------------------- */

static void
on_rested(void *arg)
{
    struct walk *w = arg;

    lane_walk_run(w->lane);
}

struct walk *
walk_new(struct lane *l, const char *why)
{
    struct walk *w = MEM_NEW(struct walk);

    w->lane = l;
    w->number = ++l->home->owner->n_walks;
    w->limit = WALK_ROWS_MAX;
    w->position = lane_position(l);
    w->age = (struct mark_age){ w->position + 1, clock_wall_us() };
    TAILQ_INIT(&w->tasks);
    TAILQ_INIT(&w->done);
    timer_init(&w->rest, l->home->owner->loop, on_rested, w);
    snprintf(w->why, sizeof(w->why), "%s", why);
    return w;
}

static void
drop_tasks(struct walk_tasks *tasks)
{
    struct walk_task *task;

    while ((task = TAILQ_FIRST(tasks))) {
        TAILQ_REMOVE(tasks, task, entry);
        mem_free(task);
    }
}

void
lane_walk_fini(struct lane *l)
{
    struct walk *w = l->walk;

    l->walk = NULL;
    if (!w)
        return;
    walk_reset_step(w);
    drop_tasks(&w->tasks);
    drop_tasks(&w->done);
    timer_fini(&w->rest);
    buf_fini(&w->source_text);
    arena_fini(&w->arena);
    mem_free(w->only);
    mem_free(w);
}

struct walk_task *
walk_add_task(struct walk *w, uint32_t collection)
{
    struct walk_task *task = MEM_NEW(struct walk_task);

    task->collection = collection;
    TAILQ_INSERT_TAIL(&w->tasks, task, entry);
    return task;
}

static void
remove_task(struct walk *w, uint32_t collection)
{
    struct walk_tasks *lists[] = { &w->tasks, &w->done };
    struct walk_task *task, *next;

    for (unsigned i = 0; i < 2; i++) {
        for (task = TAILQ_FIRST(lists[i]); task; task = next) {
            next = TAILQ_NEXT(task, entry);
            if (task->collection != collection)
                continue;
            if (task == TAILQ_FIRST(&w->tasks))
                walk_reset_step(w);
            TAILQ_REMOVE(lists[i], task, entry);
            mem_free(task);
        }
    }
}

/* --- begin ------------------------------------------------------------------------------------------------------- */

bool
lane_is_mending(const struct lane *l)
{
    return l->walk && !l->walk->is_report && !l->walk->is_over;
}

bool
lane_is_filling(const struct lane *l)
{
    return lane_is_mending(l) && l->walk->fills;
}

/* From the start. What came to the target since it was counted was brought there by the lane, and is no part of what a fifth is of. */
static void
renew(struct walk_task *task)
{
    struct walk_task old = *task;

    *task = (struct walk_task){ .entry = old.entry, .collection = old.collection };
    task->was_counted = old.is_counted || old.was_counted;
    task->n_before = old.is_counted ? old.n_target : old.n_before;
}

/* All of it, from the start. What was dropped for it before is still dropped. */
static void
begin_again(struct walk *w)
{
    struct walk_task *task, *next;

    walk_reset_step(w);
    for (task = TAILQ_FIRST(&w->tasks); task; task = next) {
        next = TAILQ_NEXT(task, entry);
        if (lane_takes(w->lane, lexicon_name(w->lane->home->owner->collections, task->collection)))
            renew(task);
        else
            remove_task(w, task->collection);
    }
    drop_tasks(&w->done);
    mem_free(w->only);
    w->only = NULL;
    w->is_listed = w->is_stopped = false;
    w->trouble[0] = '\0';
}

static void
tell_begin(const struct walk *w)
{
    struct lane *l = w->lane;

    log_info("lane %s to %s: is compared with home, as %s", l->home->name, l->copy, w->why);
    events_add(EVENT_WALK, str_from(l->copy), "all points are compared with home %s, as %s", l->home->name, w->why);
    l->home->owner->is_save_due = true;
    crash_point(CRASH_AT_WALK_BEGUN);
}

static struct walk *
mend(struct lane *l, const char *why)
{
    struct walk *w;

    if (!lane_is_mending(l)) {
        w = walk_new(l, why);
        lane_walk_fini(l);
        l->walk = w;
    }
    w = l->walk;
    w->may_delete = false;
    snprintf(w->why, sizeof(w->why), "%s", why);
    return w;
}

static void
renew_task(struct walk *w, uint32_t collection)
{
    struct walk_task *task;

    TAILQ_FOREACH (task, &w->tasks, entry) {
        if (task->collection != collection)
            continue;
        if (task == TAILQ_FIRST(&w->tasks))
            walk_reset_step(w);
        renew(task);
        return;
    }
    remove_task(w, collection);
    walk_add_task(w, collection);
}

void
lane_walk(struct lane *l, uint32_t collection, const char *why)
{
    bool was_mending = lane_is_mending(l);
    struct walk *w = mend(l, why);

    if (collection == 0) {
        begin_again(w);
    } else if (!was_mending || w->is_listed) { /* else it will be among those that are found */
        w->is_listed = true;
        w->is_stopped = false; /* what stopped it is asked again */
        renew_task(w, collection);
    }
    tell_begin(w);
    lane_publish(l);
    lane_walk_run(l);
}

void
lane_walk_doubted(struct lane *l, const char *why, bool is_new, bool fills)
{
    struct walk *w = l->walk;
    bool is_known = w && !w->is_report && w->position == 0; /* to this process, which has left no note yet */

    if (!is_new && is_known && w->is_over && l->noted_lsn == LANE_NOT_NOTED)
        return;
    l->is_partial |= fills;
    if (is_new || !is_known || w->is_over)
        lane_walk(l, 0, why);
    l->walk->position = 0;
    l->walk->age.lsn = 1;
    l->walk->fills |= fills;
}

/* --- overflow ---------------------------------------------------------------------------------------------------- */

static void
mark_open(void *arg, const struct open_write *open)
{
    struct lane *l = arg;

    if (open->lanes >> l->index & 1)
        lane_mark(l, open->points, open->n_points, open->age, false);
}

/* A write that is not over at home may change what the walk has passed: its marks come back. */
bool
lane_overflow(struct lane *l, unsigned points)
{
    int64_t now_us = owner_now_us(l->home->owner);
    struct walk *w;

    if (lane_is_mending(l) && l->walk->is_crowded && now_us - l->shed_us < USEC_PER_SEC)
        return false; /* what must be kept needs it all, for some time */
    marks_forget_settled(l->marks);
    if (lane_has_room(l, points)) {
        l->shed_us = now_us;
        return true;
    }
    w = mend(l, "more points waited for it than SEXTANT_LANE_MEMORY allows");
    marks_shed(l->marks);
    lane_taint_all(l);
    home_each_open(l->home, mark_open, l);
    begin_again(w);
    w->shed_lsn = journal_last(l->home->owner->journal);
    l->shed_us = now_us;
    tell_begin(w);
    lane_publish(l);
    w->is_crowded = !lane_has_room(l, points);
    return !w->is_crowded;
}

static bool
has_shed(const struct lane *l)
{
    return l->shed_us && owner_now_us(l->home->owner) - l->shed_us <= SETTLE_US;
}

bool
lane_has_dropped_settled(const struct lane *l)
{
    return has_shed(l) && !lane_is_mending(l);
}

/* What was shipped before its mark was dropped may be gone with the copy's power. */
void
lane_walk_revived(struct lane *l)
{
    if (has_shed(l))
        lane_walk_forgotten(l, "it was started anew");
}

void
lane_walk_forgotten(struct lane *l, const char *why)
{
    uint64_t floor = marks_floor(l->marks), position = floor ? floor - 1 : 0;

    lane_walk(l, 0, why);
    if (position < l->walk->position) {
        l->walk->position = position;
        l->walk->age.lsn = position + 1;
    }
}

/* --- going on ---------------------------------------------------------------------------------------------------- */

static bool
may_step(const struct walk *w)
{
    const struct lane *l = w->lane;
    const struct home *h = l->home;
    uint32_t backlog = marks_count(l->marks, MARK_READY) + marks_count(l->marks, MARK_FLYING);

    return !w->is_over && !w->is_stopped && !w->ask && !w->known.item && !timer_is_set(&w->rest) &&
           !h->owner->is_ending && !home_is_gated(h) && home_may_send(h) && l->check == LANE_SHIPS &&
           l->n_taints == 0 && (w->is_report || backlog < BACKLOG_MAX);
}

static void
end(struct walk *w)
{
    struct lane *l = w->lane;
    struct walk_tally sum = { 0 };
    struct walk_task *task;

    TAILQ_FOREACH (task, &w->done, entry) {
        sum.passed += task->tally.passed;
        sum.missing += task->tally.missing;
        sum.unlike += task->tally.unlike;
        sum.extra += task->tally.extra;
    }
    w->is_over = true;
    crash_point(CRASH_AT_WALK_OVER);
    l->home->owner->is_save_due = true;
    if (!w->is_report)
        l->doubt[0] = '\0';
    events_add(EVENT_WALK, str_from(l->copy),
        "%s with home %s: %llu points passed, %llu missing, %llu unlike, %llu too many",
        w->is_report ? "compared" : "compared and mended", l->home->name, (unsigned long long)sum.passed,
        (unsigned long long)sum.missing, (unsigned long long)sum.unlike, (unsigned long long)sum.extra);
    lane_publish(l);
}

void
lane_walk_run(struct lane *l)
{
    struct walk *w = l->walk;
    struct walk_task *task;

    if (!w || !may_step(w))
        return;
    while ((task = TAILQ_FIRST(&w->tasks)) && !lexicon_is_current(l->home->owner->collections, task->collection))
        remove_task(w, task->collection);
    if (w->is_listed && !task)
        end(w);
    else if (walk_may_compare(w))
        walk_step(w);
}

void
walk_end_task(struct walk *w, struct walk_task *task)
{
    task->is_over = true;
    TAILQ_REMOVE(&w->tasks, task, entry);
    TAILQ_INSERT_TAIL(&w->done, task, entry);
    walk_reset_step(w);
}

void
walk_stop(struct walk *w, struct walk_task *task, uint64_t to_delete)
{
    struct lane *l = w->lane;
    struct str name = lexicon_name(l->home->owner->collections, task->collection);

    w->is_stopped = true;
    snprintf(l->doubt, sizeof(l->doubt),
        "collection " STR_FMT ": %llu of its %llu points or more are not at %s; `ctl %s%s%s%s --delete` deletes them",
        STR_ARG(name), (unsigned long long)to_delete, (unsigned long long)task->n_target,
        lane_is_restoring(l) ? l->home->name : "home", lane_is_restoring(l) ? "restore " : "resync ",
        lane_is_restoring(l) ? l->copy : l->home->name, lane_is_restoring(l) ? " --from " : "/",
        lane_is_restoring(l) ? l->home->name : l->copy);
    log_warning("lane %s to %s: the walk has stopped: %s", l->home->name, l->copy, l->doubt);
    events_add(EVENT_WALK_STOPPED, str_from(l->copy), "%s", l->doubt);
    l->home->owner->is_save_due = true;
    lane_publish(l);
}

void
lane_walk_interrupt(struct lane *l)
{
    if (l->walk)
        walk_reset_step(l->walk);
}

void
lane_walk_forget(struct lane *l, uint32_t collection)
{
    if (l->walk)
        remove_task(l->walk, collection);
}

/* --- what it means for the lane ------------------------------------------------------------------------------------ */

uint64_t
lane_walk_limit(const struct lane *l, uint64_t position)
{
    return lane_is_mending(l) && l->walk->position < position ? l->walk->position : position;
}

bool
lane_walk_hides(const struct lane *l, uint64_t lsn)
{
    return lane_is_mending(l) && lsn <= l->walk->shed_lsn;
}

int64_t
lane_walk_oldest_us(const struct lane *l, int64_t wall_us)
{
    if (lane_is_mending(l) && (wall_us == 0 || l->walk->age.wall_us < wall_us))
        return l->walk->age.wall_us;
    return wall_us;
}
