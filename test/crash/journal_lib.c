/* SPDX-License-Identifier: Apache-2.0 */
#include "test/crash/journal_lib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct str
payload_of(uint64_t lsn, size_t len)
{
    static _Thread_local char bytes[256 * 1024];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(lsn * 131 + i * 7);
    return str_make(bytes, len);
}

size_t
length_of(uint64_t lsn)
{
    return (size_t)(lsn * 37 % 300);
}

static uint64_t
on_checkpoint(uint64_t covers_lsn, struct str bytes, void *arg)
{
    struct fixture *f = arg;

    f->covers_lsn = covers_lsn;
    f->seen = 0;
    f->from_lsn = 0;
    f->last_seen = covers_lsn;
    f->is_wrong |= covers_lsn && !str_eq(bytes, payload_of(covers_lsn, 1000));
    return f->want_from ? f->want_from : covers_lsn + 1;
}

static int
on_record(const struct journal_record *r, void *arg)
{
    struct fixture *f = arg;

    if (!f->from_lsn)
        f->from_lsn = r->lsn;
    else if (r->lsn != f->last_seen + 1)
        f->is_wrong = true;
    f->is_wrong |= r->kind != 1 + r->lsn % 200 || r->ref != r->lsn / 2 ||
                   !str_eq(r->payload, payload_of(r->lsn, r->payload.len));
    f->last_seen = r->lsn;
    f->seen++;
    return 0;
}

int
fixture_open_with(struct fixture *f, struct journal_options options)
{
    struct journal_recovery recovery = { on_checkpoint, on_record, f };

    options.dir = f->dir;
    options.loop = f->loop;
    buf_clear(&f->error);
    return journal_open(&options, &recovery, &f->journal, &f->error);
}

int
fixture_open(struct fixture *f)
{
    return fixture_open_with(
        f, (struct journal_options){
               .quota_bytes = SMALL_QUOTA, .segment_bytes = SMALL_SEGMENT, .may_make = true, .lazy_us = f->lazy_us });
}

static void
on_done(uint64_t lsn, int error, void *arg)
{
    struct fixture *f = arg;

    f->is_wrong |= !error && lsn <= f->acknowledged;
    if (!error)
        f->acknowledged = lsn;
    if (!error && f->told)
        atomic_store(&f->told->acknowledged, lsn);
    f->last_error = error;
    if (++f->n_done >= f->want_done)
        loop_stop(f->loop);
}

uint64_t
fixture_append(struct fixture *f, size_t len, bool lazy)
{
    uint64_t lsn = journal_last(f->journal) + 1;
    struct str whole = payload_of(lsn, len ? len : length_of(lsn)), parts[2];

    if (f->told)
        atomic_store(&f->told->appended, lsn);
    parts[0] = str_make(whole.p, whole.len / 3);
    parts[1] = str_skip(whole, whole.len / 3);
    return journal_append(f->journal, (uint8_t)(1 + lsn % 200), lsn / 2, lazy, parts, 2, on_done, f);
}

void
fixture_wait(struct fixture *f, unsigned n)
{
    f->want_done = n;
    if (f->n_done < n)
        loop_run(f->loop);
}

void
fixture_append_all(struct fixture *f, unsigned n, size_t len)
{
    f->n_done = 0;
    for (unsigned i = 0; i < n; i++)
        fixture_append(f, len, i + 1 < n); /* lazy ones wait for the last: one batch */
    fixture_wait(f, n);
}

static void
on_checkpoint_done(int error, void *arg)
{
    struct fixture *f = arg;

    f->last_error = error;
    if (!error && f->told)
        atomic_store(&f->told->covers, f->checkpoint_lsn);
    if (++f->n_checkpoints >= f->want_checkpoints)
        loop_stop(f->loop);
}

void
fixture_checkpoint(struct fixture *f, uint64_t covers_lsn)
{
    f->n_checkpoints = 0;
    f->want_checkpoints = 1;
    f->checkpoint_lsn = covers_lsn;
    journal_checkpoint(f->journal, covers_lsn, payload_of(covers_lsn, 1000), on_checkpoint_done, f);
    loop_run(f->loop);
}

static int
open_file(const char *dir, const char *name)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDWR);
    if (fd < 0)
        abort();
    return fd;
}

void
file_put(const char *dir, const char *name, uint64_t at, struct str bytes)
{
    int fd = open_file(dir, name);

    if (file_write_at(fd, bytes, at) != 0)
        abort();
    close(fd);
}

char
file_get(const char *dir, const char *name, uint64_t at)
{
    int fd = open_file(dir, name);
    char c;

    if (file_read_at(fd, &c, 1, at) != 0)
        abort();
    close(fd);
    return c;
}

void
file_cut(const char *dir, const char *name, uint64_t bytes)
{
    int fd = open_file(dir, name);

    if (ftruncate(fd, (off_t)bytes) != 0)
        abort();
    close(fd);
}

void
remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
}

void
copy_files(const char *from, const char *to)
{
    struct folder f = { .fd = open(from, O_RDONLY | O_DIRECTORY) }, t = { .fd = open(to, O_RDONLY | O_DIRECTORY) };
    DIR *d = opendir(from);
    struct dirent *entry;

    remove_files(to);
    while (d && (entry = readdir(d))) {
        struct buf bytes = { 0 };
        int fd;

        if (entry->d_name[0] == '.' || folder_read(&f, entry->d_name, (size_t)1 << 30, &bytes) != 0)
            continue;
        fd = openat(t.fd, entry->d_name, O_WRONLY | O_CREAT, 0600);
        if (fd < 0 || file_write_at(fd, buf_str(&bytes), 0) != 0)
            abort();
        close(fd);
        buf_fini(&bytes);
    }
    closedir(d);
    close(f.fd);
    close(t.fd);
}

int
fixture_begin(struct fixture *f)
{
    *f = (struct fixture){ .loop = loop_new(), .lazy_us = 3600 * USEC_PER_SEC };
    /* In memory where there is such a place: what is tried does not depend on the disk, and a hundred starts sync a lot. */
    snprintf(f->dir, sizeof(f->dir), "%s/sextant-journal-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(f->dir) ? 0 : -1;
}

int
fixture_end(struct fixture *f)
{
    journal_close(&f->journal);
    loop_settle(f->loop);
    loop_free(f->loop);
    buf_fini(&f->error);
    remove_files(f->dir);
    return rmdir(f->dir);
}
