/* SPDX-License-Identifier: Apache-2.0
 *
 * A write from its record to its outcome. See owner_job.h.
 */
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/route/path.h"
#include "proxy/sync/outcome.h"
#include "proxy/sync/owner_job.h"
#include "proxy/sync/readback.h"
#include "proxy/sync/record.h"

enum { HOME_LEAST_US = 1000 * 1000, ANSWER_BYTES = 16 << 20 };

/* --- the outcome ------------------------------------------------------------------------------------------------- */

/* The write has its outcome, whatever it is: others may go on, and copies may take what home says now for the truth. */
static void
settle(struct job *job, bool is_done)
{
    if (is_done || rule_is_off(RULE_DONE))
        job_leave_known(job);
    else
        ledger_leave(job->home->ledger, &job->write);
    for (unsigned i = 0; i < job->n_lanes; i++)
        lane_outcome(job->lanes[i], job->points, job->n_points);
    crash_point(CRASH_AT_OWNER_SETTLED);
}

/* False: it cannot be recorded, and `done` will not be called. */
static bool
record_verdict(struct job *job, enum verdict verdict, journal_done_fn *done)
{
    struct record_outcome record = {
        .result = verdict == VERDICT_COMMITTED ? RECORD_DONE : RECORD_REJECTED,
        .status = (unsigned)job->order->answer.status,
    };
    struct journal *journal = job->home->owner->journal;
    struct buf bytes = { 0 };
    struct str part;
    uint64_t lsn;

    if (!journal) /* it is being closed */
        return false;
    record_put_outcome(&record, &bytes);
    part = buf_str(&bytes);
    lsn = journal_append(journal, RECORD_OUTCOME, job->write.age.lsn, done == NULL, &part, 1, done, job);
    buf_fini(&bytes);
    crash_point(CRASH_AT_OWNER_OUTCOME_APPENDED);
    return lsn != 0;
}

/* Not durable: after a restart the write has no outcome and its points wait; what the client hears stays true. */
static void
on_rejection_durable(uint64_t lsn, int error, void *arg)
{
    struct job *job = arg;
    struct home *h = job->home;

    crash_point(CRASH_AT_OWNER_REJECTION_DURABLE);
    job_answer(job);
    home_run(h);
}

/* Over without effect, or with whatever effect it had. */
static void
reject(struct job *job)
{
    bool was_recorded = job->write.is_inside;

    job->order->verdict = VERDICT_REJECTED;
    job_move(job, JOB_RECORD);
    if (was_recorded)
        settle(job, false);
    if (!was_recorded || !record_verdict(job, VERDICT_REJECTED, on_rejection_durable))
        job_answer(job);
}

void
job_withdraw(struct job *job, enum fail fail)
{
    job->order->fail = fail;
    reject(job);
}

/* Home was asked to wait; a client that was not going to gets the word that Qdrant has for that. */
static void
say_acknowledged(struct buf *body)
{
    struct str rest = buf_str(body), done = STR("\"status\":\"completed\"");
    struct buf out = { 0 };
    const char *at;

    while ((at = memmem(rest.p, rest.len, done.p, done.len))) {
        buf_append(&out, rest.p, (size_t)(at - rest.p));
        buf_add(&out, STR("\"status\":\"acknowledged\""));
        rest = str_skip(rest, (size_t)(at - rest.p) + done.len);
    }
    buf_add(&out, rest);
    buf_fini(body);
    *body = out;
}

static void
finish(struct job *job)
{
    struct order *order = job->order;

    if (!order->query.wait)
        say_acknowledged(&order->answer_body);
    order->verdict = VERDICT_COMMITTED;
    order->done = job_done(job);
    job_answer(job);
}

/* Home has it, and so have the copies that must. */
static void
go_on(struct job *job)
{
    if (!job_next_part(job))
        finish(job);
}

static void
commit(struct job *job)
{
    bool was_recorded = job->write.is_inside;

    if (was_recorded) {
        record_verdict(job, VERDICT_COMMITTED, NULL);
        settle(job, true);
    }
    job_keep_result(job, buf_str(&job->order->answer_body));
    if (was_recorded && job->order->n_needed)
        job_await_copies(job, go_on);
    else
        go_on(job);
}

static void
lose(struct job *job, const struct outcome *outcome)
{
    struct home *h = job->home;

    if (job->write.is_inside) {
        struct ledger_hold *hold = ledger_hold(h->ledger, &job->write);

        home_quarantine(
            h, hold, job_lanes(job), job->points[0].collection, (int64_t)job->order->query.timeout_s * USEC_PER_SEC);
        for (unsigned i = 0; i < job->n_lanes; i++)
            lane_outcome(job->lanes[i], job->points, job->n_points);
        crash_point(CRASH_AT_OWNER_HOLD_BEGUN);
    }
    job_refuse(job, FAIL_WRITE_INDEFINITE, buf_str(&outcome->text));
}

