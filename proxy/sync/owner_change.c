/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of schema as they come in and go out: who may begin, who has to wait, what the client is told. See owner_change.h.
 */
#include "proxy/sync/owner_change.h"

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/route/path.h"
#include "proxy/sync/lane_walk.h"

enum { RECORD_BYTES = 32 * 1024 };

bool
op_is_gated(enum op_id op)
{
    switch ((int)op) {
    case OP_CREATE_COLLECTION:
    case OP_DELETE_COLLECTION:
    case OP_CREATE_VECTOR_NAME:
    case OP_DELETE_VECTOR_NAME:
    case OP_CREATE_SHARD_KEY:
    case OP_DELETE_SHARD_KEY:
        return true;
    default:
        return false;
    }
}

bool
op_removes(enum op_id op)
{
    return op == OP_DELETE_COLLECTION || op == OP_DELETE_VECTOR_NAME || op == OP_DELETE_SHARD_KEY;
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg);

struct change *
change_new(struct home *h, struct str name, enum op_id op)
{
    struct change *c = MEM_NEW(struct change);

    c->home = h;
    c->op = op;
    c->is_gated = op_is_gated(op);
    c->name = arena_str(&c->arena, name);
    timer_init(&c->timer, h->owner->loop, on_timer, c);
    TAILQ_INSERT_TAIL(&h->changes, c, entry);
    return c;
}

void
change_free(struct change *c)
{
    struct home *h = c->home;

    TAILQ_REMOVE(&h->changes, c, entry);
    catalog_cancel(&c->catalog);
    ask_cancel(&c->ask);
    timer_fini(&c->timer);
    ledger_gate_end(h->ledger, &c->gate);
    buf_fini(&c->body);
    arena_fini(&c->arena);
    mem_free(c);
}

static void
tell_errand(struct change *c, enum fail fail, struct str detail)
{
    struct errand *e = c->errand;
    int status = c->order->answer.status;

    c->errand = NULL;
    if (!e)
        return;
    if (fail != FAIL_NONE)
        errand_refuse(e, 503, "%s " STR_FMT, fail_info(fail)->sentence, STR_ARG(detail.len ? detail : STR("")));
    else if (status != 200)
        errand_refuse(e, 502, "home says %d: " STR_FMT, status, STR_ARG(buf_str(&c->order->answer_body)));
    else {
        buf_add(&e->answer, STR("{\"done\":true}\n"));
        errand_answer(e, 200);
    }
}

/* To whoever waits; the change itself may go on. */
static void
tell(struct change *c, enum fail fail, struct str detail)
{
    struct order *order = c->order;
    bool is_ordered = c->errand != NULL;

    if (!order)
        return;
    tell_errand(c, fail, detail);
    c->order = NULL;
    timer_clear(&c->timer);
    if (is_ordered)
        order_free(order);
    else if (fail == FAIL_NONE)
        order_deliver(order);
    else
        order_refuse(order, fail, detail);
}

void
change_refuse(struct change *c, enum fail fail, struct str detail)
{
    tell(c, fail, detail);
    change_free(c);
}

void
change_finish(struct change *c)
{
    tell(c, FAIL_NONE, STR_NONE);
    change_free(c);
}

/* --- who may begin ----------------------------------------------------------------------------------------------- */

static bool
reaches_copies(const struct change *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n_lanes && c->order->n_needed; i++)
        n += lane_is_reachable(c->lanes[i]);
    return n >= c->order->n_needed;
}

static enum fail
may_begin(const struct change *c)
{
    struct owner *o = c->home->owner;
    size_t bytes = buf_len(&c->order->body) + RECORD_BYTES;

    if (o->is_ending)
        return FAIL_OWNER_ENDING;
    if (home_freezes(c->home, c->name))
        return FAIL_PARTITION_FROZEN;
    if (home_is_frozen(c->home))
        return home_fail(c->home);
    if (bytes > journal_payload_max(o->journal))
        return FAIL_BODY_TOO_LARGE;
    if (journal_error(o->journal))
        return FAIL_JOURNAL_FAILED;
    if (!journal_has_room(o->journal, bytes))
        return FAIL_JOURNAL_FULL;
    return reaches_copies(c) ? FAIL_NONE : FAIL_COPIES_AWAY;
}

