/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"

enum { FULL_BYTES = 32 * 1024 };

struct access_log {
    atomic_int fd; /* -1: off */
    char *path;    /* of files, to open again */
};

static int
open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

struct access_log *
access_log_open(struct str where, int *ret_error)
{
    struct access_log *log = MEM_NEW(struct access_log);
    int fd = -1;

    if (str_eq(where, STR("stdout"))) {
        fd = STDOUT_FILENO;
    } else if (str_eq(where, STR("stderr"))) {
        fd = STDERR_FILENO;
    } else if (!str_eq(where, STR("off")) && where.len) {
        log->path = mem_dup(where.p, where.len);
        fd = open_file(log->path);
        if (fd < 0) {
            *ret_error = -errno;
            access_log_close(log);
            return NULL;
        }
    }
    atomic_store(&log->fd, fd);
    return log;
}

void
access_log_close(struct access_log *log)
{
    if (!log)
        return;
    if (log->path && atomic_load(&log->fd) >= 0)
        close(atomic_load(&log->fd));
    mem_free(log->path);
    mem_free(log);
}

void
access_log_reopen(struct access_log *log)
{
    int fd;

    if (!log->path)
        return;
    fd = open_file(log->path);
    if (fd >= 0) {
        /* The number stays, so a thread in the middle of a write keeps a valid descriptor. */
        dup3(fd, atomic_load(&log->fd), O_CLOEXEC);
        close(fd);
    }
}

static void
put_text(struct json_writer *w, const char *key, struct str value)
{
    if (value.len == 0)
        return;
    json_key(w, key);
    json_put_str(w, value);
}

static void
put_number(struct json_writer *w, const char *key, uint64_t value)
{
    json_key(w, key);
    json_put_u64(w, value);
}

static void
put_phase(struct json_writer *w, const char *key, int64_t us)
{
    if (us < 0)
        return;
    json_key(w, key);
    json_put_u64(w, (uint64_t)us);
}

static void
put_flag(struct json_writer *w, const char *key, bool on)
{
    if (!on)
        return;
    json_key(w, key);
    json_put_bool(w, true);
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
        put_text(w, "endpoint", t->endpoint);
        if (t->status)
            put_number(w, "status", (uint64_t)t->status);
        if (t->fail)
            put_text(w, "fail", str_from(fail_info(t->fail)->code));
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_texts(struct json_writer *w, const struct access_record *r)
{
    if (!r->hide_address)
        put_text(w, "address", r->address);
    put_text(w, "place", r->place);
    put_text(w, "place_source", r->place_source);
    put_text(w, "key", r->key);
    put_text(w, "subject", r->subject);
    put_text(w, "method", r->method);
    put_text(w, "path", r->path);
    put_text(w, "operation", r->operation);
    put_text(w, "kind", r->kind);
    put_text(w, "collection", r->collection);
    put_text(w, "rule", r->rule);
    if (r->rule_line)
        put_number(w, "rule_line", r->rule_line);
    put_text(w, "partition", r->partition);
    put_text(w, "cluster", r->cluster);
    put_text(w, "reason", r->reason);
    put_text(w, "request_id", r->request_id);
    put_text(w, "trace_id", r->trace_id);
    put_text(w, "parent_id", r->parent_id);
    put_text(w, "user_agent", r->user_agent);
}

void
access_log_format(const struct access_record *r, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "time");
    json_put_time(&w, r->wall_us);
    put_texts(&w, r);
    put_number(&w, "status", (uint64_t)r->status);
    if (r->fail)
        put_text(&w, "error", str_from(fail_info(r->fail)->code));
    put_tries(&w, r);
    put_number(&w, "attempts", r->n_tries);
    put_flag(&w, "not_replayable", r->not_replayable);
    put_flag(&w, "cut", r->was_cut);
    put_number(&w, "bytes_in", r->bytes_in);
    put_number(&w, "bytes_out", r->bytes_out);
    put_phase(&w, "body_us", r->body_us);
    put_phase(&w, "planned_us", r->planned_us);
    put_phase(&w, "sent_us", r->sent_us);
    put_phase(&w, "first_byte_us", r->first_byte_us);
    put_phase(&w, "total_us", r->total_us);
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

unsigned
access_log_flush(struct access_log *log, struct buf *lines)
{
    unsigned dropped = 0;
    int fd = log ? atomic_load(&log->fd) : -1;

    while (fd >= 0 && buf_len(lines)) {
        ssize_t n = write(fd, buf_str(lines).p, buf_len(lines));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            dropped = count_lines(buf_str(lines)); /* a full disk or a closed pipe must not stop the traffic */
            break;
        }
        buf_consume(lines, (size_t)n);
    }
    buf_clear(lines);
    return dropped;
}
