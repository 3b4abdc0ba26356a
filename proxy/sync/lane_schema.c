/* SPDX-License-Identifier: Apache-2.0
 *
 * The collections of a lane that are to be compared: which, when, and reading both sides. See lane_schema.h.
 */
#include "proxy/sync/lane_schema.h"

#include <stdarg.h>
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/obs/events.h"
#include "proxy/route/path.h"

enum {
    READ_US = 5 * 1000 * 1000,
    ANSWER_BYTES = 16 << 20,
    REST_FIRST_US = 100 * 1000,
    REST_MOST_US = 30 * 1000 * 1000,
    BLOCKED_US = 2 * 1000 * 1000,
    AT_ONCE = 4
};

static void read_side(struct schema_item *i, struct schema_side *side);

/* --- items ------------------------------------------------------------------------------------------------------- */

static struct schema_item *
find(const struct lane *l, struct str name)
{
    struct schema_item *i;

    LIST_FOREACH (i, &l->schemas, entry) {
        if (str_eq(str_from(i->name), name))
            return i;
    }
    return NULL;
}

static struct schema_item *
get(struct lane *l, struct str name)
{
    struct schema_item *i = find(l, name);

    if (i)
        return i;
    i = MEM_NEW(struct schema_item);
    i->lane = l;
    i->name = mem_dup(name.p, name.len);
    LIST_INSERT_HEAD(&l->schemas, i, entry);
    return i;
}

static void
side_fini(struct schema_side *side)
{
    schema_fini(&side->schema);
    buf_fini(&side->info);
    side->is_there = false;
}

static void
end_round(struct schema_item *i)
{
    ask_cancel(&i->ask);
    side_fini(&i->home);
    side_fini(&i->copy);
    arena_reset(&i->arena);
    i->plan = NULL;
    i->reading = NULL;
}

static void
item_free(struct schema_item *i)
{
    end_round(i);
    LIST_REMOVE(i, entry);
    arena_fini(&i->arena);
    mem_free(i->name);
    mem_free(i);
}

void
lane_schemas_fini(struct lane *l)
{
    struct schema_item *i;

    while ((i = LIST_FIRST(&l->schemas)))
        item_free(i);
    ask_cancel(&l->watch.ask);
    buf_fini(&l->watch.home_list);
}

static void
count_troubles(struct lane *l)
{
    struct schema_item *i;

    l->watch.n_blocked = l->watch.n_differ = 0;
    LIST_FOREACH (i, &l->schemas, entry) {
        l->watch.n_blocked += i->is_dirty && i->trouble[0];
        l->watch.n_differ += !i->is_dirty && i->trouble[0];
    }
}

/* --- what came of a round ---------------------------------------------------------------------------------------- */

void
item_again(struct schema_item *i, int64_t in_us)
{
    end_round(i);
    i->next_us = owner_now_us(i->lane->home->owner) + in_us;
}

void
item_fail(struct schema_item *i, struct str why)
{
    int64_t rest_us = REST_FIRST_US << (i->n_failures < 10 ? i->n_failures : 10);
    char text[sizeof(i->lane->trouble)];

    snprintf(text, sizeof(text), "schema of %s: " STR_FMT, i->name[0] ? i->name : "aliases", STR_ARG(why));
    if (i->is_dirty)
        lane_trouble(i->lane, str_from(text));
    i->n_failures++;
    item_again(i, rest_us < REST_MOST_US ? rest_us : REST_MOST_US);
}

void
item_clean(struct schema_item *i)
{
    struct lane *l = i->lane;
    struct owner *o = l->home->owner;

    if (i->is_dirty) {
        if (i->name[0])
            marks_block(l->marks, lexicon_number(o->collections, str_from(i->name)), false);
        catalog_forget(l->catalog);
        lane_trouble(l, STR_NONE);
    }
    item_free(i);
    count_troubles(l);
}

