/* SPDX-License-Identifier: Apache-2.0
 *
 *   CONNECTING -> SENDING (request under way, answer may begin) -> ANSWER (head came) -> OVER
 *        \______________________\_________________________________\______________________^  any failure
 *
 * 1. on_done is called once, from the loop, and nothing after it.
 * 2. Callbacks may cancel: every loop here looks at `state` again after each one. Memory goes in a task, never inside.
 * 3. A connection goes back to the pool only when request and answer went whole, nothing followed, and both sides keep it.
 */
#include "proxy/upstream/exchange_impl.h"

#include <assert.h>
#include <errno.h>

#include "proxy/base/mem.h"
#include "proxy/upstream/pool.h"

/* GATHER_BYTES: short pieces are joined with their framing, long ones are not worth the copy. */
enum { OUT_HIGH = 128 * 1024, GATHER_BYTES = 16 * 1024, READS_PER_TURN = 16 };

static void pump(void *arg);

static void
free_exchange(struct exchange *x)
{
    timer_fini(&x->timer);
    mem_free(x);
}

static void
release(void *arg)
{
    struct exchange *x = arg;

    buf_clear(&x->out);
    buf_shelve(&x->out, &x->up->shelf);
    backend_unref(x->p.backend);
    if (!spares_give(&x->up->exchanges, x))
        free_exchange(x);
}

/* A spare one's timer is not set, but keeps its place in the loop's queue, which costs more than to set it later. */
static struct exchange *
new_exchange(struct upstream *up)
{
    struct exchange *x = spares_take(&up->exchanges);

    if (x) {
        *x = (struct exchange){ .timer = x->timer };
    } else {
        x = MEM_NEW(struct exchange);
        timer_init(&x->timer, up->loop, exchange_on_timer, x);
    }
    return x;
}

void
exchange_free_spares(struct upstream *up)
{
    struct exchange *x;

    while ((x = spares_take(&up->exchanges)))
        free_exchange(x);
}

/* Ends it: no callback comes from here on, and the connection is dealt with. */
static void
finish(struct exchange *x, bool may_reuse)
{
    struct backend *b = x->p.backend;

    assert(x->state != OVER);
    x->state = OVER;
    timer_clear(&x->timer);
    task_cancel(&x->kick);
    if (x->conn) {
        x->conn->served++;
        if (may_reuse)
            conn_give_back(x->conn);
        else
            conn_close(x->conn);
        x->conn = NULL;
    }
    atomic_fetch_sub_explicit(&b->shared.outstanding, 1, memory_order_relaxed);
    metrics_add(x->up->metrics, METRIC_REQUEST_BYTES, x->p.slot, x->sent_bytes);
    metrics_add(x->up->metrics, METRIC_RESPONSE_BYTES, x->p.slot, x->received_bytes);
    task_schedule(x->up->loop, &x->release, release, x);
}

static void
report(struct exchange *x, enum fail fail)
{
    int status = x->answer->status;

    if (x->p.is_probe || fail == FAIL_UPSTREAM_STALE || fail == FAIL_ENDPOINT_DOWN || fail == FAIL_INTERNAL)
        return;
    if (x->is_late && !exchange_is_backends_fault(x))
        return;
    if (fail == FAIL_NONE && status == 503 &&
        str_starts(message_value(x->answer, FIELD_CONTENT_TYPE), STR("application/json"))) {
        backend_penalise(x->p.backend, x->p.collection, exchange_now_us(x));
        return;
    }
    if (fail != FAIL_NONE || (status >= 502 && status <= 504))
        backend_report_failure(x->p.backend, HEALTH_TRAFFIC_FAIL, fail, status, exchange_now_us(x));
    else
        backend_report(x->p.backend, HEALTH_TRAFFIC_OK, exchange_now_us(x));
}

