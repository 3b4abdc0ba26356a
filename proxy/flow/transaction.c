/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a request up to the decision: head, caller, operation, body where the decision needs it, plan. Everything up
 * to the plan is decided by pure functions from the fleet that was current when the head was complete.
 *
 * 1. A transaction answers once: head, body, end, or abort; or the client is gone.
 * 2. Body bytes are bounded: by the limit of the operation, by the window once they need not be kept, by the total that may
 *    be kept in all.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/mem.h"
#include "proxy/http/coding.h"
#include "proxy/route/hop.h"

enum { WINDOW_BYTES = 128 * 1024, SMALL_BODY_BYTES = 2 << 20 };

/* With the arena of an earlier one, perhaps. */
static struct transaction *
new_transaction(struct edge *edge)
{
    struct transaction *t = spares_take(&edge->transactions);
    struct arena arena;

    if (!t)
        return MEM_NEW(struct transaction);
    arena = t->arena;
    memset(t, 0, sizeof(*t));
    t->arena = arena;
    return t;
}

void
transaction_free_spares(struct edge *edge)
{
    struct transaction *t;

    while ((t = spares_take(&edge->transactions))) {
        arena_fini(&t->arena);
        mem_free(t);
    }
}

struct transaction *
transaction_new(struct edge *edge, const struct responder *responder, void *arg)
{
    struct transaction *t = new_transaction(edge);

    t->edge = edge;
    t->responder = responder;
    t->arg = arg;
    t->fleet = fleet_ref(edge->up->fleet);
    t->answering_cluster = -1;
    t->no_body.is_complete = true;
    message_init(&t->request, &t->arena);
    return t;
}

static void
release_replay(struct transaction *t)
{
    if (t->replay_held)
        atomic_fetch_sub_explicit(&t->edge->shared->replay_bytes, t->replay_held, memory_order_relaxed);
    t->replay_held = 0;
}

void
transaction_free(struct transaction *t)
{
    if (!t)
        return;
    transaction_client_gone(t);
    leg_fini(&t->leg);
    group_fini(&t->group);
    group_fini(&t->configs);
    release_replay(t);
    buf_clear(&t->body.bytes);
    buf_shelve(&t->body.bytes, &t->edge->up->shelf);
    fleet_unref(t->fleet);
    arena_reset(&t->arena);
    if (spares_give(&t->edge->transactions, t))
        return;
    arena_fini(&t->arena);
    mem_free(t);
}

struct message *
transaction_request(struct transaction *t)
{
    return &t->request;
}

static const struct conf *
conf_of(const struct transaction *t)
{
    return t->fleet->world->conf;
}

/* --- the decision ------------------------------------------------------------------------------------------------ */

static bool
name_crosses(const struct transaction *t)
{
    if (fleet_alias_crosses(t->fleet, t->op.collection))
        return t->op.collection.len > 0;
    for (unsigned i = 0; i < t->names.n; i++) {
        if (fleet_alias_crosses(t->fleet, t->names.names[i]))
            return t->op.scope != SCOPE_ALIASES;
    }
    return false;
}

void
transaction_run(struct transaction *t)
{
    switch (t->plan.shape) {
    case PLAN_REFUSE:
        transaction_fail(t, t->plan.fail, t->plan.detail);
        return;
    case PLAN_LOCAL:
        if (transaction_can_answer_here(t))
            transaction_answer_here(t);
        else
            transaction_forward(t);
        return;
    case PLAN_FORWARD:
        if (transaction_must_wait(t))
            transaction_wait(t);
        else if (transaction_fans_out(t))
            transaction_fanout(t);
        else if (t->op.id == OP_GET_COLLECTION && t->plan.rule && t->plan.rule->fanout != FANOUT_NONE)
            transaction_info(t);
        else
            transaction_forward(t);
        return;
    case PLAN_EDGE:
        transaction_send_hop(t);
        return;
    case PLAN_LISTS:
        transaction_lists(t);
        return;
    case PLAN_SCHEMA:
        if (t->plan.n_candidates == 1 && transaction_changes_homes(t))
            transaction_change(t);
        else if (t->plan.n_candidates == 1)
            transaction_forward(t);
        else
            transaction_schema(t);
        return;
    }
}

static bool
needs_whole_body(const struct transaction *t)
{
    bool is_for_several = t->plan.shape == PLAN_SCHEMA && (t->plan.n_candidates > 1 || transaction_changes_homes(t));

    return (is_for_several || transaction_fans_out(t) || transaction_must_wait(t)) && !t->body.is_complete;
}

static void
gather(struct transaction *t)
{
    t->phase = PHASE_GATHER;
    t->body.is_window = false; /* it is read whole, and by several legs perhaps */
    t->responder->wants_body(t->arg);
}

