/* SPDX-License-Identifier: Apache-2.0
 *
 * write_load: upserts points of the collection `bench` and says how fast that went. `make bench` runs it.
 *
 *   write_load --port P… [--connections N] [--batch N] [--first ID] [--points N] [--seconds S] [--rate R]
 *
 * Each connection sends the next batch as soon as the last one is answered, until all points were written once or the time is
 * over, whichever is first. With several ports a batch goes to all of them at once, and has its answer when all have answered:
 * a client that writes to every cluster by itself. With a rate, batches are due at fixed times, and took as long as they were
 * answered after that. Points have 96 dimensions and, in their payload, the time at which they were sent.
 *
 * Prints one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/buf.h"
#include "proxy/base/clock.h"

enum { PORTS_MAX = 3, CONNECTIONS_MAX = 64, DIMENSIONS = 96 };

static struct {
    uint16_t ports[PORTS_MAX];
    unsigned n_ports, connections, batch;
    uint64_t first, points;
    double seconds, rate;
} option = { .connections = 4, .batch = 1, .points = 1 << 20, .seconds = 600 };

static char vector[DIMENSIONS * 12];
static _Atomic uint64_t next_batch;
static int64_t begin_us;

struct writer {
    pthread_t thread;
    int fds[PORTS_MAX];
    struct buf body, request, in;
    int64_t *took_us;
    size_t n, cap;
    uint64_t points, errors;
};

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "write_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int
dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void
make_request(struct writer *w, uint64_t first, unsigned n)
{
    buf_clear(&w->body);
    buf_clear(&w->request);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&w->body, "%s{\"id\":%llu,\"vector\":%s,\"payload\":{\"t\":%lld,\"city\":\"Berlin\"}}",
            i ? "," : "{\"points\":[", (unsigned long long)first + i, vector, (long long)clock_wall_us());
    buf_add(&w->body, STR("]}"));
    buf_printf(&w->request,
        "PUT /collections/bench/points?wait=true HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        "api-key: bench\r\nContent-Length: %zu\r\n\r\n",
        buf_len(&w->body));
    buf_add(&w->request, buf_str(&w->body));
}

static void
send_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        if (n < 0)
            die("write");
        bytes = str_skip(bytes, (size_t)n);
    }
}

/* True: a whole answer is in w->in. */
static bool
is_whole(const struct writer *w)
{
    struct str in = buf_len(&w->in) ? buf_str(&w->in) : STR("-");
    const char *end = memmem(in.p, in.len, "\r\n\r\n", 4), *field;

    if (!end)
        return false;
    field = memmem(in.p, (size_t)(end - in.p), "ontent-length:", 14);
    return in.len >= (size_t)(end + 4 - in.p) + (field ? strtoul(field + 14, NULL, 10) : 0);
}

static bool
read_answer(struct writer *w, int fd)
{
    buf_clear(&w->in);
    while (!is_whole(w)) {
        ssize_t n = read(fd, buf_reserve(&w->in, 8192), 8192);

        if (n <= 0)
            die("read");
        buf_commit(&w->in, (size_t)n);
    }
    if (str_starts(buf_str(&w->in), STR("HTTP/1.1 200 ")))
        return true;
    fprintf(stderr, "write_load: " STR_FMT "\n", STR_ARG(buf_str(&w->in)));
    return false;
}

static void
note(struct writer *w, int64_t took_us)
{
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 1024;
        w->took_us = realloc(w->took_us, w->cap * sizeof(*w->took_us));
        if (!w->took_us)
            die("memory");
    }
    w->took_us[w->n++] = took_us;
}

static void
wait_until(int64_t due_us)
{
    int64_t left_us = due_us - clock_mono_us();
    struct timespec t = { left_us / 1000000, left_us % 1000000 * 1000 };

    if (left_us > 0)
        nanosleep(&t, NULL);
}

