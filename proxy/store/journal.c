/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop's side of the journal: what is appended goes as a draft, with its LSN, into `pending`, and a waiter into a queue; the
 * writer takes all drafts at once, and posts news when they are durable.
 */
#include "proxy/store/journal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/thread.h"
#include "proxy/obs/log.h"
#include "proxy/store/journal_impl.h"

/* --- appending --------------------------------------------------------------------------------------------------- */

size_t
journal_payload_max(const struct journal *j)
{
    return (size_t)(j->segment_bytes - SEGMENT_HEADER_BYTES - SEGMENT_RESERVE - RECORD_HEADER_BYTES - RECORD_ALIGN);
}

uint64_t
journal_durable(const struct journal *j)
{
    return atomic_load_explicit(&j->durable_lsn, memory_order_acquire);
}

uint64_t
journal_last(const struct journal *j)
{
    return j->next_lsn - 1;
}

int
journal_error(const struct journal *j)
{
    return atomic_load(&j->error);
}

static void
push_waiter(struct journal *j, uint64_t lsn, journal_done_fn *done, void *arg)
{
    if (j->n_waiters == j->waiters_room) {
        unsigned room = j->waiters_room ? 2 * j->waiters_room : 64;
        struct waiter *ring = mem_array(room, sizeof(*ring));

        for (unsigned i = 0; i < j->n_waiters; i++)
            ring[i] = j->waiters[(j->first_waiter + i) % j->waiters_room];
        mem_free(j->waiters);
        j->waiters = ring;
        j->waiters_room = room;
        j->first_waiter = 0;
    }
    j->waiters[(j->first_waiter + j->n_waiters++) % j->waiters_room] = (struct waiter){ lsn, done, arg };
}

static void
put_draft_locked(struct journal *j, const struct record *r, const struct str *parts, unsigned n_parts)
{
    size_t bytes = record_bytes(r->payload.len);
    char *at = buf_reserve(&j->shared.pending, bytes), *to = at + RECORD_HEADER_BYTES;

    record_draft(r, at);
    for (unsigned i = 0; i < n_parts; to += parts[i++].len)
        if (parts[i].len)
            memcpy(to, parts[i].p, parts[i].len);
    memset(to, 0, (size_t)(at + bytes - to));
    buf_commit(&j->shared.pending, bytes);
}

uint64_t
journal_append(struct journal *j, uint8_t kind, uint64_t ref, bool lazy, const struct str *parts, unsigned n_parts,
    journal_done_fn *done, void *arg)
{
    struct record r = { .kind = kind, .ref = ref, .wall_us = clock_wall_us() };
    bool wakes;

    assert(kind != RECORD_KIND_SEAL);
    for (unsigned i = 0; i < n_parts; i++)
        r.payload.len += parts[i].len;
    if (r.payload.len > journal_payload_max(j) || journal_error(j))
        return 0;
    r.lsn = j->next_lsn++;
    if (done)
        push_waiter(j, r.lsn, done, arg);
    pthread_mutex_lock(&j->shared.lock);
    wakes = buf_len(&j->shared.pending) == 0 || (!lazy && !j->shared.is_eager);
    if (buf_len(&j->shared.pending) == 0)
        j->shared.lazy_at_us = clock_mono_us() + j->lazy_us;
    put_draft_locked(j, &r, parts, n_parts);
    j->shared.is_eager |= !lazy;
    if (wakes)
        pthread_cond_signal(&j->shared.to_writer);
    pthread_mutex_unlock(&j->shared.lock);
    crash_point(CRASH_AT_JOURNAL_APPENDED);
    return r.lsn;
}

/* --- news of the threads ----------------------------------------------------------------------------------------- */

