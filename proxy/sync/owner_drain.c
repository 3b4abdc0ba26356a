/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a frozen partition is still on its way, and what a journal that was read says against the map. See freeze.h.
 */
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_change.h"
#include "proxy/sync/owner_job.h"

/* --- which collections ------------------------------------------------------------------------------------------- */

struct drain {
    struct frozen *f;
    bool *is_in; /* by number of the lexicon */
    struct buf left;
};

static void
list_collections(struct drain *d)
{
    const struct lexicon *x = d->f->home->owner->collections;
    uint32_t n = lexicon_count(x);

    d->is_in = mem_array(n + 1, sizeof(*d->is_in));
    for (uint32_t c = 1; c < n; c++)
        d->is_in[c] = frozen_has(d->f, lexicon_name(x, c));
}

/* --- what is left ------------------------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3))) say_left(struct drain *d, const char *format, ...)
{
    va_list args;

    if (buf_len(&d->left))
        buf_add(&d->left, STR(", "));
    va_start(args, format);
    buf_vprintf(&d->left, format, args);
    va_end(args);
}

static unsigned
count_marks(const struct drain *d, const struct lane *l)
{
    unsigned n = 0, all = 0;
    struct mark_view view;

    for (unsigned s = 0; s < MARK_STATES; s++)
        all += s == MARK_SETTLED ? 0 : marks_count(l->marks, (enum mark_state)s);
    for (uint32_t at = 0; all && marks_next(l->marks, &at, &view);)
        n += view.state != MARK_SETTLED && d->is_in[view.key.collection];
    return n;
}

/* A copy of other lines of the home got nothing of this one. */
static bool
is_copy_of(const struct lane *l, const struct frozen *f)
{
    const struct partition *part = f->rule ? home_partition(f->home, f->rule) : NULL;

    return !part || lane_is_of(l, part, f->home->owner->up->fleet->world->topology);
}

static bool
is_walked(const struct drain *d, const struct lane *l)
{
    return lane_is_mending(l) && !l->is_dormant && d->f->rule;
}

static void
look_at_lane(struct drain *d, struct lane *l)
{
    unsigned n = count_marks(d, l);
    struct str name;

    if (n)
        say_left(d, "%u points for %s", n, l->copy);
    if (!is_copy_of(l, d->f))
        return;
    if (is_walked(d, l))
        say_left(d, "the comparison of %s", l->copy);
    for (uint32_t c = 1; c < lexicon_count(l->home->owner->collections); c++) {
        name = lexicon_name(l->home->owner->collections, c);
        if (d->is_in[c] && !lane_has_schema(l, name))
            say_left(d, "the schema of " STR_FMT " at %s", STR_ARG(name), l->copy);
    }
    if (!lane_has_schema(l, STR_NONE))
        say_left(d, "aliases at %s", l->copy);
}

static bool
is_of_job(const struct drain *d, const struct job *job)
{
    return frozen_has(d->f, job->order->op.collection);
}

static void
look_at_home(struct drain *d)
{
    const struct home *h = d->f->home;
    const struct ledger_hold *hold;
    const struct quarantine *q;
    const struct change *c;
    const struct job *job;
    unsigned n_writes = 0, n_held = 0, n_late = 0, n_changes = 0;

    TAILQ_FOREACH (job, &h->running, entry)
        n_writes += is_of_job(d, job);
    for (hold = ledger_holds(h->ledger); hold; hold = LIST_NEXT(hold, entry))
        n_held += hold->n_points && d->is_in[hold->points[0].collection];
    TAILQ_FOREACH (q, &h->quarantines, entry)
        n_late += !q->hold && d->is_in[q->collection] && !(q->lane && frozen_spares(d->f, str_from(q->lane->copy)));
    TAILQ_FOREACH (c, &h->changes, entry)
        n_changes += c->name.len == 0 || frozen_has(d->f, c->name);
    if (n_writes)
        say_left(d, "%u writes at home", n_writes);
    if (n_held)
        say_left(d, "%u writes of unknown outcome", n_held);
    if (n_late)
        say_left(d, "%u batches that may come late", n_late);
    if (n_changes)
        say_left(d, "%u changes of schema", n_changes);
    if (!home_may_send(h))
        say_left(d, "home %s cannot be asked", h->name);
}

