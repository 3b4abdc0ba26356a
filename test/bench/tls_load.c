/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of TLS for measuring a server's: one thread, many connections, one epoll.
 *
 *   handshakes   each connection: connect, handshake, one GET, its answer (which brings the tickets of TLS 1.3), close_notify
 *   requests     the same, but the connection stays and asks again
 *   idle         each connection asks once and stays open until standard input ends
 *
 *   CLOSED ──► GREET (connect, handshake) ──► SEND ──► AWAIT ──► (handshakes) CLOSED, (requests) SEND, (idle) REST
 *
 * Connections come from many addresses of 127.0.0.0/8, as one address has too few ports for all that are in TIME_WAIT. With
 * --account PID, the processor time of that process during the counted seconds is told, and what its memory grew by.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "test/bench/bench.h"

enum { HEAD_BYTES = 8192, EVENTS = 256, SOURCES = 64, PIDS_MAX = 16, ERRORS_MAX = 1000, UNDER_WAY = 64 };
enum { WARM_US = 1000 * 1000, PATIENCE_US = 60 * 1000 * 1000 };
#define REQUEST "GET /collections HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define ANSWER_END "\r\n\r\n"
#define LENGTH "\r\ncontent-length:"

enum mode { HANDSHAKES, REQUESTS, IDLE, N_MODES };
static const char *const mode_names[N_MODES] = { "handshakes", "requests", "idle" };

enum state { CLOSED, GREET, SEND, AWAIT, REST };

struct load;
struct connection {
    struct load *load;
    int fd;
    enum state state;
    SSL *ssl;             /* NULL over plain TCP */
    SSL_SESSION *session; /* to go on with; in TLS 1.3 once */
    char *answer;         /* its head, as far as it came; NULL between answers */
    size_t len;           /* of that */
    size_t body_left;
    bool has_head;
};

struct load {
    enum mode mode;
    unsigned port, n, seconds;
    int version;
    bool plain, resume;
    pid_t pids[PIDS_MAX];
    unsigned n_pids;

    SSL_CTX *ctx;
    int epoll;
    struct connection *connections;
    unsigned n_opened; /* idle: they are opened few at a time */
    struct count {
        uint64_t full, resumed, answers;
    } count;
    uint64_t errors, at_rest;
};

/* --- what the server's processes use -------------------------------------------------------------------------------- */

static double
cpu_seconds(const struct load *l)
{
    double sum = 0;

    for (unsigned i = 0; i < l->n_pids; i++) {
        double ran = bench_process_s(l->pids[i]);

        sum += ran > 0 ? ran : 0;
    }
    return sum;
}

static double
memory_bytes(const struct load *l)
{
    double sum = 0;

    for (unsigned i = 0; i < l->n_pids; i++) {
        char path[64], line[256];
        FILE *in;

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)l->pids[i]);
        in = fopen(path, "r");
        while (in && fgets(line, sizeof(line), in))
            if (strncmp(line, "Pss:", 4) == 0)
                sum += strtod(line + 4, NULL) * 1024;
        if (in)
            fclose(in);
    }
    return sum;
}

/* --- connections ---------------------------------------------------------------------------------------------------- */

static void
forget_session(struct connection *c)
{
    SSL_SESSION_free(c->session);
    c->session = NULL;
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct connection *c = SSL_get_app_data(ssl);

    if (!c->load->resume)
        return 0;
    forget_session(c);
    c->session = session;
    return 1;
}

static int
dial(const struct load *l)
{
    static uint32_t next;
    struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + next++ % SOURCES);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)l->port);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
        (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS))
        return fd;
    perror("tls_load: a connection");
    exit(1);
}

static void
open_connection(struct connection *c)
{
    struct load *l = c->load;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

    c->fd = dial(l);
    c->state = GREET;
    if (!l->plain) {
        c->ssl = SSL_new(l->ctx);
        SSL_set_app_data(c->ssl, c);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_tlsext_host_name(c->ssl, "localhost");
        SSL_set_connect_state(c->ssl);
        if (c->session)
            SSL_set_session(c->ssl, c->session);
        if (l->version == TLS1_3_VERSION)
            forget_session(c);
    }
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void
close_connection(struct connection *c)
{
    if (c->ssl && SSL_is_init_finished(c->ssl))
        SSL_shutdown(c->ssl);
    ERR_clear_error();
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->state != CLOSED)
        close(c->fd);
    mem_free(c->answer);
    c->answer = NULL;
    c->state = CLOSED;
}

