/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes as they come in and go out: who may begin, who has to wait, what the client is told. See owner_job.h.
 */
#include <stdlib.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_job.h"
#include "proxy/sync/readback.h"
#include "proxy/sync/record.h"

/* A record has no more than these: for each point, and for names and the like. */
enum { RECORD_POINT_BYTES = 18, RECORD_NAMES_BYTES = 16 * 1024, FROZEN_RETRY_S = 10 };

/* --- the answer -------------------------------------------------------------------------------------------------- */

static void
deliver(void *arg)
{
    struct order *order = arg;

    order->on_done(order);
}

void
order_deliver(struct order *order)
{
    loop_post(order->loop, deliver, order);
}

void
order_refuse(struct order *order, enum fail fail, struct str detail)
{
    order->fail = fail;
    order->detail = arena_str(&order->arena, detail);
    order->retry_after_s = fail == FAIL_PARTITION_FROZEN ? FROZEN_RETRY_S : 0;
    order->verdict = fail == FAIL_WRITE_INDEFINITE || fail == FAIL_COPIES_LATE ? VERDICT_INDEFINITE : VERDICT_REJECTED;
    loop_post(order->loop, deliver, order);
}

static void
job_free(struct job *job)
{
    struct home *h = job->home;

    if (job->state == JOB_WAIT)
        TAILQ_REMOVE(&h->waiting, job, entry);
    else
        TAILQ_REMOVE(&h->running, job, entry);
    catalog_cancel(&job->catalog);
    ask_cancel(&job->ask);
    readback_cancel(&job->readback);
    timer_fini(&job->deadline);
    ledger_leave(h->ledger, &job->write);
    ledger_gate_end(h->ledger, &job->gate);
    buf_fini(&job->body);
    buf_fini(&job->results);
    mem_free(job->targets);
    mem_free(job->points);
    mem_free(job->found);
    mem_free(job);
}

void
job_refuse(struct job *job, enum fail fail, struct str detail)
{
    struct order *order = job->order;

    order_refuse(order, fail, detail);
    job_free(job);
}

void
job_answer(struct job *job)
{
    struct order *order = job->order;

    crash_point(CRASH_AT_OWNER_BEFORE_ANSWER);
    job_free(job);
    loop_post(order->loop, deliver, order);
    crash_point(CRASH_AT_OWNER_AFTER_ANSWER);
}

void
order_pass(struct order *order, const struct ask_answer *answer)
{
    struct message *m = &order->answer;

    message_init(m, &order->arena);
    m->status = answer->status;
    m->reason = status_reason(answer->status);
    for (unsigned i = 0; i < answer->head->n_fields; i++) {
        struct field f = answer->head->fields[i];

        f.name = arena_str(&order->arena, f.name);
        f.value = arena_str(&order->arena, f.value);
        message_add_field(m, &f);
    }
    buf_clear(&order->answer_body);
    buf_add(&order->answer_body, answer->body);
}

void
order_pass_refusal(struct order *order, const struct catalog_entry *entry)
{
    order->verdict = VERDICT_REJECTED;
    order->answer.status = entry->status;
    message_add(&order->answer, STR("content-type"), STR("application/json"));
    buf_add(&order->answer_body, entry->body);
}

/* --- its parts --------------------------------------------------------------------------------------------------- */

void
job_move(struct job *job, enum job_state to)
{
    struct home *h = job->home;

    if (job->state == JOB_WAIT) {
        TAILQ_REMOVE(&h->waiting, job, entry);
        TAILQ_INSERT_TAIL(&h->running, job, entry);
    } else if (to == JOB_WAIT) {
        TAILQ_REMOVE(&h->running, job, entry);
        TAILQ_INSERT_TAIL(&h->waiting, job, entry);
    }
    job->state = to;
}

int64_t
job_timeout_us(const struct job *job)
{
    return timeout_us_of(job->order->query.timeout_s);
}

uint64_t
job_lanes(const struct job *job)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < job->n_lanes; i++)
        mask |= UINT64_C(1) << job->lanes[i]->index;
    return mask;
}

static int
compare_targets(const void *a, const void *b)
{
    const struct touch_point *x = a, *y = b;

    if (x->shard_key != y->shard_key)
        return x->shard_key < y->shard_key ? -1 : 1;
    return point_compare(&x->id, &y->id);
}

/* A point may be both named and found. */
static unsigned
without_twins(struct touch_point *points, unsigned n)
{
    unsigned kept = 0;

    qsort(points, n, sizeof(*points), compare_targets);
    for (unsigned i = 0; i < n; i++) {
        if (kept == 0 || compare_targets(&points[kept - 1], &points[i]) != 0)
            points[kept++] = points[i];
    }
    return kept;
}

static void
make_marks(struct job *job)
{
    struct owner *o = job->home->owner;
    uint32_t collection = lexicon_number(o->collections, job->collection);

    for (unsigned i = 0; i < job->n_points; i++) {
        job->points[i].collection = collection;
        job->points[i].shard_key = lexicon_number(o->shard_keys, job->touch->shard_keys[job->targets[i].shard_key]);
        job->points[i].point = job->targets[i].id;
    }
    job->write.points = job->points;
    job->write.n_points = job->n_points;
}