static void
on_read_back(void *arg, bool is_done)
{
    struct job *job = arg;
    struct home *h = job->home;
    struct outcome outcome = { .kind = OUTCOME_UNKNOWN };

    job->readback = NULL;
    if (is_done) {
        commit(job);
    } else {
        buf_add(&outcome.text, STR("home did it, and then could not be asked what came of it"));
        lose(job, &outcome);
    }
    outcome_fini(&outcome);
    home_run(h);
}

/* What came of it depends on what was there: it could not be done once more. */
static void
read_back_or_commit(struct job *job)
{
    if (job->write.is_inside && job->touch->flags & TOUCH_STATE)
        job->readback = readback_start(job->home, job->write.age.lsn, job->points, job->n_points, on_read_back, job);
    else
        commit(job);
}

/* Several results are due to a batch. */
static unsigned
results_due(const struct job *job)
{
    return job->op == OP_BATCH_UPDATE ? job->touch->n_operations : 0;
}

/* Home was not reached, or does not know this edge's key. */
static void
refuse_unsent(struct job *job, enum fail fail)
{
    job->order->detail = arena_printf(&job->order->arena, "home %s: %s", job->home->name, fail_info(fail)->sentence);
    job_withdraw(job, fail == FAIL_CLUSTER_KEY ? fail : FAIL_NO_HEALTHY_CLUSTER);
}

/* The answer is a whole one, and the order has it. */
static void
judge(struct job *job, const struct outcome *outcome)
{
    if (outcome->may_land_later)
        lose(job, outcome);
    else if (outcome->kind == OUTCOME_OK)
        read_back_or_commit(job);
    else
        reject(job);
}

static void
judge_order(struct job *job, bool is_known)
{
    struct outcome_facts facts = { .status = job->order->answer.status, .body = buf_str(&job->order->answer_body) };
    struct outcome outcome;

    job->is_unverified = false;
    outcome_of_write(&facts, results_due(job), job->is_spread, &outcome);
    if (!is_known) {
        outcome.may_land_later = true;
        buf_clear(&outcome.text);
        buf_add(&outcome.text, STR("home was started anew meanwhile"));
    }
    judge(job, &outcome);
    outcome_fini(&outcome);
}

static void
judge_scan(struct job *job, bool is_known)
{
    job->is_unverified = false;
    if (is_known)
        job_finish_scan(job);
    else
        job_refuse(job, home_fail(job->home), str_from(job->home->trouble));
}

/* By a connection that was made after home was last asked who it is, the answer may be another process's, which lacks what the
 * one before has done: it is believed when home has been asked again. */
void
home_look_at_answers(struct home *h)
{
    bool is_over = h->rewind || h->watch.is_away;
    struct job *job, *next;

    for (job = TAILQ_FIRST(&h->running); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (!job->is_unverified || !(is_over || watch_trusts(h, job->connection_us)))
            continue;
        if (job->state == JOB_SCAN)
            judge_scan(job, !is_over);
        else
            judge_order(job, !is_over);
    }
}

void
job_await_watch(struct job *job)
{
    job->is_unverified = true;
    if (!job->home->watch.asking || job->home->watch.asked_us <= job->connection_us)
        watch_verify(job->home);
}

static void
on_home(void *arg, const struct ask_answer *answer)
{
    struct job *job = arg;
    struct home *h = job->home;
    struct outcome_facts facts = {
        .fail = answer->fail, .sent_nothing = answer->sent_nothing, .status = answer->status
    };
    struct outcome outcome;

    crash_point(CRASH_AT_OWNER_HOME_ANSWERED);
    job->ask = NULL;
    if (answer->fail != FAIL_NONE)
        watch_doubt(h);
    facts.body = answer->body;
    outcome_of_write(&facts, results_due(job), job->is_spread, &outcome);
    if (answer->fail == FAIL_NONE)
        order_pass(job->order, answer);
    job->connection_us = answer->connection_us;
    if (answer->fail == FAIL_NONE && job_tells_state(job)) {
        job->body = *answer->request;
        *answer->request = (struct buf){ 0 };
    }
    if (answer->fail != FAIL_NONE && !outcome.may_land_later)
        refuse_unsent(job, answer->fail);
    else if (answer->fail != FAIL_NONE || watch_trusts(h, answer->connection_us))
        judge(job, &outcome);
    else
        job_await_watch(job);
    outcome_fini(&outcome);
    home_run(h);
}

