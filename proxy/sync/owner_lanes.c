/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lanes there are, by the partition map: one for each copy of a home that is owned here, from the moment that the map has it.
 * One that it has no more sleeps, once nothing waits for it; when it is a copy again, also of a single line, it is walked. And what a
 * checkpoint has of each.
 */
#include "proxy/base/varint.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/owner_reach.h"

enum { MARKS_AT_ONCE = 4096 };
enum { LANE_DROPPED = 1, LANE_PARTIAL = 2, LANE_SWAPPED = 4, LANE_LOST = 8 }; /* in a checkpoint */

bool
lane_is_of(const struct lane *l, const struct partition *p, const struct topology *t)
{
    struct str home = str_from(l->home->name), copy = str_from(l->copy);

    if (!str_eq(t->clusters[p->clusters[0]].name, lane_is_restoring(l) ? copy : home))
        return false;
    for (unsigned i = 1; i < p->n_clusters; i++) {
        if (str_eq(t->clusters[p->clusters[i]].name, lane_is_restoring(l) ? home : copy))
            return true;
    }
    return false;
}

bool
lane_takes(const struct lane *l, struct str collection)
{
    const struct world *w = l->home->owner->up->fleet->world;
    const struct rule *rule = partition_map_rule(w->map, collection);

    for (unsigned i = 0; rule && i < rule->n_partitions; i++) {
        if (partition_fans_out(rule, &rule->partitions[i]) && lane_is_of(l, &rule->partitions[i], w->topology))
            return true;
    }
    return false;
}

/* Each has a bit in masks, as long as the journal lives: what it lacks may be asked of it when it comes back. */
static bool
can_keep(const struct home *h, struct str copy)
{
    const struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (str_eq(str_from(l->copy), copy))
            return true;
    }
    return h->n_lanes < LANES_MAX;
}

bool
home_can_keep_all(const struct home *h, const struct order *order)
{
    for (unsigned i = 0; i < order->n_copies; i++) {
        if (!can_keep(h, order->copies[i]))
            return false;
    }
    return true;
}

/* Those of a partition, as far as it can keep them. False: it has not all of them. */
static bool
add_lanes(struct home *h, const struct partition *p, const struct topology *t)
{
    bool has_all = true;

    if (!str_eq(t->clusters[p->clusters[0]].name, str_from(h->name)))
        return true;
    for (unsigned i = 1; i < p->n_clusters; i++) {
        if (can_keep(h, t->clusters[p->clusters[i]].name))
            home_lane(h, t->clusters[p->clusters[i]].name);
        else
            has_all = false;
    }
    return has_all;
}

static bool
add_from_map(struct home *h)
{
    const struct world *w = h->owner->up->fleet->world;
    bool has_all = true;

    for (unsigned i = 0; i < w->map->n_rules; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_partitions; k++) {
            if (partition_fans_out(rule, &rule->partitions[k]))
                has_all = add_lanes(h, &rule->partitions[k], w->topology) && has_all;
        }
    }
    return has_all;
}

/* --- which of them are awake ------------------------------------------------------------------------------------- */

static bool
is_in_map(const struct lane *l)
{
    const struct world *w = l->home->owner->up->fleet->world;

    for (unsigned i = 0; i < w->map->n_rules; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_partitions; k++) {
            if (partition_fans_out(rule, &rule->partitions[k]) && lane_is_of(l, &rule->partitions[k], w->topology))
                return true;
        }
    }
    return false;
}

/* An operator said that the copy goes, whatever waits for it. */
static bool
is_spared(const struct lane *l)
{
    const struct frozen *f;

    LIST_FOREACH (f, &l->home->frozen, entry) {
        if (frozen_spares(f, str_from(l->copy)))
            return true;
    }
    return false;
}

