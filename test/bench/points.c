/* SPDX-License-Identifier: Apache-2.0
 *
 * points: a cluster of `make bench` that keeps what is written to it. One thread, so that it costs little.
 *
 *   points PORT     listens on a port of its own choosing and prints it. Points of the collection `bench`, as write_load and
 *                   the lanes of an edge write and read them, are its own affair; anything else it asks of the stand-in at PORT
 *
 * Orders are lines of its standard input, each answered by one line:
 *   away, back      refuses connections and has none; takes them again
 *   ages            how old points were when they came, by the time in their payload, since the last asking: JSON, microseconds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "proxy/base/buf.h"
#include "proxy/base/clock.h"

enum { IDS_MAX = 1 << 22, EVENTS = 64, READ_ROOM = 256 * 1024 };

struct conn {
    LIST_ENTRY(conn) entry;
    int fd;
    struct buf in, out;
};

struct message {
    struct str head, body; /* the head with its empty line */
};

static LIST_HEAD(, conn) conns = LIST_HEAD_INITIALIZER(conns);
static struct conn listener = { .fd = -1 }, orders = { .fd = STDIN_FILENO };
static char *points[IDS_MAX]; /* `"vector":…,"payload":…`, by id */
static int64_t *ages;
static size_t n_ages, cap_ages;
static int epoll, port;
static uint16_t rest_port;

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "points: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
watch(struct conn *c, int operation, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = c };

    if (epoll_ctl(epoll, operation, c->fd, &e))
        die("epoll_ctl");
}

static void
drop(struct conn *c)
{
    LIST_REMOVE(c, entry);
    close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

/* --- points ------------------------------------------------------------------------------------------------------ */

static struct str
after(struct str text, const char *mark)
{
    char *at = memmem(text.p, text.len, mark, strlen(mark));

    return at ? str_skip(text, (size_t)(at - text.p) + strlen(mark)) : STR_NONE;
}

static void
note_age(struct str payload)
{
    struct str time = after(payload, "\"t\":");

    if (time.len == 0)
        return;
    if (n_ages == cap_ages) {
        cap_ages = cap_ages ? cap_ages * 2 : 4096;
        ages = realloc(ages, cap_ages * sizeof(*ages));
        if (!ages)
            die("memory");
    }
    ages[n_ages++] = clock_wall_us() - strtoll(time.p, NULL, 10);
}

/* Each `{"id":N,"vector":[…],"payload":{…}}`; neither has anything nested in it. */
static bool
upsert(struct str body)
{
    for (body = after(body, "{\"id\":"); body.len; body = after(body, "{\"id\":")) {
        uint64_t id = strtoull(body.p, NULL, 10);
        struct str vector = after(body, ",\"vector\":"), payload = after(vector, ",\"payload\":"),
                   rest = after(payload, "}");

        if (payload.len == 0 || rest.p == NULL || id >= IDS_MAX)
            return false;
        free(points[id]);
        if (asprintf(&points[id], "\"vector\":" STR_FMT, (int)(rest.p - vector.p), vector.p) < 0)
            die("memory");
        note_age(str_make(payload.p, (size_t)(rest.p - payload.p)));
        body = rest;
    }
    return true;
}

static void
read_back(struct str body, struct buf *out)
{
    struct str ids = after(body, "\"ids\":[");
    const char *comma = "";

    buf_add(out, STR("{\"result\":["));
    while (ids.len && ids.p[0] >= '0' && ids.p[0] <= '9') {
        char *end;
        uint64_t id = strtoull(ids.p, &end, 10);

        if (id < IDS_MAX && points[id]) {
            buf_printf(out, "%s{\"id\":%llu,", comma, (unsigned long long)id);
            buf_add(out, str_from(points[id]));
            buf_putc(out, '}');
            comma = ",";
        }
        ids = str_skip(ids, (size_t)(end - ids.p) + (*end == ','));
    }
    buf_add(out, STR("],\"status\":\"ok\",\"time\":0.0001}"));
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* The next message of what came; false: it is not all there. */
static bool
take_message(struct str in, struct message *ret)
{
    struct str rest = after(in, "\r\n\r\n");
    char *field;
    size_t len;

    if (!rest.p)
        return false;
    field = memmem(in.p, in.len - rest.len, "ontent-length:", 14); /* in either case of its first letter */
    if (!field)
        field = memmem(in.p, in.len - rest.len, "ontent-Length:", 14);
    len = field ? strtoul(field + 14, NULL, 10) : 0;
    *ret = (struct message){ str_make(in.p, in.len - rest.len), str_make(rest.p, len) };
    return rest.len >= len;
}

static void
send_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        if (n < 0)
            return;
        bytes = str_skip(bytes, (size_t)n);
    }
}

