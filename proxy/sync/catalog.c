/* SPDX-License-Identifier: Apache-2.0
 *
 * One item a name. To ask is two steps, aliases and then the collection:
 *
 *   idle -> GET /aliases -> GET /collections/{real name} -> idle, waiters told
 */
#include "proxy/sync/catalog.h"

#include <string.h>

#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/quiet.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

enum { ASK_US = 5 * 1000 * 1000, ITEMS_MAX = 4096 };

struct catalog_item {
    struct catalog *catalog;
    char *name;
    struct catalog_entry known; /* asked_us 0: nothing yet */
    struct arena arena;         /* of what is known */
    struct ask *ask;
    int64_t began_us;
    char *real;   /* while asking */
    bool is_void; /* what is under way is not to be kept */
    TAILQ_HEAD(, catalog_wait) waits;
    UT_hash_handle hh;
};

struct catalog {
    struct upstream *up;
    char *cluster;
    struct catalog_item *items;
};

static void on_aliases(void *arg, const struct ask_answer *answer);

struct catalog *
catalog_new(struct upstream *up, struct str cluster)
{
    struct catalog *c = MEM_NEW(struct catalog);

    c->up = up;
    c->cluster = mem_dup(cluster.p, cluster.len);
    return c;
}

static void
item_free(struct catalog_item *item)
{
    struct catalog_wait *wait;

    while ((wait = TAILQ_FIRST(&item->waits))) {
        TAILQ_REMOVE(&item->waits, wait, entry);
        wait->item = NULL;
    }
    ask_cancel(&item->ask);
    HASH_DEL(item->catalog->items, item);
    arena_fini(&item->arena);
    mem_free(item->name);
    mem_free(item->real);
    mem_free(item);
}

void
catalog_free(struct catalog *c)
{
    struct catalog_item *item, *next;

    if (!c)
        return;
    HASH_ITER (hh, c->items, item, next)
        item_free(item);
    mem_free(c->cluster);
    mem_free(c);
}

static int64_t
now_of(const struct catalog *c)
{
    return loop_now_us(c->up->loop);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

static void
ask(struct catalog_item *item, struct str target, ask_done_fn *then)
{
    struct ask_spec spec = {
        .cluster = str_from(item->catalog->cluster),
        .method = METHOD_GET,
        .target = target,
        .timeout_us = ASK_US,
        .may_repeat = true,
    };

    item->ask = ask_start(item->catalog->up, &spec, then, item);
}

static void
begin(struct catalog_item *item)
{
    item->began_us = now_of(item->catalog);
    item->is_void = false;
    ask(item, STR("/aliases"), on_aliases);
}

static void
finish(struct catalog_item *item, const struct catalog_entry *found)
{
    TAILQ_HEAD(, catalog_wait) waits = TAILQ_HEAD_INITIALIZER(waits);
    struct catalog_wait *wait;

    item->ask = NULL;
    if (item->is_void) {
        mem_free(item->real);
        item->real = NULL;
        begin(item);
        return;
    }
    arena_reset(&item->arena);
    item->known = *found;
    item->known.name = arena_str(&item->arena, found->name);
    item->known.body = arena_str(&item->arena, found->body);
    item->known.asked_us = item->began_us;
    mem_free(item->real);
    item->real = NULL;
    TAILQ_CONCAT(&waits, &item->waits, entry);
    while ((wait = TAILQ_FIRST(&waits))) {
        TAILQ_REMOVE(&waits, wait, entry);
        wait->item = NULL;
        wait->fn(wait->arg, &item->known);
    }
}

static void
on_collection(void *arg, const struct ask_answer *answer)
{
    struct catalog_item *item = arg;
    struct catalog_entry found = { .fail = answer->fail, .status = answer->status, .name = str_from(item->real) };
    struct quiet_collection told = { 0 };

    if (answer->fail == FAIL_NONE) {
        found.body = answer->body;
        if (answer->status == 200 && !quiet_read_collection(answer->body, &told))
            found.fail = FAIL_UPSTREAM_PROTOCOL;
        found.told = told;
    }
    finish(item, &found);
}

static struct str
real_name(const struct catalog_item *item, struct json aliases)
{
    for (struct json_iter i = json_iter(aliases); json_next(&i);) {
        if (str_eq(json_string(json_get(i.value, "alias_name")), str_from(item->name)))
            return json_string(json_get(i.value, "collection_name"));
    }
    return str_from(item->name);
}

static void
on_aliases(void *arg, const struct ask_answer *answer)
{
    struct catalog_item *item = arg;
    struct json_doc *doc = answer->fail == FAIL_NONE ? json_parse(answer->body, NULL, NULL) : NULL;
    struct json aliases = json_get(json_get(json_root(doc), "result"), "aliases");
    struct arena arena = { 0 };
    struct str real;

    if (answer->fail != FAIL_NONE || answer->status != 200 || json_type(aliases) != JSON_ARRAY) {
        struct catalog_entry found = { .fail = answer->fail, .status = answer->status, .body = answer->body };

        if (found.fail == FAIL_NONE && found.status == 200)
            found.fail = FAIL_UPSTREAM_PROTOCOL;
        finish(item, &found);
        json_free(doc);
        return;
    }
    real = real_name(item, aliases);
    item->real = mem_dup(real.p, real.len);
    ask(item, arena_join(&arena, STR("/collections/"), path_encode(real, &arena), STR_NONE), on_collection);
    arena_fini(&arena);
    json_free(doc);
}

/* --- finding ----------------------------------------------------------------------------------------------------- */

/* Names are the clients' choice: those that nobody waits for make room. */
static void
make_room(struct catalog *c)
{
    struct catalog_item *item, *next;

    if (HASH_COUNT(c->items) < ITEMS_MAX)
        return;
    HASH_ITER (hh, c->items, item, next) {
        if (TAILQ_EMPTY(&item->waits))
            item_free(item);
    }
}

static struct catalog_item *
item_get(struct catalog *c, struct str name)
{
    struct catalog_item *item;

    HASH_FIND(hh, c->items, name.p, name.len, item);
    if (item)
        return item;
    make_room(c);
    item = MEM_NEW(struct catalog_item);
    item->catalog = c;
    item->name = mem_dup(name.p, name.len);
    TAILQ_INIT(&item->waits);
    HASH_ADD_KEYPTR(hh, c->items, item->name, name.len, item);
    return item;
}

const struct catalog_entry *
catalog_find(struct catalog *c, struct str name, struct catalog_wait *wait)
{
    struct catalog_item *item = item_get(c, name);
    bool is_good = item->known.asked_us && item->known.fail == FAIL_NONE && item->known.status == 200 && !item->is_void;
    int64_t age_us = now_of(c) - item->known.asked_us;

    if (!item->ask && (!is_good || age_us >= CATALOG_FRESH_US))
        begin(item);
    if (is_good && age_us < CATALOG_USE_US)
        return &item->known;
    wait->item = item;
    TAILQ_INSERT_TAIL(&item->waits, wait, entry);
    return NULL;
}

void
catalog_cancel(struct catalog_wait *wait)
{
    if (!wait->item)
        return;
    TAILQ_REMOVE(&wait->item->waits, wait, entry);
    wait->item = NULL;
}

void
catalog_forget(struct catalog *c)
{
    struct catalog_item *item, *next;

    HASH_ITER (hh, c->items, item, next) {
        item->known.asked_us = 0;
        item->is_void = item->ask != NULL;
    }
}
