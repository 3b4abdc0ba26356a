/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders to walk: resync, compare; and how a walk stands.
 */
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/sync/walk_impl.h"

const char *
walk_state_name(enum walk_state state)
{
    static const char *const names[] = { "none", "mends", "compares", "stopped", "over" };

    return names[state];
}

static void
add_tally(struct walk_view *v, const struct walk_task *task)
{
    v->passed += task->tally.passed;
    v->total += task->n_source;
    v->missing += task->tally.missing;
    v->unlike += task->tally.unlike;
    v->extra += task->tally.extra;
    v->unsaved += task->tally.unsaved;
}

void
lane_walk_show(const struct lane *l, struct walk_view *ret_view)
{
    const struct walk *w = l->walk;
    const struct walk_task *task;

    *ret_view = (struct walk_view){ .state = WALK_NONE };
    if (!w)
        return;
    ret_view->state = w->is_over ? WALK_OVER : w->is_stopped ? WALK_STOPPED : w->is_report ? WALK_COMPARES : WALK_MENDS;
    ret_view->number = w->number;
    snprintf(ret_view->why, sizeof(ret_view->why), "%s", w->why);
    snprintf(ret_view->trouble, sizeof(ret_view->trouble), "%s", w->trouble);
    TAILQ_FOREACH (task, &w->done, entry)
        add_tally(ret_view, task);
    TAILQ_FOREACH (task, &w->tasks, entry) {
        add_tally(ret_view, task);
        ret_view->n_left++;
    }
    task = TAILQ_FIRST(&w->tasks);
    snprintf(ret_view->collection, sizeof(ret_view->collection), STR_FMT,
        STR_ARG(task ? lexicon_name(l->home->owner->collections, task->collection) : STR_NONE));
}

/* False after refusing. */
static bool
may_walk(struct lane *l, struct errand *e, struct str collection)
{
    if (collection.len == 0 || lane_takes(l, collection))
        return true;
    errand_refuse(e, 404, "the map has no collection " STR_FMT " that %s/%s keeps a copy of", STR_ARG(collection),
        l->home->name, l->copy);
    return false;
}

static void
begin_mending(struct lane *l, struct errand *e, struct str collection)
{
    uint32_t number = collection.len ? lexicon_number(l->home->owner->collections, collection) : 0;
    char why[sizeof(l->walk->why)];

    snprintf(why, sizeof(why), "ordered by " STR_FMT, STR_ARG(e->by));
    lane_walk(l, number, why);
}

void
owner_resync(struct owner *o, struct errand *e)
{
    struct str collection = json_string(json_get(e->body, "collection"));
    struct lane *l = errand_lane(o, e);
    struct json_writer w = json_writer(&e->answer);

    if (!l || !may_walk(l, e, collection))
        return;
    begin_mending(l, e, collection);
    l->walk->may_delete = json_bool(json_get(e->body, "delete"), false);
    json_begin_object(&w);
    json_member_u64(&w, "walk", l->walk->number);
    json_end_object(&w);
    buf_putc(&e->answer, '\n');
    errand_answer_saved(e);
}

/* --- compare ----------------------------------------------------------------------------------------------------- */

static void
begin_report(struct lane *l, struct errand *e, struct str collection)
{
    struct walk *w = walk_new(l, "a comparison was ordered");

    w->is_report = true;
    w->only = collection.len ? mem_dup(collection.p, collection.len) : NULL;
    lane_walk_fini(l);
    l->walk = w;
    log_info("lane %s to %s: compared, ordered by " STR_FMT, l->home->name, l->copy, STR_ARG(e->by));
    lane_walk_run(l);
}

static void
put_task(const struct walk *w, const struct walk_task *task, struct json_writer *j)
{
    json_begin_object(j);
    json_member_str(j, "collection", lexicon_name(w->lane->home->owner->collections, task->collection));
    json_member_bool(j, "done", task->is_over);
    json_member_bool(j, "absent", task->is_absent);
    json_member_u64(j, "points", task->n_source);
    json_member_u64(j, "points_of_copy", task->n_target);
    json_member_u64(j, "passed", task->tally.passed);
    json_member_u64(j, "missing", task->tally.missing);
    json_member_u64(j, "unlike", task->tally.unlike);
    json_member_u64(j, "extra", task->tally.extra);
    json_end_object(j);
}

static void
put_walk(struct lane *l, struct json_writer *j)
{
    struct walk_view v;
    const struct walk_task *task;

    lane_walk_show(l, &v);
    json_begin_object(j);
    json_member_str(j, "home", str_from(l->home->name));
    json_member_str(j, "copy", str_from(l->copy));
    json_member_u64(j, "walk", v.number);
    json_member_str(j, "state", str_from(walk_state_name(v.state)));
    json_member_str(j, "trouble", str_from(v.state == WALK_STOPPED ? l->doubt : v.trouble));
    json_key(j, "collections");
    json_begin_array(j);
    if (l->walk) {
        TAILQ_FOREACH (task, &l->walk->done, entry)
            put_task(l->walk, task, j);
        TAILQ_FOREACH (task, &l->walk->tasks, entry)
            put_task(l->walk, task, j);
    }
    json_end_array(j);
    json_end_object(j);
}

/* `fn` for each lane that is asked for; false: refused. */
static bool
each_lane(struct owner *o, struct errand *e, bool (*fn)(struct lane *l, struct errand *e))
{
    struct home *h;
    struct lane *l;

    if (json_type(json_get(e->body, "target")) == JSON_STRING) {
        l = errand_lane(o, e);
        return l && fn(l, e);
    }
    LIST_FOREACH (h, &o->homes, entry) {
        LIST_FOREACH (l, &h->lanes, entry) {
            if (!fn(l, e))
                return false;
        }
    }
    return true;
}

static bool
is_free(struct lane *l, struct errand *e)
{
    if (!lane_is_mending(l))
        return true;
    errand_refuse(e, 409, "%s/%s is being compared and mended already: `sextant ctl lanes` shows how far",
        l->home->name, l->copy);
    return false;
}

static bool
begin(struct lane *l, struct errand *e)
{
    struct str collection = json_string(json_get(e->body, "collection"));

    if (collection.len && !lane_takes(l, collection))
        return true;
    if (json_bool(json_get(e->body, "repair"), false))
        begin_mending(l, e, collection);
    else
        begin_report(l, e, collection);
    return true;
}

static bool
put_lane(struct lane *l, struct errand *e)
{
    struct json_writer *w = e->held;
    struct str collection = json_string(json_get(e->body, "collection"));

    if (collection.len == 0 || lane_takes(l, collection))
        put_walk(l, w);
    return true;
}

/* False: it was refused, and is answered. */
static bool
put_lanes(struct owner *o, struct errand *e, struct json_writer *w)
{
    e->held = w;
    json_begin_object(w);
    json_key(w, "lanes");
    json_begin_array(w);
    if (!each_lane(o, e, put_lane))
        return false;
    json_end_array(w);
    json_end_object(w);
    return true;
}

void
owner_compare(struct owner *o, struct errand *e)
{
    struct json_writer w = json_writer(&e->answer);
    bool begins = json_bool(json_get(e->body, "begin"), false);

    if (begins && (!each_lane(o, e, is_free) || !each_lane(o, e, begin)))
        return;
    if (!put_lanes(o, e, &w))
        return;
    buf_putc(&e->answer, '\n');
    if (begins && json_bool(json_get(e->body, "repair"), false))
        errand_answer_saved(e);
    else
        errand_answer(e, 200);
}