/* Writes whose outcome is not known may come late, into what is made now. */
static bool
is_at_rest(const struct change *c)
{
    const struct quarantine *q;

    if (rule_is_off(RULE_SCHEMA))
        return true;
    if (!c->has_turn)
        return false;
    TAILQ_FOREACH (q, &c->home->quarantines, entry) {
        if (q->hold && q->collection == c->gate.collection)
            return false;
    }
    return true;
}

void
change_has_turn(struct ledger_gate *turn)
{
    struct change *c = change_of_gate(turn);
    struct lane *l;

    c->has_turn = true;
    ledger_forget(c->home->ledger, INT64_MAX);
    LIST_FOREACH (l, &c->home->lanes, entry)
        lane_walk_interrupt(l);
    crash_point(CRASH_AT_OWNER_GATE_HAS_TURN);
}

void
home_look_at_changes(struct home *h)
{
    struct change *c, *next;

    for (c = TAILQ_FIRST(&h->changes); c; c = next) {
        enum fail fail;

        next = TAILQ_NEXT(c, entry);
        if (c->state != CHANGE_GATE || (c->is_gated && !is_at_rest(c)))
            continue;
        fail = may_begin(c);
        if (fail != FAIL_NONE)
            change_refuse(c, fail, STR_NONE);
        else if (home_may_send(h))
            change_look(c);
    }
    for (c = TAILQ_FIRST(&h->changes); c; c = next) {
        unsigned n = 0;

        next = TAILQ_NEXT(c, entry);
        if (c->state != CHANGE_COPIES)
            continue;
        for (unsigned i = 0; i < c->n_lanes; i++)
            n += lane_has_schema(c->lanes[i], c->name);
        if (n < c->order->n_needed)
            continue;
        c->order->done = change_done(c);
        change_finish(c);
    }
}

void
change_enter(struct change *c)
{
    struct home *h = c->home;
    struct order *order = c->order;

    c->n_lanes = home_lanes_for(h, c->name, order->copies, order->n_copies, c->lanes);
    c->state = CHANGE_GATE;
    if (!c->is_gated)
        return;
    c->gate.collection = lexicon_number(h->owner->collections, c->name);
    c->gate.is_schema = true;
    ledger_gate(h->ledger, &c->gate);
    crash_point(CRASH_AT_OWNER_GATE_BEGUN);
}

/* --- coming in --------------------------------------------------------------------------------------------------- */

/* What follows the collection's name in the path. */
static struct str
rest_of(struct str path)
{
    struct str rest = str_skip(path, STR("/collections/").len), name;
    const char *at = memchr(rest.p, '/', rest.len);

    name = str_make(rest.p, at ? (size_t)(at - rest.p) : rest.len);
    return str_skip(rest, name.len);
}

static void
set_target(struct change *c)
{
    struct order *order = c->order;
    bool is_points_like = c->op == OP_CREATE_VECTOR_NAME || c->op == OP_DELETE_VECTOR_NAME;
    struct str query = is_points_like ? order->query.waiting : order->op.query;
    struct str path = order->op.path;

    if (c->name.len)
        path = arena_join(&c->arena, STR("/collections/"), path_encode(c->name, &c->arena), rest_of(path));
    c->target = arena_join(&c->arena, path, query.len ? STR("?") : STR_NONE, query);
}

static void
resolved(struct change *c, const struct catalog_entry *entry)
{
    struct order *order = c->order;

    if (entry->fail != FAIL_NONE) {
        change_refuse(c, FAIL_NO_HEALTHY_CLUSTER, str_from(fail_info(entry->fail)->sentence));
        return;
    }
    if (entry->status != 200) {
        order_pass_refusal(order, entry);
        change_finish(c);
        return;
    }
    c->name = arena_str(&c->arena, entry->name);
    set_target(c);
    change_enter(c);
}

static void
on_resolved(void *arg, const struct catalog_entry *entry)
{
    struct change *c = arg;
    struct home *h = c->home;

    resolved(c, entry);
    home_run(h);
}