static bool
is_clear(const struct lane *l)
{
    unsigned n = 0;

    for (unsigned s = 0; s < MARK_STATES; s++)
        n += s == MARK_SETTLED ? 0 : marks_count(l->marks, (enum mark_state)s);
    return n == 0 && !lane_is_mending(l) && l->n_taints == 0 && LIST_EMPTY(&l->flights) && !l->is_recording;
}

/* Its number stays: it stands in masks of others. */
static void
sleep_now(struct lane *l)
{
    log_info("lane %s to %s: the map has no such copy any more", l->home->name, l->copy);
    lane_halt(l);
    lane_walk_fini(l);
    lane_drop_quarantines(l);
    marks_clear(l->marks);
    l->check = LANE_UNCHECKED;
    l->trouble[0] = l->doubt[0] = '\0';
    l->n_failures = 0;
    l->noted_lsn = l->saved_lsn = LANE_NOT_NOTED;
    l->is_dormant = true;
    l->has_joined = l->is_partial = l->is_swapped = l->has_lost = false;
    lane_tell_reach(l);
    owner_hide_lane(l->home->owner, l);
    l->home->owner->is_save_due = true;
}

/* What was sent when it was a copy before may still be on its way. */
static void
wake(struct lane *l)
{
    struct owner *o = l->home->owner;

    if (l->is_dormant)
        owner_show_lane(o, l);
    l->is_dormant = l->is_new = l->has_joined = false;
    l->is_partial = true;
    for (uint32_t c = 1; c < lexicon_count(o->collections); c++) {
        if (lexicon_is_current(o->collections, c))
            lane_taint(l, c);
    }
    lane_walk_doubted(l, "it is a copy again", true, true);
}

/* One that is new to a journal which has had its home before was given nothing yet. */
static void
join(struct lane *l)
{
    l->is_partial |= l->is_new && l->home->claims == HOME_CLAIMED;
    lane_join(l);
}

static void
put_left_out(const struct lane *l, struct buf *out)
{
    const struct lexicon *x = l->home->owner->collections;

    for (uint32_t c = 1; c < lexicon_count(x); c++) {
        if (lexicon_is_current(x, c) && !lane_takes(l, lexicon_name(x, c)))
            varint_put(out, c);
    }
}

void
home_note_left_out(struct home *h)
{
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        buf_clear(&l->left_out);
        put_left_out(l, &l->left_out);
    }
}

/* Of one of those it is a copy now: it lacks what was written meanwhile. */
static bool
takes_left_out(struct lane *l)
{
    const struct lexicon *x = l->home->owner->collections;
    struct str in = buf_str(&l->left_out);
    bool is_taken = false;
    uint64_t c;

    while (!is_taken && varint_take(&in, UINT32_MAX, &c))
        is_taken = lexicon_is_current(x, (uint32_t)c) && lane_takes(l, lexicon_name(x, (uint32_t)c));
    buf_fini(&l->left_out);
    return is_taken;
}

/* Of a lane that goes on for other lines: what waited for it of those that have it no more. */
static void
drop_spared(struct lane *l)
{
    struct owner *o = l->home->owner;

    for (uint32_t c = 1; c < lexicon_count(o->collections); c++) {
        if (lane_takes(l, lexicon_name(o->collections, c)))
            continue;
        marks_drop(l->marks, c);
        lane_walk_forget(l, c);
        lane_schema_forget(l, lexicon_name(o->collections, c));
    }
}

void
home_fit_lanes(struct home *h)
{
    struct lane *l;

    h->has_too_many = !add_from_map(h);
    LIST_FOREACH (l, &h->lanes, entry) {
        bool is_there = is_in_map(l), is_back = takes_left_out(l) || l->is_dormant;

        if (!is_there && !l->is_dormant && (is_clear(l) || is_spared(l)))
            sleep_now(l);
        else if (is_there && is_back)
            wake(l);
        else if (is_there && is_spared(l))
            drop_spared(l);
        if (is_there && !l->has_joined)
            join(l);
    }
}

