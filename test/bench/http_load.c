/* SPDX-License-Identifier: Apache-2.0
 *
 * http_load: sends one request over and over, on many connections, and says what it cost. `make bench` runs it.
 *
 *   http_load --port P --request FILE [--connections N] [--seconds S] [--warm S] [--rate R] [--tls] [--account PID]…
 *
 * The file holds a whole request, head and body. The address 255.255.255.255 in its head stands for a caller: each request
 * gets another one, so that nobody can remember where the last one came from.
 *
 * Without a rate each connection sends as soon as it has its answer. With a rate, requests are due at fixed times, whatever
 * becomes of those before, and an answer took as long as it came after the time at which its request was due: a proxy that
 * stops for a while is not asked less for it ("coordinated omission").
 *
 * Prints one line of JSON. Processes named by --account are charged what they ran in the counted time, all threads together.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "test/bench/bench.h"

enum { HEAD_ROOM = 8192, READ_ROOM = 256 * 1024, EVENTS = 256, ACCOUNTS_MAX = 8, CALLER_LEN = 15 };

static const char caller_mark[] = "255.255.255.255";

struct conn {
    int fd;
    SSL *ssl;
    bool is_handshaking, is_out_wanted;
    size_t sent, head_len, body_left;
    int64_t due_us; /* of the request under way; 0: idle */
    char head[HEAD_ROOM];
    char caller[CALLER_LEN];
    SIMPLEQ_ENTRY(conn) idle;
};

static struct {
    int port, connections, accounts[ACCOUNTS_MAX], n_accounts;
    double seconds, warm, rate;
    bool is_tls;
    char *request;
    size_t request_len, caller_at; /* caller_at: 0 without one */
} option = { .connections = 64, .seconds = 2, .warm = 0.3 };

static struct {
    uint32_t *took_us;
    size_t n, cap;
    uint64_t bytes_in, bytes_out, errors, behind;
    bool is_counting;
} tally;

static int epoll, timer;
static SSL_CTX *ssl_ctx;
static SIMPLEQ_HEAD(idle_list, conn) idle = SIMPLEQ_HEAD_INITIALIZER(idle);
static uint64_t scheduled, started; /* requests of a rate: due so far, and begun */
static int64_t begin_us;
static uint32_t seed = 12345;
static char scratch[READ_ROOM];

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "http_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Addresses of three-digit numbers only, so that each fits the same place. */
static void
draw_caller(char out[CALLER_LEN])
{
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525U + 1013904223U;
        unsigned octet = 100 + (seed >> 16) % 124;
        out[4 * i] = (char)('0' + octet / 100);
        out[4 * i + 1] = (char)('0' + octet / 10 % 10);
        out[4 * i + 2] = (char)('0' + octet % 10);
        if (i < 3)
            out[4 * i + 3] = '.';
    }
}

static void
want(struct conn *c, bool out)
{
    struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

    if (c->is_out_wanted == out)
        return;
    c->is_out_wanted = out;
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void
open_conn(struct conn *c)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)option.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->is_out_wanted = false;
    c->sent = c->head_len = c->body_left = 0;
    if (ssl_ctx) {
        c->ssl = SSL_new(ssl_ctx);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_connect_state(c->ssl);
        SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
}