void
owner_take_change(struct owner *o, struct order *order)
{
    struct home *h = owner_home(o, order->home);
    bool is_real = order->op.id == OP_CREATE_COLLECTION || order->op.id == OP_DELETE_COLLECTION;
    bool has_aliases = order->op.id == OP_UPDATE_ALIASES;
    const struct catalog_entry *entry = NULL;
    struct change *c;

    if (!h || o->is_ending || o->succession.is_retiring) {
        order_refuse(order, h ? FAIL_OWNER_ENDING : FAIL_NOT_OWNER, order->home);
        return;
    }
    if (home_is_frozen(h)) {
        order_refuse(order, home_fail(h), str_from(h->trouble));
        return;
    }
    if (!home_can_keep_all(h, order)) {
        order_refuse(order, FAIL_LANE_FULL, STR(HOME_HAS_TOO_MANY));
        return;
    }
    c = change_new(h, has_aliases ? STR_NONE : order->op.collection, order->op.id);
    c->order = order;
    c->timeout_us = timeout_us_of(order->query.timeout_s);
    c->catalog.fn = on_resolved;
    c->catalog.arg = c;
    timer_set(&c->timer, order->deadline_us - owner_now_us(o));
    if (c->op == OP_UPDATE_COLLECTION && schema_names_own(buf_str(&order->body))) {
        change_refuse(c, FAIL_SCHEMA_UNCLEAR, STR("metadata." SCHEMA_OWN " is Sextant's"));
    } else if (is_real || has_aliases) {
        set_target(c);
        change_enter(c);
    } else {
        entry = catalog_find(h->catalog, order->op.collection, &c->catalog);
    }
    if (entry)
        resolved(c, entry);
    home_run(h);
}

/* --- time is over, or the owner ends ----------------------------------------------------------------------------- */

struct str
change_done(const struct change *c)
{
    struct arena *arena = &c->order->arena;
    struct str done = arena_str(arena, str_from(c->home->name));

    for (unsigned i = 0; i < c->n_lanes; i++) {
        if (lane_has_schema(c->lanes[i], c->name))
            done = arena_join(arena, done, STR(","), str_from(c->lanes[i]->copy));
    }
    return done;
}

static void
on_timer(void *arg)
{
    struct change *c = arg;
    struct home *h = c->home;

    switch (c->state) {
    case CHANGE_RESOLVE:
    case CHANGE_GATE:
        change_refuse(c, home_may_send(h) ? FAIL_POINT_HELD : FAIL_CLAIM_LOST, str_from(h->trouble));
        break;
    case CHANGE_LOOK:
        change_refuse(c, FAIL_NO_HEALTHY_CLUSTER, STR("it did not say in time whether it has the collection"));
        break;
    case CHANGE_JOURNAL:
        c->is_late = true;
        break;
    case CHANGE_COPIES:
        c->order->done = change_done(c);
        change_refuse(c, FAIL_COPIES_LATE, c->order->done);
        break;
    case CHANGE_HOME:
    case CHANGE_RECORD:
        break;
    case CHANGE_LOST:
        change_look(c);
        break;
    }
    home_run(h);
}

/* One that is at home goes on there; the next start looks what came of it. False: the disk will answer. */
static bool
end(struct change *c)
{
    switch (c->state) {
    case CHANGE_RESOLVE:
    case CHANGE_GATE:
    case CHANGE_LOOK:
        change_refuse(c, FAIL_OWNER_ENDING, STR_NONE);
        return true;
    case CHANGE_JOURNAL:
    case CHANGE_RECORD:
        return false;
    case CHANGE_HOME:
        change_refuse(c, FAIL_WRITE_INDEFINITE, STR_NONE);
        return true;
    case CHANGE_COPIES:
        change_refuse(c, FAIL_COPIES_LATE, STR_NONE);
        return true;
    case CHANGE_LOST:
        change_free(c);
        return true;
    }
    return true;
}

bool
home_is_gated(const struct home *h)
{
    const struct change *c;

    TAILQ_FOREACH (c, &h->changes, entry) {
        if (c->is_gated && (c->has_turn || c->is_inside))
            return true;
    }
    return false;
}

bool
home_is_changing(const struct home *h)
{
    const struct change *c;

    TAILQ_FOREACH (c, &h->changes, entry) {
        if (c->state != CHANGE_LOST)
            return true;
    }
    return false;
}

bool
home_end_changes(struct home *h)
{
    struct change *c, *next;
    bool is_over = true;

    for (c = TAILQ_FIRST(&h->changes); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        is_over = end(c) && is_over;
    }
    return is_over;
}

void
home_drop_changes(struct home *h)
{
    struct change *c;

    while ((c = TAILQ_FIRST(&h->changes))) {
        if (c->order)
            order_free(c->order);
        change_free(c);
    }
}
