/* SPDX-License-Identifier: Apache-2.0
 *
 * The drift watch: once a minute every collection that home or copy has, and the aliases, are compared. What no record explains
 * is said and left alone. See lane_schema.h.
 */
#include "proxy/base/mem.h"
#include "proxy/sync/lane_schema.h"

enum { EVERY_US = 60 * 1000 * 1000, LIST_US = 5 * 1000 * 1000, LIST_BYTES = 16 << 20 };

static void
watch_name(struct lane *l, struct str name)
{
    if (lane_keeps(l, name) || name.len == 0)
        lane_look_at_schema(l, name);
}

static void
watch_list(struct lane *l, struct str list)
{
    struct json_doc *doc = json_parse(list, NULL, NULL);
    struct json names = json_get(json_get(json_root(doc), "result"), "collections");

    for (struct json_iter i = json_iter(names); json_next(&i);)
        watch_name(l, json_string(json_get(i.value, "name")));
    json_free(doc);
}

static void
ask_list(struct lane *l, const char *cluster, ask_done_fn *then)
{
    struct ask_spec spec = {
        .cluster = str_from(cluster),
        .method = METHOD_GET,
        .target = STR("/collections"),
        .limit = LIST_BYTES,
        .timeout_us = LIST_US,
        .may_repeat = true,
    };

    l->watch.ask = ask_start(l->home->owner->up, &spec, then, l);
}

static void
on_copy(void *arg, const struct ask_answer *answer)
{
    struct lane *l = arg;

    l->watch.ask = NULL;
    if (answer->fail != FAIL_NONE || answer->status != 200)
        return;
    watch_list(l, answer->body);
    watch_list(l, buf_str(&l->watch.home_list));
    watch_name(l, STR(""));
    lane_run_schemas(l);
}

static void
on_home(void *arg, const struct ask_answer *answer)
{
    struct lane *l = arg;

    l->watch.ask = NULL;
    if (answer->fail != FAIL_NONE || answer->status != 200)
        return;
    buf_clear(&l->watch.home_list);
    buf_add(&l->watch.home_list, answer->body);
    ask_list(l, l->copy, on_copy);
}

void
lane_watch(struct lane *l)
{
    int64_t now_us = owner_now_us(l->home->owner);

    if (l->watch.ask || l->check != LANE_SHIPS || !home_may_send(l->home) || l->home->owner->is_ending ||
        (l->watch.listed_us && now_us - l->watch.listed_us < EVERY_US))
        return;
    l->watch.listed_us = now_us;
    ask_list(l, l->home->name, on_home);
}