void
exchange_complete(struct exchange *x, enum fail fail, bool may_reuse)
{
    const struct exchange_events *events = x->events;
    void *arg = x->arg;

    if (fail != FAIL_NONE && !x->p.is_probe)
        metrics_add(x->up->metrics, METRIC_EXCHANGE_FAILURES, x->p.slot, 1);
    report(x, fail);
    finish(x, may_reuse);
    events->on_done(arg, fail);
}

/* The connection ended or broke before the answer was complete. */
static enum fail
fail_of_break(const struct exchange *x, int error)
{
    if (x->state == CONNECTING)
        return pool_fail_of(error);
    if (x->state == ANSWER)
        return FAIL_UPSTREAM_CUT;
    if (x->timing.was_reused && !x->saw_bytes)
        return FAIL_UPSTREAM_STALE;
    return FAIL_UPSTREAM_RESET;
}

/* What is queued, then the piece; how much of the piece was taken. */
static size_t
write_out(struct exchange *x, struct str piece)
{
    size_t before = buf_len(&x->out), taken, moved;
    bool was_blocked = x->is_blocked;

    if (x->write_broke || (before == 0 && piece.len == 0))
        return 0;
    /* The reading side may still hold an answer that came before the connection broke. */
    x->write_broke = stream_send(x->conn->stream, &x->out, piece, &taken) < 0;
    moved = before - buf_len(&x->out) + taken;
    x->sent_bytes += moved;
    x->is_blocked = buf_len(&x->out) || taken < piece.len;
    if (moved || !was_blocked)
        x->progress_at_us = exchange_now_us(x);
    if (x->is_blocked && !was_blocked)
        exchange_arm(x);
    return taken;
}

static void
flush(struct exchange *x)
{
    write_out(x, STR_NONE);
    if (x->body_ended && buf_len(&x->out) == 0 && !x->timing.sent_us)
        x->timing.sent_us = exchange_now_us(x);
}

static void
on_answer_head(struct exchange *x)
{
    x->state = ANSWER;
    if (!x->timing.sent_us)
        x->timing.sent_us = exchange_now_us(x);
    backend_latency(x->p.backend, x->timing.first_byte_us - x->timing.sent_us);
    x->events->on_head(x->arg, x->answer);
}

static void
on_answer_done(struct exchange *x, bool is_clean)
{
    bool may_reuse = is_clean && x->answer->keep_alive && x->answer->framing != FRAMING_UNTIL_CLOSE && x->body_ended &&
                     buf_len(&x->out) == 0 && !x->write_broke && !x->is_fallen;

    exchange_complete(x, FAIL_NONE, may_reuse);
}

static void
parse(struct exchange *x, struct str input)
{
    while (x->state != OVER) {
        size_t used = 0;
        struct str body = STR_NONE;
        enum fail fail = FAIL_NONE;
        enum h1_event event = h1_parse(x->conn->parser, input, &used, &body, &fail);

        input = str_skip(input, used);
        switch (event) {
        case H1_MORE:
            return;
        case H1_HEAD:
            on_answer_head(x);
            break;
        case H1_BODY:
            x->events->on_body(x->arg, body);
            break;
        case H1_DONE:
            on_answer_done(x, input.len == 0);
            return;
        case H1_ERROR:
            exchange_complete(x, x->state == ANSWER ? FAIL_UPSTREAM_CUT : FAIL_UPSTREAM_PROTOCOL, false);
            return;
        }
    }
}

static void
on_stream_end(struct exchange *x, int error)
{
    enum fail fail;

    if (error == 0 && x->state == ANSWER && h1_parse_eof(x->conn->parser, &fail) == H1_DONE) {
        on_answer_done(x, false);
        return;
    }
    if (error == -EPROTO)
        conn_tell_tls(x->conn); /* in TLS 1.3 our certificate is refused after the handshake */
    exchange_complete(x, fail_of_break(x, error), false);
}

