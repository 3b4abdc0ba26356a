/* SPDX-License-Identifier: Apache-2.0
 *
 * One request to one of the plan's candidates, its answer passed on as it comes.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/clock.h"
#include "proxy/flow/retry.h"

/* --- the request as clusters see it ------------------------------------------------------------------------------ */

static bool
is_sent_on(const struct transaction *t, const struct field *f)
{
    if (f->flags & (FIELD_FLAG_HOP | FIELD_FLAG_FRAME | FIELD_FLAG_FORWARD | FIELD_FLAG_HINT))
        return false;
    if (auth_keeps_back(t->fleet->world, f))
        return false;
    if (f->id == FIELD_TRACEPARENT || f->id == FIELD_TRACESTATE)
        return t->record.trace_id.len > 0 && t->new_traceparent.len == 0;
    return !str_starts(f->name, STR("x-sextant-")) && !str_eq(f->name, t->fleet->world->trust->header);
}

/* The forwarding fields are ours, so they pass the writer that drops a client's. */
static void
add_forwarded(struct transaction *t, struct message *m)
{
    char peer[ADDR_TEXT_MAX];
    struct str from = t->record.address;
    struct str via = str_from(addr_print(&t->link->peer, -1, peer));
    struct str chain = addr_eq(&t->caller.address, &t->link->peer) ? from : arena_join(&t->arena, from, STR(", "), via);

    message_add_own(m, FIELD_X_FORWARDED_FOR, chain);
    message_add_own(m, FIELD_X_FORWARDED_PROTO, t->link->is_tls ? STR("https") : STR("http"));
    if (t->link->client_subject.len)
        message_add_own(m, FIELD_X_SEXTANT_CLIENT_SUBJECT, t->link->client_subject);
    if (t->request.host.len == 0)
        return;
    message_add_own(m, FIELD_X_FORWARDED_HOST, t->request.host);
}

static void
build_head(struct transaction *t)
{
    struct message *m = &t->upstream_head;
    const struct message *r = &t->request;

    message_init(m, &t->arena);
    m->method = r->method;
    m->method_text = r->method_text;
    m->target = t->op.query.len ? arena_join(&t->arena, t->op.path, STR("?"), t->op.query) : t->op.path;
    m->framing = r->framing;
    m->content_length = r->content_length;
    for (unsigned i = 0; i < r->n_fields; i++) {
        if (is_sent_on(t, &r->fields[i]))
            message_add_field(m, &r->fields[i]);
    }
    if (t->new_traceparent.len)
        message_add_id(m, FIELD_TRACEPARENT, t->new_traceparent);
    add_forwarded(t, m);
}

/* Qdrant's own answer to a request's timeout= should arrive before Sextant gives up: the way there and back is added. */
static int64_t
deadline_of(const struct transaction *t)
{
    double rtt_ms = t->plan.n_candidates ? t->views[t->plan.candidates[0]].rtt_ms : 0;

    /* Somebody in front who gives up does not wait for the way here. */
    if (t->deadline_us == 0 || t->op.timeout_ms < 0 || rtt_ms < 0 || t->deadline.is_in_header)
        return t->deadline_us;
    return t->deadline_us + (int64_t)(rtt_ms * 1000);
}

void
transaction_spec(struct transaction *t, struct leg_spec *ret_spec)
{
    const struct conf *conf = t->fleet->world->conf;

    build_head(t);
    *ret_spec = (struct leg_spec){
        .op = &t->op,
        .head = &t->upstream_head,
        .body = &t->body,
        .arena = &t->arena,
        .candidates = t->plan.candidates,
        .n_candidates = t->plan.n_candidates,
        .try_down = t->plan.n_up == 0,
        .may_move = t->plan.may_move,
        .is_pinned = t->plan.is_pinned,
        .endpoint = t->plan.endpoint,
        .hold_bytes = conf->hold_bytes,
        .deadline_us = deadline_of(t),
        .deadline_is_clients = t->deadline.is_clients,
        .asked_until_us = t->deadline.asked_ms ? t->started_us + t->deadline.asked_ms * USEC_PER_MSEC : 0,
        .progress_us = conf->body_timeout * USEC_PER_MSEC,
        .caller = (uint32_t)hash_keyed(&t->edge->shared->hash_key, census_name(&t->caller.address)),
        .policy = retry_decide,
    };
    transaction_add_credential(t, ret_spec);
}

/* --- what the leg tells ------------------------------------------------------------------------------------------ */

