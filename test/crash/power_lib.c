/* SPDX-License-Identifier: Apache-2.0 */
#include "test/crash/power_lib.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, NAME_BYTES = 64 };
#define ROOM ((size_t)256 << 20)

enum kind { WRITE, RENAME, REMOVE };

struct entry {
    enum kind kind;
    bool is_synced, has_backup;
    ino_t ino;
    char from[NAME_BYTES], to[NAME_BYTES], backup[NAME_BYTES];
    off_t at;
    size_t len; /* of the bytes that follow: what was there before */
};

struct power {
    size_t used;
    unsigned backups;
    _Alignas(16) char entries[];
};

static struct power *power; /* of this process */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct power *
power_new(void)
{
    struct power *p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

void
power_free(struct power *p)
{
    munmap(p, ROOM);
}

void
power_begin(struct power *p)
{
    power = p;
}

static struct entry *
entry_at(struct power *p, size_t at)
{
    return (struct entry *)(void *)(p->entries + at);
}

static size_t
size_of(const struct entry *e)
{
    return (sizeof(*e) + e->len + 15) / 16 * 16;
}

/* --- while it runs ----------------------------------------------------------------------------------------------- */

/* It counts when its bytes are there: this process may end at any moment. */
static void
push_locked(const struct entry *e, int fd)
{
    struct entry *to = entry_at(power, power->used);
    ssize_t n;

    if (power->used + size_of(e) > ROOM - sizeof(*power))
        abort();
    *to = *e;
    memset(to + 1, 0, e->len);
    if (e->len && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR) { /* what cannot be read is new */
        n = pread(fd, to + 1, e->len, e->at);
        (void)n;
    }
    power->used += size_of(e);
}

static void
mark_synced_locked(bool is_dir, int dir, ino_t ino)
{
    bool is_all = true;
    struct entry *e;

    for (size_t at = 0; at < power->used; at += size_of(e)) {
        e = entry_at(power, at);
        if (is_dir ? e->kind == WRITE : e->kind != WRITE || e->ino != ino) {
            is_all &= e->is_synced;
            continue;
        }
        if (e->has_backup && !e->is_synced)
            unlinkat(dir, e->backup, 0);
        e->is_synced = true;
    }
    if (is_all)
        power->used = 0;
}

void
power_before_write(int fd, size_t len, off_t at)
{
    struct stat st;

    if (!power || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    pthread_mutex_lock(&lock);
    push_locked(&(struct entry){ .kind = WRITE, .ino = st.st_ino, .at = at, .len = len }, fd);
    pthread_mutex_unlock(&lock);
}

void
power_synced(int fd)
{
    struct stat st;

    if (!power || fstat(fd, &st) != 0)
        return;
    pthread_mutex_lock(&lock);
    mark_synced_locked(S_ISDIR(st.st_mode), fd, st.st_ino);
    pthread_mutex_unlock(&lock);
}

/* The file that is about to lose this name gets another one. What was written to it is taken for synced. */
static struct entry
keep_locked(int dir, enum kind kind, const char *name)
{
    struct entry e = { .kind = kind };
    struct stat st;

    snprintf(e.to, sizeof(e.to), "%s", name);
    snprintf(e.backup, sizeof(e.backup), ".undo-%u", power->backups++);
    e.has_backup = linkat(dir, name, dir, e.backup, 0) == 0;
    if (e.has_backup && fstatat(dir, name, &st, 0) == 0)
        mark_synced_locked(false, dir, st.st_ino);
    return e;
}

int
renameat(int oldfd, const char *old, int newfd, const char *new)
{
    struct entry e;
    int result;

    pthread_mutex_lock(&lock);
    if (power) {
        e = keep_locked(newfd, RENAME, new);
        snprintf(e.from, sizeof(e.from), "%s", old);
        push_locked(&e, -1);
    }
    result = (int)syscall(SYS_renameat2, oldfd, old, newfd, new, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int
unlinkat(int fd, const char *name, int flag)
{
    struct entry e;
    int result;

    if (!power || strncmp(name, ".undo-", 6) == 0)
        return (int)syscall(SYS_unlinkat, fd, name, flag);
    pthread_mutex_lock(&lock);
    e = keep_locked(fd, REMOVE, name);
    if (e.has_backup)
        push_locked(&e, -1);
    result = (int)syscall(SYS_unlinkat, fd, name, flag);
    pthread_mutex_unlock(&lock);
    return result;
}

/* --- when it has ended ------------------------------------------------------------------------------------------- */

static int
open_by_inode(int dir, ino_t ino)
{
    int list = openat(dir, ".", O_RDONLY | O_DIRECTORY), fd = -1;
    DIR *d = fdopendir(list);
    struct dirent *entry;

    while (fd < 0 && (entry = readdir(d)))
        if (entry->d_ino == ino)
            fd = openat(dir, entry->d_name, O_RDWR);
    closedir(d);
    return fd;
}

static void
undo_write(const struct entry *e, int dir, struct random *random, bool all)
{
    const char *old = (const char *)(e + 1);
    int fd = open_by_inode(dir, e->ino);

    for (size_t at = 0, n; fd >= 0 && at < e->len; at += n) {
        n = SECTOR - ((size_t)e->at + at) % SECTOR;
        n = n < e->len - at ? n : e->len - at;
        if ((all || random_next(random) % 2) && syscall(SYS_pwrite64, fd, old + at, n, e->at + (off_t)at) != (long)n)
            abort();
    }
    if (fd >= 0)
        close(fd);
}

static void
undo_name(const struct entry *e, int dir)
{
    if (e->kind == RENAME)
        syscall(SYS_renameat2, dir, e->to, dir, e->from, 0); /* it may not have come to it */
    if (e->has_backup)
        syscall(SYS_renameat2, dir, e->backup, dir, e->to, 0);
}

static void
remove_backups(int dir)
{
    int list = openat(dir, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = fdopendir(list);
    struct dirent *entry;

    while ((entry = readdir(d)))
        if (strncmp(entry->d_name, ".undo-", 6) == 0)
            unlinkat(dir, entry->d_name, 0);
    closedir(d);
}

void
power_cut(struct power *p, const char *dir, struct random *random, enum power_loss loss)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    unsigned n = 0, n_names = 0;
    const struct entry **entries;

    for (size_t at = 0; at < p->used; at += size_of(entry_at(p, at)))
        n++;
    entries = calloc(n + 1, sizeof(void *));
    if (!entries || fd < 0)
        abort();
    n = 0;
    for (size_t at = 0; at < p->used; at += size_of(entry_at(p, at))) {
        if (entry_at(p, at)->is_synced)
            continue;
        entries[n++] = entry_at(p, at);
        n_names += entries[n - 1]->kind != WRITE;
    }
    if (loss == POWER_TAKES_SOME)
        n_names = (unsigned)(random_next(random) % (n_names + 1));
    while (loss != POWER_STAYS && n-- > 0) {
        if (entries[n]->kind == WRITE)
            undo_write(entries[n], fd, random, loss == POWER_TAKES_ALL);
        else if (n_names > 0 && n_names-- > 0)
            undo_name(entries[n], fd);
    }
    free(entries);
    remove_backups(fd);
    close(fd);
    p->used = 0;
}