/* What OpenSSL returned, as read(2) and write(2) would. */
static ssize_t
as_system_call(struct conn *c, int n)
{
    if (n > 0)
        return n;
    n = SSL_get_error(c->ssl, n);
    errno = n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t
conn_read(struct conn *c, void *to, size_t len)
{
    return c->ssl ? as_system_call(c, SSL_read(c->ssl, to, (int)len)) : read(c->fd, to, len);
}

static ssize_t
conn_write(struct conn *c, const void *from, size_t len)
{
    return c->ssl ? as_system_call(c, SSL_write(c->ssl, from, (int)len)) : write(c->fd, from, len);
}

/* What cannot be counted: said once in words, its connection made anew. */
static void
fail(struct conn *c, const char *why)
{
    if (tally.errors++ == 0)
        fprintf(stderr, "http_load: %s: %s\n%s\n", why, strerror(errno), c->head);
    close(c->fd);
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (tally.errors > 1000) {
        errno = 0;
        die("more than 1000 errors");
    }
    open_conn(c);
    if (c->due_us)
        SIMPLEQ_INSERT_TAIL(&idle, c, idle);
    c->due_us = 0;
}

static void
push(struct conn *c)
{
    while (c->sent < option.request_len) {
        size_t part = option.request_len - c->sent;
        if (option.caller_at && c->sent == 0)
            memcpy(option.request + option.caller_at, c->caller, CALLER_LEN);
        ssize_t n = conn_write(c, option.request + c->sent, part);
        if (n < 0 && errno == EAGAIN) {
            want(c, true);
            return;
        }
        if (n < 0) {
            fail(c, "send");
            return;
        }
        c->sent += (size_t)n;
        tally.bytes_out += tally.is_counting ? (size_t)n : 0;
    }
    want(c, false);
}

static void
begin(struct conn *c, int64_t due_us)
{
    c->due_us = due_us;
    c->sent = c->head_len = c->body_left = 0;
    draw_caller(c->caller);
    push(c);
}

static void
finish(struct conn *c)
{
    int64_t now_us = clock_mono_us();

    if (tally.is_counting) {
        if (tally.n == tally.cap) {
            tally.cap = tally.cap ? 2 * tally.cap : 1 << 16;
            tally.took_us = realloc(tally.took_us, tally.cap * sizeof(*tally.took_us));
            if (!tally.took_us)
                die("memory");
        }
        tally.took_us[tally.n++] = (uint32_t)(now_us - c->due_us);
    }
    if (option.rate == 0) {
        begin(c, now_us);
    } else if (started < scheduled) {
        begin(c, begin_us + (int64_t)((double)started++ * 1e6 / option.rate));
    } else {
        c->due_us = 0;
        SIMPLEQ_INSERT_TAIL(&idle, c, idle);
    }
}

/* 0 when the head is not there as a whole yet, -1 when it is not what is expected. */
static int
take_head(struct conn *c, size_t *body)
{
    char *end, *field;

    c->head[c->head_len] = 0;
    end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return c->head_len == sizeof(c->head) - 1 ? -1 : 0;
    *end = 0;
    field = strcasestr(c->head, "\r\ncontent-length:");
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !field)
        return -1;
    *body = strtoul(field + 17, NULL, 10);
    return (int)(end + 4 - c->head);
}

/* Whether the answer has ended. */
static int
take(struct conn *c, const char *bytes, size_t len)
{
    size_t part = sizeof(c->head) - 1 - c->head_len, before = c->head_len;
    int head;

    if (c->body_left) {
        if (len > c->body_left)
            return -1;
        c->body_left -= len;
        return c->body_left == 0;
    }
    part = len < part ? len : part;
    memcpy(c->head + c->head_len, bytes, part);
    c->head_len += part;
    head = take_head(c, &c->body_left);
    if (head <= 0)
        return head;
    len -= (size_t)head - before;
    if (len > c->body_left)
        return -1;
    c->body_left -= len;
    return c->body_left == 0;
}

static void
pull(struct conn *c)
{
    for (;;) {
        ssize_t n = conn_read(c, scratch, sizeof(scratch));
        int ended;
        if (n < 0 && errno == EAGAIN)
            return;
        ended = n <= 0 || !c->due_us ? -1 : take(c, scratch, (size_t)n);
        if (ended < 0) {
            fail(c, n > 0 ? "not the answer that was expected" : "the end of a connection");
            return;
        }
        tally.bytes_in += tally.is_counting ? (size_t)n : 0;
        if (ended) {
            finish(c);
            return;
        }
        if (!c->ssl && n < (ssize_t)sizeof(scratch))
            return;
    }
}

/* Begin what has fallen due since; what finds no idle connection waits for one. */
static void
on_timer(void)
{
    uint64_t ticks;
    struct conn *c;

    if (read(timer, &ticks, sizeof(ticks)) < 0)
        return;
    scheduled = (uint64_t)((double)(clock_mono_us() - begin_us) * option.rate / 1e6);
    while (started < scheduled && (c = SIMPLEQ_FIRST(&idle))) {
        SIMPLEQ_REMOVE_HEAD(&idle, idle);
        begin(c, begin_us + (int64_t)((double)started++ * 1e6 / option.rate));
    }
    if (started < scheduled)
        tally.behind++;
}

static void
run_until(int64_t end_us)
{
    struct epoll_event events[EVENTS];

    while (clock_mono_us() < end_us) {
        int n = epoll_wait(epoll, events, EVENTS, 50);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c) {
                on_timer();
                continue;
            }
            if (events[i].events & EPOLLOUT)
                push(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                pull(c);
        }
    }
}

