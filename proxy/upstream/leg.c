/* SPDX-License-Identifier: Apache-2.0
 *
 *   step: take a place at the cluster (or wait in its queue) -> pick a backend -> exchange
 *                ^                                                              |
 *                +------------- policy: move or give up <---- failure ----------+---- answer: hold, release, end
 *
 * 1. No backend outside the fleet clusters named by spec.candidates is ever used.
 * 2. While an answer is held nothing of it has been told, so the leg may still move on; from the release on it may not.
 * 3. A place at a cluster is held from before the exchange until after it, and given back exactly once.
 */
#include "proxy/upstream/leg_impl.h"

#include "proxy/base/mem.h"
#include "proxy/route/deadline.h"
#include "proxy/upstream/place.h"

enum { FRESH_FOR_WRITES_US = 1000 * 1000 };

static void step(void *arg);
static void try_again(struct leg *leg, enum fail fail);

struct leg_decision
leg_never_again(const struct leg_facts *facts)
{
    bool is_stale = facts->fail == FAIL_UPSTREAM_STALE && facts->tries < 2;

    return (struct leg_decision){ is_stale ? LEG_SAME_FRESH : LEG_GIVE_UP, true };
}

struct str
leg_fleet_key(void *arg, unsigned cluster)
{
    const struct fleet *f = arg;

    return f->world->topology->clusters[cluster].options.api_key;
}

unsigned
leg_cluster(const struct leg *leg)
{
    return leg->spec.candidates[leg->at];
}

/* --- places: see place.h ------------------------------------------------------------------------------------------ */

static void
on_wait(void *arg)
{
    struct leg *leg = arg;

    place_leave(leg);
    try_again(leg, FAIL_QUEUE_TIMEOUT);
}

/* --- one exchange ------------------------------------------------------------------------------------------------ */

static void
release_answer(struct leg *leg)
{
    leg->answer_began = true;
    if (leg->exchange)
        exchange_set_movable(leg->exchange, false);
    leg->events->on_head(leg->arg, leg, leg->answer);
    if (leg->is_over || buf_len(&leg->held) == 0)
        return;
    leg->events->on_body(leg->arg, leg, buf_str(&leg->held));
    buf_clear(&leg->held);
}

static void
on_head(void *arg, struct message *head)
{
    struct leg *leg = arg;

    leg->answer = head;
    place_sample(leg, false);
    if (head->framing == FRAMING_LENGTH && head->content_length > leg->spec.hold_bytes)
        release_answer(leg);
}

static void
on_body(void *arg, struct str piece)
{
    struct leg *leg = arg;

    if (leg->answer_began) {
        leg->events->on_body(leg->arg, leg, piece);
        return;
    }
    if (buf_len(&leg->held) + piece.len <= leg->spec.hold_bytes) {
        buf_unshelve(&leg->held, &leg->up->shelf);
        buf_add(&leg->held, piece);
        return;
    }
    release_answer(leg);
    if (!leg->is_over)
        leg->events->on_body(leg->arg, leg, piece);
}

static void
on_room(void *arg)
{
    struct leg *leg = arg;
    struct body *body = leg->spec.body;
    struct str piece = body_from(body, leg->body_at);
    size_t room = exchange_room(leg->exchange);

    if (piece.len > room)
        piece.len = room;
    leg->body_at += exchange_send(leg->exchange, piece);
    body_sent(body, leg->body_at);
    if (leg->body_at == body_end(body)) {
        if (body->is_complete)
            exchange_send_end(leg->exchange);
        else
            leg->events->on_room(leg->arg, leg);
    }
}

static bool
is_unavailable(int status)
{
    return status >= 502 && status <= 504;
}

static void
tell_try(struct leg *leg, enum fail fail)
{
    struct leg_try t = {
        .cluster = leg_fleet_cluster(leg)->cluster->name,
        .endpoint = leg->current->endpoint,
        .fail = fail,
        .status = leg->answer ? leg->answer->status : 0,
        .timing = *exchange_timing(leg->exchange),
    };

    leg->sent_something |= !exchange_sent_nothing(leg->exchange);
    if (!leg->answer && (fail == FAIL_CLIENT_GONE || fail == FAIL_UPSTREAM_SILENT))
        place_sample(leg, true);
    leg->events->on_try(leg->arg, leg, &t);
}

/* The failure in a complete answer that is not for the client, if it can still be kept from it. */
static enum fail
fail_of_answer(const struct leg *leg)
{
    if (leg->answer_began)
        return FAIL_NONE;
    if (leg->spec.has_own_key && leg->answer->status == 401)
        return FAIL_CLUSTER_KEY;
    return is_unavailable(leg->answer->status) ? FAIL_UPSTREAM_UNAVAILABLE : FAIL_NONE;
}