static void
tell_waiters(struct journal *j)
{
    int error = journal_error(j); /* read first: what became durable before it failed is */
    uint64_t durable = journal_durable(j);

    while (j->n_waiters) {
        struct waiter w = j->waiters[j->first_waiter];

        if (w.lsn > durable && !error)
            return;
        j->first_waiter = (j->first_waiter + 1) % j->waiters_room;
        j->n_waiters--;
        w.done(w.lsn, w.lsn <= durable ? 0 : error, w.arg);
        crash_point(CRASH_AT_JOURNAL_DONE);
    }
}

static void
tell_checkpoints(struct journal *j)
{
    struct checkpoint_job *job;

    for (;;) {
        pthread_mutex_lock(&j->shared.lock);
        job = j->shared.results;
        if (job)
            j->shared.results = job->next;
        pthread_mutex_unlock(&j->shared.lock);
        if (!job)
            return;
        if (job->done)
            job->done(job->error, job->arg);
        mem_free(job);
        journal_trim(j, j->trim_lsn); /* more of it may be covered now */
    }
}

static void
on_news(void *arg)
{
    struct news *news = arg;

    atomic_store(&news->is_posted, false);
    if (!news->journal) {
        mem_free(news);
        return;
    }
    tell_waiters(news->journal);
    tell_checkpoints(news->journal);
}

void
journal_post_news(struct journal *j)
{
    if (!atomic_exchange(&j->news->is_posted, true))
        loop_post(j->loop, on_news, j->news);
}

/* --- space ------------------------------------------------------------------------------------------------------- */

void
segment_add_locked(struct journal *j, const struct segment *s)
{
    j->shared.segments = mem_grow(j->shared.segments, (j->shared.n_segments + 1) * sizeof(*s));
    j->shared.segments[j->shared.n_segments++] = *s;
}

static uint64_t
usable(const struct journal *j)
{
    return j->segment_bytes - SEGMENT_HEADER_BYTES - SEGMENT_RESERVE;
}

/* Segments that can still follow, apart from the one that is kept for outcomes. */
static uint64_t
segments_left_locked(const struct journal *j)
{
    uint64_t files = (uint64_t)j->shared.n_segments + j->shared.n_spares + j->shared.n_trimmed + j->shared.is_making;
    uint64_t by_quota = files < j->quota_segments ? j->quota_segments - files : 0;
    uint64_t by_disk = j->shared.disk_free / j->segment_bytes, more = by_quota < by_disk ? by_quota : by_disk;
    uint64_t all = j->shared.n_spares + j->shared.n_trimmed + (j->shared.spare_error ? 0 : more);

    return all > 0 ? all - 1 : 0;
}

static uint64_t
room_locked(const struct journal *j)
{
    const struct segment *last = &j->shared.segments[j->shared.n_segments - 1];
    uint64_t used = j->shared.active_at + SEGMENT_RESERVE, pending = buf_len(&j->shared.pending) + j->shared.writing;
    uint64_t all = (used < last->bytes ? last->bytes - used : 0) + segments_left_locked(j) * usable(j);

    return all > pending ? all - pending : 0;
}

bool
journal_has_room(struct journal *j, size_t payload)
{
    uint64_t need = record_bytes(payload), pending, used, left, last_bytes;

    pthread_mutex_lock(&j->shared.lock);
    pending = buf_len(&j->shared.pending) + j->shared.writing;
    used = j->shared.active_at + SEGMENT_RESERVE;
    last_bytes = j->shared.segments[j->shared.n_segments - 1].bytes;
    left = segments_left_locked(j);
    pthread_mutex_unlock(&j->shared.lock);
    if (journal_error(j) || payload > journal_payload_max(j))
        return false;
    /* Beyond the segment that is written to, each is taken for half of what it holds: records are not divided. */
    return used + pending + need <= last_bytes || 1 + (pending + need) / (usable(j) / 2) <= left;
}

uint64_t
journal_covered_locked(const struct journal *j)
{
    uint64_t a = j->shared.covers_lsn[0], b = j->shared.covers_lsn[1];

    return a < b ? a : b;
}

