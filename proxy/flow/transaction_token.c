/* SPDX-License-Identifier: Apache-2.0
 *
 * X-Sextant-Token (fanout.md §11): a read that bears the token of a write is not answered by a cluster that may lack it.
 *
 * 1. A token only takes candidates away: no cluster is read that could not be read without it.
 * 2. Home has every write that was acknowledged, unless it has lost its last seconds; of a copy it must be known.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/clock.h"
#include "proxy/upstream/reach.h"

enum { POLL_US = 10 * 1000 };

struct token_read {
    struct transaction *transaction;
    struct stamp stamps[STAMPS_MAX + 1]; /* of what is read; one more is looked at */
    unsigned n;
    struct plan plan; /* as it was before */
    struct timer timer;
    int64_t until_us;
    bool is_over; /* it waits no more */
};

/* --- writes ------------------------------------------------------------------------------------------------------ */

void
transaction_give_token(struct transaction *t, const struct order *o)
{
    bool is_done = o->verdict == VERDICT_COMMITTED || o->fail == FAIL_COPIES_LATE;
    int home = topology_find(t->fleet->world->topology, o->home);
    struct stamp stamp = { .data = stamp_data(o->home, o->partition), .lsn = o->lsn };
    char text[STAMP_LEN];

    if (!is_done || o->lsn == 0 || home < 0)
        return;
    stamp.journal = atomic_load(&t->fleet->clusters[home].cluster->shared.journal);
    stamp.start = atomic_load(&t->fleet->clusters[home].cluster->shared.journal_start);
    stamp_print(&stamp, text);
    t->token = arena_join(&t->arena, t->token, t->token.len ? STR(", ") : STR_NONE, str_make(text, STAMP_LEN));
}

/* --- reads ------------------------------------------------------------------------------------------------------- */

static bool
may_bear_tokens(const struct transaction *t)
{
    return t->plan.shape == PLAN_FORWARD && t->op.info->kind == OP_READ && t->plan.rule && !t->plan.is_pinned &&
           partition_fans_out(t->plan.rule, t->plan.partition);
}

static unsigned
home_of(const struct transaction *t)
{
    return t->plan.partition->clusters[0];
}

/* Those of other data say nothing about this read. */
static bool
take_field(struct transaction *t, struct str text, unsigned *n_seen, struct token_read *r)
{
    const struct partition *part = t->plan.partition;
    uint32_t data = stamp_data(t->fleet->world->topology->clusters[part->clusters[0]].name, part->name);

    while (text.len) {
        struct stamp *s = &r->stamps[r->n];

        if (++*n_seen > STAMPS_MAX || !stamp_take(&text, s))
            return false;
        if (s->data != data)
            continue;
        r->n++;
        if (s->lsn > t->record.min_lsn)
            t->record.min_lsn = s->lsn;
    }
    return true;
}

static bool
take_tokens(struct transaction *t, struct token_read *r)
{
    unsigned n_seen = 0;

    for (unsigned i = 0; i < t->request.n_fields; i++) {
        const struct field *f = &t->request.fields[i];

        if (f->id == FIELD_X_SEXTANT_TOKEN && !take_field(t, f->value, &n_seen, r))
            return false;
    }
    return true;
}

static bool
has_all(const struct transaction *t, unsigned cluster, int64_t now_us)
{
    const struct token_read *r = t->token_read;

    for (unsigned i = 0; i < r->n; i++) {
        if (!reach_has(t->fleet, home_of(t), cluster, &r->stamps[i], now_us))
            return false;
    }
    return true;
}

/* The other edge's next word is worth asking for: it is asked with the next tick of the probes. */
static void
ask_owner(const struct transaction *t)
{
    const struct fanout_conf *f = t->fleet->world->fanout;
    int owner = fanout_owner(f, home_of(t));

    if (owner >= 0)
        atomic_store_explicit(&t->fleet->clusters[f->edges->items[owner].target].cluster->shared.is_asked_for, true,
            memory_order_relaxed);
}

