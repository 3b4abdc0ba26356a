/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/obs/log.h"

enum { FULL_BYTES = 32 * 1024, KEEP_BYTES = 1024 * 1024, COMPLAIN_US = 10 * 1000 * 1000 };

struct access_log {
    atomic_int fd; /* -1: off */
    char *path;    /* of files, to open again */
    bool is_pipe;
    bool owns_fd;
    atomic_bool is_torn; /* what was written last broke off in the middle of a line */
    atomic_llong complained_us;
};

static int
open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

/* A pipe whose reader is stuck must not hold up the traffic either. It is opened once more, so as to change nothing for others
 * who write to it. */
static void
use_standard(struct access_log *log, int fd, const char *again)
{
    struct stat st;
    int own;

    atomic_store(&log->fd, fd);
    if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode))
        return;
    own = open(again, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (own < 0)
        return;
    atomic_store(&log->fd, own);
    log->is_pipe = log->owns_fd = true;
}

struct access_log *
access_log_open(struct str where, int *ret_error)
{
    struct access_log *log = MEM_NEW(struct access_log);
    int fd;

    atomic_store(&log->fd, -1);
    if (str_eq(where, STR("stdout"))) {
        use_standard(log, STDOUT_FILENO, "/proc/self/fd/1");
    } else if (str_eq(where, STR("stderr"))) {
        use_standard(log, STDERR_FILENO, "/proc/self/fd/2");
    } else if (!str_eq(where, STR("off")) && where.len) {
        log->path = mem_dup(where.p, where.len);
        fd = open_file(log->path);
        if (fd < 0) {
            *ret_error = -errno;
            access_log_close(log);
            return NULL;
        }
        log->owns_fd = true;
        atomic_store(&log->fd, fd);
    }
    return log;
}

void
access_log_close(struct access_log *log)
{
    if (!log)
        return;
    if (log->owns_fd)
        close(atomic_load(&log->fd));
    mem_free(log->path);
    mem_free(log);
}

int
access_log_reopen(struct access_log *log)
{
    int fd;

    if (!log->path)
        return 0;
    fd = open_file(log->path);
    if (fd < 0)
        return -errno;
    /* The number stays, so a thread in the middle of a write keeps a valid descriptor. */
    dup3(fd, atomic_load(&log->fd), O_CLOEXEC);
    close(fd);
    atomic_store(&log->is_torn, false);
    return 0;
}

/* The members of a line between the time and the tries, in this order; empty ones are left out. */
static const struct {
    struct str start;
    size_t at;
} texts[] = {
#define TEXT(name) \
    { \
        { ",\"" #name "\":\"", sizeof(",\"" #name "\":\"") - 1 }, offsetof(struct access_record, name) \
    }
    TEXT(address),
    TEXT(client_subject),
    TEXT(place),
    TEXT(place_source),
    TEXT(key),
    TEXT(subject),
    TEXT(method),
    TEXT(path),
    TEXT(operation),
    TEXT(kind),
    TEXT(collection),
    TEXT(rule),
    TEXT(partition),
    TEXT(cluster),
    TEXT(reason),
    TEXT(request_id),
    TEXT(trace_id),
    TEXT(parent_id),
    TEXT(user_agent),
#undef TEXT
};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]), ADDRESS = 0 };

static void
put_texts(struct json_writer *w, const struct access_record *r)
{
    for (unsigned i = r->hide_address ? ADDRESS + 1 : 0; i < N_TEXTS; i++) {
        struct str value;

        memcpy(&value, (const char *)r + texts[i].at, sizeof(value));
        if (value.len)
            json_next_str(w, texts[i].start, value);
    }
}

static void
put_fail(struct json_writer *w, struct str start, enum fail fail)
{
    if (fail)
        json_next_str(w, start, str_from(fail_info(fail)->code));
}