static void
decide(struct transaction *t, const struct name_list *names)
{
    struct str error = STR_NONE;
    enum fail fail;

    t->views = ARENA_ARRAY(&t->arena, t->fleet->n_clusters, struct cluster_view);
    fleet_views(t->fleet, t->views);
    plan_build(t->fleet->world, &t->caller, &t->op, names, t->views, &t->arena, &t->plan);
    transaction_record_plan(t);
    fail = auth_narrow_plan(t->fleet->world, &t->who, &t->op, &t->arena, &t->plan, &error);
    if (fail != FAIL_NONE) {
        transaction_fail(t, fail, error);
        return;
    }
    if (t->plan.shape != PLAN_REFUSE && name_crosses(t)) {
        transaction_fail(t, FAIL_ALIAS_CROSSES, t->op.collection);
        return;
    }
    fail = transaction_heed_tokens(t);
    if (fail != FAIL_NONE) {
        transaction_fail(t, fail, STR_NONE);
        return;
    }
    if (needs_whole_body(t)) {
        t->is_decided = true;
        gather(t);
        return;
    }
    transaction_run(t);
}

/* The body is whole: look for the collections that it names. */
static void
decide_by_body(struct transaction *t)
{
    struct str coding = message_value(&t->request, FIELD_CONTENT_ENCODING);
    struct buf decoded = { 0 };
    struct str error = STR_NONE;
    enum fail fail;

    if (t->is_decided) {
        transaction_run(t);
        return;
    }
    fail = coding_decode(coding, buf_str(&t->body.bytes), t->body_limit ? t->body_limit : SIZE_MAX, &decoded);
    if (fail == FAIL_NONE)
        fail = operation_body_collections(&t->op, buf_str(&decoded), &t->arena, &t->names, &error);
    buf_fini(&decoded);
    if (fail != FAIL_NONE)
        transaction_fail(t, fail, error);
    else
        decide(t, &t->names);
}

static uint64_t
limit_of(const struct transaction *t)
{
    if (t->op.info->kind == OP_SNAPSHOT && t->op.info->flags & OP_UNBOUNDED && !(t->op.info->flags & OP_SMALL_BODY))
        return 0;
    if (t->op.info->flags & OP_SMALL_BODY && conf_of(t)->body_limit > SMALL_BODY_BYTES)
        return SMALL_BODY_BYTES;
    return conf_of(t)->body_limit;
}

static void
fail_too_large(struct transaction *t, uint64_t size)
{
    struct str text = arena_printf(&t->arena, "JSON payload (%llu bytes) is larger than allowed (limit: %llu bytes).",
        (unsigned long long)size, (unsigned long long)t->body_limit);

    transaction_fail(t, FAIL_BODY_TOO_LARGE, text);
}

static void
begin_body(struct transaction *t)
{
    enum framing framing = t->request.framing;

    t->body.is_complete = framing == FRAMING_NONE || (framing == FRAMING_LENGTH && t->request.content_length == 0);
    t->body_ended = t->body.is_complete;
    t->body_limit = limit_of(t);
    t->body.is_window = t->op.info->resend == RESEND_NEVER;
}

static void
set_deadline(struct transaction *t)
{
    t->deadline = deadline_decide(conf_of(t), &t->op, deadline_of_headers(&t->request));
    if (t->caller.hop && t->caller.hop->within_ms) { /* an edge in front gives up then, and knows the way here */
        t->deadline.answer_ms = t->caller.hop->within_ms;
        t->deadline.is_in_header = true;
    }
    if (t->deadline.answer_ms)
        t->deadline_us = t->started_us + t->deadline.answer_ms * USEC_PER_MSEC;
}

/* Operation, caller and credential. A caller who may not ask is told that before anything about the request. */
static enum fail
judge_head(struct transaction *t, const struct client_link *link, struct str *ret_error)
{
    enum fail bad_target = operation_parse(t->request.method, t->request.target, &t->arena, &t->op);
    enum fail bad_hint, refused;

    if (transaction_is_hop(t))
        return transaction_judge_hop(t, bad_target);
    bad_hint = caller_resolve(
        t->fleet->world, &link->peer, link->via_proxy_protocol, &t->request, &t->caller, ret_error);
    refused = transaction_admit(t, link->only_health);
    if (refused == FAIL_NONE)
        refused = transaction_authenticate(t);
    if (refused == FAIL_NONE)
        refused = transaction_admit_key(t);
    if (bad_target == FAIL_NONE)
        transaction_record_caller(t);
    if (refused != FAIL_NONE || bad_target != FAIL_NONE) {
        *ret_error = STR_NONE;
        if (refused != FAIL_NONE)
            return refused;
        if (bad_target == FAIL_NAME_LENGTH)
            *ret_error = operation_long_name(t->request.target, &t->arena);
        return bad_target;
    }
    return bad_hint;
}