/* --- the clock --------------------------------------------------------------------------------------------------- */

/* What was confirmed then may go with the power of who confirmed it, for a while: it must have lived since. */
static bool
has_lived(const struct frozen *f, int64_t until_us)
{
    const struct lane *l;

    if (f->home->answered_us < until_us)
        return false;
    LIST_FOREACH (l, &f->home->lanes, entry) {
        if (!l->is_dormant && !frozen_spares(f, str_from(l->copy)) && is_copy_of(l, f) && l->alive_us < until_us)
            return false;
    }
    return true;
}

static void
record_drained(struct drain *d)
{
    struct frozen *f = d->f;
    const struct lexicon *x = f->home->owner->collections;
    struct buf names = { 0 };

    for (uint32_t c = 1; c < lexicon_count(x); c++) {
        if (d->is_in[c] && lexicon_is_current(x, c))
            varint_put_str(&names, lexicon_name(x, c));
    }
    f->collections = arena_str(&f->arena, buf_str(&names));
    buf_fini(&names);
    f->is_recorded = true;
    frozen_record(f, false);
    log_info("home %s: line " STR_FMT ", partition " STR_FMT " is drained", f->home->name, STR_ARG(f->line),
        STR_ARG(f->partition));
}

static void
judge(struct drain *d)
{
    struct frozen *f = d->f;
    const struct owner *o = f->home->owner;
    int64_t now_us = owner_now_us(o), wait_us = owner_quarantine_us(o);
    bool is_clear = buf_len(&d->left) == 0, was_drained = f->is_drained;

    if (!is_clear)
        f->clear_us = 0;
    else if (f->clear_us == 0)
        f->clear_us = now_us;
    f->is_drained = is_clear && now_us >= f->clear_us + wait_us && has_lived(f, f->clear_us + wait_us);
    if (is_clear && !f->is_drained && now_us < f->clear_us + wait_us)
        say_left(d, "nothing, for sure in %lld s", (long long)(f->clear_us + wait_us - now_us) / 1000000 + 1);
    else if (is_clear && !f->is_drained)
        say_left(d, "nothing, for sure when home and copies have answered");
    snprintf(f->left, sizeof(f->left), STR_FMT, STR_ARG(buf_str(&d->left)));
    if (f->is_drained && !(f->is_recorded && was_drained))
        record_drained(d);
}

void
home_look_at_frozen(struct home *h)
{
    struct frozen *f;
    struct lane *l;

    LIST_FOREACH (f, &h->frozen, entry) {
        struct drain d = { .f = f };

        if (h->claims == HOME_GIVEN_UP) {
            f->is_drained = true;
            f->left[0] = '\0';
            continue;
        }
        list_collections(&d);
        look_at_home(&d);
        LIST_FOREACH (l, &h->lanes, entry) {
            if (!l->is_dormant && !frozen_spares(f, str_from(l->copy)))
                look_at_lane(&d, l);
        }
        judge(&d);
        mem_free(d.is_in);
        buf_fini(&d.left);
    }
}

/* --- shown ------------------------------------------------------------------------------------------------------- */

static void
copy_text(char *to, size_t size, struct str text)
{
    snprintf(to, size, STR_FMT, STR_ARG(text));
}

static void
show(const struct frozen *f, struct frozen_view *v)
{
    *v = (struct frozen_view){
        .since_wall_us = f->since_wall_us, .is_drained = f->is_drained, .is_given_up = f->home->claims == HOME_GIVEN_UP
    };
    copy_text(v->home, sizeof(v->home), str_from(f->home->name));
    copy_text(v->line, sizeof(v->line), f->line);
    copy_text(v->partition, sizeof(v->partition), f->partition);
    copy_text(v->without, sizeof(v->without), f->without);
    copy_text(v->reason, sizeof(v->reason), f->reason);
    copy_text(v->by, sizeof(v->by), f->by);
    copy_text(v->left, sizeof(v->left), str_from(f->left));
}

