/* SPDX-License-Identifier: Apache-2.0
 *
 * What a walk asks, one request at a time:
 *
 *   list (home's collections, of a comparison the copy's too) ─▶ of each: shard keys ─▶ counts (home, copy)
 *        ─▶ of each shard key: page at home ─▶ the same range at the copy ─▶ compared, and on from where both end
 *
 * 1. What was read while home may not be sent to, or a change of schema is under way, is read again.
 * 2. The place moves only when all before it was compared.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/json_text.h"
#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/walk_impl.h"

enum {
    ASK_US = 60 * 1000 * 1000,
    PAGE_BYTES = 32 << 20,
    REST_FIRST_US = 250 * 1000,
    REST_MOST_US = 30 * 1000 * 1000,
    LIST_BYTES = 16 << 20
};

/* --- asking ------------------------------------------------------------------------------------------------------ */

static struct str
collection_of(const struct walk *w)
{
    const struct walk_task *task = TAILQ_FIRST(&w->tasks);

    return lexicon_name(w->lane->home->owner->collections, task->collection);
}

static void
ask(struct walk *w, bool is_target, struct str target, struct buf *body, size_t limit, ask_done_fn *then)
{
    struct ask_spec spec = {
        .cluster = str_from(is_target ? w->lane->copy : w->lane->home->name),
        .method = body ? METHOD_POST : METHOD_GET,
        .target = target,
        .body = body,
        .limit = limit,
        .timeout_us = ASK_US,
        .may_repeat = true,
    };

    w->ask = ask_start(w->lane->home->owner->up, &spec, then, w);
}

static void
ask_of_collection(struct walk *w, bool is_target, const char *what, struct buf *body, size_t limit, ask_done_fn *then)
{
    struct arena arena = { 0 };
    struct str name = path_encode(collection_of(w), &arena);

    ask(w, is_target, arena_printf(&arena, "/collections/" STR_FMT "%s", STR_ARG(name), what), body, limit, then);
    arena_fini(&arena);
}

void
walk_reset_step(struct walk *w)
{
    ask_cancel(&w->ask);
    catalog_cancel(&w->known);
    w->has_keys = false;
    w->n_suspects = w->tries = 0;
}

static void
rest(struct walk *w, int64_t least_us)
{
    int64_t us = REST_FIRST_US << (w->n_failures < 8 ? w->n_failures : 8);

    us = us < REST_MOST_US ? us : REST_MOST_US;
    w->n_failures++;
    timer_set(&w->rest, us > least_us ? us : least_us);
}

static void
fail(struct walk *w, bool is_target, const struct outcome *why)
{
    struct str text = buf_len(&why->text) ? buf_str(&why->text) : str_from(fail_info(why->fail)->sentence);

    snprintf(
        w->trouble, sizeof(w->trouble), "%s: " STR_FMT, is_target ? w->lane->copy : w->lane->home->name, STR_ARG(text));
    rest(w, why->retry_after_us);
    lane_publish(w->lane);
}

/* Is it of use? 404 is an answer too. False: it was dealt with, and the step will be made again. */
static bool
take(struct walk *w, bool is_target, const struct ask_answer *answer)
{
    struct outcome_facts facts = { .fail = answer->fail, .status = answer->status };
    struct outcome why;
    bool is_good;

    w->ask = NULL;
    if (answer->fail == FAIL_NONE) {
        facts.body = answer->body;
        facts.retry_after = message_value(answer->head, FIELD_RETRY_AFTER);
    }
    outcome_of_read(&facts, &why);
    is_good = why.kind == OUTCOME_OK || (answer->fail == FAIL_NONE && answer->status == 404);
    if (home_is_gated(w->lane->home) || !home_may_send(w->lane->home))
        is_good = false;
    else if (!is_good)
        fail(w, is_target, &why);
    outcome_fini(&why);
    if (is_good)
        w->trouble[0] = '\0';
    return is_good;
}

/* The other side is asked before anything is done about it, once it is there. */
static void
lacks(struct walk *w, bool is_target)
{
    struct walk_task *task = TAILQ_FIRST(&w->tasks);

    if (w->is_report || !is_target) {
        task->is_absent = true;
        walk_end_task(w, task);
        timer_set(&w->rest, 0);
        return;
    }
    snprintf(w->trouble, sizeof(w->trouble), "%s lacks collection " STR_FMT, w->lane->copy, STR_ARG(collection_of(w)));
    TAILQ_REMOVE(&w->tasks, task, entry);
    TAILQ_INSERT_TAIL(&w->tasks, task, entry);
    walk_reset_step(w);
    rest(w, 0);
    lane_publish(w->lane);
}