/* --- to home ----------------------------------------------------------------------------------------------------- */

/* The route of the operation, for the collection behind an alias, to be answered when it is done. */
static struct str
target_of(const struct job *job)
{
    struct order *order = job->order;
    struct arena *arena = &order->arena;
    struct str pattern = str_skip(str_from(op_info(job->op)->pattern), STR("/collections/{c}").len);
    struct str path = arena_join(arena, STR("/collections/"), path_encode(job->collection, arena), pattern);

    return arena_join(arena, path, STR("?"), order->query.waiting);
}

void
job_send(struct job *job)
{
    struct order *order = job->order;
    struct owner *o = job->home->owner;
    int64_t left_us = order->deadline_us - owner_now_us(o);
    struct ask_spec spec = {
        .cluster = str_from(job->home->name),
        .method = op_info(job->op)->method,
        .target = target_of(job),
        .body = &job->body,
        .fields = &order->fields,
        .limit = ANSWER_BYTES,
        .timeout_us = left_us > HOME_LEAST_US ? left_us : HOME_LEAST_US,
    };

    if (!home_may_send(job->home)) {
        job_withdraw(job, home_fail(job->home));
        return;
    }
    job_move(job, JOB_HOME);
    timer_clear(&job->deadline);
    order->tries++;
    order->sent_us = owner_now_us(o);
    crash_point(CRASH_AT_OWNER_BEFORE_SEND);
    job->ask = ask_start(o->up, &spec, on_home, job);
    crash_point(CRASH_AT_OWNER_SENT);
}

/* --- into the journal -------------------------------------------------------------------------------------------- */

static void
on_durable(uint64_t lsn, int error, void *arg)
{
    struct job *job = arg;
    struct home *h = job->home;

    if (error) {
        job_refuse(job, FAIL_JOURNAL_FAILED, STR_NONE);
        home_run(h);
        return;
    }
    crash_point(CRASH_AT_OWNER_DURABLE);
    for (unsigned i = 0; i < job->n_lanes; i++)
        lane_expect(job->lanes[i], job->points, job->n_points, job->write.age, job->touch->flags & TOUCH_PAYLOAD_ONLY);
    if (!rule_is_off(RULE_FIRST)) /* a checkpoint covers what is on the disk */
        h->owner->marked_lsn = lsn;
    crash_point(CRASH_AT_OWNER_MARKED);
    job_move(job, JOB_QUEUE);
    if (job->is_late || h->owner->is_ending)
        job_withdraw(job, job->is_late ? FAIL_POINT_HELD : FAIL_OWNER_ENDING);
    else
        ledger_durable(h->ledger, &job->write);
    home_run(h);
}

static void
encode(const struct job *job, struct buf *out)
{
    const struct order *order = job->order;
    struct str copies[ORDER_COPIES_MAX];
    struct record_write record = {
        .partition = order->partition,
        .home = order->home,
        .copies = copies,
        .n_copies = job->n_lanes,
        .collection = job->collection,
        .query = order->query.waiting,
        .op = job->op,
        .flags = job->touch->flags,
        .points = job->targets,
        .n_points = job->n_points,
        .shard_keys = job->touch->shard_keys,
        .n_shard_keys = job->touch->n_shard_keys,
        .content_type = STR("application/json"),
        .body = buf_str(&job->body),
    };

    for (unsigned i = 0; i < job->n_lanes; i++)
        copies[i] = str_from(job->lanes[i]->copy);
    record_put_write(&record, out);
}

void
job_append(struct job *job)
{
    struct buf head = { 0 };
    struct str parts[2];
    bool is_first_off = rule_is_off(RULE_FIRST);
    uint64_t lsn;

    encode(job, &head);
    parts[0] = buf_str(&head);
    parts[1] = buf_str(&job->body);
    job_move(job, JOB_JOURNAL);
    job->write.age.wall_us = clock_wall_us();
    crash_point(CRASH_AT_OWNER_BEFORE_APPEND);
    lsn = journal_append(
        job->home->owner->journal, RECORD_WRITE, 0, is_first_off, parts, 2, is_first_off ? NULL : on_durable, job);
    buf_fini(&head);
    if (lsn == 0) {
        job_refuse(job, FAIL_JOURNAL_FAILED, STR_NONE);
        return;
    }
    job->order->lsn = job->write.age.lsn = lsn;
    ledger_enter(job->home->ledger, &job->write);
    crash_point(CRASH_AT_OWNER_APPENDED);
    if (is_first_off)
        on_durable(lsn, 0, job);
}