/* A record that is read again: what the map has as a copy now, and was none then, is walked. */
void
home_missed(struct home *h, struct str collection, uint64_t lanes)
{
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (l->is_dormant || lanes >> l->index & 1 || !lane_takes(l, collection))
            continue;
        l->is_dormant = true;
        owner_hide_lane(h->owner, l);
    }
}

unsigned
home_lanes_for(
    struct home *h, struct str collection, const struct str *copies, unsigned n_copies, struct lane **ret_lanes)
{
    unsigned n = 0;
    struct lane *l;

    for (unsigned i = 0; i < n_copies; i++) {
        l = home_lane(h, copies[i]);
        if (!l->is_dormant)
            ret_lanes[n++] = l;
    }
    LIST_FOREACH (l, &h->lanes, entry) {
        bool is_new = !l->is_dormant && collection.len && lane_takes(l, collection);

        for (unsigned i = 0; i < n && is_new; i++)
            is_new = ret_lanes[i] != l;
        if (is_new && n < ORDER_COPIES_MAX)
            ret_lanes[n++] = l;
    }
    return n;
}

uint64_t
home_lanes_mask(struct home *h, struct str collection)
{
    uint64_t mask = 0;
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (!l->is_dormant && lane_takes(l, collection))
            mask |= UINT64_C(1) << l->index;
    }
    return mask;
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

void
lane_save(struct lane *l, struct buf *out)
{
    struct buf marks = { 0 }, walk = { 0 }, left_out = { 0 };

    put_left_out(l, &left_out);
    marks_save_start(l->marks);
    while (marks_save_put(l->marks, MARKS_AT_ONCE, &marks))
        ;
    varint_put_str(out, str_from(l->copy));
    varint_put_str(out, buf_str(&marks));
    lane_walk_save(l, &walk);
    varint_put_str(out, buf_str(&walk));
    varint_put(out, (lane_has_dropped_settled(l) ? LANE_DROPPED : 0) | (l->is_partial ? LANE_PARTIAL : 0) |
                        (l->is_swapped ? LANE_SWAPPED : 0) |
                        (l->has_lost || (l->is_new && l->is_partial) ? LANE_LOST : 0));
    varint_put_str(out, buf_str(&left_out));
    buf_fini(&marks);
    buf_fini(&walk);
    buf_fini(&left_out);
    lane_keep_position(l);
}

/* False: damaged. */
static bool
load_marks(struct lane *l, struct str bytes)
{
    enum marks_load came = marks_load(l->marks, &bytes, owner_now_us(l->home->owner));

    if (came != MARKS_TOO_MANY)
        return came == MARKS_LOADED && bytes.len == 0;
    marks_free(l->marks);
    l->marks = marks_new(SIZE_MAX, &l->home->owner->hash_key);
    lane_walk_forgotten(l, "more was known of it than can be kept");
    return true;
}

bool
lane_load(struct home *h, struct str *in, uint64_t format)
{
    struct str copy, marks, walk, left_out = STR_NONE;
    uint64_t flags = 0;
    struct lane *l;

    if (!varint_take_str(in, &copy) || !varint_take_str(in, &marks) || !varint_take_str(in, &walk) ||
        (format >= 6 && !varint_take(in, LANE_DROPPED | LANE_PARTIAL | LANE_SWAPPED | LANE_LOST, &flags)) ||
        (format >= 9 && !varint_take_str(in, &left_out)))
        return false;
    l = home_lane(h, copy);
    l->is_new = false;
    l->is_partial = flags & LANE_PARTIAL;
    l->is_swapped = flags & LANE_SWAPPED;
    l->has_lost = flags & LANE_LOST;
    buf_add(&l->left_out, left_out);
    if (!lane_walk_load(l, walk) || !load_marks(l, marks))
        return false;
    if (flags & LANE_DROPPED)
        lane_walk_forgotten(l, "what it got in the last minute was forgotten for want of memory");
    return true;
}