/* Counts, says why the first time, and begins anew. */
static bool
fail(struct connection *c, const char *where)
{
    struct load *l = c->load;
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    if (l->errors++ == 0)
        fprintf(stderr, "tls_load: %s failed: %s\n", where, reason ? reason : strerror(errno));
    if (l->errors >= ERRORS_MAX) {
        fprintf(stderr, "tls_load: too many errors\n");
        exit(1);
    }
    close_connection(c);
    open_connection(c);
    return false;
}

/* What a call that moved nothing means: broken, or later. */
static bool
is_broken(const struct connection *c, int result)
{
    int error = c->ssl ? SSL_get_error(c->ssl, result) : result == 0 || errno != EAGAIN;

    return c->ssl ? error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE : error;
}

/* Each step: true when the next may follow at once. */
static bool
greet(struct connection *c)
{
    int result = c->ssl ? SSL_do_handshake(c->ssl) : 1;

    if (result != 1)
        return is_broken(c, result) ? fail(c, "the handshake") : false;
    if (c->ssl && SSL_session_reused(c->ssl))
        c->load->count.resumed++;
    else
        c->load->count.full++;
    c->state = SEND;
    return true;
}

static bool
send_request(struct connection *c)
{
    int len = sizeof(REQUEST) - 1, n;

    n = c->ssl ? SSL_write(c->ssl, REQUEST, len) : (int)send(c->fd, REQUEST, (size_t)len, MSG_NOSIGNAL);
    if (n <= 0)
        return is_broken(c, n) ? fail(c, "the request") : false;
    c->answer = mem_alloc(HEAD_BYTES + 1);
    c->len = 0;
    c->has_head = false;
    c->state = AWAIT;
    return true;
}

/* Once the head is whole. False when this is no answer that we can follow. */
static bool
take_head(struct connection *c)
{
    const char *end, *length;

    c->answer[c->len] = '\0';
    end = strstr(c->answer, ANSWER_END);
    if (!end)
        return c->len < HEAD_BYTES;
    length = strcasestr(c->answer, LENGTH);
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || !length || length > end)
        return false;
    c->has_head = true;
    c->body_left = (size_t)strtoul(length + sizeof(LENGTH) - 1, NULL, 10);
    c->body_left += (size_t)(end - c->answer) + sizeof(ANSWER_END) - 1;
    if (c->body_left < c->len)
        return false;
    c->body_left -= c->len;
    return true;
}

static void
answered(struct connection *c)
{
    struct load *l = c->load;

    l->count.answers++;
    mem_free(c->answer);
    c->answer = NULL;
    if (l->mode == REQUESTS) {
        c->state = SEND;
    } else if (l->mode == IDLE) {
        c->state = REST;
        l->at_rest++;
    } else {
        close_connection(c);
        open_connection(c);
    }
}

static bool
await(struct connection *c)
{
    char body[HEAD_BYTES];
    char *into = c->has_head ? body : c->answer + c->len;
    int room = c->has_head ? HEAD_BYTES : (int)(HEAD_BYTES - c->len), n;

    n = c->ssl ? SSL_read(c->ssl, into, room) : (int)recv(c->fd, into, (size_t)room, 0);
    if (n <= 0)
        return is_broken(c, n) ? fail(c, "the answer") : false;
    if (c->has_head) {
        c->body_left -= (size_t)n < c->body_left ? (size_t)n : c->body_left;
    } else {
        c->len += (size_t)n;
        if (!take_head(c))
            return fail(c, "what came is no answer with status 200 and a length: it");
    }
    if (c->has_head && c->body_left == 0)
        answered(c);
    return true;
}

static void
step(struct connection *c)
{
    static bool (*const steps[])(struct connection *) = { [GREET] = greet, [SEND] = send_request, [AWAIT] = await };
    bool goes_on = true;

    ERR_clear_error();
    while (goes_on && c->state != REST && c->state != CLOSED)
        goes_on = steps[c->state](c);
}

/* --- running -------------------------------------------------------------------------------------------------------- */

static void
turn(struct load *l, int patience_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, patience_ms);

    for (int i = 0; i < n; i++)
        step(events[i].data.ptr);
}

static void
open_some(struct load *l, unsigned n)
{
    while (l->n_opened < n && (l->mode != IDLE || l->n_opened < l->at_rest + UNDER_WAY))
        open_connection(&l->connections[l->n_opened++]);
}

static void
run_until(struct load *l, int64_t end_us)
{
    while (clock_mono_us() < end_us)
        turn(l, 10);
}