/* What the processes to account for ran so far, all threads together. */
static double
ran_of_all(void)
{
    double total = 0;

    for (int i = 0; i < option.n_accounts; i++) {
        double ran = bench_process_s(option.accounts[i]);
        if (ran < 0)
            die("the process to account for");
        total += ran;
    }
    return total;
}

static void
read_request(const char *file)
{
    FILE *f = fopen(file, "re");
    size_t n;
    char *at, *end;

    if (!f)
        die(file);
    do {
        option.request = realloc(option.request, option.request_len + (1 << 20) + 1);
        if (!option.request)
            die("memory");
        n = fread(option.request + option.request_len, 1, 1 << 20, f);
        option.request_len += n;
    } while (n);
    fclose(f);
    option.request[option.request_len] = 0;
    end = strstr(option.request, "\r\n\r\n");
    at = strstr(option.request, caller_mark);
    option.caller_at = at && at < end ? (size_t)(at - option.request) : 0;
}

static void
read_options(int argc, char **argv)
{
    static const struct option names[] = { { "port", 1, NULL, 'p' }, { "request", 1, NULL, 'r' },
        { "connections", 1, NULL, 'c' }, { "seconds", 1, NULL, 's' }, { "warm", 1, NULL, 'w' },
        { "rate", 1, NULL, 'R' }, { "tls", 0, NULL, 't' }, { "account", 1, NULL, 'a' }, { NULL, 0, NULL, 0 } };
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'p':
            option.port = (int)strtol(optarg, NULL, 10);
            break;
        case 'r':
            read_request(optarg);
            break;
        case 'c':
            option.connections = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            option.seconds = strtod(optarg, NULL);
            break;
        case 'w':
            option.warm = strtod(optarg, NULL);
            break;
        case 'R':
            option.rate = strtod(optarg, NULL);
            break;
        case 't':
            option.is_tls = true;
            break;
        case 'a':
            if (option.n_accounts < ACCOUNTS_MAX)
                option.accounts[option.n_accounts++] = (int)strtol(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    if (!option.port || !option.request_len || option.connections < 1)
        die("--port and --request are needed");
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static uint32_t
percentile(double p)
{
    size_t at = (size_t)((double)tally.n * p);

    return tally.n ? tally.took_us[at < tally.n ? at : tally.n - 1] : 0;
}

static void
print(double seconds, double cpu_s)
{
    qsort(tally.took_us, tally.n, sizeof(*tally.took_us), compare);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"cpu_s\": %.6f, \"bytes_in\": %llu, \"bytes_out\": %llu, "
           "\"errors\": %llu, "
           "\"behind\": %llu, \"p50_us\": %u, \"p90_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
        tally.n, seconds, cpu_s, (unsigned long long)tally.bytes_in, (unsigned long long)tally.bytes_out,
        (unsigned long long)tally.errors, (unsigned long long)tally.behind, percentile(0.5), percentile(0.9),
        percentile(0.99), percentile(0.999), percentile(1));
}

static void
start_conns(void)
{
    struct conn *conns = calloc((size_t)option.connections, sizeof(*conns));

    if (!conns)
        die("memory");
    for (int i = 0; i < option.connections; i++) {
        open_conn(&conns[i]);
        if (option.rate == 0)
            begin(&conns[i], clock_mono_us());
        else
            SIMPLEQ_INSERT_TAIL(&idle, &conns[i], idle);
    }
}

static void
start_timer(void)
{
    long period_ns = (long)(1e9 / option.rate);
    struct itimerspec every = { .it_interval.tv_nsec = period_ns, .it_value.tv_nsec = period_ns };
    struct epoll_event e = { .events = EPOLLIN };

    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &e);
}

int
main(int argc, char **argv)
{
    double cpu_s;
    int64_t counted_us;

    signal(SIGPIPE, SIG_IGN);
    read_options(argc, argv);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (option.is_tls)
        ssl_ctx = SSL_CTX_new(TLS_client_method());
    start_conns();
    begin_us = clock_mono_us();
    if (option.rate > 0)
        start_timer();
    run_until(begin_us + (int64_t)(option.warm * 1e6));
    cpu_s = ran_of_all();
    counted_us = clock_mono_us();
    tally.is_counting = true;
    run_until(counted_us + (int64_t)(option.seconds * 1e6));
    cpu_s = ran_of_all() - cpu_s;
    print((double)(clock_mono_us() - counted_us) / 1e6, cpu_s);
    return 0;
}