void
transaction_begin(struct transaction *t, const struct client_link *link)
{
    struct str error = STR_NONE;
    enum fail fail;

    transaction_begin_record(t);
    t->link = link;
    t->record.client_subject = link->client_subject;
    fail = judge_head(t, link, &error);
    if (fail != FAIL_NONE) {
        transaction_fail(t, fail, error);
        return;
    }
    if (t->caller.hop && t->op.id == OP_READYZ) {
        transaction_tell_reach(t);
        return;
    }
    begin_body(t);
    set_deadline(t);
    if (t->body_limit && t->request.framing == FRAMING_LENGTH && t->request.content_length > t->body_limit) {
        fail_too_large(t, t->request.content_length);
        return;
    }
    if (!plan_needs_body(t->fleet->world, &t->op)) {
        decide(t, NULL);
        return;
    }
    if (t->body.is_complete)
        decide_by_body(t);
    else
        gather(t);
}

void
transaction_refuse(struct transaction *t, enum fail fail)
{
    if (!t->has_begun)
        transaction_begin_record(t);
    if (t->phase >= PHASE_ANSWERING)
        return;
    leg_cancel(&t->leg); /* it may be at work on a body that ends here */
    transaction_fail(t, fail, STR_NONE);
}

/* --- the body ---------------------------------------------------------------------------------------------------- */

/* Keep no more of it than the options allow: from then on it is a window and the request is not sent again. */
static void
stop_keeping(struct transaction *t)
{
    if (t->body.is_window)
        return;
    t->body.is_window = true;
    t->record.not_replayable = true;
    metrics_add(t->edge->metrics, METRIC_REPLAY_OVERFLOWS, 0, 1);
    release_replay(t);
    if (t->leg.exchange)
        exchange_set_movable(t->leg.exchange, false);
    body_sent(&t->body, t->leg.body_at);
}

/* False when the memory for bodies is used up and this one must be kept. */
static bool
account(struct transaction *t, size_t n)
{
    const struct conf *conf = conf_of(t);
    uint64_t before;

    if (t->body.is_window)
        return true;
    if (t->phase != PHASE_GATHER && buf_len(&t->body.bytes) > conf->replay_bytes) {
        stop_keeping(t);
        return true;
    }
    before = atomic_fetch_add_explicit(&t->edge->shared->replay_bytes, n, memory_order_relaxed);
    t->replay_held += n;
    if (before + n <= conf->replay_total && buf_memory() <= conf->buffer_total)
        return true;
    if (t->phase == PHASE_GATHER)
        return false;
    stop_keeping(t);
    return true;
}

void
transaction_body(struct transaction *t, struct str piece)
{
    t->record.bytes_in += piece.len;
    if (t->phase >= PHASE_ANSWERING)
        return; /* the answer is on its way: the rest is read and dropped */
    if (t->body_limit && t->record.bytes_in > t->body_limit) {
        leg_cancel(&t->leg);
        fail_too_large(t, t->record.bytes_in);
        return;
    }
    piece = leg_pass(&t->leg, piece);
    buf_unshelve(&t->body.bytes, &t->edge->up->shelf);
    buf_add(&t->body.bytes, piece);
    if (!account(t, piece.len)) {
        transaction_fail(t, FAIL_MEMORY_FULL, STR_NONE);
        return;
    }
    leg_body_grew(&t->leg);
}

void
transaction_body_end(struct transaction *t)
{
    t->body_ended = true;
    t->record.body_us = loop_now_us(t->edge->loop) - t->started_us;
    if (t->phase >= PHASE_ANSWERING || t->body.is_complete)
        return;
    t->body.is_complete = true;
    if (t->phase == PHASE_GATHER) {
        /* Groups send it whole, with a length. */
        t->request.framing = FRAMING_LENGTH;
        t->request.content_length = buf_len(&t->body.bytes);
        decide_by_body(t);
    } else {
        leg_body_grew(&t->leg);
    }
}

bool
transaction_wants_body(const struct transaction *t)
{
    uint64_t unsent;

    if (t->body_ended)
        return false;
    if (t->phase != PHASE_RUN)
        return t->phase == PHASE_GATHER || t->phase >= PHASE_ANSWERING;
    unsent = body_end(&t->body) - (t->leg.body_at > t->body.base ? t->leg.body_at : t->body.base);
    return unsent < WINDOW_BYTES;
}

/* --- the client -------------------------------------------------------------------------------------------------- */

void
transaction_drained(struct transaction *t)
{
    if (!t->leg_is_paused)
        return;
    t->leg_is_paused = false;
    leg_resume(&t->leg);
}

void
transaction_client_gone(struct transaction *t)
{
    leg_cancel(&t->leg);
    group_cancel(&t->group);
    group_cancel(&t->configs);
    transaction_fanout_detach(t);
    transaction_end_wait(t);
    if (t->has_begun && t->phase != PHASE_OVER) {
        t->record.fail = FAIL_CLIENT_GONE;
        if (t->phase < PHASE_ANSWERING)
            t->record.status = fail_info(FAIL_CLIENT_GONE)->status;
        transaction_over(t, t->phase == PHASE_ANSWERING);
    }
}
