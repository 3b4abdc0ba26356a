/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer's way to the client: small pieces gathered into one write, large ones written from where they lie, the rest
 * queued. Framing and keep-alive are settled here, as only the connection knows them.
 */
#include <errno.h>

#include "proxy/flow/session_impl.h"

static bool
write_out(struct session *s, struct str more)
{
    size_t before = buf_len(&s->out), taken, moved;

    if (before == 0 && more.len == 0)
        return true;
    if (!s->is_stuck)
        s->since_us = session_now_us(s);
    if (stream_send(s->stream, &s->out, more, &taken) < 0)
        return false;
    moved = before - buf_len(&s->out) + taken;
    if (moved)
        session_moved(s, moved);
    buf_add(&s->out, str_skip(more, taken));
    s->is_stuck = buf_len(&s->out) > 0;
    return true;
}

bool
session_flush(struct session *s)
{
    if (!write_out(s, STR_NONE)) {
        session_end(s, true);
        return false;
    }
    if (buf_len(&s->out))
        session_arm(s);
    /* Also when it was a piece of the answer itself that found the way free again. */
    if (buf_len(&s->out) <= OUT_LOW && s->t)
        transaction_drained(s->t);
    return true;
}

static void
schedule(struct session *s)
{
    task_schedule(s->edge->loop, &s->pump, session_pump, s);
}

/* The rest of a short body is read and dropped, so that the connection can stay; a long one is not worth it. */
static bool
may_drain(const struct session *s)
{
    const struct message *request = transaction_request(s->t);

    return s->state == BODY && request->framing == FRAMING_LENGTH && request->content_length <= IN_HIGH &&
           !s->expects_continue;
}

static bool
is_last_request(const struct session *s)
{
    uint64_t limit = session_conf(s)->connection_requests;

    return (limit && s->n_requests >= limit) ||
           atomic_load_explicit(&s->edge->shared->is_draining, memory_order_relaxed);
}

static struct str
keep_alive_value(const struct session *s, struct arena *a)
{
    char digits[STR_U64_MAX];

    return arena_join(a, STR("timeout="), str_of_u64((uint64_t)session_conf(s)->client_idle / 1000, digits), STR_NONE);
}

static void
on_answer_head(void *arg, struct message *answer)
{
    struct session *s = arg;
    struct message *request = transaction_request(s->t);

    /* What is left of an unread request would be taken for the next one. */
    if ((s->state != ANSWER && !may_drain(s)) || is_last_request(s))
        s->keep_alive = false;
    s->no_body = request->method == METHOD_HEAD || answer->status == 204 || answer->status == 304;
    if (answer->framing == FRAMING_CHUNKED && s->minor == 0) {
        answer->framing = FRAMING_UNTIL_CLOSE;
        s->keep_alive = false;
    }
    s->is_chunked = answer->framing == FRAMING_CHUNKED && !s->no_body;
    answer->keep_alive = s->keep_alive;
    if (s->keep_alive)
        message_add_own(answer, FIELD_KEEP_ALIVE, keep_alive_value(s, answer->arena));
    s->head_sent = true;
    buf_unshelve(&s->out, &s->edge->up->shelf);
    h1_write_response(&s->out, answer, s->minor);
}

static void
on_answer_body(void *arg, struct str piece)
{
    struct session *s = arg;

    if (s->state == GONE || s->no_body || piece.len == 0)
        return;
    if (s->is_chunked)
        h1_write_chunk_head(&s->out, piece.len);
    if (buf_len(&s->out) + piece.len <= GATHER_BYTES) {
        buf_add(&s->out, piece);
        piece = STR_NONE;
    }
    if (s->is_chunked && piece.len == 0)
        buf_add(&s->out, H1_CHUNK_TAIL);
    if (piece.len == 0) {
        schedule(s);
        return;
    }
    if (!write_out(s, piece)) {
        session_end(s, true);
        return;
    }
    if (s->is_chunked)
        buf_add(&s->out, H1_CHUNK_TAIL);
    session_arm(s);
}

static void
on_answer_end(void *arg)
{
    struct session *s = arg;

    if (s->state == GONE)
        return;
    if (s->is_chunked)
        buf_add(&s->out, H1_LAST_CHUNK);
    s->answer_done = true;
    if (!s->is_stuck && !s->awaits_body)
        s->since_us = session_now_us(s);
    schedule(s);
}

static void
on_answer_abort(void *arg)
{
    session_end(arg, true);
}

static bool
is_congested(void *arg)
{
    const struct session *s = arg;

    return buf_len(&s->out) > OUT_HIGH;
}

static void
on_wants_body(void *arg)
{
    struct session *s = arg;

    if (s->state == GONE)
        return;
    if (s->expects_continue && !s->head_sent) {
        s->expects_continue = false;
        buf_add(&s->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (!s->awaits_body)
        s->since_us = session_now_us(s);
    s->awaits_body = true;
    if (s->fresh.len == 0) /* else the pump is about to take more of what it read */
        schedule(s);
}

const struct responder session_responder = { on_answer_head, on_answer_body, on_answer_end, on_answer_abort,
    is_congested, on_wants_body };
