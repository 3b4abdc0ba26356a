/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: those made here, those passed on from a cluster, and the record of both.
 */
#include "proxy/flow/transaction_impl.h"

#include <stdio.h>

/* --- heads ------------------------------------------------------------------------------------------------------- */

static void
add_explaining_fields(struct transaction *t, struct message *answer)
{
    struct arena *a = &t->arena;
    const char *cluster = NULL;

    if (t->record.outcome.len)
        message_add(answer, STR("x-sextant-outcome"), t->record.outcome);
    if (t->record.done.len)
        message_add(answer, STR("x-sextant-done"), t->record.done);
    if (t->token.len)
        message_add_own(answer, FIELD_X_SEXTANT_TOKEN, t->token);
    if (t->passed_error.len)
        message_add(answer, STR("x-sextant-error"), t->passed_error);
    if (t->record.outcome.len && t->plan.partition)
        message_add_own(answer, FIELD_X_SEXTANT_PARTITION, t->plan.partition->name);
    if (!t->fleet->world->conf->response_headers)
        return;
    if (t->answering_cluster >= 0)
        cluster = t->fleet->clusters[t->answering_cluster].cluster->name;
    if (cluster)
        message_add_own(answer, FIELD_X_SEXTANT_CLUSTER, arena_str(a, str_from(cluster)));
    if (t->plan.partition && t->record.outcome.len == 0)
        message_add_own(answer, FIELD_X_SEXTANT_PARTITION, t->plan.partition->name);
    if (t->record.edge.len)
        message_add(answer, STR("x-sextant-edge"), t->record.edge);
    if (t->record.place.len)
        message_add_own(answer, FIELD_X_SEXTANT_PLACE, t->record.place);
    if (t->record.reason.len)
        message_add(answer, STR("x-sextant-reason"), t->record.reason);
    if (t->record.n_tries)
        message_add(answer, STR("x-sextant-attempts"), arena_u64(a, t->record.n_tries));
    if (t->record.not_replayable)
        message_add(answer, STR("x-sextant-resend"), STR("no"));
}

static bool
is_passed_on(const struct field *f)
{
    /* What an inner hop says of itself is of no use outside, and x-sextant-* is said here. */
    if (f->id == FIELD_SERVER || f->id == FIELD_VIA)
        return false;
    return !(f->flags & (FIELD_FLAG_HOP | FIELD_FLAG_FRAME)) && !str_starts(f->name, STR("x-sextant-"));
}

static void
pass_field(const struct transaction *t, const struct field *f, struct message *out)
{
    const struct fleet_backend *from = t->leg.current;

    if (f->id != FIELD_LOCATION)
        message_add_field(out, f);
    else
        message_add_id(out, FIELD_LOCATION, answer_location(f->value, str_from(from ? from->backend->prefix : "")));
}

void
transaction_pass_head(struct transaction *t, struct message *answer)
{
    struct message out;

    message_init(&out, &t->arena);
    out.method = t->request.method;
    out.status = answer->status;
    out.reason = answer->reason;
    out.framing = answer->framing == FRAMING_UNTIL_CLOSE ? FRAMING_CHUNKED : answer->framing;
    out.content_length = answer->content_length;
    for (unsigned i = 0; i < answer->n_fields; i++) {
        if (is_passed_on(&answer->fields[i]))
            pass_field(t, &answer->fields[i], &out);
    }
    add_explaining_fields(t, &out);
    t->phase = PHASE_ANSWERING;
    t->record.status = answer->status;
    t->responder->head(t->arg, &out);
}

void
transaction_pass_whole(struct transaction *t, struct message *answer, struct str body)
{
    answer->framing = FRAMING_LENGTH;
    answer->content_length = body.len;
    transaction_pass_head(t, answer);
    t->record.bytes_out += body.len;
    t->responder->body(t->arg, body);
    transaction_over(t, false);
}