/* Said once, not every time that it is looked at. */
void
item_blocked(struct schema_item *i, const char *format, ...)
{
    char text[sizeof(i->trouble)], line[sizeof(i->trouble) + 300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(line, sizeof(line), "%s %s: %s", i->name[0] ? "collection" : "aliases", i->name, text);
    if (!str_eq(str_from(text), str_from(i->trouble))) {
        memcpy(i->trouble, text, sizeof(text));
        events_add(i->is_dirty ? EVENT_SCHEMA_BLOCKED : EVENT_SCHEMA_DIFFERS, str_from(i->lane->copy), "%s", line);
    }
    if (i->is_dirty)
        lane_trouble(i->lane, str_from(line));
    i->n_rounds = 0;
    item_again(i, BLOCKED_US);
    if (!i->is_dirty)
        i->next_us = INT64_MAX;
    count_troubles(i->lane);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void
ask(struct schema_item *i, struct str target, ask_done_fn *then)
{
    struct lane *l = i->lane;
    struct ask_spec spec = {
        .cluster = str_from(i->reading == &i->home ? l->home->name : l->copy),
        .method = METHOD_GET,
        .target = target,
        .limit = ANSWER_BYTES,
        .timeout_us = READ_US,
        .may_repeat = true,
    };

    i->ask = ask_start(l->home->owner->up, &spec, then, i);
}

static void
side_is_read(struct schema_item *i)
{
    if (i->reading == &i->home)
        read_side(i, &i->copy);
    else
        item_judge(i);
}

static void
take_schema(struct schema_item *i, struct str keys)
{
    if (schema_read(buf_str(&i->reading->info), keys, &i->reading->schema))
        side_is_read(i);
    else
        item_fail(i, STR("an answer does not tell what it should"));
}

static void
on_keys(void *arg, const struct ask_answer *answer)
{
    struct schema_item *i = arg;

    i->ask = NULL;
    if (answer->fail != FAIL_NONE || answer->status != 200)
        item_fail(i, STR("the shard keys could not be read"));
    else
        take_schema(i, answer->body);
}

static void
on_info(void *arg, const struct ask_answer *answer)
{
    struct schema_item *i = arg;
    struct schema_side *side = i->reading;
    bool is_answer = answer->fail == FAIL_NONE && (answer->status == 200 || (answer->status == 404 && i->name[0]));

    i->ask = NULL;
    if (!is_answer) {
        item_fail(
            i, arena_printf(&i->arena, "%s: %s", side == &i->home ? i->lane->home->name : i->lane->copy,
                   answer->fail != FAIL_NONE ? fail_info(answer->fail)->sentence : status_reason(answer->status).p));
        return;
    }
    side->is_there = answer->status == 200;
    buf_add(&side->info, answer->body);
    if (!side->is_there || !i->name[0])
        side_is_read(i);
    else if (schema_is_custom(answer->body))
        ask(i, arena_join(&i->arena, STR("/collections/"), path_encode(str_from(i->name), &i->arena), STR("/shards")),
            on_keys);
    else
        take_schema(i, STR_NONE);
}

static void
read_side(struct schema_item *i, struct schema_side *side)
{
    struct str path = STR("/aliases");

    if (i->name[0])
        path = arena_join(&i->arena, STR("/collections/"), path_encode(str_from(i->name), &i->arena), STR_NONE);
    i->reading = side;
    ask(i, path, on_info);
}

/* --- when -------------------------------------------------------------------------------------------------------- */

void
lane_run_schemas(struct lane *l)
{
    int64_t now_us = owner_now_us(l->home->owner);
    struct schema_item *i, *next;
    unsigned n = 0;

    if (l->check != LANE_SHIPS || !home_may_send(l->home) || l->home->owner->is_ending)
        return;
    LIST_FOREACH (i, &l->schemas, entry)
        n += i->ask != NULL;
    for (i = LIST_FIRST(&l->schemas); i && n < AT_ONCE; i = next) {
        next = LIST_NEXT(i, entry);
        if (i->ask || i->n_open || i->next_us > now_us)
            continue;
        i->read_number = i->number;
        read_side(i, &i->home);
        n++;
    }
}

void
lane_touch_schema(struct lane *l, struct str name, struct mark_age age, unsigned how, bool is_open)
{
    struct schema_item *i = get(l, name);

    i->number++;
    if (age.lsn && i->age.lsn == 0)
        i->age = age;
    i->how |= how;
    i->n_open += is_open;
    i->is_dirty = true;
    i->touched_us = owner_now_us(l->home->owner);
    i->next_us = 0;
    i->n_failures = i->n_rounds = 0;
    if (name.len && how & SCHEMA_HOLDS)
        marks_block(l->marks, lexicon_number(l->home->owner->collections, name), true);
}

void
lane_look_at_schema(struct lane *l, struct str name)
{
    struct schema_item *i = get(l, name);

    if (!i->is_dirty)
        i->next_us = 0;
}

void
lane_schema_over(struct lane *l, struct str name)
{
    struct schema_item *i = find(l, name);

    if (!i || i->n_open == 0)
        return;
    i->n_open--;
    i->number++;
    i->touched_us = owner_now_us(l->home->owner);
    i->next_us = 0;
    if (name.len && i->how & SCHEMA_HOLDS) /* the name may have another number now */
        marks_block(l->marks, lexicon_number(l->home->owner->collections, name), true);
}

bool
lane_has_schema(const struct lane *l, struct str name)
{
    const struct schema_item *i = find(l, name);

    return !i || !i->is_dirty;
}

void
lane_schema_forget(struct lane *l, struct str name)
{
    struct schema_item *i = find(l, name);

    if (i)
        item_clean(i);
}

bool
lane_schema_holds(const struct lane *l, struct str name)
{
    const struct schema_item *i = find(l, name);

    return i && i->is_dirty && i->how & SCHEMA_HOLDS;
}

bool
lane_has_dirty_schema(const struct lane *l)
{
    const struct schema_item *i;

    LIST_FOREACH (i, &l->schemas, entry) {
        if (i->is_dirty)
            return true;
    }
    return false;
}

uint64_t
lane_schema_lsn(const struct lane *l)
{
    const struct schema_item *i;
    uint64_t oldest = 0;

    LIST_FOREACH (i, &l->schemas, entry) {
        if (i->is_dirty && i->age.lsn && (oldest == 0 || i->age.lsn < oldest))
            oldest = i->age.lsn;
    }
    return oldest;
}

/* --- a checkpoint ------------------------------------------------------------------------------------------------ */

void
lane_put_schemas(const struct lane *l, struct buf *out)
{
    const struct schema_item *i;
    unsigned n = 0;

    LIST_FOREACH (i, &l->schemas, entry)
        n += i->is_dirty;
    varint_put(out, n);
    LIST_FOREACH (i, &l->schemas, entry) {
        if (!i->is_dirty)
            continue;
        varint_put_str(out, str_from(i->name));
        varint_put(out, i->age.lsn);
        varint_put(out, (uint64_t)i->age.wall_us);
        varint_put(out, i->how);
    }
}

bool
lane_take_schemas(struct lane *l, struct str *in)
{
    uint64_t n, lsn, wall_us, how;
    struct str name;

    if (!varint_take(in, in->len, &n))
        return false;
    while (n--) {
        if (!varint_take_str(in, &name) || !varint_take(in, UINT64_MAX, &lsn) ||
            !varint_take(in, INT64_MAX, &wall_us) ||
            !varint_take(in, SCHEMA_HOLDS | SCHEMA_REMOVES | SCHEMA_ADOPTS, &how))
            return false;
        lane_touch_schema(l, name, (struct mark_age){ lsn, (int64_t)wall_us }, (unsigned)how, false);
    }
    return true;
}
