/* SPDX-License-Identifier: Apache-2.0
 *
 *              bytes                head complete             request complete
 *   IDLE ------------> HEAD ----------------------> BODY --------------------> ANSWER
 *    ^                                                \________________________/  |
 *    +------------------- answered, kept alive, request complete <----------------+
 *    LINGER: answered but not kept: what still comes is dropped until the client closes or a short time is over
 *
 * 1. One transaction at a time; pipelined requests wait in `in`, which is bounded.
 * 2. The session and its transaction are freed from a task, never inside a callback of theirs.
 * 3. An answer that broke off ends in a reset, never in a neat close.
 * 4. Input is parsed where it was read, in the thread's buffer; what has to wait is copied to `in` before the pump returns.
 */
#include "proxy/flow/session_impl.h"

#include <errno.h>

#include "proxy/base/mem.h"
#include "proxy/flow/pace.h"
#include "proxy/net/proxy_protocol.h"

struct session *
session_next(const struct session *s)
{
    return LIST_NEXT(s, entry);
}

int64_t
session_idle_since_us(const struct session *s)
{
    return s->idle_since_us;
}

bool
session_is_idle(const struct session *s)
{
    return s->state == IDLE && buf_len(&s->out) == 0 && buf_len(&s->in) == 0;
}

static void
enter_idle(struct session *s)
{
    s->state = IDLE;
    s->idle_since_us = session_now_us(s);
    s->is_queued_idle = true;
    TAILQ_INSERT_TAIL(&s->edge->idle, s, idle_entry);
    session_progress(s);
}

