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

/* A line is put together from pieces that are JSON already and values: what stands between two values is one piece. */

#define TEXT(r, name, out) put_text(out, STR(",\"" #name "\":\""), (r)->name)

/* An empty one is left out. */
static inline void
put_text(struct buf *out, struct str start, struct str value)
{
    if (value.len)
        json_next_str(out, start, value);
}

static void
put_caller(const struct access_record *r, struct buf *out)
{
    if (!r->hide_address)
        TEXT(r, address, out);
    TEXT(r, client_subject, out);
    TEXT(r, place, out);
    TEXT(r, place_source, out);
    TEXT(r, key, out);
    TEXT(r, subject, out);
    TEXT(r, edge, out);
}

static void
put_request(const struct access_record *r, struct buf *out)
{
    TEXT(r, method, out);
    TEXT(r, path, out);
    TEXT(r, operation, out);
    TEXT(r, kind, out);
    TEXT(r, collection, out);
    TEXT(r, rule, out);
    TEXT(r, partition, out);
    TEXT(r, cluster, out);
    TEXT(r, reason, out);
    TEXT(r, request_id, out);
    TEXT(r, trace_id, out);
    TEXT(r, parent_id, out);
    TEXT(r, user_agent, out);
    if (r->rule_line)
        json_next_u64(out, STR(",\"rule_line\":"), r->rule_line);
}

static void
put_fail(struct buf *out, struct str start, enum fail fail)
{
    if (fail)
        json_next_str(out, start, str_from(fail_info(fail)->code));
}

static void
put_tries(const struct access_record *r, struct buf *out)
{
    for (unsigned i = 0; i < r->n_tries && i < ACCESS_TRIES; i++) {
        const struct access_try *t = &r->tries[i];

        json_next_str(out, i ? STR(",{\"endpoint\":\"") : STR(",\"tries\":[{\"endpoint\":\""), t->endpoint);
        if (t->status)
            json_next_u64(out, STR(",\"status\":"), (uint64_t)t->status);
        put_fail(out, STR(",\"fail\":\""), t->fail);
        buf_putc(out, '}');
    }
    if (r->n_tries)
        buf_putc(out, ']');
}

static void
put_fanout(const struct access_record *r, struct buf *out)
{
    TEXT(r, outcome, out);
    TEXT(r, done, out);
    if (r->lsn)
        json_next_u64(out, STR(",\"lsn\":"), r->lsn);
}

static inline void
put_phase(struct buf *out, struct str start, int64_t us)
{
    if (us >= 0)
        json_next_u64(out, start, (uint64_t)us);
}

void
access_log_format(const struct access_record *r, struct buf *out)
{
    json_next_time(out, STR("{\"time\":\""), r->wall_us);
    put_caller(r, out);
    put_request(r, out);
    json_next_u64(out, STR(",\"status\":"), (uint64_t)r->status);
    put_fail(out, STR(",\"error\":\""), r->fail);
    put_tries(r, out);
    json_next_u64(out, STR(",\"attempts\":"), r->n_tries);
    if (r->outcome.len)
        put_fanout(r, out);
    else if (r->min_lsn)
        json_next_u64(out, STR(",\"min_lsn\":"), r->min_lsn);
    if (r->not_replayable)
        buf_add(out, STR(",\"not_replayable\":true"));
    if (r->was_cut)
        buf_add(out, STR(",\"cut\":true"));
    json_next_u64(out, STR(",\"bytes_in\":"), r->bytes_in);
    json_next_u64(out, STR(",\"bytes_out\":"), r->bytes_out);
    put_phase(out, STR(",\"body_us\":"), r->body_us);
    put_phase(out, STR(",\"planned_us\":"), r->planned_us);
    put_phase(out, STR(",\"sent_us\":"), r->sent_us);
    put_phase(out, STR(",\"first_byte_us\":"), r->first_byte_us);
    put_phase(out, STR(",\"total_us\":"), r->total_us);
    buf_add(out, STR("}\n"));
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
