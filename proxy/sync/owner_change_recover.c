/* SPDX-License-Identifier: Apache-2.0
 *
 * What a start learns of changes of schema: lanes compare every collection that was changed since the checkpoint, and a change
 * without an outcome is one whose answer was lost. In a checkpoint, after each home:
 *
 *   incarnations, lanes {collections to be compared}, open changes {lsn, record}
 */
#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/sync/owner_change.h"
#include "proxy/sync/record.h"

static void
put_open(const struct change *c, struct buf *out)
{
    struct str copies[ORDER_COPIES_MAX];
    struct record_schema record = {
        .home = str_from(c->home->name),
        .copies = copies,
        .n_copies = c->n_lanes,
        .collection = c->name,
        .incarnation = c->old_inc,
        .new_incarnation = c->new_inc,
        .removes = op_removes(c->op),
        .op = c->op,
        .target = c->target,
    };
    struct buf bytes = { 0 };

    for (unsigned i = 0; i < c->n_lanes; i++)
        copies[i] = str_from(c->lanes[i]->copy);
    record_put_schema(&record, &bytes);
    varint_put(out, c->lsn);
    varint_put(out, (uint64_t)c->timeout_us);
    varint_put_str(out, buf_str(&bytes));
    buf_fini(&bytes);
}

void
home_put_schemas(struct home *h, struct buf *out)
{
    const struct change *c;
    struct lane *l;
    unsigned n = 0;

    incs_encode(h->incs, out);
    varint_put(out, h->n_lanes);
    LIST_FOREACH (l, &h->lanes, entry) {
        varint_put_str(out, str_from(l->copy));
        lane_put_schemas(l, out);
    }
    TAILQ_FOREACH (c, &h->changes, entry)
        n += c->is_inside;
    varint_put(out, n);
    TAILQ_FOREACH (c, &h->changes, entry) {
        if (c->is_inside)
            put_open(c, out);
    }
}

static unsigned
how_of(const struct record_schema *s)
{
    unsigned how = op_is_gated(s->op) ? SCHEMA_HOLDS : 0;

    if (s->removes)
        how |= SCHEMA_REMOVES;
    if (s->op == OP_UPDATE_COLLECTION && s->new_incarnation.len)
        how |= SCHEMA_HOLDS | SCHEMA_ADOPTS;
    return how;
}

static struct change *
open_change(struct home *h, const struct record_schema *s, struct mark_age age)
{
    struct change *c = change_new(h, s->collection, s->op);

    c->state = CHANGE_LOST;
    c->lsn = age.lsn;
    c->old_inc = arena_str(&c->arena, s->incarnation);
    c->new_inc = arena_str(&c->arena, s->new_incarnation);
    c->target = arena_str(&c->arena, s->target);
    c->is_inside = true;
    for (unsigned i = 0; i < s->n_copies && i < ORDER_COPIES_MAX; i++) {
        c->lanes[c->n_lanes++] = home_lane(h, s->copies[i]);
        lane_touch_schema(c->lanes[i], c->name, age, how_of(s), true);
    }
    return c;
}

bool
owner_replay_schema(struct owner *o, struct arena *arena, const struct journal_record *record)
{
    struct mark_age age = { record->lsn, record->wall_us };
    struct record_schema s;
    struct home *h;

    if (!record_take_schema(record->payload, arena, &s))
        return false;
    h = owner_add_home(o, s.home);
    open_change(h, &s, age);
    if (s.op == OP_CREATE_COLLECTION)
        incs_set(h->incs, s.collection, s.new_incarnation, INC_UNSURE);
    if (s.op == OP_DELETE_COLLECTION) {
        incs_delete(h->incs, s.collection, s.incarnation);
        incs_set(h->incs, s.collection, s.incarnation, INC_UNSURE);
    }
    o->marked_lsn = age.lsn;
    return true;
}

void
owner_replay_schema_outcome(struct owner *o, uint64_t lsn, bool is_done)
{
    struct change *c;
    struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        TAILQ_FOREACH (c, &h->changes, entry) {
            if (c->lsn != lsn)
                continue;
            change_over(c, is_done);
            change_free(c);
            return;
        }
    }
}

/* Those whose outcome was not found hold their collection. */
void
home_hold_changes(struct home *h)
{
    struct change *c;

    TAILQ_FOREACH (c, &h->changes, entry) {
        if (c->is_gated) {
            c->gate.collection = lexicon_number(h->owner->collections, c->name);
            c->gate.is_schema = true;
            ledger_gate(h->ledger, &c->gate);
        }
        change_lose(c);
    }
}

static bool
take_open(struct home *h, struct str *in)
{
    struct arena arena = { 0 };
    struct record_schema s;
    uint64_t lsn, timeout_us;
    struct str bytes;
    bool is_good = varint_take(in, UINT64_MAX, &lsn) && varint_take(in, INT64_MAX / 4, &timeout_us) &&
                   varint_take_str(in, &bytes) && record_take_schema(bytes, &arena, &s);

    if (is_good)
        open_change(h, &s, (struct mark_age){ .lsn = lsn })->timeout_us = (int64_t)timeout_us;
    arena_fini(&arena);
    return is_good;
}

bool
home_take_schemas(struct home *h, struct str *in)
{
    struct str copy;
    uint64_t n;

    if (!incs_decode(h->incs, in) || !varint_take(in, LANES_MAX, &n))
        return false;
    while (n--) {
        if (!varint_take_str(in, &copy) || !lane_take_schemas(home_lane(h, copy), in))
            return false;
    }
    if (!varint_take(in, in->len, &n))
        return false;
    while (n--) {
        if (!take_open(h, in))
            return false;
    }
    return true;
}
