/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that makes records durable. One batch at a time: what arrived while the one before was synced.
 *
 *   take the batch → write → fdatasync → publish          no room: a spare file becomes the next segment, and begins with them
 *
 * 1. Nothing is written behind a batch that is not durable: a record that says "durable up to N" proves N (see segment.c).
 * 2. A file of which a write or fdatasync failed is never synced again: Linux counts the pages as clean then, and the next fdatasync
 *    says yes. Its records, still in memory, begin another segment; when that fails too, the journal has failed for good.
 * 3. A segment gets its name when it holds its first records: it ends the one before, and must not do so with nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/random.h"
#include "proxy/store/journal_impl.h"

/* --- segments ---------------------------------------------------------------------------------------------------- */

static int
take_spare(struct journal *j, uint64_t *ret_number)
{
    int error = 0;

    pthread_mutex_lock(&j->shared.lock);
    while (j->shared.n_spares == 0 && !error) {
        j->shared.is_spare_wanted = true;
        pthread_cond_signal(&j->shared.to_upkeep);
        pthread_cond_wait(&j->shared.spare_ready, &j->shared.lock);
        if (j->shared.n_spares == 0 && !j->shared.is_spare_wanted)
            error = j->shared.spare_error ? j->shared.spare_error : -ENOSPC;
    }
    if (!error)
        *ret_number = j->shared.spares[--j->shared.n_spares];
    pthread_cond_signal(&j->shared.to_upkeep);
    pthread_mutex_unlock(&j->shared.lock);
    return error;
}

/* Stamps and sums for all drafts of the range. */
static void
finish(struct journal *j, char *p, size_t len, uint64_t stamp)
{
    uint64_t durable_lsn = atomic_load_explicit(&j->durable_lsn, memory_order_relaxed);

    for (size_t at = 0; at < len;)
        at += record_finish(p + at, durable_lsn, stamp, j->identity.starts);
}

static int
write_segment(struct journal *j, int fd, const struct segment_header *h, char *range, size_t len)
{
    char header[SEGMENT_HEADER_BYTES];
    int error;

    crash_point(CRASH_AT_SEGMENT_BEFORE_HEADER);
    segment_header_encode(h, header);
    error = file_write_at(fd, str_make(header, sizeof(header)), 0);
    crash_point(CRASH_AT_SEGMENT_AFTER_HEADER);
    finish(j, range, len, h->stamp);
    if (!error)
        error = file_write_at(fd, str_make(range, len), SEGMENT_HEADER_BYTES);
    if (!error && fdatasync(fd) != 0)
        error = -errno;
    crash_point(CRASH_AT_SEGMENT_AFTER_SYNC);
    return error;
}

/* The segment before says that it goes on, and is synced once more by the other thread; nothing depends on it but that the loss
 * of the last file is noticed. */
static void
end_segment(struct journal *j, int fd, uint64_t at, uint64_t stamp, uint64_t lsn)
{
    struct record seal = {
        .kind = RECORD_KIND_SEAL, .flags = RECORD_FLAG_GOES_ON, .lsn = lsn, .wall_us = clock_wall_us()
    };
    char bytes[RECORD_HEADER_BYTES];

    record_draft(&seal, bytes);
    record_finish(bytes, lsn, stamp, j->identity.starts);
    if (file_write_at(fd, str_make(bytes, sizeof(bytes)), at) != 0) {
        close(fd);
        return;
    }
    crash_point(CRASH_AT_SEGMENT_ENDED);
    pthread_mutex_lock(&j->shared.lock);
    if (j->shared.ended_fd < 0)
        j->shared.ended_fd = fd;
    else
        close(fd);
    pthread_cond_signal(&j->shared.to_upkeep);
    pthread_mutex_unlock(&j->shared.lock);
}

static void
activate(struct journal *j, int fd, const struct segment_header *h, uint64_t at)
{
    struct segment s = { .generation = h->generation, .first_lsn = h->first_lsn, .bytes = h->bytes, .stamp = h->stamp };

    if (j->writer.fd >= 0)
        end_segment(j, j->writer.fd, j->writer.at, j->writer.stamp, h->first_lsn - 1);
    j->writer.fd = fd;
    j->writer.at = at;
    j->writer.stamp = h->stamp;
    j->writer.bytes = h->bytes;
    j->writer.indexed_at = SEGMENT_HEADER_BYTES;
    pthread_mutex_lock(&j->shared.lock);
    segment_add_locked(j, &s);
    j->shared.active_at = at;
    pthread_mutex_unlock(&j->shared.lock);
}