static void
add_origin(struct transaction *t, struct message *answer)
{
    struct str origin = message_value(&t->request, FIELD_ORIGIN);

    message_add(answer, STR("vary"), STR("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    if (origin.len)
        message_add(answer, STR("access-control-allow-origin"), origin);
}

static void
answer_with(struct transaction *t, int status, struct str content_type, struct str body, enum fail fail)
{
    struct message out;

    message_init(&out, &t->arena);
    out.method = t->request.method;
    out.status = status;
    out.reason = status_reason(status);
    out.framing = FRAMING_LENGTH;
    out.content_length = body.len;
    if (content_type.len)
        message_add(&out, STR("content-type"), content_type);
    add_origin(t, &out);
    if (fail != FAIL_NONE) {
        message_add(&out, STR("x-sextant-error"), str_from(fail_info(fail)->code));
        if (status == 503 || status == 429)
            message_add(&out, STR("retry-after"),
                t->retry_after_s ? arena_u64(&t->arena, (uint64_t)t->retry_after_s) : STR("1"));
    }
    add_explaining_fields(t, &out);
    t->phase = PHASE_ANSWERING;
    t->record.status = status;
    t->record.bytes_out += body.len;
    t->responder->head(t->arg, &out);
    t->responder->body(t->arg, body);
    transaction_over(t, false);
}

void
transaction_answer(struct transaction *t, int status, struct str content_type, struct str body)
{
    answer_with(t, status, content_type, body, FAIL_NONE);
}

void
transaction_fail(struct transaction *t, enum fail fail, struct str detail)
{
    struct buf body = { 0 };
    int status = fail_info(fail)->status;

    t->record.fail = fail;
    metrics_add(t->edge->metrics, METRIC_FAILURES, fail, 1);
    if (answer_is_text(fail)) {
        answer_with(t, status, STR_NONE, str_from(fail_info(fail)->sentence), fail);
        return;
    }
    if (answer_is_empty(fail)) {
        answer_with(t, status, STR_NONE, STR_NONE, fail);
        return;
    }
    answer_error(&body, fail, &t->op, detail);
    answer_with(t, status, STR("application/json"), buf_str(&body), fail);
    buf_fini(&body);
}

/* --- answered here ----------------------------------------------------------------------------------------------- */

bool
transaction_can_answer_here(const struct transaction *t)
{
    return t->op.scope != SCOPE_ROOT || t->fleet->version.len > 0;
}

bool
transaction_is_ready(const struct transaction *t)
{
    const struct edge_shared *shared = t->edge->shared;

    return atomic_load(&shared->is_ready) &&
           (!atomic_load(&shared->is_draining) || atomic_load(&shared->has_successor));
}

void
transaction_answer_here(struct transaction *t)
{
    struct buf body = { 0 };
    int status = 200;
    struct str type = answer_local(&body, &t->op, transaction_is_ready(t), t->fleet->version, &status);

    transaction_answer(t, status, type, buf_str(&body));
    buf_fini(&body);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void
count_residency(struct transaction *t)
{
    const struct cluster_conf *cluster;
    struct residency_key key;

    if (t->answering_cluster < 0 || !t->plan.rule || t->caller.hop) /* that edge counts it, which knows the caller */
        return;
    cluster = &t->fleet->world->topology->clusters[t->answering_cluster];
    key = residency_key(t->plan.rule->text, t->plan.partition ? t->plan.partition->name : STR("every"),
        t->caller.place.country, cluster->name, cluster->country);
    residency_count(t->edge->residency, &key, t->record.bytes_in, t->record.bytes_out);
}

static void
count_request(struct transaction *t)
{
    unsigned slot = METRICS_NO_CLUSTER, kind = t->op.info->kind;
    unsigned cell;

    if (t->answering_cluster >= 0)
        slot = t->fleet->clusters[t->answering_cluster].cluster->slot;
    cell = metrics_cluster_kind(slot, kind);
    metrics_add(t->edge->metrics, METRIC_REQUESTS, metrics_cluster_kind_class(slot, kind, t->record.status), 1);
    metrics_observe_us(t->edge->metrics, METRIC_REQUEST_SECONDS, cell, t->record.total_us);
    if (t->upstream_us > 0)
        metrics_observe_us(t->edge->metrics, METRIC_UPSTREAM_SECONDS, cell, t->upstream_us);
    if (t->record.was_cut)
        metrics_add(t->edge->metrics, METRIC_CUT_ANSWERS, slot == METRICS_NO_CLUSTER ? METRICS_NO_CLUSTER : slot, 1);
}

/* The collection's line tells, also when no plan came of the request. */
static bool
hides_address(const struct transaction *t)
{
    const struct rule *rule = t->plan.rule;

    if (!rule && t->op.collection.len)
        rule = partition_map_rule(t->fleet->world->map, t->op.collection);
    return rule && rule->strict;
}

void
transaction_over(struct transaction *t, bool was_cut)
{
    if (t->phase == PHASE_OVER)
        return;
    t->phase = PHASE_OVER;
    transaction_end_wait(t);
    t->record.was_cut = was_cut;
    t->record.hide_address = hides_address(t);
    t->record.total_us = loop_now_us(t->edge->loop) - t->started_us;
    if (t->answering_cluster >= 0)
        t->record.cluster = str_from(t->fleet->clusters[t->answering_cluster].cluster->name);
    count_request(t);
    count_residency(t);
    edge_log(t->edge, &t->record);
    if (t->record.fail == FAIL_CLIENT_GONE)
        return;
    if (was_cut)
        t->responder->abort(t->arg);
    else
        t->responder->end(t->arg);
}