static void
end_leg(struct leg *leg)
{
    leg->is_over = true;
    leg->events->on_end(leg->arg, leg);
}

static void
on_done(void *arg, enum fail fail)
{
    struct leg *leg = arg;
    enum fail answered = fail == FAIL_NONE ? fail_of_answer(leg) : FAIL_NONE;

    tell_try(leg, answered == FAIL_CLUSTER_KEY ? answered : fail);
    leg->fail = fail;
    if (fail == FAIL_NONE && answered == FAIL_NONE) {
        leg->exchange = NULL;
        place_give(leg);
        if (!leg->answer_began)
            release_answer(leg);
        if (!leg->is_over)
            end_leg(leg);
        return;
    }
    try_again(leg, fail == FAIL_NONE ? answered : fail);
}

static const struct exchange_events exchange_events = { on_head, on_body, on_room, on_done };

/* With the time that is left, in whole seconds as Qdrant counts them, unless what the client wrote says so already. */
static const struct message *
head_with_time_left(const struct leg *leg, struct message *copy)
{
    const struct operation *op = leg->spec.op;
    int64_t seconds = (leg->spec.asked_until_us - leg_now_us(leg) + USEC_PER_SEC - 1) / USEC_PER_SEC;
    struct str query;

    seconds = seconds > 1 ? seconds : 1;
    if (leg->spec.asked_until_us == 0 || seconds * 1000 == op->timeout_ms)
        return leg->spec.head;
    *copy = *leg->spec.head;
    query = deadline_query(op->query, seconds, leg->spec.arena);
    copy->target = arena_printf(leg->spec.arena, STR_FMT "?" STR_FMT, STR_ARG(op->path), STR_ARG(query));
    return copy;
}

static void
start_exchange(struct leg *leg)
{
    struct message head;
    const struct conf *conf = leg->fleet->world->conf;
    int64_t idle_us = conf->upstream_idle * USEC_PER_MSEC;
    bool is_safe = leg->spec.op->info->resend == RESEND_SAFE;
    struct exchange_params params = {
        .backend = leg->current->backend,
        .slot = leg_fleet_cluster(leg)->cluster->slot,
        .head = head_with_time_left(leg, &head),
        .arena = leg->spec.arena,
        .collection = leg->spec.op->collection,
        .max_idle_us = is_safe || idle_us < FRESH_FOR_WRITES_US ? idle_us : FRESH_FOR_WRITES_US,
        .connect_us = conf->connect_timeout * USEC_PER_MSEC,
        .deadline_us = leg->spec.deadline_us,
        .progress_us = leg->spec.progress_us,
        .deadline_is_clients = leg->spec.deadline_is_clients,
        .is_movable = is_safe && !leg->spec.body->is_window,
        .has_elsewhere = leg_has_next(leg) || leg_has_endpoint(leg),
    };

    if (leg->spec.credential)
        params.credential = leg->spec.credential(leg->spec.credential_arg, leg_cluster(leg));
    if (leg->is_fresh_next)
        params.max_idle_us = 0;
    leg->is_fresh_next = false;
    leg->answer = NULL;
    buf_clear(&leg->held);
    leg->body_at = leg->spec.body->is_window ? leg->spec.body->base : 0;
    if (leg->tries++)
        metrics_add(leg->up->metrics, METRIC_RETRIES, params.slot, 1);
    else
        budget_request(&leg->up->budget, leg_now_us(leg));
    leg->exchange = exchange_start(leg->up, &params, &exchange_events, leg);
    if (leg->is_paused)
        exchange_pause(leg->exchange);
}

static void
step(void *arg)
{
    struct leg *leg = arg;
    int chosen;

    if (leg->is_over || leg->exchange || leg->is_waiting)
        return;
    if (!leg->has_place && !place_take(leg)) {
        if (!place_wait(leg))
            try_again(leg, FAIL_CLUSTER_BUSY);
        return;
    }
    if (!leg->is_fresh_next || !leg->current || leg_is_held(leg, leg->current)) {
        chosen = leg_pick(leg);
        if (chosen < 0) {
            try_again(leg, leg_fleet_cluster(leg)->n_backends ? FAIL_NO_HEALTHY_CLUSTER : FAIL_NAME_UNRESOLVED);
            return;
        }
        leg->tried |= UINT64_C(1) << chosen;
        leg->current = &leg_fleet_cluster(leg)->backends[chosen];
    }
    start_exchange(leg);
}

/* --- moving on --------------------------------------------------------------------------------------------------- */

