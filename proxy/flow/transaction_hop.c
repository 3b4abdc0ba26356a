/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes whose home another edge journals for. The edge that the client came to judges the client, places it, decides the
 * partition and forwards the write as it comes in; the other one takes the decision if both have the same line of the map.
 *
 * 1. A write is forwarded once: who gets one that way and does not own its home refuses.
 * 2. After a byte of it left, it is never sent again, and without an answer its outcome is told as not known.
 * 3. What edges tell each other goes to no cluster (is_sent_on() drops the fields).
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/clock.h"
#include "proxy/route/hop.h"

enum { ANSWER_LATER_US = 1000 * 1000 }; /* its answer comes first, even when it is that there is none */

/* --- taking what another edge sent --------------------------------------------------------------------------------- */

static bool
shows_secret(const struct transaction *t)
{
    const struct edges_conf *edges = t->fleet->world->fanout->edges;
    struct digest shown = digest_sha256(message_value(&t->request, FIELD_X_SEXTANT_HOP_SECRET));

    return digest_equal(&shown, &edges->secret_digest) && edges->secret.len > 0;
}

static bool
shows_subject(const struct transaction *t)
{
    const struct edges_conf *edges = t->fleet->world->fanout->edges;

    for (unsigned i = 0; i < edges->n_subjects; i++) {
        if (t->link->client_subject.len && str_eq(edges->subjects[i], t->link->client_subject))
            return true;
    }
    return false;
}

/* The caller is whom the other edge saw. */
static void
take_caller(struct transaction *t)
{
    struct str first, rest;
    struct caller *c = &t->caller;

    *c = (struct caller){ .address = t->link->peer, .last_hop = t->link->peer, .address_source = ADDRESS_HEADER };
    str_cut(message_value(&t->request, FIELD_X_FORWARDED_FOR), ',', &first, &rest);
    addr_parse(str_trim(first), &c->address);
    if (place_parse(message_value(&t->request, FIELD_X_SEXTANT_PLACE), &c->place))
        c->place.source = PLACE_HINT;
}

bool
transaction_is_hop(const struct transaction *t)
{
    const struct edges_conf *edges = t->fleet->world->fanout->edges;

    return message_has(&t->request, FIELD_X_SEXTANT_HOP) && (edges->secret.len || edges->n_subjects);
}

enum fail
transaction_judge_hop(struct transaction *t, enum fail bad_target)
{
    struct hop *hop = ARENA_NEW(&t->arena, struct hop);
    enum fail fail = transaction_admit(t, t->link->only_health);

    t->who = (struct identity){ .kind = shows_secret(t) || shows_subject(t) ? AUTH_EDGE : AUTH_INVALID };
    t->record.key = str_from(auth_kind_name(t->who.kind));
    metrics_add(t->edge->metrics, METRIC_AUTHENTICATIONS, t->who.kind, 1);
    t->caller = (struct caller){ .address = t->link->peer, .last_hop = t->link->peer };
    if (t->who.kind == AUTH_EDGE && message_count(&t->request, FIELD_X_SEXTANT_HOP) == 1 &&
        hop_parse(message_value(&t->request, FIELD_X_SEXTANT_HOP), hop)) {
        take_caller(t);
        t->caller.hop = hop;
        if (!str_eq(hop->partition, STR(HOP_EVERY)))
            t->caller.hint_partition = hop->partition;
        t->record.edge = hop->from;
    }
    if (bad_target == FAIL_NONE)
        transaction_record_caller(t);
    if (fail != FAIL_NONE)
        return fail;
    if (t->who.kind != AUTH_EDGE)
        return FAIL_EDGE_UNKNOWN;
    if (!t->caller.hop || bad_target != FAIL_NONE)
        return FAIL_EDGE_HOP;
    if (t->op.scope != SCOPE_SELF)
        metrics_add(t->edge->metrics, METRIC_TAKEN, 0, 1);
    return FAIL_NONE;
}

/* --- forwarding -------------------------------------------------------------------------------------------------- */

static const struct edge_conf *
other_edge(const struct transaction *t)
{
    return &t->fleet->world->fanout->edges->items[t->plan.edge];
}

static void
add_hop(struct transaction *t)
{
    const struct world *w = t->fleet->world;
    struct message *m = &t->upstream_head;
    int64_t left_us = t->deadline_us - loop_now_us(t->edge->loop);
    struct hop hop = {
        .from = w->conf->edge_name,
        .line = w->fanout->lines[t->plan.rule->index],
        .within_ms = t->deadline_us == 0       ? 0
                     : left_us > USEC_PER_MSEC ? left_us / USEC_PER_MSEC
                                               : 1,
        .partition = t->plan.partition              ? t->plan.partition->name
                     : t->caller.hint_partition.len ? t->caller.hint_partition
                                                    : STR(HOP_EVERY),
    };

    message_add_own(m, FIELD_X_SEXTANT_HOP, hop_print(&hop, &t->arena));
    message_add_own(m, FIELD_X_SEXTANT_PLACE, t->record.place);
    if (w->fanout->edges->secret.len)
        message_add_own(m, FIELD_X_SEXTANT_HOP_SECRET, w->fanout->edges->secret);
    if (t->record.request_id.len)
        return;
    t->record.request_id = arena_printf(&t->arena, "%016llx", (unsigned long long)random_next(&t->edge->random));
    message_add_id(m, FIELD_X_REQUEST_ID, t->record.request_id);
}

