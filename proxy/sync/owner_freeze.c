/* SPDX-License-Identifier: Apache-2.0
 *
 * What is frozen: what that does to writes, and what of it is kept. See freeze.h.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/record.h"

/* --- which ------------------------------------------------------------------------------------------------------- */

static const struct world *
world_of(const struct home *h)
{
    return h->owner->up->fleet->world;
}

bool
frozen_has(const struct frozen *f, struct str collection)
{
    return f->rule && partition_map_rule(world_of(f->home)->map, collection) == f->rule;
}

bool
home_freezes(const struct home *h, struct str collection)
{
    const struct frozen *f;

    LIST_FOREACH (f, &h->frozen, entry) {
        if (collection.len == 0 || frozen_has(f, collection)) /* aliases may be of any line */
            return true;
    }
    return false;
}

static bool
is_listed(struct str list, struct str name)
{
    struct str item;

    while (list.len) {
        str_cut(list, ',', &item, &list);
        if (str_eq(str_trim(item), name))
            return true;
    }
    return false;
}

bool
frozen_spares(const struct frozen *f, struct str copy)
{
    return is_listed(f->without, copy);
}

/* The partition of a line that fans out from this home; NULL: there is none. */
const struct partition *
home_partition(const struct home *h, const struct rule *rule)
{
    const struct topology *t = world_of(h)->topology;

    for (unsigned i = 0; i < rule->n_partitions; i++) {
        if (partition_fans_out(rule, &rule->partitions[i]) &&
            str_eq(t->clusters[rule->partitions[i].clusters[0]].name, str_from(h->name)))
            return &rule->partitions[i];
    }
    return NULL;
}

static bool
is_line(const struct rule *rule, struct str name)
{
    struct buf text = { 0 };
    bool is_it;

    rule_put_patterns(rule, &text);
    is_it = str_eq(buf_str(&text), name);
    buf_fini(&text);
    return is_it;
}

/* By its patterns, by one of them, or by a collection that it takes. */
const struct rule *
frozen_find_rule(const struct partition_map *map, struct str name)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *rule = &map->rules[i];

        if (is_line(rule, name))
            return rule;
        for (unsigned k = 0; k < rule->n_patterns; k++) {
            if (str_eq(rule->patterns[k], name))
                return rule;
        }
    }
    return partition_map_rule(map, name);
}

