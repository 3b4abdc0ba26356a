/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to be done about a collection, once it was read on both sides, and doing it. See lane_schema.h.
 */
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/obs/log.h"
#include "proxy/route/path.h"
#include "proxy/sync/lane_schema.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_reach.h"

enum {
    STEP_US = 30 * 1000 * 1000,
    CALM_US = 100 * 1000,
    POLL_US = 200 * 1000,
    SETTLE_US = 3 * 1000 * 1000,
    ROUNDS_MAX = 5
};

static void issue(struct schema_item *i);

bool
lane_keeps(void *lane, struct str name)
{
    return lane_keeps_name(lane, name);
}

bool
lane_keeps_name(const struct lane *l, struct str name)
{
    const struct world *w = l->home->owner->up->fleet->world;
    const struct rule *rule = partition_map_rule(w->map, name);

    for (unsigned k = 0; rule && k < rule->n_partitions; k++) {
        const struct partition *part = &rule->partitions[k];

        if (partition_fans_out(rule, part) && lane_is_of(l, part, w->topology))
            return true;
    }
    return false;
}

/* --- doing it ---------------------------------------------------------------------------------------------------- */

/* Ships of it have landed, and none may come late. */
static bool
is_calm(const struct schema_item *i)
{
    const struct lane *l = i->lane;
    const struct quarantine *q;

    if (rule_is_off(RULE_SCHEMA))
        return true;
    TAILQ_FOREACH (q, &l->home->quarantines, entry) {
        if (q->lane == l && str_eq(lexicon_name(l->home->owner->collections, q->collection), str_from(i->name)))
            return false;
    }
    return !lane_flies(l, str_from(i->name));
}

static void
on_step(void *arg, const struct ask_answer *answer)
{
    struct schema_item *i = arg;
    const struct schema_step *step = &i->plan->steps[i->at];
    bool is_lost = answer->fail != FAIL_NONE ? !answer->sent_nothing : answer->status >= 500 || answer->status == 408;
    struct lane *l = i->lane;
    struct str error;

    i->ask = NULL;
    if (answer->fail == FAIL_NONE && answer->status < 300) {
        crash_point(CRASH_AT_SCHEMA_STEP_DONE);
        i->at++;
        i->has_removed |= step->removes;
        issue(i);
    } else if (is_lost && (step->removes || step->method == METHOD_PUT)) {
        item_fail(i, STR("the copy did not say what came of a request"));
        i->next_us = owner_now_us(l->home->owner) + owner_quarantine_us(l->home->owner);
    } else {
        error = answer->fail != FAIL_NONE ? str_from(fail_info(answer->fail)->sentence) : answer->body;
        error.len = error.len < 120 ? error.len : 120;
        item_fail(i, arena_str(&i->arena, error));
    }
    home_run(l->home);
}

/* One after the other; then it is read again. */
static void
issue(struct schema_item *i)
{
    struct lane *l = i->lane;
    const struct schema_step *step = &i->plan->steps[i->at];
    struct buf body = { 0 };
    struct ask_spec spec = { .cluster = str_from(l->copy), .timeout_us = STEP_US };

    if (i->at == i->plan->n || i->number != i->read_number || !home_may_send(l->home)) {
        i->n_rounds++;
        i->needs_walk |= !i->copy.is_there || i->has_removed;
        catalog_forget(l->catalog);
        item_again(i, 0);
        return;
    }
    spec.method = step->method;
    spec.target = step->target;
    if (step->body.len) {
        buf_add(&body, step->body);
        spec.body = &body;
    }
    crash_point(CRASH_AT_SCHEMA_BEFORE_STEP);
    i->ask = ask_start(l->home->owner->up, &spec, on_step, i);
    buf_fini(&body);
}

static bool
needs_calm(const struct schema_item *i)
{
    for (unsigned k = 0; k < i->plan->n; k++) {
        if (i->plan->steps[k].removes)
            return true;
    }
    return !i->copy.is_there;
}

static void
carry_out(struct schema_item *i)
{
    if (needs_calm(i) && !is_calm(i))
        item_again(i, CALM_US);
    else
        issue(i);
}

static void
add_step(struct schema_item *i, struct schema_step step)
{
    if (i->plan->n < SCHEMA_STEPS_MAX)
        i->plan->steps[i->plan->n++] = step;
}

/* --- the same collection ----------------------------------------------------------------------------------------- */

static void
done(struct schema_item *i)
{
    struct lane *l = i->lane;
    int64_t now_us = owner_now_us(l->home->owner);

    if (i->number != i->read_number) {
        item_again(i, 0);
        return;
    }
    /* What home has only queued is not shown yet. */
    if (i->is_dirty && i->name[0] && i->home.is_there && !(i->how & SCHEMA_HOLDS) && !i->home.schema.is_quiet &&
        now_us < i->touched_us + SETTLE_US) {
        item_again(i, POLL_US);
        return;
    }
    /* What was adopted may have got its mark from a process that was killed before it walked; what was removed may have been made
     * again since, so that nothing is missing but data. */
    if ((i->needs_walk || i->how & (SCHEMA_ADOPTS | SCHEMA_REMOVES)) && i->home.is_there && i->home.schema.points > 0)
        lane_walk(l, lexicon_number(l->home->owner->collections, str_from(i->name)),
            "its collection was made or adopted, or lost something");
    if (i->is_dirty)
        crash_point(CRASH_AT_SCHEMA_SAME);
    item_clean(i);
    home_run(l->home);
}