void
journal_trim(struct journal *j, uint64_t upto_lsn)
{
    unsigned n = 0;

    if (upto_lsn > j->trim_lsn)
        j->trim_lsn = upto_lsn;
    pthread_mutex_lock(&j->shared.lock);
    uint64_t covered = journal_covered_locked(j), upto = j->trim_lsn < covered ? j->trim_lsn : covered;
    struct segment *s = j->shared.segments;

    while (n + 1 < j->shared.n_segments && s[n + 1].first_lsn <= upto + 1)
        n++;
    if (n) {
        j->shared.trimmed = mem_grow(j->shared.trimmed, (j->shared.n_trimmed + n) * sizeof(*j->shared.trimmed));
        for (unsigned i = 0; i < n; i++) {
            j->shared.trimmed[j->shared.n_trimmed++] = s[i].generation;
            mem_free(s[i].index);
        }
        j->shared.n_segments -= n;
        memmove(s, s + n, j->shared.n_segments * sizeof(*s));
        pthread_cond_signal(&j->shared.to_upkeep);
    }
    pthread_mutex_unlock(&j->shared.lock);
}

void
journal_checkpoint(
    struct journal *j, uint64_t covers_lsn, struct str bytes, void (*done)(int error, void *arg), void *arg)
{
    struct checkpoint_job *job = MEM_NEW(struct checkpoint_job), **end = &j->shared.jobs;

    assert(covers_lsn <= journal_durable(j));
    *job = (struct checkpoint_job){ .covers_lsn = covers_lsn, .done = done, .arg = arg };
    buf_add(&job->bytes, bytes);
    pthread_mutex_lock(&j->shared.lock);
    while (*end)
        end = &(*end)->next;
    *end = job;
    pthread_cond_signal(&j->shared.to_upkeep);
    pthread_mutex_unlock(&j->shared.lock);
}

void
journal_stats(struct journal *j, struct journal_stats *ret_stats)
{
    uint64_t used = 0;

    pthread_mutex_lock(&j->shared.lock);
    for (unsigned i = 0; i < j->shared.n_segments; i++)
        used += j->shared.segments[i].bytes;
    *ret_stats = j->shared.stats;
    ret_stats->first_lsn = j->shared.segments[0].first_lsn;
    ret_stats->used_bytes = used;
    ret_stats->file_bytes = used + (uint64_t)(j->shared.n_spares + j->shared.n_trimmed) * j->segment_bytes;
    ret_stats->disk_free_bytes = j->shared.disk_free;
    ret_stats->room_bytes = room_locked(j);
    ret_stats->segments = j->shared.n_segments;
    ret_stats->spares = j->shared.n_spares + j->shared.n_trimmed;
    pthread_mutex_unlock(&j->shared.lock);
    ret_stats->uuid = j->identity.uuid;
    ret_stats->starts = j->identity.starts;
    ret_stats->is_new = j->is_new;
    ret_stats->is_in_memory = j->is_in_memory;
    ret_stats->last_lsn = journal_last(j);
    ret_stats->durable_lsn = journal_durable(j);
    ret_stats->quota_bytes = j->quota_segments * j->segment_bytes;
    ret_stats->error = journal_error(j);
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

static struct journal *
journal_new(const struct journal_options *o)
{
    struct journal *j = MEM_NEW(struct journal);
    pthread_condattr_t attr;

    j->folder.fd = j->folder.lock_fd = j->writer.fd = j->reader.fd = j->shared.ended_fd = -1;
    j->loop = o->loop;
    j->lazy_us = o->lazy_us ? o->lazy_us : USEC_PER_SEC;
    j->segment_bytes = o->segment_bytes ? o->segment_bytes : JOURNAL_SEGMENT_BYTES;
    j->quota_segments = (uint32_t)(o->quota_bytes / j->segment_bytes);
    j->news = MEM_NEW(struct news);
    j->news->journal = j;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->shared.lock, NULL);
    pthread_cond_init(&j->shared.to_writer, &attr);
    pthread_cond_init(&j->shared.to_upkeep, &attr);
    pthread_cond_init(&j->shared.spare_ready, &attr);
    pthread_condattr_destroy(&attr);
    return j;
}