int
writer_install(struct journal *j, char *range, size_t len, uint64_t first_lsn)
{
    struct segment_header h = { .uuid = j->identity.uuid,
        .generation = ++j->writer.generation,
        .first_lsn = first_lsn,
        .bytes = j->segment_bytes,
        .wall_us = clock_wall_us(),
        .start = j->identity.starts };
    char spare[FOLDER_NAME_BYTES], name[FOLDER_NAME_BYTES];
    struct random random;
    uint64_t number;
    int fd, error = take_spare(j, &number);

    if (error)
        return error;
    random_init(&random);
    h.stamp = random_next(&random);
    folder_spare_name(number, spare);
    folder_segment_name(h.generation, name);
    fd = openat(j->folder.fd, spare, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    error = fd < 0 ? -errno : write_segment(j, fd, &h, range, len);
    if (!error && renameat(j->folder.fd, spare, j->folder.fd, name) != 0)
        error = -errno;
    crash_point(CRASH_AT_SEGMENT_AFTER_RENAME);
    if (!error)
        error = folder_sync(&j->folder);
    if (error) {
        if (fd >= 0)
            close(fd);
        unlinkat(j->folder.fd, spare, 0);
        return error;
    }
    crash_point(CRASH_AT_SEGMENT_INSTALLED);
    activate(j, fd, &h, SEGMENT_HEADER_BYTES + len);
    return 0;
}

static void
poison(struct journal *j)
{
    close(j->writer.fd);
    j->writer.fd = -1;
    pthread_mutex_lock(&j->shared.lock);
    j->shared.stats.poisoned++;
    pthread_mutex_unlock(&j->shared.lock);
    crash_point(CRASH_AT_POISON_BEFORE_WRITE);
}

/* --- seals ------------------------------------------------------------------------------------------------------- */

bool
writer_can_seal(const struct journal *j)
{
    return j->writer.at + SEGMENT_RESERVE <= j->writer.bytes;
}

int
writer_seal(struct journal *j)
{
    uint64_t lsn = atomic_load_explicit(&j->durable_lsn, memory_order_relaxed);
    struct record seal = { .kind = RECORD_KIND_SEAL, .lsn = lsn, .wall_us = clock_wall_us() };
    char bytes[RECORD_HEADER_BYTES];
    int error;

    record_draft(&seal, bytes);
    record_finish(bytes, lsn, j->writer.stamp, j->identity.starts);
    crash_point(CRASH_AT_SEAL_BEFORE_WRITE);
    error = file_write_at(j->writer.fd, str_make(bytes, sizeof(bytes)), j->writer.at);
    crash_point(CRASH_AT_SEAL_AFTER_WRITE);
    if (!error && fdatasync(j->writer.fd) != 0)
        error = -errno;
    crash_point(CRASH_AT_SEAL_AFTER_SYNC);
    if (!error)
        j->writer.at += sizeof(bytes);
    return error;
}

/* A seal that fails poisons the file too; what it would have said was durable is. */
static void
seal_idle(struct journal *j)
{
    j->writer.needs_seal = false;
    if (j->writer.fd >= 0 && writer_can_seal(j) && writer_seal(j) != 0)
        poison(j);
}

/* --- batches ----------------------------------------------------------------------------------------------------- */

/* Bytes of the drafts from p on that go into `room`. */
static size_t
fitting(const char *p, size_t len, uint64_t room)
{
    size_t n = 0;

    while (n < len && n + record_draft_bytes(p + n) <= room)
        n += record_draft_bytes(p + n);
    return n;
}

static uint64_t
last_lsn_of(const char *p, size_t len)
{
    uint64_t lsn = 0;

    for (size_t at = 0; at < len; at += record_draft_bytes(p + at))
        lsn = record_draft_lsn(p + at);
    return lsn;
}

static uint64_t
room(const struct journal *j)
{
    uint64_t used = j->writer.at + SEGMENT_RESERVE;

    return j->writer.fd >= 0 && used < j->writer.bytes ? j->writer.bytes - used : 0;
}

static int
write_on(struct journal *j, char *p, size_t len)
{
    int error;

    finish(j, p, len, j->writer.stamp);
    crash_point(CRASH_AT_JOURNAL_BEFORE_WRITE);
    error = file_write_at(j->writer.fd, str_make(p, len), j->writer.at);
    crash_point(CRASH_AT_JOURNAL_BEFORE_SYNC);
    if (!error && fdatasync(j->writer.fd) != 0)
        error = -errno;
    crash_point(CRASH_AT_JOURNAL_AFTER_SYNC);
    if (!error)
        j->writer.at += len;
    return error;
}

/* As many of the drafts as go into one segment. */
static int
write_some(struct journal *j, char *p, size_t len, size_t *ret_written)
{
    size_t n = fitting(p, len, room(j));
    int error = n ? write_on(j, p, n) : -ENOSPC;
    unsigned tries = n ? 1 : 2;

    if (n && error)
        poison(j);
    while (error && tries-- > 0) {
        n = fitting(p, len, j->segment_bytes - SEGMENT_HEADER_BYTES - SEGMENT_RESERVE);
        error = writer_install(j, p, n, record_draft_lsn(p));
        crash_point(CRASH_AT_POISON_AFTER_WRITE);
    }
    *ret_written = n;
    return error;
}

static void
index_locked(struct journal *j, uint64_t lsn, uint64_t at)
{
    struct segment *s = &j->shared.segments[j->shared.n_segments - 1];

    if (at < j->writer.indexed_at + INDEX_BYTES)
        return;
    s->index = mem_grow(s->index, (s->n_index + 1) * sizeof(*s->index));
    s->index[s->n_index++] = (struct segment_entry){ lsn, at };
    j->writer.indexed_at = at;
}

static void
publish(struct journal *j, const char *p, size_t len, int64_t took_us)
{
    struct journal_stats *stats = &j->shared.stats;
    uint64_t last = last_lsn_of(p, len), first = record_draft_lsn(p);

    pthread_mutex_lock(&j->shared.lock);
    index_locked(j, first, j->writer.at - len);
    j->shared.active_at = j->writer.at;
    j->shared.writing -= len;
    stats->commits++;
    stats->records += last - first + 1;
    stats->bytes += len;
    stats->sync_us += (uint64_t)took_us;
    if ((uint64_t)took_us > stats->sync_max_us)
        stats->sync_max_us = (uint64_t)took_us;
    pthread_mutex_unlock(&j->shared.lock);
    atomic_store_explicit(&j->durable_lsn, last, memory_order_release);
    crash_point(CRASH_AT_JOURNAL_PUBLISHED);
    journal_post_news(j);
}

static void
commit(struct journal *j, struct buf *batch)
{
    int64_t begin = clock_mono_us(), end;

    while (buf_len(batch)) {
        char *p = batch->data + batch->start;
        size_t written = 0;
        int error = write_some(j, p, buf_len(batch), &written);

        if (error) {
            atomic_store(&j->error, error);
            journal_post_news(j);
            return;
        }
        end = clock_mono_us();
        publish(j, p, written, end - begin);
        begin = end;
        buf_consume(batch, written);
    }
    j->writer.needs_seal = true;
    j->writer.seal_at_us = begin + j->lazy_us;
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

static void
wait_until(struct journal *j, int64_t at_us)
{
    struct timespec t = { .tv_sec = at_us / USEC_PER_SEC, .tv_nsec = at_us % USEC_PER_SEC * 1000 };

    if (at_us == INT64_MAX)
        pthread_cond_wait(&j->shared.to_writer, &j->shared.lock);
    else
        pthread_cond_timedwait(&j->shared.to_writer, &j->shared.lock, &t);
}

enum todo { TODO_WAIT, TODO_COMMIT, TODO_SEAL, TODO_STOP };

static enum todo
what_to_do_locked(const struct journal *j, int64_t *ret_until_us)
{
    bool has_work = buf_len(&j->shared.pending) > 0 && atomic_load(&j->error) == 0;
    int64_t until = has_work ? j->shared.lazy_at_us : j->writer.needs_seal ? j->writer.seal_at_us : INT64_MAX;

    *ret_until_us = until;
    if (has_work && (j->shared.is_eager || j->shared.is_stopping))
        return TODO_COMMIT;
    if (until < INT64_MAX && (j->shared.is_stopping || clock_mono_us() >= until))
        return has_work ? TODO_COMMIT : TODO_SEAL;
    return j->shared.is_stopping ? TODO_STOP : TODO_WAIT;
}

static void
take_batch_locked(struct journal *j)
{
    struct buf empty = j->writer.batch;

    j->writer.batch = j->shared.pending;
    j->shared.pending = empty;
    j->shared.is_eager = false;
    j->shared.writing = buf_len(&j->writer.batch);
}

static void
work(struct journal *j, enum todo todo)
{
    if (todo == TODO_SEAL) {
        seal_idle(j);
        return;
    }
    commit(j, &j->writer.batch);
    buf_clear(&j->writer.batch);
    if (j->writer.batch.cap > WRITER_KEEPS_BYTES)
        buf_fini(&j->writer.batch);
}

void *
journal_writer(void *journal)
{
    struct journal *j = journal;
    enum todo todo;
    int64_t until;

    pthread_mutex_lock(&j->shared.lock);
    while ((todo = what_to_do_locked(j, &until)) != TODO_STOP) {
        if (todo == TODO_WAIT) {
            wait_until(j, until);
            continue;
        }
        if (todo == TODO_COMMIT)
            take_batch_locked(j);
        pthread_mutex_unlock(&j->shared.lock);
        work(j, todo);
        pthread_mutex_lock(&j->shared.lock);
    }
    pthread_mutex_unlock(&j->shared.lock);
    return NULL;
}
