/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that does everything slow which no record waits for: spare files, trimmed segments, checkpoints.
 *
 * 1. A spare file has all its blocks, written with zeros, before it gets its name: writing records there never changes the file's
 *    size nor its extents, so that fdatasync need not commit the file system's own journal, and there is no "disk full".
 * 2. Trimmed segments become spare ones, oldest first, each durably before the next: what is left is always one piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/store/journal_impl.h"

enum { FILL_BYTES = 1 << 20 };

/* --- spare files ------------------------------------------------------------------------------------------------- */

static int
fill(int fd, uint64_t bytes)
{
    char *zeros = mem_alloc(FILL_BYTES);
    int error = 0;

    /* Says at once when there is no room. Some file systems cannot do it. */
    if (fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP)
        error = -errno;
    for (uint64_t at = 0; at < bytes && !error; at += FILL_BYTES) {
        size_t len = bytes - at < FILL_BYTES ? (size_t)(bytes - at) : FILL_BYTES;

        error = file_write_at(fd, str_make(zeros, len), at);
        /* In step with the disk, so that what the other thread syncs does not wait behind all of it. */
        if (!error && at % (8 * FILL_BYTES) == 0)
            (void)sync_file_range(fd, (off_t)at, 0, SYNC_FILE_RANGE_WRITE);
    }
    mem_free(zeros);
    return !error && fsync(fd) != 0 ? -errno : error;
}

static uint64_t
files_locked(const struct journal *j)
{
    return (uint64_t)j->shared.n_segments + j->shared.n_spares + j->shared.n_trimmed + j->shared.is_making;
}

bool
upkeep_may_make_locked(const struct journal *j)
{
    return files_locked(j) < j->quota_segments && j->shared.disk_free >= j->segment_bytes + j->segment_bytes / 8;
}

static void
look_at_disk(struct journal *j)
{
    uint64_t free_bytes;

    if (folder_free_bytes(&j->folder, &free_bytes) != 0)
        free_bytes = 0;
    pthread_mutex_lock(&j->shared.lock);
    j->shared.disk_free = free_bytes;
    pthread_mutex_unlock(&j->shared.lock);
}