static struct str
tuning_of(const struct lane *l)
{
    const struct topology *t = l->home->owner->up->fleet->world->topology;
    int at = topology_find(t, str_from(l->copy));

    return at < 0 ? STR_NONE : t->clusters[at].options.schema;
}

/* The copy has what home has, or nothing. `stamp`: it is given home's incarnation. */
static void
make_same(struct schema_item *i, bool stamp)
{
    struct schema_plan *plan = i->plan;
    struct str name = str_from(i->name);

    schema_compare(
        &i->home.schema, i->copy.is_there ? &i->copy.schema : NULL, name, tuning_of(i->lane), &i->arena, plan);
    if (plan->conflict.len) {
        item_blocked(i, STR_FMT, STR_ARG(plan->conflict));
    } else if (!i->is_dirty && (plan->n || stamp)) {
        item_blocked(i, "it differs from home's: " STR_FMT, STR_ARG(plan->first));
    } else if (plan->n_removing && !(i->how & SCHEMA_REMOVES)) {
        item_blocked(i, "the copy has what home lacks, and no record took it away: " STR_FMT, STR_ARG(plan->first));
    } else if (plan->n && i->n_rounds && i->copy.is_there && !i->copy.schema.is_quiet) {
        item_again(i, POLL_US);
    } else if (plan->n && i->n_rounds >= ROUNDS_MAX) {
        item_blocked(i, "it does not become what home's is: " STR_FMT, STR_ARG(plan->first));
    } else {
        if (stamp)
            add_step(i, schema_stamp(name, i->home.schema.incarnation, &i->arena));
        if (plan->n)
            carry_out(i);
        else
            done(i);
    }
}

static void
drop_old(struct schema_item *i)
{
    struct str path = arena_join(&i->arena, STR("/collections/"), path_encode(str_from(i->name), &i->arena), STR_NONE);

    if (!i->is_dirty) {
        lane_touch_schema(i->lane, str_from(i->name), (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
        item_again(i, 0);
        return;
    }
    add_step(i, (struct schema_step){ METHOD_DELETE, path, STR_NONE, true });
    carry_out(i);
}

/* --- whose is it? ------------------------------------------------------------------------------------------------ */

static void
judge_present(struct schema_item *i)
{
    struct home *h = i->lane->home;
    struct str home = i->home.schema.incarnation, copy = i->copy.schema.incarnation, known;
    enum inc_state state = incs_state(h->incs, str_from(i->name), &known);
    bool adopts = i->how & SCHEMA_ADOPTS;

    if (restore_skips(i->lane, str_from(i->name), home)) {
        item_clean(i);
    } else if (home.len == 0) {
        item_blocked(i, "it was not made through Sextant: compare, then `sextant ctl adopt %s/%s`", h->name, i->name);
    } else if (state == INC_LIVE && !str_eq(known, home)) {
        item_blocked(i, "home has another incarnation than this journal made");
    } else if (!i->copy.is_there && i->age.lsn == 0 && !(i->how & SCHEMA_ADOPTS) && lane_has_lost(i->lane)) {
        item_again(i, 0); /* who is it now? */
    } else if (!i->copy.is_there && !i->is_dirty) {
        lane_touch_schema(i->lane, str_from(i->name), (struct mark_age){ 0 }, SCHEMA_HOLDS, false);
        item_again(i, 0);
    } else if (!i->copy.is_there || str_eq(home, copy)) {
        make_same(i, false);
    } else if (incs_is_deleted(h->incs, str_from(i->name), copy)) {
        drop_old(i);
    } else if ((copy.len == 0 && i->copy.schema.points == 0) || adopts) {
        make_same(i, true);
    } else if (copy.len == 0) {
        item_blocked(
            i, "the copy's was not made through Sextant: compare, then `sextant ctl adopt %s/%s`", h->name, i->name);
    } else {
        item_blocked(i, "the copy has another incarnation, which no record deleted");
    }
}

static void
judge_absent(struct schema_item *i)
{
    struct home *h = i->lane->home;
    struct str known;

    if (!i->copy.is_there)
        done(i);
    else if (incs_is_deleted(h->incs, str_from(i->name), i->copy.schema.incarnation))
        drop_old(i);
    else if (incs_state(h->incs, str_from(i->name), &known) == INC_LIVE)
        item_blocked(i, "home has lost it, no record deleted it");
    else
        item_blocked(i, "the copy has it and home does not, and no record deleted it");
}

static void
judge_aliases(struct schema_item *i)
{
    if (!schema_compare_aliases(
            buf_str(&i->home.info), buf_str(&i->copy.info), lane_keeps, i->lane, &i->arena, i->plan))
        item_fail(i, STR("an answer does not tell what it should"));
    else if (i->plan->n == 0)
        done(i);
    else if (!i->is_dirty)
        item_blocked(i, "they differ from home's: " STR_FMT, STR_ARG(i->plan->first));
    else if (i->n_rounds >= ROUNDS_MAX)
        item_blocked(i, "they do not become what home's are: " STR_FMT, STR_ARG(i->plan->first));
    else
        issue(i);
}

void
item_judge(struct schema_item *i)
{
    struct home *h = i->lane->home;

    i->plan = ARENA_NEW(&i->arena, struct schema_plan);
    i->at = 0;
    if (i->number != i->read_number || i->n_open || !home_may_send(h)) {
        item_again(i, 0);
        return;
    }
    if (i->name[0])
        incs_saw(h->incs, str_from(i->name), i->home.is_there, i->home.schema.incarnation);
    if (!i->name[0])
        judge_aliases(i);
    else if (i->home.is_there)
        judge_present(i);
    else
        judge_absent(i);
}