static struct leg_decision
decide(const struct leg_facts *f)
{
    bool is_harmless = f->sent_nothing && !f->sent_before && !f->answer_began && f->has_time;
    bool is_full = f->fail == FAIL_CLUSTER_BUSY || f->fail == FAIL_QUEUE_TIMEOUT;

    return (struct leg_decision){ is_harmless && f->has_endpoint && !is_full ? LEG_NEXT_ENDPOINT : LEG_GIVE_UP, true };
}

static unsigned
slot_of(const struct transaction *t)
{
    return t->fleet->clusters[other_edge(t)->target].cluster->slot;
}

static void
on_try(void *arg, struct leg *leg, const struct leg_try *try)
{
    transaction_note_try(arg, try);
}

static struct str
said(const struct message *head, const char *name)
{
    const struct field *f = message_find_name(head, str_from(name));

    return f ? f->value : STR_NONE;
}

static void
on_head(void *arg, struct leg *leg, struct message *head)
{
    struct transaction *t = arg;
    struct str cluster = said(head, "x-sextant-cluster");

    t->record.outcome = said(head, "x-sextant-outcome");
    t->record.done = said(head, "x-sextant-done");
    t->token = said(head, "x-sextant-token");
    transaction_remember_tokens(t);
    t->passed_error = said(head, "x-sextant-error");
    if (str_eq(t->passed_error, str_from(fail_info(FAIL_EDGE_UNKNOWN)->code))) {
        leg_cancel(leg);
        t->passed_error = STR_NONE;
        t->record.outcome = STR("rejected");
        transaction_fail(t, FAIL_EDGE_REFUSED, other_edge(t)->name);
        return;
    }
    if (cluster.len)
        t->answering_cluster = topology_find(t->fleet->world->topology, cluster);
    else if (t->passed_error.len == 0)
        t->answering_cluster = t->plan.candidates[0];
    transaction_pass_head(t, head);
}

static void
on_body(void *arg, struct leg *leg, struct str piece)
{
    struct transaction *t = arg;

    t->record.bytes_out += piece.len;
    t->responder->body(t->arg, piece);
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

static void
on_fail(void *arg, struct leg *leg, enum fail fail)
{
    struct transaction *t = arg;
    struct str detail = arena_printf(
        &t->arena, "edge " STR_FMT ": %s", STR_ARG(other_edge(t)->name), fail_info(fail)->sentence);

    t->record.outcome = leg->sent_something ? STR("indefinite") : STR("rejected");
    metrics_add(t->edge->metrics, leg->sent_something ? METRIC_FORWARD_LOST : METRIC_FORWARD_FAILED, slot_of(t), 1);
    transaction_fail(t, leg->sent_something ? FAIL_WRITE_INDEFINITE : FAIL_EDGE_AWAY, detail);
}

static void
on_room(void *arg, struct leg *leg)
{
    struct transaction *t = arg;

    t->responder->wants_body(t->arg);
}

static const struct leg_events events = { on_head, on_body, on_end, on_fail, on_cut, on_room, on_try };

void
transaction_send_hop(struct transaction *t)
{
    const struct fleet_cluster *target = &t->fleet->clusters[other_edge(t)->target];
    double rtt_ms = atomic_load_explicit(&target->cluster->shared.rtt_ms, memory_order_relaxed);
    struct leg_spec spec;

    t->phase = PHASE_RUN;
    transaction_spec(t, &spec);
    add_hop(t);
    t->hop_target = (uint8_t)other_edge(t)->target;
    t->record.edge = other_edge(t)->name;
    spec.candidates = &t->hop_target;
    spec.n_candidates = 1;
    spec.try_down = true;
    spec.may_move = spec.is_pinned = spec.has_own_key = false;
    spec.endpoint = 0;
    spec.credential = NULL;
    spec.asked_until_us = 0;
    spec.policy = decide;
    if (t->deadline_us)
        spec.deadline_us = t->deadline_us + ANSWER_LATER_US + (rtt_ms > 0 ? (int64_t)(rtt_ms * 1000) : 0);
    metrics_add(t->edge->metrics, METRIC_FORWARDED, slot_of(t), 1);
    leg_start(&t->leg, t->edge->up, t->fleet, &spec, &events, t);
    if (!t->body_ended)
        t->responder->wants_body(t->arg);
}
