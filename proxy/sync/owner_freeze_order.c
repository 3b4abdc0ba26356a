/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders to freeze and to unfreeze. See freeze.h.
 */
#include "proxy/base/clock.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/record.h"

/* What is ordered: a line, or one of its partitions. */
struct target {
    struct str line, partition; /* the latter may be empty: all */
    const struct rule *rule;
};

static bool
find_target(struct owner *o, struct errand *e, struct target *ret)
{
    struct str text = json_string(json_get(e->body, "target"));

    str_cut(text, '/', &ret->line, &ret->partition);
    ret->rule = frozen_find_rule(o->up->fleet->world->map, ret->line);
    if (ret->rule)
        return true;
    errand_refuse(e, 404,
        "no line of the map takes " STR_FMT ": say LINE or LINE/PARTITION, LINE being a collection or a "
        "pattern as in the map",
        STR_ARG(ret->line));
    return false;
}

static bool
is_meant(const struct home *h, const struct target *t)
{
    const struct partition *part = home_partition(h, t->rule);

    return part && (t->partition.len == 0 || str_eq(part->name, t->partition));
}

static bool
is_good_without(const struct home *h, const struct rule *rule, struct str without, struct errand *e)
{
    const struct partition *part = home_partition(h, rule);
    const struct topology *t = h->owner->up->fleet->world->topology;
    struct str item;

    while (without.len) {
        bool is_copy = false;

        str_cut(without, ',', &item, &without);
        for (unsigned i = 1; i < part->n_clusters; i++)
            is_copy = is_copy || str_eq(t->clusters[part->clusters[i]].name, str_trim(item));
        if (!is_copy) {
            errand_refuse(e, 400, "partition " STR_FMT " has no copy " STR_FMT, STR_ARG(part->name), STR_ARG(item));
            return false;
        }
    }
    return true;
}

/* Those that wait are refused; what was begun is finished. */
static bool
freeze(struct home *h, const struct target *t, struct errand *e)
{
    struct str without = json_string(json_get(e->body, "without"));
    struct buf line = { 0 };
    struct record_frozen r = {
        .home = str_from(h->name),
        .partition = home_partition(h, t->rule)->name,
        .without = without,
        .reason = json_string(json_get(e->body, "reason")),
        .by = e->by,
        .since_us = (uint64_t)clock_wall_us(),
        .state = RECORD_IS_FROZEN,
    };
    const struct frozen *was;
    bool is_said;

    rule_put_patterns(t->rule, &line);
    r.line = buf_str(&line);
    was = home_frozen(h, r.line);
    if (was)
        r.since_us = (uint64_t)was->since_wall_us;
    home_set_frozen(h, &r);
    owner_show_frozen(h->owner);
    log_info("home %s: writes of line " STR_FMT ", partition " STR_FMT " are frozen, ordered by " STR_FMT, h->name,
        STR_ARG(r.line), STR_ARG(r.partition), STR_ARG(e->by));
    if (!was)
        events_add(EVENT_FROZEN, str_from(h->name),
            "writes of line " STR_FMT ", partition " STR_FMT " are refused, ordered by " STR_FMT, STR_ARG(r.line),
            STR_ARG(r.partition), STR_ARG(e->by));
    is_said = frozen_say(h->owner, &r, e);
    buf_fini(&line);
    home_run(h);
    return is_said;
}

static bool
unfreeze(struct home *h, const struct target *t, struct errand *e)
{
    struct buf line = { 0 };
    struct record_frozen r;
    struct frozen *f;
    bool is_said;

    rule_put_patterns(t->rule, &line);
    if (h->claims == HOME_GIVEN_UP)
        h = home_take_back(h);
    f = home_frozen(h, buf_str(&line));
    buf_fini(&line);
    if (!f)
        return true;
    log_info("home %s: line " STR_FMT ", partition " STR_FMT " is not frozen any more, ordered by " STR_FMT, h->name,
        STR_ARG(f->line), STR_ARG(f->partition), STR_ARG(e->by));
    events_add(EVENT_THAWED, str_from(h->name), "writes of line " STR_FMT ", partition " STR_FMT " are taken again",
        STR_ARG(f->line), STR_ARG(f->partition));
    r = frozen_as_record(f);
    r.state = RECORD_THAWED;
    is_said = frozen_say(h->owner, &r, e);
    frozen_free(f);
    owner_show_frozen(h->owner); /* a reload may rely on it no more */
    return is_said;
}

/* The line as `sextant ctl freeze` shows it, so that whoever ordered finds it there. */
static void
put_answer(const struct target *t, unsigned n, struct errand *e)
{
    struct json_writer w = json_writer(&e->answer);
    struct buf line = { 0 };

    rule_put_patterns(t->rule, &line);
    json_begin_object(&w);
    json_member_str(&w, "line", buf_str(&line));
    json_member_u64(&w, "partitions", n);
    json_end_object(&w);
    buf_putc(&e->answer, '\n');
    buf_fini(&line);
}

/* `fn` for each home whose partition is meant. The errand is answered when the last record is durable. */
static void
each(struct owner *o, struct errand *e, bool (*fn)(struct home *h, const struct target *t, struct errand *e))
{
    struct target target;
    struct home *h, *next;
    unsigned n = 0;
    bool ok = true;

    if (!find_target(o, e, &target))
        return;
    LIST_FOREACH (h, &o->homes, entry) {
        if (!is_meant(h, &target))
            continue;
        if (!is_good_without(h, target.rule, json_string(json_get(e->body, "without")), e))
            return;
        if (h->is_giving_up) {
            errand_refuse(e, 409, "the claim on %s is being given up: ask again", h->name);
            return;
        }
    }
    for (h = LIST_FIRST(&o->homes); h; h = next) {
        next = LIST_NEXT(h, entry);
        if (!is_meant(h, &target))
            continue;
        ok = fn(h, &target, e) && ok;
        n++;
    }
    put_answer(&target, n, e);
    if (n == 0)
        errand_refuse(e, 404, "this edge journals for no such partition of line " STR_FMT ": ask the one that does",
            STR_ARG(target.line));
    else if (!ok)
        errand_refuse(e, 503, "the journal takes nothing now");
    else if (!e->held)
        errand_answer(e, 200);
}

void
owner_freeze(struct owner *o, struct errand *e)
{
    each(o, e, freeze);
}

void
owner_unfreeze(struct owner *o, struct errand *e)
{
    each(o, e, unfreeze);
}