/* The writer first, as it may need the other one for its last records. */
static void
end_threads(struct journal *j)
{
    pthread_mutex_lock(&j->shared.lock);
    j->shared.is_stopping = true;
    pthread_cond_signal(&j->shared.to_writer);
    pthread_mutex_unlock(&j->shared.lock);
    if (j->has_writer)
        pthread_join(j->writer_thread, NULL);
    pthread_mutex_lock(&j->shared.lock);
    j->shared.is_done = true;
    pthread_cond_signal(&j->shared.to_upkeep);
    pthread_mutex_unlock(&j->shared.lock);
    if (j->has_upkeep)
        pthread_join(j->upkeep_thread, NULL);
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void
journal_free(struct journal *j)
{
    close_fd(j->writer.fd);
    close_fd(j->reader.fd);
    close_fd(j->shared.ended_fd);
    folder_close(&j->folder);
    for (unsigned i = 0; i < j->shared.n_segments; i++)
        mem_free(j->shared.segments[i].index);
    mem_free(j->shared.segments);
    mem_free(j->shared.trimmed);
    mem_free(j->waiters);
    buf_fini(&j->shared.pending);
    buf_fini(&j->writer.batch);
    pthread_cond_destroy(&j->shared.to_writer);
    pthread_cond_destroy(&j->shared.to_upkeep);
    pthread_cond_destroy(&j->shared.spare_ready);
    pthread_mutex_destroy(&j->shared.lock);
    j->news->journal = NULL;
    if (!atomic_load(&j->news->is_posted))
        mem_free(j->news);
    mem_free(j);
}

static int
check_sizes(const struct journal *j, const struct journal_options *o, struct buf *ret_error)
{
    enum { LEAST = 64 * 1024 };

    if (j->segment_bytes < LEAST || j->segment_bytes % SEGMENT_HEADER_BYTES || j->segment_bytes > UINT32_MAX) {
        buf_printf(ret_error, "%s: a segment cannot have %" PRIu64 " bytes", o->dir, j->segment_bytes);
        return -EINVAL;
    }
    if (j->quota_segments < JOURNAL_SEGMENTS_LEAST) {
        buf_printf(ret_error, "%s: the quota is %" PRIu64 " bytes, and %d segments of %" PRIu64 " bytes are the least",
            o->dir, o->quota_bytes, JOURNAL_SEGMENTS_LEAST, j->segment_bytes);
        return -EINVAL;
    }
    return 0;
}

static int
start_threads(struct journal *j)
{
    int error = thread_start(&j->writer_thread, "journal", journal_writer, j);

    j->has_writer = !error;
    if (!error)
        error = thread_start(&j->upkeep_thread, "journal-files", journal_upkeep, j);
    j->has_upkeep = j->has_writer && !error;
    return error;
}

int
journal_open(const struct journal_options *options, const struct journal_recovery *recovery,
    struct journal **ret_journal, struct buf *ret_error)
{
    struct journal *j = journal_new(options);
    int error = check_sizes(j, options, ret_error);

    if (!error)
        error = folder_open(&j->folder, options->dir, ret_error);
    if (!error)
        error = journal_recover(j, options, recovery, ret_error);
    if (!error)
        error = start_threads(j);
    if (error) {
        end_threads(j);
        journal_free(j);
        return error;
    }
    *ret_journal = j;
    return 0;
}

void
journal_close(struct journal **jp)
{
    struct journal *j = *jp;

    *jp = NULL;
    if (!j)
        return;
    end_threads(j);
    tell_waiters(j);
    tell_checkpoints(j);
    journal_free(j);
}