static void
put_tries(struct json_writer *w, const struct access_record *r)
{
    if (r->n_tries == 0)
        return;
    json_key(w, "tries");
    json_begin_array(w);
    for (unsigned i = 0; i < r->n_tries && i < ACCESS_TRIES; i++) {
        const struct access_try *t = &r->tries[i];

        json_begin_object(w);
        json_member_str(w, "endpoint", t->endpoint);
        if (t->status)
            json_next_u64(w, STR(",\"status\":"), (uint64_t)t->status);
        put_fail(w, STR(",\"fail\":\""), t->fail);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_phase(struct json_writer *w, struct str start, int64_t us)
{
    if (us >= 0)
        json_next_u64(w, start, (uint64_t)us);
}

static void
put_flag(struct json_writer *w, const char *key, bool on)
{
    if (on)
        json_member_bool(w, key, true);
}

void
access_log_format(const struct access_record *r, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "time");
    json_put_time(&w, r->wall_us);
    put_texts(&w, r);
    if (r->rule_line)
        json_next_u64(&w, STR(",\"rule_line\":"), r->rule_line);
    json_next_u64(&w, STR(",\"status\":"), (uint64_t)r->status);
    put_fail(&w, STR(",\"error\":\""), r->fail);
    put_tries(&w, r);
    json_next_u64(&w, STR(",\"attempts\":"), r->n_tries);
    put_flag(&w, "not_replayable", r->not_replayable);
    put_flag(&w, "cut", r->was_cut);
    json_next_u64(&w, STR(",\"bytes_in\":"), r->bytes_in);
    json_next_u64(&w, STR(",\"bytes_out\":"), r->bytes_out);
    put_phase(&w, STR(",\"body_us\":"), r->body_us);
    put_phase(&w, STR(",\"planned_us\":"), r->planned_us);
    put_phase(&w, STR(",\"sent_us\":"), r->sent_us);
    put_phase(&w, STR(",\"first_byte_us\":"), r->first_byte_us);
    put_phase(&w, STR(",\"total_us\":"), r->total_us);
    json_end_object(&w);
    buf_putc(out, '\n');
}

bool
access_log_is_full(const struct buf *lines)
{
    return buf_len(lines) >= FULL_BYTES;
}

static unsigned
count_lines(struct str s)
{
    unsigned n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == '\n';
    return n;
}

/* To a pipe only whole lines go, in pieces that the kernel does not mix with those of other threads. */
static struct str
next_piece(const struct access_log *log, struct str lines)
{
    const char *end;

    if (!log->is_pipe || lines.len <= PIPE_BUF)
        return lines;
    end = memrchr(lines.p, '\n', PIPE_BUF);
    if (!end)
        end = memchr(lines.p, '\n', lines.len);
    return end ? str_make(lines.p, (size_t)(end - lines.p) + 1) : lines;
}

static void
complain(struct access_log *log, int error)
{
    long long now = clock_mono_us(), last = atomic_load(&log->complained_us);

    if ((last == 0 || now - last > COMPLAIN_US) && atomic_compare_exchange_strong(&log->complained_us, &last, now))
        log_warning("the access log cannot be written: %s; lines are dropped and counted", strerrordesc_np(error));
}

/* False when nothing more can be written now; errno says why. */
static bool
write_some(struct access_log *log, int fd, struct buf *lines)
{
    struct str piece = next_piece(log, buf_str(lines));
    ssize_t n;

    if (atomic_exchange(&log->is_torn, false) && write(fd, "\n", 1) != 1) {
        atomic_store(&log->is_torn, true);
        return errno == EINTR;
    }
    n = write(fd, piece.p, piece.len);
    if (n < 0)
        return errno == EINTR;
    if (n == 0)
        errno = ENOSPC;
    if (n > 0 && piece.p[n - 1] != '\n')
        atomic_store(&log->is_torn, true);
    buf_consume(lines, (size_t)n);
    return n > 0;
}

unsigned
access_log_flush(struct access_log *log, struct buf *lines)
{
    unsigned dropped = 0;
    int fd = log ? atomic_load(&log->fd) : -1;

    while (fd >= 0 && buf_len(lines)) {
        if (write_some(log, fd, lines))
            continue;
        if (errno == EAGAIN && buf_len(lines) < KEEP_BYTES)
            return 0;                          /* whoever reads the pipe is slow: the next flush comes soon */
        dropped = count_lines(buf_str(lines)); /* a full disk or a closed pipe must not stop the traffic */
        complain(log, errno);
        break;
    }
    buf_clear(lines);
    return dropped;
}