static void
read_answer(struct exchange *x)
{
    struct upstream *up = x->up;

    for (int i = 0; x->state != OVER && !x->is_paused; i++) {
        ssize_t n;

        if (i == READS_PER_TURN) {
            task_schedule(up->loop, &x->kick, pump, x);
            return;
        }
        if (i > 0)
            stream_recheck(x->conn->stream);
        n = stream_read(x->conn->stream, up->read_buffer, sizeof(up->read_buffer));
        if (n == -EAGAIN) {
            if (x->write_broke)
                on_stream_end(x, -EPIPE);
            else if (x->state == ANSWER)
                exchange_arm(x);
            return;
        }
        if (n <= 0) {
            on_stream_end(x, (int)n);
            return;
        }
        if (!x->saw_bytes)
            x->timing.first_byte_us = exchange_now_us(x);
        x->saw_bytes = true;
        x->received_bytes += (uint64_t)n;
        x->progress_at_us = exchange_now_us(x);
        atomic_store_explicit(&x->p.backend->shared.last_byte_us, exchange_now_us(x), memory_order_relaxed);
        parse(x, str_make(up->read_buffer, (size_t)n));
    }
}

static bool
check_connected(struct exchange *x)
{
    if (x->state != CONNECTING)
        return true;
    if (!stream_is_connected(x->conn->stream)) {
        char byte;
        ssize_t n = stream_read(x->conn->stream, &byte, 1);

        if (n < 0 && n != -EAGAIN) {
            conn_tell_tls(x->conn);
            exchange_complete(x, pool_fail_of((int)n), false);
        }
        return false;
    }
    conn_tell_tls(x->conn);
    x->state = SENDING;
    x->timing.connected_us = x->progress_at_us = exchange_now_us(x);
    x->timing.connection_us = x->conn->since_us = x->timing.connected_us;
    exchange_arm(x);
    return true;
}

/* Ask for body and send, as long as there is some and the kernel takes it: it owes no event before it was full. False when
 * the exchange is over. */
static bool
send_request(struct exchange *x)
{
    uint64_t sent_before;

    do {
        sent_before = x->sent_bytes;
        if (!x->body_ended && exchange_room(x))
            x->events->on_room(x->arg);
        if (x->state == OVER)
            return false;
        flush(x);
    } while (x->sent_bytes > sent_before && !x->body_ended);
    return true;
}

/* Do what can be done: connect, ask for body, send, read. */
static void
pump(void *arg)
{
    struct exchange *x = arg;

    if (x->start_fail != FAIL_NONE) {
        exchange_complete(x, x->start_fail, false);
        return;
    }
    if (x->is_fallen && x->p.has_elsewhere && (x->p.is_movable || (x->sent_bytes == 0 && x->state != ANSWER))) {
        exchange_complete(x, FAIL_ENDPOINT_DOWN, false);
        return;
    }
    if (!check_connected(x))
        return;
    if (send_request(x))
        read_answer(x);
}

static void
begin_head(struct exchange *x)
{
    struct message head = *x->p.head;
    struct buf target = { 0 };

    head.host = str_from(x->p.backend->host_field);
    if (x->p.backend->prefix[0]) {
        buf_add(&target, str_from(x->p.backend->prefix));
        buf_add(&target, head.target);
        head.target = buf_str(&target);
    }
    if (x->p.credential.len)
        message_add_id(&head, FIELD_API_KEY, x->p.credential);
    h1_write_request(&x->out, &head);
    buf_fini(&target);
    x->is_chunked = head.framing == FRAMING_CHUNKED;
    x->body_left = head.framing == FRAMING_LENGTH ? head.content_length : 0;
    x->body_ended = head.framing == FRAMING_NONE || (head.framing == FRAMING_LENGTH && head.content_length == 0);
    x->p.head = NULL;
    x->p.credential = STR_NONE;
}