bool
job_make_points(struct job *job)
{
    const struct touch *touch = job->touch;
    unsigned n = touch->n_points + job->n_found;

    mem_free(job->targets);
    mem_free(job->points);
    job->targets = mem_array(n ? n : 1, sizeof(*job->targets));
    job->points = mem_array(n ? n : 1, sizeof(*job->points));
    for (unsigned i = 0; i < touch->n_points; i++)
        job->targets[i] = touch->points[i];
    for (unsigned i = 0; i < job->n_found; i++)
        job->targets[touch->n_points + i] = (struct touch_point){ .id = job->found[i], .shard_key = touch->scan_key };
    job->n_points = job->n_found ? without_twins(job->targets, n) : n;
    make_marks(job);
    return n > 0;
}

/* --- who may begin ----------------------------------------------------------------------------------------------- */

static bool
have_lanes_room(const struct job *job)
{
    for (unsigned i = 0; i < job->n_lanes; i++) {
        if (!lane_has_room(job->lanes[i], job->n_points) && !lane_overflow(job->lanes[i], job->n_points))
            return false;
    }
    return true;
}

enum fail
job_may_begin(const struct job *job)
{
    const struct owner *o = job->home->owner;
    size_t bytes = (size_t)job->n_points * RECORD_POINT_BYTES + RECORD_NAMES_BYTES + buf_len(&job->body);

    if (o->is_ending)
        return FAIL_OWNER_ENDING;
    if (home_freezes(job->home, job->order->op.collection) && job->part == 0)
        return FAIL_PARTITION_FROZEN;
    if (home_is_frozen(job->home))
        return home_fail(job->home);
    if (bytes > journal_payload_max(o->journal))
        return FAIL_BODY_TOO_LARGE;
    if (journal_error(o->journal))
        return FAIL_JOURNAL_FAILED;
    if (!journal_has_room(o->journal, bytes))
        return FAIL_JOURNAL_FULL;
    if (!have_lanes_room(job))
        return FAIL_LANE_FULL;
    return job_reaches_copies(job) ? FAIL_NONE : FAIL_COPIES_AWAY;
}

/* False: it has to wait. */
static bool
enter(struct job *job)
{
    enum fail fail;

    fail = job_may_begin(job);
    if (fail == FAIL_NONE && job->home->watch.is_away)
        fail = FAIL_NO_HEALTHY_CLUSTER;
    if (fail == FAIL_NONE && !home_may_send(job->home))
        return false; /* until the claim is held, or renewed */
    if (fail == FAIL_NONE && !ledger_may_enter(job->home->ledger, job->points, job->n_points, NULL))
        return false;
    if (fail != FAIL_NONE)
        job_refuse(job, fail, STR_NONE);
    else
        job_append(job);
    return true;
}

static void
begin(struct job *job)
{
    struct order *order = job->order;

    job->op = order->op.id;
    job->touch = &order->touch;
    if (job->touch->kind != TOUCH_POINTS) { /* what it touches are slices of the body, which is needed to the end */
        job->gate.collection = lexicon_number(job->home->owner->collections, job->collection);
        ledger_gate(job->home->ledger, &job->gate);
        job_move(job, JOB_GATE);
        return;
    }
    job->body = order->body;
    order->body = (struct buf){ 0 };
    if (!job_make_points(job))
        job_send(job);
    else if (!enter(job))
        job_move(job, JOB_WAIT);
}

static void
resolved(struct job *job, const struct catalog_entry *entry)
{
    struct order *order = job->order;

    if (entry->fail != FAIL_NONE) {
        job_refuse(job, FAIL_NO_HEALTHY_CLUSTER, str_from(fail_info(entry->fail)->sentence));
        return;
    }
    if (entry->status != 200) { /* there is no such collection, or home does not take our key */
        order_pass_refusal(order, entry);
        job_answer(job);
        return;
    }
    job->collection = arena_str(&order->arena, entry->name);
    job->is_spread = entry->told.is_spread;
    job->is_plain = entry->told.is_plain;
    job->n_lanes = home_lanes_for(job->home, order->op.collection, order->copies, order->n_copies, job->lanes);
    begin(job);
}

static void
on_resolved(void *arg, const struct catalog_entry *entry)
{
    struct job *job = arg;
    struct home *h = job->home;

    resolved(job, entry);
    home_run(h);
}

/* --- time is over ------------------------------------------------------------------------------------------------ */

