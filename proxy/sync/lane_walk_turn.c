/* SPDX-License-Identifier: Apache-2.0
 *
 * Which collection a mending walk goes on with. One that may not be shipped is not compared either: by the time that it may be, home
 * or copy are something else than what was found. It waits, and the others go on.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/sync/walk_impl.h"

enum { REST_US = 1000 * 1000 };

static struct str
name_of(const struct walk *w, const struct walk_task *task)
{
    return lexicon_name(w->lane->home->owner->collections, task->collection);
}

static void
on_known(void *arg, const struct catalog_entry *entry)
{
    struct walk *w = arg;

    if (entry->fail != FAIL_NONE)
        timer_set(&w->rest, REST_US);
    lane_walk_run(w->lane);
}

/* What one side lacks is found out by asking for it. What is another collection is looked at first, and blocked as long as it is. */
static bool
is_the_same(struct walk *w, struct str name)
{
    struct lane *l = w->lane;
    const struct catalog_entry *known;
    char home[QUIET_ID_MAX + 1];

    w->known.fn = on_known;
    w->known.arg = w;
    known = catalog_find(l->home->catalog, name, &w->known);
    if (known && known->status != 200)
        return true;
    if (!known)
        return false;
    memcpy(home, known->told.incarnation, sizeof(home));
    known = catalog_find(l->catalog, name, &w->known);
    if (!known)
        return false;
    if (known->status != 200 || (home[0] && strcmp(home, known->told.incarnation) == 0))
        return true;
    lane_touch_schema(l, name, (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
    return false;
}

bool
walk_may_compare(struct walk *w)
{
    struct walk_task *task, *first = TAILQ_FIRST(&w->tasks);

    if (w->is_report || !w->is_listed)
        return true;
    for (task = first; task && lane_schema_holds(w->lane, name_of(w, task));)
        task = TAILQ_NEXT(task, entry);
    if (!task) {
        snprintf(w->trouble, sizeof(w->trouble), "collection " STR_FMT " is blocked", STR_ARG(name_of(w, first)));
        return false;
    }
    if (task != first) {
        walk_reset_step(w);
        TAILQ_REMOVE(&w->tasks, task, entry);
        TAILQ_INSERT_HEAD(&w->tasks, task, entry);
    }
    return is_the_same(w, name_of(w, task));
}
