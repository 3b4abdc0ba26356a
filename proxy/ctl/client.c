/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/http/h1.h"

enum { HEAD_BYTES = 32768, HEAD_FIELDS = 64, BODY_BYTES = 16 << 20, CHUNK = 16384 };

struct talk {
    int fd;
    int64_t until_us;
    struct arena arena;
    struct message head;
    struct h1_parser *parser;
};

static int
wait_for(const struct talk *t, short events)
{
    struct pollfd p = { t->fd, events, 0 };
    int64_t left_us = t->until_us - clock_mono_us();
    int n;

    if (left_us <= 0)
        return -ETIMEDOUT;
    n = poll(&p, 1, (int)(left_us / USEC_PER_MSEC) + 1);
    if (n < 0 && errno != EINTR)
        return -errno;
    return n == 0 ? -ETIMEDOUT : 0;
}

static int
dial(struct talk *t, const struct client_place *place)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&place->addr, place->port, &sa), size = sizeof(int);
    int error = 0;

    t->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return -errno;
    if (connect(t->fd, (struct sockaddr *)&sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    error = wait_for(t, POLLOUT);
    if (error)
        return error;
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return -error;
}

static void
write_request(struct talk *t, const struct client_place *place, const struct client_request *r, struct buf *out)
{
    struct message m;

    message_init(&m, &t->arena);
    m.method_text = str_from(r->method);
    m.method = method_parse(m.method_text);
    m.target = r->target;
    m.host = place->host;
    message_add(&m, STR("user-agent"), STR("sextant-ctl/" SEXTANT_VERSION));
    if (r->token.len)
        message_add(&m, STR("authorization"), arena_printf(&t->arena, "Bearer " STR_FMT, STR_ARG(r->token)));
    if (m.method == METHOD_POST) {
        message_add(&m, STR("content-type"), STR("application/json"));
        m.framing = FRAMING_LENGTH;
        m.content_length = r->body.len;
    }
    h1_write_request(out, &m);
    if (m.method == METHOD_POST)
        buf_add(out, r->body);
    h1_reset(t->parser, &t->head, m.method);
}

static int
send_all(struct talk *t, struct buf *out)
{
    while (buf_len(out)) {
        ssize_t n = send(t->fd, buf_str(out).p, buf_len(out), MSG_NOSIGNAL);
        int error = 0;

        if (n >= 0)
            buf_consume(out, (size_t)n);
        else if (errno == EAGAIN)
            error = wait_for(t, POLLOUT);
        else if (errno != EINTR)
            error = -errno;
        if (error)
            return error;
    }
    return 0;
}

/* 1 when the answer is complete, 0 when more is needed. */
static int
take(struct talk *t, struct str input, bool is_end, struct buf *body)
{
    enum h1_event event = H1_HEAD;

    while (event == H1_HEAD || event == H1_BODY) {
        size_t used;
        struct str piece;
        enum fail fail;

        event = h1_parse(t->parser, input, &used, &piece, &fail);
        input = str_skip(input, used);
        if (event == H1_BODY)
            buf_add(body, piece);
        if (event == H1_MORE && is_end)
            event = h1_parse_eof(t->parser, &fail);
        if (event == H1_ERROR || (event == H1_MORE && is_end))
            return -EPROTO;
        if (buf_len(body) > BODY_BYTES)
            return -EFBIG;
    }
    return event == H1_DONE;
}

static int
receive(struct talk *t, struct buf *body)
{
    char input[CHUNK];

    for (;;) {
        ssize_t n = recv(t->fd, input, sizeof(input), 0);
        int done = 0;

        if (n < 0 && errno == EAGAIN)
            done = wait_for(t, POLLIN);
        else if (n < 0 && errno != EINTR)
            done = -errno;
        else if (n >= 0)
            done = take(t, str_make(input, (size_t)n), n == 0, body);
        if (done)
            return done < 0 ? done : 0;
    }
}

static int
converse(
    struct talk *t, const struct client_place *place, const struct client_request *request, struct client_answer *a)
{
    struct buf out = { 0 };
    int error = dial(t, place);

    write_request(t, place, request, &out);
    if (error == 0)
        error = send_all(t, &out);
    /* A refusal may come before all was sent, and close the door. */
    if (error == 0 || error == -EPIPE || error == -ECONNRESET)
        error = receive(t, &a->body);
    buf_fini(&out);
    if (error)
        return error;
    a->status = t->head.status;
    a->is_json = str_starts(message_value(&t->head, FIELD_CONTENT_TYPE), STR("application/json"));
    return 0;
}

int
client_ask(const struct client_place *place, const struct client_request *request, struct client_answer *ret_answer)
{
    struct h1_limits limits = { .head_bytes = HEAD_BYTES, .head_fields = HEAD_FIELDS, .line_bytes = HEAD_BYTES };
    struct talk t = { .fd = -1, .until_us = clock_mono_us() + request->timeout_us };
    int error;

    t.parser = h1_parser_new(H1_RESPONSES, &limits);
    message_init(&t.head, &t.arena);
    error = converse(&t, place, request, ret_answer);
    if (t.fd >= 0)
        close(t.fd);
    h1_parser_free(t.parser);
    arena_fini(&t.arena);
    return error;
}