static void
distrust(struct walk *w, bool is_target, struct buf *error)
{
    struct outcome why = { .kind = OUTCOME_UNKNOWN, .text = *error };

    fail(w, is_target, &why);
    outcome_fini(&why);
}

/* --- which collections ------------------------------------------------------------------------------------------- */

static bool
has_task(const struct walk *w, uint32_t collection)
{
    const struct walk_task *task;

    TAILQ_FOREACH (task, &w->tasks, entry) {
        if (task->collection == collection)
            return true;
    }
    return false;
}

static void
add_collections(struct walk *w, struct str body)
{
    struct owner *o = w->lane->home->owner;
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json list = doc ? json_get(json_get(json_root(doc), "result"), "collections") : (struct json){ NULL };

    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct str name = json_string(json_get(i.value, "name"));

        if (name.len == 0 || !lane_takes(w->lane, name) || (w->only && !str_eq(name, str_from(w->only))))
            continue;
        if (!has_task(w, lexicon_number(o->collections, name)))
            walk_add_task(w, lexicon_number(o->collections, name));
    }
    json_free(doc);
}

static void
on_list_of_copy(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;

    if (!take(w, true, answer))
        return;
    add_collections(w, answer->body);
    w->is_listed = true;
    timer_set(&w->rest, 0);
}

static void
on_list(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;

    if (!take(w, false, answer))
        return;
    add_collections(w, answer->body);
    w->is_listed = !w->is_report;
    w->lane->home->owner->is_save_due = true;
    if (w->is_report)
        ask(w, true, STR("/collections"), NULL, LIST_BYTES, on_list_of_copy);
    else
        timer_set(&w->rest, 0);
}

/* --- shard keys -------------------------------------------------------------------------------------------------- */

static int
compare_keys(const void *a, const void *b)
{
    return str_compare(a, b);
}

/* On from the one that it was at; when that is gone, from the next one. */
static void
find_key(struct walk *w, struct walk_task *task)
{
    struct str at = lexicon_name(w->lane->home->owner->shard_keys, task->shard_key);

    while (w->key + 1 < w->n_keys && str_compare(&w->keys[w->key], &at) < 0)
        w->key++;
    if (w->n_keys && !str_eq(w->keys[w->key], at)) {
        task->has_from = false;
        task->shard_key = lexicon_number(w->lane->home->owner->shard_keys, w->keys[w->key]);
    }
}

static void
on_keys(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;
    struct json_doc *doc;
    struct json list;

    if (!take(w, false, answer))
        return;
    doc = json_parse(answer->body, NULL, NULL);
    list = doc ? json_get(json_get(json_root(doc), "result"), "shard_keys") : (struct json){ NULL };
    arena_reset(&w->arena);
    w->n_keys = w->key = 0;
    w->keys = ARENA_ARRAY(&w->arena, json_size(list) + 1, struct str);
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct buf text = { 0 };
        struct json_writer out = json_writer(&text);

        json_put_value(&out, json_get(i.value, "key"));
        w->keys[w->n_keys++] = arena_str(&w->arena, buf_str(&text));
        buf_fini(&text);
    }
    json_free(doc);
    qsort(w->keys, w->n_keys, sizeof(*w->keys), compare_keys);
    w->has_keys = true;
    find_key(w, TAILQ_FIRST(&w->tasks));
    lane_walk_run(w->lane);
}

/* --- counts ------------------------------------------------------------------------------------------------------ */

static bool
read_count(struct str body, uint64_t *ret_count)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    bool is_one = doc && str_to_u64(json_number(json_get(json_get(json_root(doc), "result"), "count")), ret_count);

    json_free(doc);
    return is_one;
}

static void
ask_count(struct walk *w, bool is_target, ask_done_fn *then)
{
    struct buf body = { 0 };

    buf_add(&body, STR("{\"exact\":true}"));
    ask_of_collection(w, is_target, "/points/count", &body, 0, then);
}

/* False: told. */
static bool
take_count(struct walk *w, bool is_target, const struct ask_answer *answer, uint64_t *ret_count)
{
    struct buf error = { 0 };

    if (!take(w, is_target, answer))
        return false;
    if (answer->status == 404) {
        lacks(w, is_target);
        return false;
    }
    if (read_count(answer->body, ret_count))
        return true;
    buf_add(&error, STR("the answer to a count is none"));
    distrust(w, is_target, &error);
    return false;
}