static int
make_file(struct journal *j, const char *name)
{
    char fresh[FOLDER_NAME_BYTES + 8];
    int fd, error;

    snprintf(fresh, sizeof(fresh), "%s.new", name);
    fd = openat(j->folder.fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    crash_point(CRASH_AT_SPARE_CREATED);
    error = fill(fd, j->segment_bytes);
    close(fd);
    crash_point(CRASH_AT_SPARE_FILLED);
    if (!error)
        error = folder_rename(&j->folder, fresh, name);
    crash_point(CRASH_AT_SPARE_RENAMED);
    if (error) {
        unlinkat(j->folder.fd, fresh, 0);
        unlinkat(j->folder.fd, name, 0); /* renamed, and the directory could not be synced */
    }
    return error;
}

static void
spare_is_ready_locked(struct journal *j, uint64_t number)
{
    j->shared.spares[j->shared.n_spares++] = number;
    j->shared.is_spare_wanted = false;
    j->shared.spare_error = 0;
    pthread_cond_signal(&j->shared.spare_ready);
}

int
upkeep_make_spare(struct journal *j)
{
    char name[FOLDER_NAME_BYTES];
    uint64_t number;
    int error;

    pthread_mutex_lock(&j->shared.lock);
    number = j->shared.next_spare++;
    j->shared.is_making = true;
    j->shared.may_try_again = false;
    pthread_mutex_unlock(&j->shared.lock);
    folder_spare_name(number, name);
    error = make_file(j, name);
    look_at_disk(j);
    pthread_mutex_lock(&j->shared.lock);
    j->shared.is_making = false;
    if (error)
        j->shared.spare_error = error;
    else
        spare_is_ready_locked(j, number);
    pthread_mutex_unlock(&j->shared.lock);
    return error;
}

/* --- trimmed segments -------------------------------------------------------------------------------------------- */

static bool
is_of_size(const struct journal *j, const char *name)
{
    struct stat st;

    return fstatat(j->folder.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (uint64_t)st.st_size == j->segment_bytes;
}

static void
recycle(struct journal *j, uint64_t generation)
{
    char name[FOLDER_NAME_BYTES], spare[FOLDER_NAME_BYTES];
    uint64_t number;
    bool becomes_spare;
    int error;

    folder_segment_name(generation, name);
    pthread_mutex_lock(&j->shared.lock);
    becomes_spare = j->shared.n_spares < SPARES_KEPT;
    number = j->shared.next_spare++;
    pthread_mutex_unlock(&j->shared.lock);
    becomes_spare = becomes_spare && is_of_size(j, name);
    folder_spare_name(number, spare);
    crash_point(CRASH_AT_TRIM_BEFORE_RENAME);
    if (becomes_spare) {
        error = renameat(j->folder.fd, name, j->folder.fd, spare) != 0 ? -errno : 0;
        crash_point(CRASH_AT_TRIM_AFTER_RENAME);
    } else {
        error = unlinkat(j->folder.fd, name, 0) != 0 ? -errno : 0;
        crash_point(CRASH_AT_TRIM_AFTER_UNLINK);
    }
    if (!error)
        error = folder_sync(&j->folder);
    crash_point(CRASH_AT_TRIM_AFTER_SYNC);
    /* What could not be renamed stays, and is trimmed again after the next start. */
    pthread_mutex_lock(&j->shared.lock);
    if (becomes_spare && !error)
        spare_is_ready_locked(j, number);
    pthread_mutex_unlock(&j->shared.lock);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

static void
run_job(struct journal *j, struct checkpoint_job *job, uint64_t sequence)
{
    struct checkpoint c = { .uuid = j->identity.uuid,
        .sequence = sequence,
        .covers_lsn = job->covers_lsn,
        .durable_lsn = atomic_load_explicit(&j->durable_lsn, memory_order_acquire),
        .wall_us = clock_wall_us(),
        .bytes = buf_str(&job->bytes) };

    job->error = checkpoint_write(&j->folder, &c);
    crash_point(CRASH_AT_CHECKPOINT_DONE);
    buf_fini(&job->bytes);
    pthread_mutex_lock(&j->shared.lock);
    if (!job->error) {
        j->shared.covers_lsn[sequence % CHECKPOINT_SLOTS] = job->covers_lsn;
        j->shared.checkpoint_sequence = sequence;
        j->shared.stats.covers_lsn = job->covers_lsn;
        j->shared.stats.checkpoints++;
    }
    struct checkpoint_job **end = &j->shared.results;

    while (*end)
        end = &(*end)->next;
    job->next = NULL;
    *end = job;
    pthread_mutex_unlock(&j->shared.lock);
    journal_post_news(j);
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

static bool
wants_spare_locked(const struct journal *j)
{
    return !j->shared.is_done && j->shared.n_spares < SPARES_WANTED && upkeep_may_make_locked(j) &&
           (j->shared.spare_error == 0 || j->shared.is_spare_wanted || j->shared.may_try_again);
}

/* One thing that is to be done, without the lock; false when there is none. Called and left with the lock held. */
static bool
do_one_locked(struct journal *j)
{
    if (j->shared.n_trimmed) {
        uint64_t generation = j->shared.trimmed[0];

        pthread_mutex_unlock(&j->shared.lock);
        recycle(j, generation);
        pthread_mutex_lock(&j->shared.lock);
        memmove(j->shared.trimmed, j->shared.trimmed + 1, --j->shared.n_trimmed * sizeof(*j->shared.trimmed));
    } else if (j->shared.jobs) {
        struct checkpoint_job *job = j->shared.jobs;
        uint64_t sequence = j->shared.checkpoint_sequence + 1;

        j->shared.jobs = job->next;
        pthread_mutex_unlock(&j->shared.lock);
        run_job(j, job, sequence);
        pthread_mutex_lock(&j->shared.lock);
    } else if (j->shared.ended_fd >= 0) {
        int fd = j->shared.ended_fd;

        j->shared.ended_fd = -1;
        pthread_mutex_unlock(&j->shared.lock);
        (void)fdatasync(fd);
        close(fd);
        pthread_mutex_lock(&j->shared.lock);
    } else if (wants_spare_locked(j)) {
        pthread_mutex_unlock(&j->shared.lock);
        (void)upkeep_make_spare(j);
        pthread_mutex_lock(&j->shared.lock);
    } else {
        return false;
    }
    return true;
}

/* The writer waits for a file, and there will be none. */
static void
deny_locked(struct journal *j)
{
    if (!j->shared.is_spare_wanted)
        return;
    j->shared.is_spare_wanted = false;
    pthread_cond_signal(&j->shared.spare_ready);
}

void *
journal_upkeep(void *journal)
{
    struct journal *j = journal;
    int64_t at_us;

    pthread_mutex_lock(&j->shared.lock);
    for (;;) {
        while (do_one_locked(j))
            ;
        deny_locked(j);
        if (j->shared.is_done)
            break;
        at_us = clock_mono_us() + USEC_PER_SEC;
        struct timespec t = { .tv_sec = at_us / USEC_PER_SEC, .tv_nsec = at_us % USEC_PER_SEC * 1000 };

        if (pthread_cond_timedwait(&j->shared.to_upkeep, &j->shared.lock, &t) == ETIMEDOUT) {
            pthread_mutex_unlock(&j->shared.lock);
            look_at_disk(j);
            pthread_mutex_lock(&j->shared.lock);
            j->shared.may_try_again = true; /* the error stays until it is none: there is no room before that */
        }
    }
    pthread_mutex_unlock(&j->shared.lock);
    return NULL;
}