static void
begin_connection(struct exchange *x)
{
    struct pool *pool = pool_of(x->up, x->p.backend);
    int64_t user_timeout = x->up->fleet->world->conf->tcp_user_timeout;
    int error = 0;

    x->conn = x->p.max_idle_us > 0 ? pool_take_idle(pool, x->p.max_idle_us) : NULL;
    if (x->conn) {
        x->timing.was_reused = true;
        x->timing.connected_us = exchange_now_us(x);
        x->timing.connection_us = x->conn->since_us;
        x->state = SENDING;
        metrics_add(x->up->metrics, METRIC_REUSES, x->p.slot, x->p.is_probe ? 0 : 1);
    } else {
        x->conn = pool_dial(pool, user_timeout, &error);
        metrics_add(x->up->metrics, METRIC_CONNECTS, x->p.slot, 1);
        if (!x->conn) {
            x->start_fail = pool_fail_of(error);
            return;
        }
    }
    x->conn->exchange = x;
    x->conn->slot = x->p.slot;
    stream_on_event(x->conn->stream, pump, x);
    h1_reset(x->conn->parser, x->answer, x->p.head->method);
}

struct exchange *
exchange_start(
    struct upstream *up, const struct exchange_params *params, const struct exchange_events *events, void *arg)
{
    struct exchange *x = new_exchange(up);

    x->up = up;
    x->p = *params;
    x->events = events;
    x->arg = arg;
    backend_ref(params->backend);
    x->timing.started_us = x->progress_at_us = exchange_now_us(x);
    x->answer = ARENA_NEW(params->arena, struct message);
    message_init(x->answer, params->arena);
    atomic_fetch_add_explicit(&params->backend->shared.outstanding, 1, memory_order_relaxed);
    if (!params->is_probe)
        metrics_add(up->metrics, METRIC_EXCHANGES, params->slot, 1);
    begin_connection(x);
    buf_unshelve(&x->out, &up->shelf);
    begin_head(x);
    exchange_arm(x);
    task_schedule(up->loop, &x->kick, pump, x);
    return x;
}

void
exchange_cancel(struct exchange **xp)
{
    struct exchange *x = *xp;

    *xp = NULL;
    if (x && x->state != OVER)
        finish(x, false);
}

size_t
exchange_send(struct exchange *x, struct str piece)
{
    size_t taken;

    assert(!x->body_ended && x->state != OVER);
    if (piece.len == 0)
        return 0;
    if (x->is_chunked) {
        h1_write_chunk_head(&x->out, piece.len);
        taken = piece.len > GATHER_BYTES ? write_out(x, piece) : 0;
        buf_add(&x->out, str_skip(piece, taken));
        buf_add(&x->out, H1_CHUNK_TAIL);
        return piece.len;
    }
    assert(piece.len <= x->body_left);
    taken = write_out(x, piece);
    x->body_left -= taken;
    return taken;
}

void
exchange_send_end(struct exchange *x)
{
    if (x->body_ended || x->state == OVER)
        return;
    assert(x->is_chunked || x->body_left == 0);
    if (x->is_chunked)
        buf_add(&x->out, H1_LAST_CHUNK);
    x->body_ended = true;
}

size_t
exchange_room(const struct exchange *x)
{
    size_t waiting = buf_len(&x->out);

    if (x->state == CONNECTING || x->state == OVER || x->write_broke)
        return 0;
    return waiting < OUT_HIGH ? OUT_HIGH - waiting : 0;
}

void
exchange_kick(struct exchange *x)
{
    if (x->state != OVER)
        task_schedule(x->up->loop, &x->kick, pump, x);
}

void
exchange_pause(struct exchange *x)
{
    x->is_paused = x->was_paused = true;
}

void
exchange_resume(struct exchange *x)
{
    if (!x->is_paused || x->state == OVER)
        return;
    x->is_paused = false;
    x->progress_at_us = exchange_now_us(x);
    exchange_arm(x);
    exchange_kick(x);
}

void
exchange_set_movable(struct exchange *x, bool is_movable)
{
    x->p.is_movable = is_movable;
}

bool
exchange_sent_nothing(const struct exchange *x)
{
    return x->sent_bytes == 0;
}

const struct exchange_timing *
exchange_timing(const struct exchange *x)
{
    return &x->timing;
}