void
transaction_note_try(struct transaction *t, const struct leg_try *try)
{
    struct access_record *r = &t->record;
    char digits[STR_U64_MAX];

    if (r->n_tries < ACCESS_TRIES) {
        r->tries[r->n_tries] = (struct access_try){
            .endpoint = arena_join(&t->arena, str_from(try->cluster), STR("/"), str_of_u64(try->endpoint, digits)),
            .fail = try->fail,
            .status = try->status,
        };
    }
    r->n_tries++;
    if (try->timing.sent_us)
        r->sent_us = try->timing.sent_us - t->started_us;
    if (try->timing.first_byte_us) {
        r->first_byte_us = try->timing.first_byte_us - t->started_us;
        t->upstream_us = try->timing.first_byte_us - try->timing.sent_us;
    }
}

static void
on_try(void *arg, struct leg *leg, const struct leg_try *try)
{
    transaction_note_try(arg, try);
}

static void
on_head(void *arg, struct leg *leg, struct message *head)
{
    struct transaction *t = arg;

    t->answering_cluster = (int)leg_cluster(leg);
    /* Long answers begin before their exchange is told as a try. */
    if (leg->exchange && t->record.n_tries < leg->tries)
        t->record.n_tries = leg->tries - 1;
    if (leg->at > 0 && t->plan.reason != REASON_ALL_DOWN)
        t->record.reason = str_from(plan_reason_name(REASON_FAILOVER));
    transaction_pass_head(t, head);
}

static void
on_body(void *arg, struct leg *leg, struct str piece)
{
    struct transaction *t = arg;

    t->record.bytes_out += piece.len;
    t->responder->body(t->arg, piece);
    if (t->phase != PHASE_OVER && !t->leg_is_paused && t->responder->is_congested(t->arg)) {
        t->leg_is_paused = true;
        leg_pause(leg);
    }
}

static void
on_end(void *arg, struct leg *leg)
{
    transaction_over(arg, false);
}

static void
on_cut(void *arg, struct leg *leg, enum fail fail)
{
    struct transaction *t = arg;

    t->record.fail = fail;
    transaction_over(t, true);
}

/* What the client is told: for a write that may have been applied, first of all that. */
static enum fail
told(const struct transaction *t, const struct leg *leg, enum fail fail)
{
    if (fail == FAIL_CLUSTER_KEY && leg->tries == 1)
        return fail; /* the cluster looked at nothing else, and no other was asked */
    if (t->op.info->resend != RESEND_SAFE && t->request.method != METHOD_GET && leg->sent_something)
        return FAIL_OUTCOME_UNKNOWN;
    /* Nothing reached any permitted cluster: to the client that is one state, whatever the last attempt met. */
    if (!leg->sent_something && fail_info(fail)->blame == BLAME_UPSTREAM && fail_info(fail)->retry == RETRY_ANY)
        return FAIL_NO_HEALTHY_CLUSTER;
    if (fail == FAIL_ENDPOINT_DOWN || fail == FAIL_UPSTREAM_STALE)
        return FAIL_UPSTREAM_RESET;
    return fail;
}

void
transaction_leg_failed(struct transaction *t, struct leg *leg, enum fail fail)
{
    enum fail shown = told(t, leg, fail);
    const struct fail_info *info = fail_info(fail);
    struct str detail = STR_NONE;

    if (shown != fail)
        detail = arena_printf(&t->arena, "%s: %s", t->fleet->clusters[leg_cluster(leg)].cluster->name, info->sentence);
    else
        detail = arena_printf(&t->arena, "cluster %s", t->fleet->clusters[leg_cluster(leg)].cluster->name);
    transaction_fail(t, shown, detail);
}

static void
on_fail(void *arg, struct leg *leg, enum fail fail)
{
    transaction_leg_failed(arg, leg, fail);
}

static void
on_room(void *arg, struct leg *leg)
{
    struct transaction *t = arg;

    t->responder->wants_body(t->arg);
}

static const struct leg_events events = { on_head, on_body, on_end, on_fail, on_cut, on_room, on_try };

void
transaction_forward(struct transaction *t)
{
    struct leg_spec spec;

    t->phase = PHASE_RUN;
    if (t->plan.n_candidates == 0) {
        transaction_fail(t, FAIL_NO_HEALTHY_CLUSTER, t->plan.detail);
        return;
    }
    transaction_spec(t, &spec);
    leg_start(&t->leg, t->edge->up, t->fleet, &spec, &events, t);
    if (!t->body_ended)
        t->responder->wants_body(t->arg);
}
