/* SPDX-License-Identifier: Apache-2.0
 *
 * The beginning of a connection over TLS: handshake, what it tells about the client, and what is said when it fails. Scanners
 * and misled clients knock all day: each is counted, and a line is logged once a second at most.
 */
#include <errno.h>

#include "proxy/flow/session_impl.h"
#include "proxy/obs/log.h"
#include "proxy/route/answer.h"

void
session_begin_tls(struct session *s)
{
    struct edge *e = s->edge;

    tls_work_set_limit(e->tls, (unsigned)session_conf(s)->tls_handshakes);
    s->stream = stream_tls_accept(e->tls, edge_world(e)->tls, s->stream, buf_str(&s->in));
    buf_fini(&s->in);
    s->needs_tls = false;
    s->awaits_tls = true;
    stream_on_event(s->stream, session_pump, s);
    session_arm(s); /* it may be armed for an idle connection, which has much longer */
}

static void
tell(struct session *s, enum tls_reason reason, const char *error)
{
    struct edge *e = s->edge;
    char address[ADDR_TEXT_MAX];

    metrics_add(e->metrics, METRIC_TLS_FAILURES, reason, 1);
    if (session_now_us(s) - e->tls_told_us < USEC_PER_SEC) {
        e->tls_untold++;
        return;
    }
    log_info("TLS handshake with %s failed: %s%s%s (%u more since the last such line)",
        addr_print(&s->link.peer, -1, address), tls_reason_sentence(reason), *error ? ": " : "", error, e->tls_untold);
    e->tls_told_us = session_now_us(s);
    e->tls_untold = 0;
}

/* Whoever sends plain HTTP can read a plain answer. */
static void
answer_plain(struct session *s)
{
    struct operation none = { .collection = STR_NONE };
    struct buf body = { 0 };

    s->stream = stream_tls_unwrap(&s->stream);
    stream_on_event(s->stream, session_pump, s);
    answer_error(&body, FAIL_PLAIN_HTTP, &none, STR_NONE);
    buf_printf(&s->out,
        "HTTP/1.1 400 Bad Request\r\nx-sextant-error: PLAIN_HTTP\r\ncontent-type: application/json\r\n"
        "content-length: %zu\r\nconnection: close\r\n\r\n",
        buf_len(&body));
    buf_add(&s->out, buf_str(&body));
    buf_fini(&body);
    metrics_add(s->edge->metrics, METRIC_FAILURES, FAIL_PLAIN_HTTP, 1);
    session_unqueue(s);
    s->state = LINGER;
    session_progress(s);
}

bool
session_pass_tls(struct session *s)
{
    const struct tls_facts *facts = stream_tls_facts(s->stream);

    if (stream_is_connected(s->stream)) {
        s->awaits_tls = false;
        s->link.is_tls = true;
        s->link.client_subject = str_from(facts->subject);
        metrics_add(s->edge->metrics, METRIC_TLS_HANDSHAKES, 0, 1);
        metrics_add(s->edge->metrics, METRIC_TLS_RESUMED, 0, facts->is_resumed);
        session_progress(s);
        return true;
    }
    if (facts->failure == TLS_REASON_NONE)
        return false;
    s->awaits_tls = false;
    tell(s, facts->failure, facts->error);
    if (facts->failure == TLS_REASON_PLAIN_HTTP) {
        answer_plain(s);
        return true;
    }
    session_end(s, false);
    return false;
}

void
session_tls_timed_out(struct session *s)
{
    tell(s, TLS_REASON_TIMEOUT, "");
}