/* What is no point is rare enough to wait for. */
static void
ask_the_rest(const struct message *m, struct buf *out)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(rest_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct buf in = { 0 };
    struct message answer;
    ssize_t n = 1;

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        die("the stand-in");
    send_all(fd, m->head);
    send_all(fd, m->body);
    while (n > 0 && !take_message(buf_str(&in), &answer)) {
        n = read(fd, buf_reserve(&in, 1 << 16), 1 << 16);
        buf_commit(&in, n > 0 ? (size_t)n : 0);
    }
    buf_add(out, buf_str(&in));
    buf_fini(&in);
    close(fd);
}

static void
answer_to(const struct message *m, struct buf *out)
{
    static const char path[] = " /collections/bench/points";
    struct str rest = after(m->head, path);
    bool is_own = rest.len && (rest.p[0] == '?' || rest.p[0] == ' '), is_read = str_starts(m->head, STR("POST"));
    struct buf body = { 0 };

    if (!is_own) {
        ask_the_rest(m, out);
        return;
    }
    if (is_read)
        read_back(m->body, &body);
    else if (upsert(m->body))
        buf_add(
            &body, STR("{\"result\":{\"operation_id\":7,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.0001}"));
    buf_printf(out, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
        buf_len(&body) ? "200 OK" : "400 Bad Request", buf_len(&body));
    if (buf_len(&body))
        buf_add(out, buf_str(&body));
    buf_fini(&body);
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static bool
push(struct conn *c)
{
    while (buf_len(&c->out)) {
        ssize_t n = write(c->fd, buf_str(&c->out).p, buf_len(&c->out));

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        buf_consume(&c->out, (size_t)n);
    }
    watch(c, EPOLL_CTL_MOD, buf_len(&c->out) ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

static bool
serve(struct conn *c)
{
    ssize_t n = read(c->fd, buf_reserve(&c->in, READ_ROOM), READ_ROOM);
    struct message m;

    if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
    buf_commit(&c->in, n > 0 ? (size_t)n : 0);
    while (buf_len(&c->in) && take_message(buf_str(&c->in), &m)) {
        answer_to(&m, &c->out);
        buf_consume(&c->in, m.head.len + m.body.len);
    }
    return push(c);
}

static void
accept_one(void)
{
    struct conn *c;
    int one = 1, fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    c = calloc(1, sizeof(*c));
    if (!c)
        die("memory");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->fd = fd;
    LIST_INSERT_HEAD(&conns, c, entry);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void
open_port(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    socklen_t len = sizeof(at);
    int one = 1;

    listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener.fd, (struct sockaddr *)&at, sizeof(at)) || listen(listener.fd, 512) ||
        getsockname(listener.fd, (struct sockaddr *)&at, &len))
        die("listen");
    port = ntohs(at.sin_port);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
}

static int
by_age(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
tell_ages(void)
{
    if (n_ages)
        qsort(ages, n_ages, sizeof(*ages), by_age);
    printf("{\"points\": %zu, \"p50_us\": %lld, \"p99_us\": %lld, \"max_us\": %lld}\n", n_ages,
        (long long)(n_ages ? ages[n_ages / 2] : 0), (long long)(n_ages ? ages[n_ages * 99 / 100] : 0),
        (long long)(n_ages ? ages[n_ages - 1] : 0));
    n_ages = 0;
}

static void
take_order(struct str order)
{
    struct conn *c;

    if (str_eq(order, STR("ages"))) {
        tell_ages();
    } else if (str_eq(order, STR("away"))) {
        close(listener.fd);
        while ((c = LIST_FIRST(&conns)))
            drop(c);
        puts("away");
    } else {
        open_port();
        puts("back");
    }
    fflush(stdout);
}

static void
read_orders(void)
{
    ssize_t n = read(orders.fd, buf_reserve(&orders.in, 4096), 4096);
    struct str line, rest;

    if (n <= 0)
        exit(0);
    buf_commit(&orders.in, (size_t)n);
    while (str_find(buf_str(&orders.in), '\n') >= 0) {
        str_cut(buf_str(&orders.in), '\n', &line, &rest);
        take_order(line);
        buf_consume(&orders.in, line.len + 1);
        if (buf_len(&orders.in) == 0)
            break;
    }
}

/* One event a turn: what `away` closes may have events left. */
int
main(int argc, char **argv)
{
    struct epoll_event e;

    if (argc != 2)
        return 2;
    rest_port = (uint16_t)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(&orders, EPOLL_CTL_ADD, EPOLLIN);
    open_port();
    printf("%d\n", port);
    fflush(stdout);
    while (epoll_wait(epoll, &e, 1, -1) >= 0 || errno == EINTR) {
        struct conn *c = e.data.ptr;

        if (c == &orders)
            read_orders();
        else if (c == &listener)
            accept_one();
        else if (!((e.events & EPOLLOUT) == 0 || push(c)) || !serve(c))
            drop(c);
    }
    return 1;
}