/* Of the plan as it was, what is known to have the writes by now. */
static void
narrow(struct transaction *t)
{
    struct token_read *r = t->token_read;
    int64_t now_us = loop_now_us(t->edge->loop);
    uint64_t has = 0;

    t->plan = r->plan;
    for (unsigned i = 0; i < t->plan.n_candidates; i++)
        has |= (uint64_t)has_all(t, t->plan.candidates[i], now_us) << t->plan.candidates[i];
    plan_keep(&t->plan, has, t->views);
    if (t->plan.reason == REASON_TOKEN)
        ask_owner(t);
}

bool
transaction_must_wait(const struct transaction *t)
{
    return t->token_read && t->plan.n_up == 0 && !t->token_read->is_over;
}

static void
note_choice(struct transaction *t)
{
    if (transaction_must_wait(t))
        return;
    t->record.reason = str_from(plan_reason_name(t->plan.reason));
    metrics_add(t->edge->metrics, METRIC_TOKEN_ELSEWHERE, 0, t->plan.reason == REASON_TOKEN);
}

enum fail
transaction_heed_tokens(struct transaction *t)
{
    struct token_read *r;

    if (!may_bear_tokens(t) || !message_has(&t->request, FIELD_X_SEXTANT_TOKEN))
        return FAIL_NONE;
    r = ARENA_NEW(&t->arena, struct token_read);
    if (!take_tokens(t, r))
        return FAIL_BAD_WRITE_TOKEN;
    if (r->n == 0)
        return FAIL_NONE;
    metrics_add(t->edge->metrics, METRIC_TOKEN_READS, 0, 1);
    r->transaction = t;
    r->plan = t->plan;
    t->token_read = r;
    narrow(t);
    note_choice(t);
    return FAIL_NONE;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static void
go_on(struct transaction *t)
{
    t->token_read->is_over = true;
    note_choice(t);
    if (t->plan.n_candidates == 0)
        transaction_fail(
            t, FAIL_COPIES_BEHIND, arena_printf(&t->arena, "partition " STR_FMT, STR_ARG(t->plan.partition->name)));
    else
        transaction_run(t);
}

static void
on_poll(void *arg)
{
    struct token_read *r = arg;
    struct transaction *t = r->transaction;

    fleet_views(t->fleet, t->views);
    narrow(t);
    if (t->plan.n_up || loop_now_us(t->edge->loop) >= r->until_us)
        go_on(t);
    else
        timer_set(&r->timer, POLL_US);
}

void
transaction_wait(struct transaction *t)
{
    struct token_read *r = t->token_read;
    int64_t most_us = t->fleet->world->conf->token_wait * USEC_PER_MSEC;

    metrics_add(t->edge->metrics, METRIC_TOKEN_WAITS, 0, 1);
    t->phase = PHASE_GATHER; /* its body is there */
    r->until_us = loop_now_us(t->edge->loop) + most_us;
    if (t->deadline_us && r->until_us > t->deadline_us)
        r->until_us = t->deadline_us;
    timer_init(&r->timer, t->edge->loop, on_poll, r);
    timer_set(&r->timer, 0);
}

void
transaction_end_wait(struct transaction *t)
{
    if (t->token_read && t->token_read->until_us)
        timer_fini(&t->token_read->timer);
    t->token_read = NULL;
}

/* --- another edge ------------------------------------------------------------------------------------------------ */

void
transaction_tell_reach(struct transaction *t)
{
    const struct world *w = t->fleet->world;
    struct buf body = { 0 };

    reach_print(t->fleet, w->fanout->owns, loop_now_us(t->edge->loop), &body);
    transaction_answer(t, transaction_is_ready(t) ? 200 : 503, STR("text/plain; charset=utf-8"), buf_str(&body));
    buf_fini(&body);
}