static struct leg_facts
facts_of(const struct leg *leg, enum fail fail)
{
    const struct leg_spec *s = &leg->spec;
    bool tried_now = leg->exchange != NULL;

    return (struct leg_facts){
        .fail = fail,
        .resend = s->op->info->resend,
        .is_pinned = s->is_pinned,
        .sent_nothing = !tried_now || exchange_sent_nothing(leg->exchange),
        .sent_before = leg->sent_something,
        .answer_began = leg->answer_began,
        .has_body = !s->body->is_window || s->body->base == 0,
        .has_endpoint = leg_has_endpoint(leg),
        .has_cluster = leg_has_next(leg),
        .has_time = !s->deadline_us || leg_now_us(leg) < s->deadline_us,
        .tries = leg->tries,
        .free_moves = leg->free_moves,
        .op = s->op,
        .body = s->body,
    };
}

static void
give_up(struct leg *leg, enum fail fail)
{
    bool has_held = leg->answer && !leg->answer_began && leg->fail == FAIL_NONE && fail == FAIL_UPSTREAM_UNAVAILABLE;

    if (has_held) {
        release_answer(leg);
        if (!leg->is_over)
            end_leg(leg);
        return;
    }
    leg->is_over = true;
    if (leg->answer_began)
        leg->events->on_cut(leg->arg, leg, fail);
    else
        leg->events->on_fail(leg->arg, leg, fail);
}

static bool
pay(struct leg *leg, const struct leg_decision *d)
{
    const struct conf *conf = leg->fleet->world->conf;

    if (d->is_free) {
        leg->free_moves++;
        return true;
    }
    if (budget_retry(&leg->up->budget, conf->retry_percent, conf->retry_min, leg_now_us(leg)))
        return true;
    metrics_add(leg->up->metrics, METRIC_RETRIES_REFUSED, 0, 1);
    return false;
}

static void
try_again(struct leg *leg, enum fail fail)
{
    struct leg_facts facts = facts_of(leg, fail);
    struct leg_decision d = leg->spec.policy(&facts);

    leg->exchange = NULL;
    place_give(leg);
    if (d.move == LEG_GIVE_UP || !pay(leg, &d)) {
        give_up(leg, fail);
        return;
    }
    if (d.move == LEG_NEXT_CLUSTER) {
        leg->at++;
        leg->tried = 0;
        leg->free_moves = 0;
        leg->current = NULL;
    }
    leg->body_at = leg->spec.body->base; /* nothing of it is sent: it may become a window before the next try */
    leg->is_fresh_next = d.move == LEG_SAME_FRESH;
    if (d.move == LEG_NEXT_ENDPOINT)
        leg->current = NULL;
    task_schedule(leg->up->loop, &leg->step, step, leg);
}

/* --- for the owner ----------------------------------------------------------------------------------------------- */

void
leg_start(struct leg *leg, struct upstream *up, struct fleet *fleet, const struct leg_spec *spec,
    const struct leg_events *events, void *arg)
{
    *leg = (struct leg){ .up = up, .fleet = fleet_ref(fleet), .spec = *spec, .events = events, .arg = arg };
    timer_init(&leg->wait, up->loop, on_wait, leg);
    task_schedule(up->loop, &leg->step, step, leg);
}

void
leg_body_grew(struct leg *leg)
{
    if (leg->exchange && !leg->is_over)
        exchange_kick(leg->exchange);
}

struct str
leg_pass(struct leg *leg, struct str piece)
{
    struct body *body = leg->spec.body;
    size_t taken;

    if (!leg->exchange || leg->is_over || !body->is_window || buf_len(&body->bytes) || leg->body_at != body->base)
        return piece;
    if (exchange_room(leg->exchange) == 0)
        return piece;
    taken = exchange_send(leg->exchange, piece);
    exchange_kick(leg->exchange); /* framing may wait, or a broken connection to be told of */
    leg->body_at = body->base += taken;
    return str_skip(piece, taken);
}

void
leg_pause(struct leg *leg)
{
    leg->is_paused = true;
    if (leg->exchange)
        exchange_pause(leg->exchange);
}

void
leg_resume(struct leg *leg)
{
    leg->is_paused = false;
    if (leg->exchange)
        exchange_resume(leg->exchange);
}

void
leg_cancel(struct leg *leg)
{
    if (!leg->up)
        return;
    leg->is_over = true;
    task_cancel(&leg->step);
    place_leave(leg);
    if (leg->exchange)
        tell_try(leg, FAIL_CLIENT_GONE);
    exchange_cancel(&leg->exchange);
    place_give(leg);
}

void
leg_fini(struct leg *leg)
{
    if (!leg->up)
        return;
    leg_cancel(leg);
    timer_fini(&leg->wait);
    buf_clear(&leg->held);
    buf_shelve(&leg->held, &leg->up->shelf);
    fleet_unref(leg->fleet);
    leg->up = NULL;
}
