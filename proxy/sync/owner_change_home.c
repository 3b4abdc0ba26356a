/* SPDX-License-Identifier: Apache-2.0
 *
 * A change of schema from the look at home to its outcome. See owner_change.h.
 */
#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/random.h"
#include "proxy/obs/log.h"
#include "proxy/route/path.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_change.h"
#include "proxy/sync/record.h"

enum { HOME_LEAST_US = 1000 * 1000, LOOK_US = 5 * 1000 * 1000, AGAIN_US = 1000 * 1000, ANSWER_BYTES = 16 << 20 };

/* --- the outcome ------------------------------------------------------------------------------------------------- */

static void
each_lane(struct change *c, void (*fn)(struct lane *l, struct str name))
{
    for (unsigned i = 0; i < c->n_lanes; i++)
        fn(c->lanes[i], c->name);
}

/* What bore the name is gone: its marks are worth nothing, and what comes under the name is another collection. */
static void
forget_collection(struct change *c)
{
    struct owner *o = c->home->owner;
    struct lane *l;

    LIST_FOREACH (l, &c->home->lanes, entry) {
        marks_drop(l->marks, lexicon_number(o->collections, c->name));
        lane_walk_forget(l, lexicon_number(o->collections, c->name));
    }
    if (o->journal)
        rewind_void(c->home, c->name);
    lexicon_forget(o->collections, c->name);
}

void
change_over(struct change *c, bool is_done)
{
    struct home *h = c->home;
    struct str inc;

    catalog_forget(h->catalog);
    if (c->op == OP_CREATE_COLLECTION)
        incs_set(h->incs, c->name, is_done ? c->new_inc : STR_NONE, is_done ? INC_LIVE : INC_GONE);
    if (c->op == OP_DELETE_COLLECTION && is_done) {
        incs_set(h->incs, c->name, c->old_inc, INC_GONE);
        forget_collection(c);
    } else if (c->op == OP_DELETE_COLLECTION && incs_state(h->incs, c->name, &inc) == INC_UNSURE) {
        incs_saw(h->incs, c->name, true, c->old_inc);
    } else if (c->op == OP_UPDATE_COLLECTION && c->new_inc.len && is_done) {
        incs_set(h->incs, c->name, c->new_inc, INC_LIVE);
    }
    crash_point(CRASH_AT_OWNER_GATE_ENDS);
    ledger_gate_end(h->ledger, &c->gate);
    if (c->is_inside)
        each_lane(c, lane_schema_over);
    c->is_inside = false;
    crash_point(CRASH_AT_OWNER_GATE_ENDED);
}

static bool
record_verdict(struct change *c, enum record_result result, journal_done_fn *done)
{
    struct record_outcome record = { .result = result, .status = (unsigned)c->order->answer.status };
    struct buf bytes = { 0 };
    struct str part;
    uint64_t lsn;

    if (!c->home->owner->journal || c->lsn == 0)
        return false;
    record_put_outcome(&record, &bytes);
    part = buf_str(&bytes);
    lsn = journal_append(c->home->owner->journal, RECORD_OUTCOME, c->lsn, done == NULL, &part, 1, done, c);
    buf_fini(&bytes);
    return lsn != 0;
}

static void
on_rejection_durable(uint64_t lsn, int error, void *arg)
{
    struct change *c = arg;
    struct home *h = c->home;

    if (c->order->fail != FAIL_NONE)
        change_refuse(c, c->order->fail, c->order->detail);
    else
        change_finish(c);
    home_run(h);
}

/* Over; of several actions the first ones may have been done, which the lanes will see. */
static void
reject(struct change *c)
{
    c->order->verdict = VERDICT_REJECTED;
    c->state = CHANGE_RECORD;
    change_over(c, false);
    if (!record_verdict(c, RECORD_REJECTED, on_rejection_durable))
        on_rejection_durable(0, 0, c);
}

static void
commit(struct change *c)
{
    struct order *order = c->order;
    struct home *h = c->home;

    order->verdict = VERDICT_COMMITTED;
    record_verdict(c, RECORD_DONE, NULL);
    change_over(c, true);
    c->state = CHANGE_COPIES;
    timer_set(&c->timer, order->deadline_us - owner_now_us(h->owner));
}

void
change_lose(struct change *c)
{
    struct owner *o = c->home->owner;
    int64_t least_us = owner_quarantine_us(o);

    c->state = CHANGE_LOST;
    timer_set(&c->timer, c->timeout_us * 2 > least_us ? c->timeout_us * 2 : least_us);
}