static void
on_deadline(void *arg)
{
    struct job *job = arg;
    struct home *h = job->home;

    switch (job->state) {
    case JOB_RESOLVE:
        job_refuse(job, FAIL_NO_HEALTHY_CLUSTER, STR("it did not say in time whether it has the collection"));
        break;
    case JOB_WAIT:
    case JOB_GATE:
        job_refuse(job, home_may_send(h) ? FAIL_POINT_HELD : home_fail(h), str_from(h->trouble));
        break;
    case JOB_JOURNAL:
        job->is_late = true;
        break;
    case JOB_QUEUE:
        job_withdraw(job, FAIL_POINT_HELD);
        break;
    case JOB_COPIES:
        job->order->done = job_done(job);
        job_refuse(job, FAIL_COPIES_LATE, job->order->done);
        break;
    case JOB_SCAN:
    case JOB_HOME:
    case JOB_RECORD:
        break;
    }
    home_run(h);
}

/* --- begin, go on, end ------------------------------------------------------------------------------------------- */

void
owner_take_order(void *arg)
{
    struct order *order = arg;
    struct owner *o = order->owner;
    struct home *h = owner_home(o, order->home);
    const struct catalog_entry *entry;
    struct job *job;

    if (owner_keep(o, order))
        return;
    if (order->op.info->kind == OP_SCHEMA) {
        owner_take_change(o, order);
        return;
    }
    if (!h || o->is_ending || o->succession.is_retiring) {
        order_refuse(order, h ? FAIL_OWNER_ENDING : FAIL_NOT_OWNER, order->home);
        return;
    }
    if (home_freezes(h, order->op.collection)) {
        order_refuse(order, FAIL_PARTITION_FROZEN, STR_NONE);
        return;
    }
    if (home_is_frozen(h)) { /* what it says of its collections is nothing for clients */
        order_refuse(order, home_fail(h), str_from(h->trouble));
        return;
    }
    if (!home_can_keep_all(h, order)) {
        order_refuse(order, FAIL_LANE_FULL, STR(HOME_HAS_TOO_MANY));
        return;
    }
    job = MEM_NEW(struct job);
    job->home = h;
    job->order = order;
    job->catalog.fn = on_resolved;
    job->catalog.arg = job;
    TAILQ_INSERT_TAIL(&h->running, job, entry);
    timer_init(&job->deadline, o->loop, on_deadline, job);
    timer_set(&job->deadline, order->deadline_us - owner_now_us(o));
    entry = catalog_find(h->catalog, order->op.collection, &job->catalog);
    if (entry)
        resolved(job, entry);
    home_run(h);
}

static void
let_in(struct home *h)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&h->waiting); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        enter(job);
    }
}

/* Is it to be known soon whether home still is what it was, or is it being made so? */
static bool
is_paused(const struct home *h)
{
    return !h->owner->is_ending && (h->rewind || !(h->watch.is_sure || h->watch.is_away));
}

void
home_run(struct home *h)
{
    struct ledger_gate *gate;
    struct ledger_write *w;
    struct lane *lane;

    if (h->is_running)
        return;
    h->is_running = true;
    home_look_at_answers(h);
    let_in(h);
    while (!is_paused(h) && (w = ledger_take_ready(h->ledger)))
        job_send(job_of_write(w));
    while (!is_paused(h) && (gate = ledger_take_gate(h->ledger))) {
        if (gate->is_schema)
            change_has_turn(gate);
        else
            job_open_gate(job_of_gate(gate));
    }
    home_look_at_changes(h);
    home_look_at_copies(h);
    LIST_FOREACH (lane, &h->lanes, entry)
        lane_run(lane);
    h->is_running = false;
}

void
home_each_open(struct home *h, home_open_fn *fn, void *arg)
{
    const struct ledger_write *w;
    const struct quarantine *q;
    struct open_write open;

    for (w = ledger_writes(h->ledger); w; w = TAILQ_NEXT(w, entry)) {
        const struct job *job = job_of_write(w);

        open = (struct open_write){ w->points, w->n_points, w->age, job_lanes(job), job_timeout_us(job) };
        fn(arg, &open);
    }
    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (!q->hold)
            continue;
        open = (struct open_write){ q->hold->points, q->hold->n_points, q->hold->age, q->lanes, q->timeout_us };
        fn(arg, &open);
    }
}

/* One that is at home goes on there, without anybody to hear of it: after the next start its points are held. */
static void
end(struct job *job)
{
    switch (job->state) {
    case JOB_RESOLVE:
    case JOB_WAIT:
    case JOB_GATE:
    case JOB_SCAN:
        job_refuse(job, FAIL_OWNER_ENDING, STR_NONE);
        return;
    case JOB_JOURNAL:
    case JOB_RECORD:
        return; /* the disk will answer */
    case JOB_QUEUE:
        job_withdraw(job, FAIL_OWNER_ENDING);
        return;
    case JOB_HOME:
        job_refuse(job, FAIL_WRITE_INDEFINITE, STR_NONE);
        return;
    case JOB_COPIES:
        job_refuse(job, FAIL_COPIES_LATE, STR_NONE);
        return;
    }
}

bool
home_end(struct home *h)
{
    struct job *job, *next;
    bool is_over = home_end_changes(h);

    while ((job = TAILQ_FIRST(&h->waiting)))
        end(job);
    for (job = TAILQ_FIRST(&h->running); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        end(job);
    }
    return TAILQ_EMPTY(&h->running) && is_over;
}