static void *
work(void *arg)
{
    struct writer *w = arg;

    for (unsigned i = 0; i < option.n_ports; i++)
        w->fds[i] = dial(option.ports[i]);
    for (;;) {
        uint64_t batch = atomic_fetch_add(&next_batch, 1), first = batch * option.batch;
        int64_t due_us = begin_us + (option.rate > 0 ? (int64_t)((double)batch * 1e6 / option.rate) : 0);
        int64_t now_us = clock_mono_us();
        bool is_well = true;

        if (first >= option.points || (double)((due_us > now_us ? due_us : now_us) - begin_us) >= option.seconds * 1e6)
            return NULL;
        wait_until(due_us);
        make_request(w, option.first + first, option.batch);
        due_us = option.rate > 0 ? due_us : clock_mono_us();
        for (unsigned i = 0; i < option.n_ports; i++)
            send_all(w->fds[i], buf_str(&w->request));
        for (unsigned i = 0; i < option.n_ports; i++)
            is_well = read_answer(w, w->fds[i]) && is_well;
        note(w, clock_mono_us() - due_us);
        w->points += is_well ? option.batch : 0;
        w->errors += !is_well;
    }
}

static int
by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
report(struct writer *writers)
{
    double seconds = (double)(clock_mono_us() - begin_us) / 1e6;
    struct writer all = { .n = 0 };

    for (unsigned i = 0; i < option.connections; i++) {
        for (size_t j = 0; j < writers[i].n; j++)
            note(&all, writers[i].took_us[j]);
        all.points += writers[i].points;
        all.errors += writers[i].errors;
    }
    if (all.n == 0)
        die("nothing was written");
    qsort(all.took_us, all.n, sizeof(*all.took_us), by_time);
    printf("{\"points\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"p50_us\": %lld, \"p99_us\": %lld}\n",
        (unsigned long long)all.points, (unsigned long long)all.errors, seconds, (long long)all.took_us[all.n / 2],
        (long long)all.took_us[all.n * 99 / 100]);
}

static void
read_options(int argc, char **argv)
{
    static const struct option names[] = { { "port", 1, NULL, 'p' }, { "connections", 1, NULL, 'c' },
        { "batch", 1, NULL, 'b' }, { "first", 1, NULL, 'f' }, { "points", 1, NULL, 'n' }, { "seconds", 1, NULL, 's' },
        { "rate", 1, NULL, 'r' }, { NULL, 0, NULL, 0 } };
    int o;

    while ((o = getopt_long(argc, argv, "", names, NULL)) != -1) {
        double value = optarg ? strtod(optarg, NULL) : 0;

        switch (o) {
        case 'p':
            if (option.n_ports < PORTS_MAX)
                option.ports[option.n_ports++] = (uint16_t)value;
            break;
        case 'c':
            option.connections = value >= 1 && value <= CONNECTIONS_MAX ? (unsigned)value : 1;
            break;
        case 'b':
            option.batch = value >= 1 ? (unsigned)value : 1;
            break;
        case 'f':
            option.first = (uint64_t)value;
            break;
        case 'n':
            option.points = (uint64_t)value;
            break;
        case 's':
            option.seconds = value;
            break;
        case 'r':
            option.rate = value;
            break;
        default:
            exit(2);
        }
    }
    if (option.n_ports == 0)
        exit(2);
}

int
main(int argc, char **argv)
{
    static struct writer writers[CONNECTIONS_MAX];
    char *at = vector;

    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < DIMENSIONS; i++)
        at += snprintf(at, 12, "%c0.%06d", i ? ',' : '[', i * 7919 % 1000000);
    memcpy(at, "]", 2);
    begin_us = clock_mono_us();
    for (unsigned i = 0; i < option.connections; i++) {
        if (pthread_create(&writers[i].thread, NULL, work, &writers[i]))
            die("thread");
    }
    for (unsigned i = 0; i < option.connections; i++)
        pthread_join(writers[i].thread, NULL);
    report(writers);
    return 0;
}