static void
lose(struct change *c, struct str why)
{
    struct order *order = c->order;

    c->order = NULL;
    change_lose(c);
    if (c->errand)
        errand_refuse(c->errand, 504, "home did not say what came of it: " STR_FMT, STR_ARG(why));
    if (c->errand)
        order_free(order);
    else
        order_refuse(order, FAIL_WRITE_INDEFINITE, why);
    c->errand = NULL;
}

static void
on_home(void *arg, const struct ask_answer *answer)
{
    struct change *c = arg;
    struct home *h = c->home;
    int status = answer->status;

    c->ask = NULL;
    if (answer->fail != FAIL_NONE && answer->sent_nothing) {
        c->order->fail = answer->fail == FAIL_CLUSTER_KEY ? answer->fail : FAIL_NO_HEALTHY_CLUSTER;
        c->order->detail = arena_printf(&c->order->arena, "home %s: %s", h->name, fail_info(answer->fail)->sentence);
        reject(c);
    } else if (answer->fail != FAIL_NONE || status >= 500 || status == 408 || status < 200) {
        lose(c, answer->fail != FAIL_NONE ? str_from(fail_info(answer->fail)->sentence) : status_reason(status));
    } else {
        order_pass(c->order, answer);
        if (status < 300)
            commit(c);
        else
            reject(c);
    }
    home_run(h);
}

/* --- to home ----------------------------------------------------------------------------------------------------- */

static void
send_home(struct change *c)
{
    struct order *order = c->order;
    struct owner *o = c->home->owner;
    int64_t left_us = order->deadline_us - owner_now_us(o);
    struct ask_spec spec = {
        .cluster = str_from(c->home->name),
        .method = op_info(c->op)->method,
        .target = c->target,
        .body = &c->body,
        .fields = &order->fields,
        .limit = ANSWER_BYTES,
        .timeout_us = left_us > HOME_LEAST_US ? left_us : HOME_LEAST_US,
    };

    if (buf_len(&c->body) == 0)
        spec.body = NULL;
    c->state = CHANGE_HOME;
    timer_clear(&c->timer);
    order->tries++;
    order->sent_us = owner_now_us(o);
    c->ask = ask_start(o->up, &spec, on_home, c);
}

static void
withdraw(struct change *c, enum fail fail)
{
    c->order->fail = fail;
    reject(c);
}

/* --- into the journal -------------------------------------------------------------------------------------------- */

static unsigned
touch_of_op(const struct change *c)
{
    unsigned how = c->is_gated ? SCHEMA_HOLDS : 0;

    if (op_removes(c->op))
        how |= SCHEMA_REMOVES;
    if (c->op == OP_UPDATE_COLLECTION && c->new_inc.len)
        how |= SCHEMA_ADOPTS | SCHEMA_HOLDS;
    return how;
}

static void
on_durable(uint64_t lsn, int error, void *arg)
{
    struct change *c = arg;
    struct home *h = c->home;

    if (error) {
        change_refuse(c, FAIL_JOURNAL_FAILED, STR_NONE);
        home_run(h);
        return;
    }
    for (unsigned i = 0; i < c->n_lanes; i++)
        lane_touch_schema(c->lanes[i], c->name, (struct mark_age){ lsn, clock_wall_us() }, touch_of_op(c), true);
    c->is_inside = true;
    h->owner->marked_lsn = lsn;
    if (c->op == OP_CREATE_COLLECTION)
        incs_set(h->incs, c->name, c->new_inc, INC_UNSURE);
    if (c->op == OP_DELETE_COLLECTION) {
        incs_delete(h->incs, c->name, c->old_inc);
        incs_set(h->incs, c->name, c->old_inc, INC_UNSURE);
    }
    if (c->is_late || h->owner->is_ending)
        withdraw(c, c->is_late ? FAIL_POINT_HELD : FAIL_OWNER_ENDING);
    else if (!home_may_send(h))
        withdraw(c, FAIL_CLAIM_LOST);
    else
        send_home(c);
    home_run(h);
}

void
change_append(struct change *c)
{
    struct order *order = c->order;
    struct str copies[ORDER_COPIES_MAX];
    struct record_schema record = {
        .partition = order->partition,
        .home = order->home,
        .copies = copies,
        .n_copies = c->n_lanes,
        .collection = c->name,
        .incarnation = c->old_inc,
        .new_incarnation = c->new_inc,
        .removes = op_removes(c->op),
        .op = c->op,
        .target = c->target,
        .content_type = STR("application/json"),
        .body = buf_str(&c->body),
    };
    struct buf head = { 0 };
    struct str parts[2];

    for (unsigned i = 0; i < c->n_lanes; i++)
        copies[i] = str_from(c->lanes[i]->copy);
    record_put_schema(&record, &head);
    parts[0] = buf_str(&head);
    parts[1] = buf_str(&c->body);
    c->state = CHANGE_JOURNAL;
    c->lsn = journal_append(c->home->owner->journal, RECORD_SCHEMA, 0, false, parts, 2, on_durable, c);
    buf_fini(&head);
    if (c->lsn == 0)
        change_refuse(c, FAIL_JOURNAL_FAILED, STR_NONE);
    else
        order->lsn = c->lsn;
}

