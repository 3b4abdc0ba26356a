/* SPDX-License-Identifier: Apache-2.0 */
#include "test/crash/fault_lib.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/crash/power_lib.h"

enum { POISONED_MAX = 64 };

static struct rule {
    bool is_set;
    char name[64];
    unsigned skip, times, hits;
    int error;
} rules[FAULT_CALLS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ino_t poisoned[POISONED_MAX];
static unsigned n_poisoned;
static bool was_poison_used;

void
fault_set(enum fault_call call, const char *name, unsigned skip, unsigned times, int error)
{
    pthread_mutex_lock(&lock);
    rules[call] = (struct rule){ .is_set = true, .skip = skip, .times = times, .error = error };
    snprintf(rules[call].name, sizeof(rules[call].name), "%s", name ? name : "");
    pthread_mutex_unlock(&lock);
}

void
fault_clear(void)
{
    pthread_mutex_lock(&lock);
    memset(rules, 0, sizeof(rules));
    n_poisoned = 0;
    was_poison_used = false;
    pthread_mutex_unlock(&lock);
}

unsigned
fault_hits(enum fault_call call)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = rules[call].hits;
    pthread_mutex_unlock(&lock);
    return n;
}

bool
fault_was_poison_used(void)
{
    bool was;

    pthread_mutex_lock(&lock);
    was = was_poison_used;
    pthread_mutex_unlock(&lock);
    return was;
}

static bool
is_named(int fd, const char *name)
{
    char link[64], path[512] = { 0 };
    const char *base;
    struct stat st;

    if (!name[0])
        return true;
    if (name[0] == '/')
        return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) < 0)
        return false;
    base = strrchr(path, '/');
    return base && strncmp(base + 1, name, strlen(name)) == 0;
}

static void
note_poisoned(int fd, bool failed)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    for (unsigned i = 0; i < n_poisoned; i++)
        was_poison_used |= poisoned[i] == st.st_ino;
    if (failed && n_poisoned < POISONED_MAX)
        poisoned[n_poisoned++] = st.st_ino;
}

/* Does this call fail? */
static bool
fails(enum fault_call call, int fd, int *ret_error)
{
    struct rule *r = &rules[call];
    bool does = false;

    pthread_mutex_lock(&lock);
    if (r->is_set && r->hits < r->times && is_named(fd, r->name)) {
        if (r->skip)
            r->skip--;
        else
            does = true;
    }
    if (does) {
        r->hits++;
        *ret_error = r->error;
    }
    note_poisoned(fd, does && (call == FAULT_FDATASYNC || call == FAULT_FSYNC));
    pthread_mutex_unlock(&lock);
    return does;
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    int error;

    if (fails(FAULT_PWRITE, fd, &error)) {
        if (error) {
            errno = error;
            return -1;
        }
        n = n > 1 ? n / 2 : n;
    }
    power_before_write(fd, n, offset);
    return syscall(SYS_pwrite64, fd, buf, n, offset);
}

int
fdatasync(int fildes)
{
    int error;

    if (!fails(FAULT_FDATASYNC, fildes, &error)) {
        int result = (int)syscall(SYS_fdatasync, fildes);

        power_synced(fildes);
        return result;
    }
    errno = error;
    return -1;
}

int
fsync(int fd)
{
    int error;

    if (!fails(FAULT_FSYNC, fd, &error)) {
        int result = (int)syscall(SYS_fsync, fd);

        power_synced(fd);
        return result;
    }
    errno = error;
    return -1;
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    int error;

    if (!fails(FAULT_FALLOCATE, fd, &error))
        return (int)syscall(SYS_fallocate, fd, mode, offset, len);
    errno = error;
    return -1;
}
