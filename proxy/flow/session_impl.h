/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_SESSION_IMPL_H
#define SEXTANT_FLOW_SESSION_IMPL_H

/* Shared by session.c (reading, time limits, the end) and session_answer.c (writing) only. */

#include "proxy/flow/admission.h"
#include "proxy/flow/session.h"
#include "proxy/flow/transaction.h"

enum {
    IN_HIGH = 64 * 1024,
    OUT_HIGH = 256 * 1024,
    OUT_LOW = 64 * 1024,
    GATHER_BYTES = 16 * 1024,
    READS_PER_TURN = 16,
    LINGER_US = 2 * 1000 * 1000,
    FIRST_REQUEST_US = 1000 * 1000
};

enum session_state { IDLE, HEAD, BODY, ANSWER, LINGER, GONE };

struct session {
    LIST_ENTRY(session) entry;
    TAILQ_ENTRY(session) idle_entry;
    bool is_queued_idle;
    int64_t idle_since_us;
    struct admission admission;
    struct edge *edge;
    struct stream *stream;
    struct h1_parser *parser;
    struct transaction *t;
    enum session_state state;
    bool needs_proxy_header, needs_tls, awaits_tls;
    struct client_link link;
    bool keep_alive, answer_done, head_sent, is_chunked, no_body, expects_continue, saw_eof;
    bool awaits_body; /* it is the client's turn to send */
    bool is_stuck;    /* it is the client's turn to read */
    uint8_t minor;
    struct buf in, out;
    struct str
        fresh; /* input that was just read and is not in `in`, which is empty then; only while session_pump() runs */
    int64_t since_us; /* since when the client owes something, less what it did meanwhile: see pace.h */
    uint64_t n_requests;
    struct timer timer;
    struct task pump, release;
};

static inline const struct conf *
session_conf(const struct session *s)
{
    return edge_world(s->edge)->conf;
}

static inline int64_t
session_now_us(const struct session *s)
{
    return loop_now_us(s->edge->loop);
}

/* Input that was not parsed yet. */
static inline struct str
session_input(const struct session *s)
{
    return s->fresh.len ? s->fresh : buf_str(&s->in);
}

static inline void
session_take_input(struct session *s, size_t n)
{
    if (s->fresh.len)
        s->fresh = str_skip(s->fresh, n);
    else
        buf_consume(&s->in, n);
}

static inline void
session_drop_input(struct session *s)
{
    s->fresh = STR_NONE;
    buf_clear(&s->in);
}

/* The thread's buffer is wanted for something else. */
static inline void
session_keep_input(struct session *s)
{
    if (s->fresh.len)
        buf_unshelve(&s->in, &s->edge->up->shelf);
    buf_add(&s->in, s->fresh);
    s->fresh = STR_NONE;
}

/* session.c */
void session_end(struct session *s, bool abort);
void session_arm(struct session *s);
void session_progress(struct session *s);
void session_pump(void *arg);

void session_unqueue(struct session *s); /* it is no longer idle */
/* The client moved so many bytes of a body. */
void session_moved(struct session *s, size_t bytes);

/* session_tls.c */
void session_begin_tls(struct session *s);
/* The handshake is complete, or not needed. False as well when it failed: then the session has been dealt with. */
bool session_pass_tls(struct session *s);
void session_tls_timed_out(struct session *s);

/* session_answer.c */
extern const struct responder session_responder;
bool session_flush(struct session *s); /* false: the session is gone */

#endif