static void
on_count_of_copy(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;
    struct walk_task *task = TAILQ_FIRST(&w->tasks);
    uint64_t less, more;

    if (!take_count(w, true, answer, &task->n_target))
        return;
    task->is_counted = true;
    less = task->n_source + marks_moved(w->lane->marks, w->flights);
    more = task->n_target > less ? task->n_target - less : 0;
    if (task->was_counted && task->n_before < task->n_target)
        task->n_target = task->n_before;
    if (!w->is_report && !w->may_delete && walk_is_too_much(more, task->n_target))
        walk_stop(w, task, more);
    else
        lane_walk_run(w->lane);
}

static void
on_count(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;
    struct walk_task *task = TAILQ_FIRST(&w->tasks);

    if (take_count(w, false, answer, &task->n_source))
        ask_count(w, true, on_count_of_copy);
}

static void
count_home(struct walk *w)
{
    w->flights = marks_flights(w->lane->marks);
    ask_count(w, false, on_count);
}

/* --- pages ------------------------------------------------------------------------------------------------------- */

static void
ask_page(struct walk *w, bool is_target, ask_done_fn *then)
{
    struct walk_task *task = TAILQ_FIRST(&w->tasks);
    struct buf body = { 0 };

    walk_put_scroll(w->limit, task->has_from ? &task->from : NULL, w->n_keys ? w->keys[w->key] : STR_NONE, &body);
    ask_of_collection(w, is_target, "/points/scroll", &body, PAGE_BYTES, then);
}

static bool
take_page(struct walk *w, bool is_target, const struct ask_answer *answer, struct walk_page *ret_page)
{
    struct walk_task *task = TAILQ_FIRST(&w->tasks);
    struct buf error = { 0 };

    if (answer->is_too_long && w->limit > 1) {
        w->ask = NULL;
        w->limit /= 2;
        timer_set(&w->rest, 0);
        return false;
    }
    if (!take(w, is_target, answer))
        return false;
    if (answer->status == 404) {
        task->is_counted = false;
        walk_reset_step(w);
        rest(w, 0);
        return false;
    }
    if (walk_read_page(answer->body, task->has_from ? &task->from : NULL, ret_page, &error))
        return true;
    distrust(w, is_target, &error);
    return false;
}

static void
advance(struct walk *w, struct walk_task *task)
{
    const struct walk_comparison *c = &w->comparison;
    uint64_t rate = w->lane->home->owner->up->fleet->world->conf->walk_rate;

    task->tally.passed += c->n_source;
    task->has_from = !c->is_last;
    task->from = c->next;
    w->n_failures = w->n_suspects = w->tries = 0;
    timer_set(&w->rest, (int64_t)((c->n_source + c->n_target) / 2 * (uint64_t)USEC_PER_SEC / rate));
    if (c->is_last && w->key + 1 < w->n_keys)
        task->shard_key = lexicon_number(w->lane->home->owner->shard_keys, w->keys[++w->key]);
    else if (c->is_last)
        walk_end_task(w, task);
    if (w->limit < WALK_ROWS_MAX)
        w->limit++;
    lane_publish(w->lane);
}

static void
on_page_of_copy(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;
    struct walk_task *task = TAILQ_FIRST(&w->tasks);

    if (!take_page(w, true, answer, &w->target))
        return;
    walk_compare(&w->source, &w->target, &w->comparison);
    if (!walk_take_differences(w, task))
        return;
    advance(w, task);
    lane_run(w->lane);
}

static void
on_page(void *arg, const struct ask_answer *answer)
{
    struct walk *w = arg;

    if (!take_page(w, false, answer, &w->source))
        return;
    buf_fini(&w->source_text); /* the rows are slices of it */
    w->source_text = *answer->bytes;
    *answer->bytes = (struct buf){ 0 };
    ask_page(w, true, on_page_of_copy);
}

static void
read_page(struct walk *w)
{
    w->read_us = owner_now_us(w->lane->home->owner);
    ask_page(w, false, on_page);
}

void
walk_step(struct walk *w)
{
    const struct walk_task *task = TAILQ_FIRST(&w->tasks);

    if (!w->is_listed)
        ask(w, false, STR("/collections"), NULL, LIST_BYTES, on_list);
    else if (!w->has_keys)
        ask_of_collection(w, false, "/shards", NULL, 0, on_keys);
    else if (!task->is_counted)
        count_home(w);
    else
        read_page(w);
}