struct frozen *
home_frozen(const struct home *h, struct str line)
{
    struct frozen *f;

    LIST_FOREACH (f, &h->frozen, entry) {
        if (str_eq(f->line, line))
            return f;
    }
    return NULL;
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

void
frozen_free(struct frozen *f)
{
    LIST_REMOVE(f, entry);
    arena_fini(&f->arena);
    mem_free(f);
}

void
home_drop_frozen(struct home *h)
{
    struct frozen *f;

    while ((f = LIST_FIRST(&h->frozen)))
        frozen_free(f);
}

/* As it is said; takes the place of what was said before. */
struct frozen *
home_set_frozen(struct home *h, const struct record_frozen *r)
{
    struct frozen *f = home_frozen(h, r->line);

    if (f)
        frozen_free(f);
    f = MEM_NEW(struct frozen);
    f->home = h;
    f->line = arena_str(&f->arena, r->line);
    f->partition = arena_str(&f->arena, r->partition);
    f->without = arena_str(&f->arena, r->without);
    f->reason = arena_str(&f->arena, r->reason);
    f->by = arena_str(&f->arena, r->by);
    f->collections = arena_str(&f->arena, r->collections);
    f->since_wall_us = (int64_t)r->since_us;
    f->is_recorded = r->state == RECORD_DRAINED;
    f->rule = frozen_find_rule(world_of(h)->map, f->line);
    if (f->rule && (!is_line(f->rule, f->line) || !home_partition(h, f->rule)))
        f->rule = NULL;
    LIST_INSERT_HEAD(&h->frozen, f, entry);
    return f;
}

struct record_frozen
frozen_as_record(const struct frozen *f)
{
    return (struct record_frozen){ str_from(f->home->name), f->line, f->partition, f->without, f->reason, f->by,
        f->collections, (uint64_t)f->since_wall_us, f->is_recorded ? RECORD_DRAINED : RECORD_IS_FROZEN };
}

/* --- records ----------------------------------------------------------------------------------------------------- */

/* On its way to the disk, and those who wait for it: orders of that kind. */
struct saying {
    struct owner *owner;
    errand_fn *run;
    enum record_freezing state;
};

static void
on_said(uint64_t lsn, int error, void *arg)
{
    static const enum crash_point durable[] = { [RECORD_THAWED] = CRASH_AT_FREEZE_THAW_DURABLE,
        [RECORD_IS_FROZEN] = CRASH_AT_FREEZE_DURABLE,
        [RECORD_DRAINED] = CRASH_AT_FREEZE_DRAIN_DURABLE };
    struct saying *s = arg;
    struct owner *o = s->owner;
    struct home *h;

    crash_point(durable[s->state]);
    if (!error)
        o->marked_lsn = lsn; /* what it says is in the next checkpoint */
    owner_recorded_errands(o, s->run, s, error);
    mem_free(s);
    LIST_FOREACH (h, &o->homes, entry)
        home_run(h);
}

bool
frozen_say(struct owner *o, const struct record_frozen *r, struct errand *e)
{
    static const enum crash_point said[] = { [RECORD_THAWED] = CRASH_AT_FREEZE_THAW_SAID,
        [RECORD_IS_FROZEN] = CRASH_AT_FREEZE_SAID,
        [RECORD_DRAINED] = CRASH_AT_FREEZE_DRAIN_SAID };
    struct saying *s = MEM_NEW(struct saying);
    struct buf bytes = { 0 };
    struct str part;
    uint64_t lsn = 0;

    s->owner = o;
    s->state = r->state;
    if (e) {
        s->run = e->run;
        e->held = s;
    }
    record_put_frozen(r, &bytes);
    part = buf_str(&bytes);
    if (o->journal)
        lsn = journal_append(o->journal, RECORD_FROZEN, 0, false, &part, 1, on_said, s);
    buf_fini(&bytes);
    o->is_save_due = true;
    crash_point(said[r->state]);
    if (lsn == 0)
        mem_free(s);
    return lsn != 0;
}

void
frozen_record(struct frozen *f, bool is_thawed)
{
    struct record_frozen r = frozen_as_record(f);

    if (is_thawed)
        r.state = RECORD_THAWED;
    frozen_say(f->home->owner, &r, NULL);
}

/* --- the map in use ---------------------------------------------------------------------------------------------- */

static void
fit(struct frozen *f)
{
    struct home *h = f->home;
    const struct rule *rule = frozen_find_rule(world_of(h)->map, f->line);

    f->rule = rule && is_line(rule, f->line) && home_partition(h, rule) ? rule : NULL;
    if (f->rule || h->claims == HOME_GIVEN_UP)
        return;
    log_info("home %s: no line " STR_FMT " has it any more: it is not frozen any more", h->name, STR_ARG(f->line));
    frozen_record(f, true);
    frozen_free(f);
}

void
home_fit_frozen(struct home *h)
{
    struct frozen *f, *next;

    for (f = LIST_FIRST(&h->frozen); f; f = next) {
        next = LIST_NEXT(f, entry);
        fit(f);
    }
}

/* --- what is kept ------------------------------------------------------------------------------------------------ */

void
home_put_frozen(const struct home *h, struct buf *out)
{
    const struct frozen *f;
    const struct lane *l;
    uint64_t n = 0;

    LIST_FOREACH (l, &h->lanes, entry)
        n += l->is_dormant || l->is_new; /* those that were not looked at yet are walked by the next start, too */
    varint_put(out, n);
    LIST_FOREACH (l, &h->lanes, entry) {
        if (l->is_dormant || l->is_new)
            varint_put_str(out, str_from(l->copy));
    }
    n = 0;
    LIST_FOREACH (f, &h->frozen, entry)
        n++;
    varint_put(out, h->claims);
    varint_put(out, n);
    LIST_FOREACH (f, &h->frozen, entry) {
        struct record_frozen r = frozen_as_record(f);
        struct buf bytes = { 0 };

        record_put_frozen(&r, &bytes);
        varint_put_str(out, buf_str(&bytes));
        buf_fini(&bytes);
    }
}

bool
home_take_frozen(struct home *h, struct str *in)
{
    uint64_t claims, n;
    struct str bytes;
    struct record_frozen r;

    if (!varint_take(in, LANES_MAX, &n))
        return false;
    while (n--) {
        struct lane *l;

        if (!varint_take_str(in, &bytes))
            return false;
        l = home_lane(h, bytes);
        l->is_dormant = true;
        owner_hide_lane(h->owner, l);
    }
    if (!varint_take(in, HOME_GIVEN_UP, &claims) || !varint_take(in, in->len, &n))
        return false;
    h->claims = (enum home_claims)claims;
    while (n--) {
        if (!varint_take_str(in, &bytes) || !record_take_frozen(bytes, &r))
            return false;
        home_set_frozen(h, &r);
    }
    return true;
}

/* All that was recorded of these collections before has reached the copies. */
static void
forget_marks(struct home *h, const struct record_frozen *r)
{
    struct str rest = r->collections, name;
    struct lane *l;

    while (rest.len && varint_take_str(&rest, &name)) {
        LIST_FOREACH (l, &h->lanes, entry) {
            if (is_listed(r->without, str_from(l->copy)))
                continue;
            marks_drop(l->marks, lexicon_number(h->owner->collections, name));
            lane_schema_forget(l, name);
        }
    }
}

bool
owner_replay_frozen(struct owner *o, struct str payload)
{
    struct record_frozen r;
    struct frozen *f;
    struct home *h;

    if (!record_take_frozen(payload, &r))
        return false;
    h = owner_add_home(o, r.home);
    if (r.state == RECORD_DRAINED)
        forget_marks(h, &r);
    if (r.state != RECORD_THAWED)
        home_set_frozen(h, &r);
    else if ((f = home_frozen(h, r.line)))
        frozen_free(f);
    return true;
}