void
owner_show_frozen(struct owner *o)
{
    const struct frozen *f;
    struct home *h;
    unsigned n = 0;

    pthread_mutex_lock(&o->shared.lock);
    LIST_FOREACH (h, &o->homes, entry) {
        LIST_FOREACH (f, &h->frozen, entry) {
            if (n < FROZEN_MAX)
                show(f, &o->shared.frozen[n++]);
        }
    }
    o->shared.n_frozen = n;
    pthread_mutex_unlock(&o->shared.lock);
}

unsigned
owner_frozen(struct owner *o, struct frozen_view *ret_views, unsigned max)
{
    unsigned n;

    pthread_mutex_lock(&o->shared.lock);
    n = o->shared.n_frozen < max ? o->shared.n_frozen : max;
    for (unsigned i = 0; i < n; i++)
        ret_views[i] = o->shared.frozen[i];
    pthread_mutex_unlock(&o->shared.lock);
    return n;
}

/* --- a journal that was read ------------------------------------------------------------------------------------- */

struct leftover { /* points of a collection that wait for a copy which the map gives it no more */
    const struct lane *lane;
    uint32_t collection;
    unsigned n;
};

/* An operator said that nothing need be brought there any more. */
static bool
is_excused(const struct lane *l, struct str collection)
{
    const struct frozen *f;
    struct str rest, name;

    LIST_FOREACH (f, &l->home->frozen, entry) {
        rest = f->collections;
        while (f->is_recorded && frozen_spares(f, str_from(l->copy)) && rest.len && varint_take_str(&rest, &name)) {
            if (str_eq(name, collection))
                return true;
        }
    }
    return false;
}

static struct leftover
find_leftover(const struct lane *l)
{
    const struct lexicon *x = l->home->owner->collections;
    struct leftover found = { .lane = l };
    struct mark_view view;

    for (uint32_t at = 0; marks_next(l->marks, &at, &view);) {
        struct str name = lexicon_name(x, view.key.collection);
        bool is_other = found.n && view.key.collection != found.collection;

        if (view.state == MARK_SETTLED || is_other || lane_takes(l, name) || is_excused(l, name))
            continue;
        found.collection = view.key.collection;
        found.n++;
    }
    return found;
}

static void
tell_leftover(const struct leftover *left, struct buf *out)
{
    const struct owner *o = left->lane->home->owner;
    const struct world *w = o->up->fleet->world;
    struct str name = lexicon_name(o->collections, left->collection);
    const struct rule *rule = partition_map_rule(w->map, name);

    buf_printf(out, "%u points of collection " STR_FMT " wait to be brought from %s to %s, and ", left->n,
        STR_ARG(name), left->lane->home->name, left->lane->copy);
    if (rule)
        buf_printf(out, "line %u of the map has it otherwise", rule->line);
    else
        buf_printf(out, "no line of the map takes it");
    buf_printf(out,
        ". Start with the map as it was, `sextant ctl freeze '" STR_FMT "' --wait`, and change the map then; see "
        "docs/replication.md, \"Changing the map\"",
        STR_ARG(name));
}

static bool
is_home_here(const struct home *h)
{
    const struct world *w = h->owner->up->fleet->world;
    int at = topology_find(w->topology, str_from(h->name));

    return at >= 0 && w->fanout->owns >> at & 1;
}

static bool
check_home(const struct home *h, struct buf *ret_error)
{
    const struct lane *l;

    if (h->claims == HOME_GIVEN_UP)
        return true;
    LIST_FOREACH (l, &h->lanes, entry) {
        struct leftover left = find_leftover(l);

        if (left.n == 0)
            continue;
        tell_leftover(&left, ret_error);
        return false;
    }
    if (h->claims != HOME_CLAIMED || is_home_here(h))
        return true;
    buf_printf(ret_error,
        "this journal has the claim on %s, and the map says that another edge has, or that nobody need: start with the "
        "map "
        "as it was, freeze and drain what has its home there, `sextant ctl release %s`, and change the map then; see "
        "docs/replication.md, \"Changing the map\"",
        h->name, h->name);
    return false;
}

bool
owner_check_map(struct owner *o, struct buf *ret_error)
{
    const struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        if (!check_home(h, ret_error))
            return false;
    }
    return true;
}
