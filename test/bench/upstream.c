/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: answers as a Qdrant would, at no cost to speak of: the cluster of `make bench`. One thread, keep-alive, no checks.
 *
 *   upstream N      listens on N ports of its own choosing, prints them in one line, serves until its standard input ends
 *
 * A path that has "/scroll" in it is answered with 1 MB, "/query" with 600 bytes, all others with some 80.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_ROOM = 16384, READ_ROOM = 256 * 1024, EVENTS = 256, LISTENERS_MAX = 16 };

struct answer {
    char *bytes;
    size_t len;
};

struct conn {
    int fd;
    bool is_listener, is_out_wanted;
    size_t head_len, body_left;
    const struct answer *answer; /* being sent, or due when the body is there */
    size_t sent;
    char head[HEAD_ROOM];
};

static struct answer small, query, large;
static int epoll;
static char scratch[READ_ROOM];

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct answer
make_answer(size_t body)
{
    static const char front[] = "{\"result\":{\"operation_id\":7,\"status\":\"completed\"",
                      back[] = "},\"status\":\"ok\",\"time\":0.000123}";
    struct answer a = { .bytes = malloc(body + 512) };
    int head;

    if (!a.bytes)
        die("memory");
    head = snprintf(a.bytes, 512,
        "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\nvary: accept-encoding, Origin\r\ncontent-type: application/json\r\n"
        "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n",
        body);
    a.len = (size_t)head + body;
    memset(a.bytes + head, ' ', body);
    memcpy(a.bytes + head, front, sizeof(front) - 1);
    memcpy(a.bytes + a.len - (sizeof(back) - 1), back, sizeof(back) - 1);
    return a;
}

static void
watch(struct conn *c, int op, bool out)
{
    struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

    c->is_out_wanted = out;
    if (epoll_ctl(epoll, op, c->fd, &e) != 0)
        die("epoll_ctl");
}

static struct conn *
conn_new(int fd, bool is_listener)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c)
        die("memory");
    c->fd = fd;
    c->is_listener = is_listener;
    watch(c, EPOLL_CTL_ADD, false);
    return c;
}

static int
listen_somewhere(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    conn_new(fd, true);
    return ntohs(at.sin_port);
}

static void
accept_all(struct conn *l)
{
    int fd, on = 1;

    while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        conn_new(fd, false);
    }
}

/* False when the connection is at its end. */
static bool
push(struct conn *c)
{
    while (c->sent < c->answer->len) {
        ssize_t n = write(c->fd, c->answer->bytes + c->sent, c->answer->len - c->sent);
        if (n < 0 && errno == EAGAIN) {
            if (!c->is_out_wanted)
                watch(c, EPOLL_CTL_MOD, true);
            return true;
        }
        if (n < 0)
            return false;
        c->sent += (size_t)n;
    }
    c->answer = NULL;
    c->head_len = 0;
    if (c->is_out_wanted)
        watch(c, EPOLL_CTL_MOD, false);
    return true;
}

static const struct answer *
answer_to(const char *head)
{
    const char *line = strstr(head, "\r\n");
    const char *scroll = strstr(head, "/scroll"), *ask = strstr(head, "/query");

    return scroll && scroll < line ? &large : ask && ask < line ? &query : &small;
}

/* Of the head that has come; the length of what follows it in `rest`. False when it is too long. */
static bool
take_head(struct conn *c, const char *bytes, size_t len)
{
    size_t before = c->head_len, part = sizeof(c->head) - 1 - before;
    char *end, *field;

    part = len < part ? len : part;
    memcpy(c->head + before, bytes, part);
    c->head_len += part;
    c->head[c->head_len] = 0;
    end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return c->head_len < sizeof(c->head) - 1;
    *end = 0;
    field = strcasestr(c->head, "\r\ncontent-length:");
    c->body_left = field ? strtoul(field + 17, NULL, 10) : 0;
    len -= (size_t)(end + 4 - c->head) - before;
    c->body_left -= len < c->body_left ? len : c->body_left;
    c->answer = answer_to(c->head);
    c->sent = 0;
    return true;
}

static bool
serve(struct conn *c)
{
    ssize_t n;

    do {
        n = read(c->fd, scratch, sizeof(scratch));
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        if (n < 0)
            return true;
        if (c->body_left)
            c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
        else if (!c->answer && !take_head(c, scratch, (size_t)n))
            return false;
    } while (n == sizeof(scratch));
    return !c->answer || c->body_left || push(c);
}

static void
on_event(struct conn *c, uint32_t events)
{
    bool is_well = true;

    if (c->is_listener) {
        accept_all(c);
        return;
    }
    if (events & EPOLLOUT && c->answer && !c->body_left)
        is_well = push(c);
    if (is_well && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        is_well = serve(c);
    if (is_well)
        return;
    close(c->fd);
    free(c);
}

int
main(int argc, char **argv)
{
    struct epoll_event events[EVENTS], end = { .events = EPOLLIN };
    int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;

    signal(SIGPIPE, SIG_IGN);
    small = make_answer(84);
    query = make_answer(600);
    large = make_answer(1 << 20);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &end);
    for (int i = 0; i < n && i < LISTENERS_MAX; i++)
        printf("%d%s", listen_somewhere(), i + 1 < n ? " " : "\n");
    fflush(stdout);
    for (;;) {
        n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                return 0;
            on_event(events[i].data.ptr, events[i].events);
        }
    }
}