static void
measure(struct load *l)
{
    int64_t start_us;
    double cpu, seconds;
    struct count start, n;

    open_some(l, l->n);
    run_until(l, clock_mono_us() + WARM_US);
    start = l->count;
    start_us = clock_mono_us();
    cpu = cpu_seconds(l);
    run_until(l, start_us + l->seconds * USEC_PER_SEC);
    cpu = cpu_seconds(l) - cpu;
    seconds = (double)(clock_mono_us() - start_us) / (double)USEC_PER_SEC;
    n = (struct count){ l->count.full - start.full, l->count.resumed - start.resumed,
        l->count.answers - start.answers };
    printf("{\"mode\": \"%s\", \"seconds\": %.3f, \"full\": %" PRIu64 ", \"resumed\": %" PRIu64
           ", \"answers\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"cpu_seconds\": %.4f, \"per_second\": %.1f, \"cpu_us_each\": %.2f}\n",
        mode_names[l->mode], seconds, n.full, n.resumed, n.answers, l->errors, cpu, (double)n.answers / seconds,
        n.answers ? cpu * 1e6 / (double)n.answers : 0.0);
}

static void
open_until(struct load *l, unsigned n)
{
    int64_t end_us = clock_mono_us() + PATIENCE_US;

    while (l->at_rest < n && clock_mono_us() < end_us) {
        open_some(l, n);
        turn(l, 10);
    }
}

/* The first connection is not counted: the server may only now make what all of them share. */
static bool
rest(struct load *l)
{
    double grown;
    char byte;

    open_until(l, 1);
    grown = -memory_bytes(l);
    open_until(l, l->n);
    grown += memory_bytes(l);
    printf("{\"mode\": \"idle\", \"count\": %u, \"at_rest\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"memory_bytes\": %.0f, \"bytes_each\": %.0f}\n",
        l->n, l->at_rest, l->errors, grown, l->n > 1 ? grown / (l->n - 1) : 0.0);
    if (l->at_rest == l->n)
        puts("all there");
    fflush(stdout);
    while (l->at_rest == l->n && read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return l->at_rest == l->n;
}

static void
usage(void)
{
    fputs(
        "usage: tls_load handshakes|requests --port P --seconds S --connections N [--resume] [--tls 1.2|1.3] [--plain] "
        "[--account PID]...\n"
        "       tls_load idle --port P --count N [--tls 1.2|1.3] [--plain] [--account PID]...\n",
        stderr);
    exit(2);
}

static unsigned
number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end || end == text || n == 0 || n > 1000000)
        usage();
    return (unsigned)n;
}

static void
take_option(struct load *l, int option)
{
    unsigned *const numbers[128] = { ['p'] = &l->port, ['s'] = &l->seconds, ['n'] = &l->n };

    if (numbers[option & 127])
        *numbers[option & 127] = number(optarg);
    else if (option == 'a' && l->n_pids < PIDS_MAX)
        l->pids[l->n_pids++] = (pid_t)number(optarg);
    else if (option == 't' && (strcmp(optarg, "1.2") == 0 || strcmp(optarg, "1.3") == 0))
        l->version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    else if (option == 'r')
        l->resume = true;
    else if (option == 'P')
        l->plain = true;
    else
        usage();
}

static void
take_arguments(struct load *l, int argc, char **argv)
{
    static const struct option options[] = { { "port", required_argument, NULL, 'p' },
        { "seconds", required_argument, NULL, 's' }, { "connections", required_argument, NULL, 'n' },
        { "count", required_argument, NULL, 'n' }, { "resume", no_argument, NULL, 'r' },
        { "tls", required_argument, NULL, 't' }, { "plain", no_argument, NULL, 'P' },
        { "account", required_argument, NULL, 'a' }, { NULL, 0, NULL, 0 } };
    int option;

    while (l->mode < N_MODES && (argc < 2 || strcmp(argv[1], mode_names[l->mode]) != 0))
        l->mode++;
    if (l->mode == N_MODES)
        usage();
    while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1)
        take_option(l, option);
    if (!l->port || !l->n || (l->mode != IDLE && !l->seconds) || (l->plain && l->mode == HANDSHAKES))
        usage();
}

int
main(int argc, char **argv)
{
    struct load l = { .version = TLS1_3_VERSION };
    struct rlimit limit;
    bool ok = true;

    take_arguments(&l, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    l.ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(l.ctx, l.version);
    SSL_CTX_set_max_proto_version(l.ctx, l.version);
    SSL_CTX_set_mode(l.ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(l.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(l.ctx, on_session);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.connections = mem_array(l.n, sizeof(*l.connections));
    for (unsigned i = 0; i < l.n; i++)
        l.connections[i].load = &l;
    if (l.mode == IDLE)
        ok = rest(&l);
    else
        measure(&l);
    for (unsigned i = 0; i < l.n_opened; i++) {
        close_connection(&l.connections[i]);
        forget_session(&l.connections[i]);
    }
    SSL_CTX_free(l.ctx);
    mem_free(l.connections);
    return ok && l.errors == 0 ? 0 : 1;
}