void
session_unqueue(struct session *s)
{
    if (s->is_queued_idle)
        TAILQ_REMOVE(&s->edge->idle, s, idle_entry);
    s->is_queued_idle = false;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void
release(void *arg)
{
    struct session *s = arg;

    transaction_free(s->t);
    h1_parser_free(s->parser);
    timer_fini(&s->timer);
    buf_fini(&s->in);
    buf_fini(&s->out);
    mem_free(s);
}

static void
leave(struct session *s)
{
    s->state = GONE;
    s->fresh = STR_NONE;
    session_unqueue(s);
    LIST_REMOVE(s, entry);
    timer_clear(&s->timer);
    task_cancel(&s->pump);
    admission_leave(s->edge, &s->admission);
    if (s->t)
        transaction_client_gone(s->t);
}

void
session_end(struct session *s, bool abort)
{
    if (s->state == GONE)
        return;
    leave(s);
    if (abort)
        stream_abort(&s->stream);
    else
        stream_close(&s->stream);
    task_schedule(s->edge->loop, &s->release, release, s);
}

void
session_free(struct session *s)
{
    if (s->state != GONE)
        leave(s);
    stream_close(&s->stream);
    task_cancel(&s->release);
    release(s);
}

/* --- time limits ------------------------------------------------------------------------------------------------- */

static int64_t
limit_us(const struct session *s)
{
    const struct conf *conf = session_conf(s);

    if (buf_len(&s->out))
        return conf->body_timeout * USEC_PER_MSEC;
    switch (s->state) {
    case IDLE:
        return (s->needs_proxy_header || s->awaits_tls || s->admission.fail ? conf->head_timeout : conf->client_idle) *
               USEC_PER_MSEC;
    case HEAD:
        return conf->head_timeout * USEC_PER_MSEC;
    case BODY:
        return s->awaits_body || s->answer_done ? conf->body_timeout * USEC_PER_MSEC : 0;
    case LINGER:
        return LINGER_US;
    default:
        return 0; /* the transaction has its own deadline */
    }
}

void
session_arm(struct session *s)
{
    int64_t limit = limit_us(s);

    if (limit)
        timer_set(&s->timer, s->since_us + limit - session_now_us(s));
}

void
session_progress(struct session *s)
{
    s->since_us = session_now_us(s);
    session_arm(s);
}

void
session_moved(struct session *s, size_t bytes)
{
    s->since_us = pace_after(s->since_us, bytes, session_conf(s)->body_rate, session_now_us(s));
}

static void
on_timer(void *arg)
{
    struct session *s = arg;
    int64_t limit = limit_us(s);

    if (limit == 0)
        return;
    if (session_now_us(s) < s->since_us + limit) {
        session_arm(s);
        return;
    }
    if ((s->state == HEAD || s->state == BODY) && !s->head_sent && buf_len(&s->out) == 0) {
        s->keep_alive = false;
        s->since_us = session_now_us(s);
        transaction_refuse(s->t, FAIL_CLIENT_SLOW);
        return;
    }
    if (s->awaits_tls)
        session_tls_timed_out(s);
    session_end(s, buf_len(&s->out) > 0 || s->state == BODY);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void
begin_request(struct session *s)
{
    session_unqueue(s);
    s->t = transaction_new(s->edge, &session_responder, s);
    s->state = HEAD;
    s->keep_alive = s->answer_done = s->head_sent = s->is_chunked = s->no_body = s->expects_continue = false;
    s->awaits_body = false;
    s->n_requests++;
    s->minor = 1;
    h1_reset(s->parser, transaction_request(s->t), METHOD_GET);
    session_progress(s);
}

static void
on_head(struct session *s)
{
    const struct message *request = transaction_request(s->t);

    s->state = BODY;
    s->minor = request->minor;
    s->keep_alive = request->keep_alive && s->admission.fail == FAIL_NONE;
    s->expects_continue = request->expect_continue && request->minor == 1;
    s->since_us = session_now_us(s);
    if (request->framing == FRAMING_NONE || (request->framing == FRAMING_LENGTH && request->content_length == 0))
        s->state = ANSWER; /* complete with its head: the connection can be kept whatever the answer is */
    s->link.only_health = s->admission.fail;
    transaction_begin(s->t, &s->link);
}

static void
on_bad_request(struct session *s, enum fail fail)
{
    s->keep_alive = false;
    session_drop_input(s);
    if (s->answer_done)
        return; /* it goes out whole, then the connection ends */
    if (s->head_sent) {
        session_end(s, true); /* an answer was under way, and what follows the request cannot be trusted */
        return;
    }
    s->state = BODY;
    transaction_refuse(s->t, fail);
}

/* False when nothing more can be done with the input now. */
static bool
parse_step(struct session *s)
{
    size_t used = 0;
    struct str body = STR_NONE;
    enum fail fail = FAIL_NONE;
    enum h1_event event = h1_parse(s->parser, session_input(s), &used, &body, &fail);

    switch (event) {
    case H1_HEAD:
        session_take_input(s, used);
        on_head(s);
        return s->state != GONE;
    case H1_BODY:
        transaction_body(s->t, body);
        if (s->state == GONE)
            return false;
        s->awaits_body &= transaction_wants_body(s->t);
        session_take_input(s, used);
        return true;
    case H1_DONE:
        session_take_input(s, used);
        s->state = ANSWER;
        transaction_body_end(s->t);
        return s->state != GONE;
    case H1_ERROR:
        on_bad_request(s, fail);
        return false;
    default:
        session_take_input(s, used);
        return false;
    }
}

/* Takes the PROXY protocol header off the input. False while it is incomplete or when it is bad. */
static bool
take_proxy_header(struct session *s)
{
    struct proxy_header header;
    int used = proxy_header_parse(session_input(s), &header);

    if (used == 0)
        return false;
    if (used < 0) {
        session_end(s, true);
        return false;
    }
    session_take_input(s, (size_t)used);
    s->needs_proxy_header = false;
    if (!header.is_local) {
        s->link.peer = header.source;
        s->link.via_proxy_protocol = true;
    }
    admission_name(s->edge, &s->admission, &s->link.peer);
    if (s->admission.is_shut) {
        admission_turn_away(s->edge, &s->admission, s->needs_tls ? NULL : s->stream);
        session_end(s, false);
        return false;
    }
    if (s->needs_tls) {
        session_keep_input(s);
        session_begin_tls(s);
    }
    return true;
}

static bool
may_parse(const struct session *s)
{
    if (s->state == GONE || s->state == LINGER || s->state == ANSWER)
        return false;
    if (session_input(s).len == 0 && !(s->state == BODY && h1_has_pending(s->parser)))
        return false;
    return s->state != BODY || transaction_wants_body(s->t) || s->answer_done;
}

/* Answers that the client does not take hold up the requests behind them. False as well when the session is gone. */
static bool
may_answer_more(struct session *s)
{
    return buf_len(&s->out) <= OUT_LOW || (session_flush(s) && buf_len(&s->out) <= OUT_LOW);
}

static void
parse_input(struct session *s)
{
    for (;;) {
        if (s->needs_proxy_header && (session_input(s).len == 0 || !take_proxy_header(s)))
            return;
        if (s->state == IDLE && !may_answer_more(s))
            return;
        if (s->state == IDLE && session_input(s).len)
            begin_request(s);
        if (!may_parse(s) || !parse_step(s))
            return;
    }
}

/* The answer is out and the request is in: free the transaction, go on with the next or close. */
static bool
finish_request(struct session *s)
{
    bool is_complete = s->state == ANSWER;

    if (s->keep_alive && !is_complete && !s->saw_eof)
        return false; /* the answer came first: the rest of the body is still to be dropped */
    transaction_free(s->t);
    s->t = NULL;
    s->answer_done = false;
    if (s->keep_alive && is_complete && !s->saw_eof) {
        enter_idle(s);
        return true;
    }
    if (!session_flush(s))
        return false;
    s->state = LINGER;
    session_drop_input(s);
    session_progress(s);
    return true;
}

static bool
wants_input(const struct session *s)
{
    if (s->state == GONE || s->saw_eof)
        return false;
    if (s->state == BODY && s->t && !transaction_wants_body(s->t) && !s->answer_done)
        return false;
    return session_input(s).len < IN_HIGH;
}

static void
on_client_eof(struct session *s)
{
    s->saw_eof = true;
    if (s->state == LINGER || (s->state == IDLE && buf_len(&s->out) == 0))
        session_end(s, false);
    else if (s->state != IDLE && !s->answer_done) /* it no longer waits for an answer, as nginx and Envoy see it */
        session_end(s, s->state == BODY);
    else if (s->state == BODY) /* it had its answer early; the rest of its body does not come any more */
        finish_request(s);
}

/* False when the session is gone or nothing more is to be had now. */
static bool
read_some(struct session *s)
{
    ssize_t n;

    session_keep_input(s);
    n = stream_read(s->stream, s->edge->read_buffer, sizeof(s->edge->read_buffer));
    if (n == -EAGAIN)
        return false;
    if (n < 0) {
        session_end(s, true);
        return false;
    }
    if (n == 0) {
        on_client_eof(s);
        return false;
    }
    if (s->state == LINGER)
        return true;
    s->fresh = str_make(s->edge->read_buffer, (size_t)n);
    if (buf_len(&s->in))
        session_keep_input(s);
    if (s->state == BODY)
        session_moved(s, (size_t)n);
    return true;
}

static void
after_flush(struct session *s)
{
    bool is_idle = s->state == IDLE && session_input(s).len == 0;

    if ((s->state != LINGER && !is_idle) || buf_len(&s->out))
        return;
    buf_shelve(&s->in, &s->edge->up->shelf);
    buf_shelve(&s->out, &s->edge->up->shelf);
    if (s->saw_eof)
        session_end(s, false);
    else if (s->state == LINGER)
        stream_shutdown(s->stream);
}

static void
pump(struct session *s)
{
    if (s->state == GONE || (s->awaits_tls && !session_pass_tls(s)) || !session_flush(s))
        return;
    for (int i = 0;; i++) {
        parse_input(s);
        while (s->state != GONE && s->answer_done && finish_request(s))
            parse_input(s);
        if (!wants_input(s) || !session_flush(s))
            break;
        if (i == READS_PER_TURN) {
            task_schedule(s->edge->loop, &s->pump, session_pump, s);
            break;
        }
        if (i > 0 && s->state != ANSWER && s->state != IDLE)
            stream_recheck(s->stream); /* a part of a request came: is that all? */
        if (!read_some(s))
            break;
    }
    if (s->state == GONE || !session_flush(s))
        return;
    after_flush(s);
    if (s->state != GONE)
        session_arm(s);
}

void
session_pump(void *arg)
{
    struct session *s = arg;

    pump(s);
    session_keep_input(s);
}

bool
session_leave_idle(struct session *s)
{
    stream_recheck(s->stream);
    session_pump(s);
    if (!session_is_idle(s))
        return false;
    if (s->n_requests == 0 && session_now_us(s) - s->since_us < FIRST_REQUEST_US)
        return false;
    session_free(s);
    return true;
}

struct session *
session_new(struct edge *edge, struct stream *stream, unsigned door)
{
    const struct conf *conf = edge_world(edge)->conf;
    struct h1_limits limits = {
        .head_bytes = (uint32_t)conf->head_bytes,
        .head_fields = (uint32_t)conf->head_fields,
        .line_bytes = (uint32_t)(conf->head_bytes < 8192 ? conf->head_bytes : 8192),
    };
    struct admission admission;
    struct session *s;

    admission_enter(edge, &admission);
    if (!(door & DOOR_PROXY))
        admission_name(edge, &admission, stream_peer(stream, NULL));
    if (admission.is_shut) {
        admission_turn_away(edge, &admission, door & DOOR_TLS ? NULL : stream);
        stream_close(&stream);
        return NULL;
    }
    s = MEM_NEW(struct session);
    s->admission = admission;
    s->edge = edge;
    s->stream = stream;
    s->needs_proxy_header = door & DOOR_PROXY;
    s->needs_tls = door & DOOR_TLS;
    s->link.peer = *stream_peer(stream, NULL);
    s->parser = h1_parser_new(H1_REQUESTS, &limits);
    timer_init(&s->timer, edge->loop, on_timer, s);
    LIST_INSERT_HEAD(&edge->sessions, s, entry);
    metrics_add(edge->metrics, METRIC_CLIENT_CONNECTIONS, 0, 1);
    stream_on_event(stream, session_pump, s);
    enter_idle(s);
    if (s->needs_tls && !s->needs_proxy_header)
        session_begin_tls(s);
    return s;
}
