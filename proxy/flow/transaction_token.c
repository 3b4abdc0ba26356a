/* SPDX-License-Identifier: Apache-2.0
 *
 * X-Sextant-Token (fanout.md §11): a read that bears the token of a write is not answered by a cluster that may lack it. And
 * SEXTANT_SESSION: what a credential wrote last is remembered for it.
 *
 * 1. A token only takes candidates away: no cluster is read that could not be read without it.
 * 2. Home has every write that was acknowledged, unless it has lost its last seconds; of a copy it must be known.
 * 3. A token is heeded, or the read is refused. What is only remembered is heeded as far as it is known who has it: nobody waits
 *    for it, or is refused.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/clock.h"
#include "proxy/base/le.h"
#include "proxy/upstream/reach.h"

enum { POLL_US = 10 * 1000 };

struct token_read {
    struct transaction *transaction;
    struct stamp stamps[STAMPS_MAX + 1]; /* of what is read; one more is looked at */
    unsigned n;
    struct stamp remembered;
    bool is_remembered, is_unsure; /* unsure: nobody is known to have that */
    struct plan plan;              /* as it was before */
    struct timer timer;
    int64_t until_us;
    bool is_over; /* it waits no more */
};

/* --- sessions ---------------------------------------------------------------------------------------------------- */

/* Another edge remembers for its own clients. */
static bool
has_session(const struct transaction *t)
{
    return str_eq(t->fleet->world->conf->session, STR("credential")) && !t->caller.hop;
}

/* Nobody can tell from it what the credential was, nor choose one that meets another. */
static uint64_t
name_of(const struct transaction *t, struct str collection, uint32_t data)
{
    const struct hash_key *key = &t->edge->shared->hash_key;
    char bytes[DIGEST_BYTES + 12];

    memcpy(bytes, t->who.digest.bytes, DIGEST_BYTES);
    le64_put(bytes + DIGEST_BYTES, hash_keyed(key, collection));
    le32_put(bytes + DIGEST_BYTES + 8, data);
    return hash_keyed(key, str_make(bytes, sizeof(bytes)));
}

/* A change of aliases is one of all collections that it names. */
static void
remember_at(struct transaction *t, unsigned home, const struct stamp *s)
{
    struct recall *r = t->edge->shared->recall;
    unsigned slot = t->fleet->clusters[home].cluster->slot;

    if (t->op.collection.len)
        recall_note(r, slot, name_of(t, t->op.collection, s->data), s->journal, s->lsn);
    for (unsigned i = 0; i < t->names.n; i++)
        recall_note(r, slot, name_of(t, t->names.names[i], s->data), s->journal, s->lsn);
}

static void
remember(struct transaction *t, const struct stamp *s)
{
    const struct rule *rule = t->plan.rule;
    const struct topology *topology = t->fleet->world->topology;

    for (unsigned i = 0; rule && has_session(t) && i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];

        if (partition_fans_out(rule, part) &&
            stamp_data(topology->clusters[part->clusters[0]].name, part->name) == s->data)
            remember_at(t, part->clusters[0], s);
    }
}

void
transaction_remember_tokens(struct transaction *t)
{
    struct str rest = t->token;
    struct stamp s;

    while (rest.len && stamp_take(&rest, &s))
        remember(t, &s);
}

static bool
recall_last(const struct transaction *t, struct stamp *ret_stamp)
{
    const struct partition *part = t->plan.partition;
    const struct cluster *home = t->fleet->clusters[part->clusters[0]].cluster;
    uint32_t data = stamp_data(t->fleet->world->topology->clusters[part->clusters[0]].name, part->name);
    uint64_t journal = atomic_load(&home->shared.journal);
    struct recalled last = recall_look(
        t->edge->shared->recall, home->slot, name_of(t, t->op.collection, data), journal);

    *ret_stamp = (struct stamp){ .journal = last.is_of_other ? 0 : journal, .data = data, .lsn = last.lsn };
    return last.lsn > 0;
}

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
    remember(t, &stamp);
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
    uint64_t has = 0, may = 0;

    t->plan = r->plan;
    for (unsigned i = 0; i < t->plan.n_candidates; i++) {
        uint8_t at = t->plan.candidates[i];
        bool has_tokens = has_all(t, at, now_us);

        may |= (uint64_t)has_tokens << at;
        has |=
            (uint64_t)(has_tokens && (!r->is_remembered || reach_has(t->fleet, home_of(t), at, &r->remembered, now_us)))
            << at;
    }
    plan_keep(&t->plan, has, t->views);
    r->is_unsure = r->is_remembered && t->plan.n_up == 0;
    if (r->is_unsure) {
        t->plan = r->plan;
        plan_keep(&t->plan, may, t->views);
        if (!t->views[home_of(t)].is_behind)
            plan_prefer(&t->plan, home_of(t), t->views);
    }
    if (t->plan.reason == REASON_TOKEN)
        ask_owner(t);
}

bool
transaction_must_wait(const struct transaction *t)
{
    return t->token_read && t->token_read->n && t->plan.n_up == 0 && !t->token_read->is_over;
}

static void
note_choice(struct transaction *t)
{
    if (transaction_must_wait(t))
        return;
    t->record.reason = str_from(plan_reason_name(t->plan.reason));
    metrics_add(t->edge->metrics, METRIC_TOKEN_READS, 0, t->token_read->n > 0);
    metrics_add(t->edge->metrics, METRIC_TOKEN_ELSEWHERE, 0, t->plan.reason == REASON_TOKEN);
    metrics_add(t->edge->metrics, METRIC_SESSION_READS, 0, t->token_read->is_remembered);
    metrics_add(t->edge->metrics, METRIC_SESSION_UNSURE, 0, t->token_read->is_unsure);
}

enum fail
transaction_heed_tokens(struct transaction *t)
{
    struct token_read *r;
    struct stamp remembered;
    bool is_remembered;

    if (!may_bear_tokens(t))
        return FAIL_NONE;
    is_remembered = has_session(t) && recall_last(t, &remembered);
    if (!is_remembered && !message_has(&t->request, FIELD_X_SEXTANT_TOKEN))
        return FAIL_NONE;
    r = ARENA_NEW(&t->arena, struct token_read);
    if (!take_tokens(t, r))
        return FAIL_BAD_WRITE_TOKEN;
    if (r->n == 0 && !is_remembered)
        return FAIL_NONE;
    r->is_remembered = is_remembered;
    if (is_remembered)
        r->remembered = remembered;
    if (is_remembered && remembered.lsn > t->record.min_lsn)
        t->record.min_lsn = remembered.lsn;
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