static struct str
draw_incarnation(struct arena *arena)
{
    struct random random;

    random_init(&random);
    return arena_printf(
        arena, "%016llx%016llx", (unsigned long long)random_next(&random), (unsigned long long)random_next(&random));
}

/* --- what is at home --------------------------------------------------------------------------------------------- */

/* Its body, as home gets it. */
static bool
make_body(struct change *c)
{
    if (c->is_adopting) {
        buf_add(&c->body, schema_stamp(c->name, c->new_inc, &c->arena).body);
        return true;
    }
    if (c->op == OP_CREATE_COLLECTION) {
        c->new_inc = draw_incarnation(&c->arena);
        return schema_put_create(buf_str(&c->order->body), c->new_inc, &c->body);
    }
    c->body = c->order->body;
    c->order->body = (struct buf){ 0 };
    return true;
}

static void
judge(struct change *c, bool is_there, struct str inc)
{
    struct str known;
    enum inc_state state = incs_state(c->home->incs, c->name, &known);

    if (c->op == OP_CREATE_COLLECTION && !is_there && state == INC_LIVE) {
        change_refuse(c, FAIL_COLLECTION_LOST, c->name);
        return;
    }
    if (c->is_adopting && !is_there) {
        change_refuse(c, FAIL_COLLECTION_LOST, c->name);
        return;
    }
    if (c->is_adopting)
        c->new_inc = inc.len ? arena_str(&c->arena, inc) : draw_incarnation(&c->arena);
    if (c->op == OP_DELETE_COLLECTION)
        c->old_inc = arena_str(&c->arena, inc.len || state != INC_LIVE ? inc : known);
    if (make_body(c))
        change_append(c);
    else
        change_refuse(c, FAIL_SCHEMA_UNCLEAR, STR_NONE);
}

/* What home shows when nothing can come late any more is the outcome. */
static void
conclude(struct change *c, bool is_there, struct str inc)
{
    if (c->op == OP_DELETE_COLLECTION)
        change_over(c, !is_there);
    else if (c->op == OP_CREATE_COLLECTION)
        change_over(c, is_there && str_eq(inc, c->new_inc));
    else
        change_over(c, is_there && c->new_inc.len && str_eq(inc, c->new_inc));
    log_info("home %s: what came of a change of schema is known", c->home->name);
    change_free(c);
}

static void
on_look(void *arg, const struct ask_answer *answer)
{
    struct change *c = arg;
    struct home *h = c->home;
    struct schema s = { 0 };
    struct str keys = STR("{\"result\":{}}");
    bool is_known = answer->fail == FAIL_NONE && (answer->status == 404 || answer->status == 200);
    bool is_there = is_known && answer->status == 200;

    c->ask = NULL;
    if (is_there)
        is_known = schema_read(answer->body, keys, &s);
    if (c->state == CHANGE_LOST && is_known)
        conclude(c, is_there, s.incarnation);
    else if (c->state == CHANGE_LOST)
        timer_set(&c->timer, AGAIN_US);
    else if (is_known)
        judge(c, is_there, s.incarnation);
    else
        change_refuse(c, FAIL_NO_HEALTHY_CLUSTER,
            answer->fail != FAIL_NONE ? str_from(fail_info(answer->fail)->sentence) : status_reason(answer->status));
    schema_fini(&s);
    home_run(h);
}

static bool
is_about_existence(const struct change *c)
{
    return c->op == OP_CREATE_COLLECTION || c->op == OP_DELETE_COLLECTION || c->is_adopting;
}

void
change_look(struct change *c)
{
    struct arena arena = { 0 };
    struct ask_spec spec = {
        .cluster = str_from(c->home->name),
        .method = METHOD_GET,
        .timeout_us = LOOK_US,
        .limit = ANSWER_BYTES,
        .may_repeat = true,
    };

    if (c->name.len == 0 || (c->state == CHANGE_GATE && !is_about_existence(c))) {
        if (c->state == CHANGE_LOST)
            conclude(c, false, STR_NONE);
        else
            judge(c, true, STR_NONE);
        return;
    }
    if (c->state == CHANGE_GATE)
        c->state = CHANGE_LOOK;
    crash_point(CRASH_AT_OWNER_GATE_OPEN);
    spec.target = arena_join(&arena, STR("/collections/"), path_encode(c->name, &arena), STR_NONE);
    c->ask = ask_start(c->home->owner->up, &spec, on_look, c);
    arena_fini(&arena);
}
