/* SPDX-License-Identifier: Apache-2.0
 *
 *   write: NAME.new -> write -> fsync -> rename to NAME -> fsync of the directory
 *
 * 1. The old file is not touched before the new one is on the disk.
 * 2. The lock file is never removed: two processes could then lock two files of the same name.
 */
#include "proxy/server/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/mem.h"

enum { NAME_BYTES = 64, CHUNK = 4096 };

struct state {
    int dir_fd, lock_fd;
    bool is_writer;
};

int
state_open(struct str dir, struct state **ret_state)
{
    char path[PATH_MAX];
    struct state *s;
    int fd;

    if (dir.len == 0 || dir.len >= sizeof(path))
        return -ENAMETOOLONG;
    memcpy(path, dir.p, dir.len);
    path[dir.len] = '\0';
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    s = MEM_NEW(struct state);
    s->dir_fd = fd;
    s->lock_fd = -1;
    *ret_state = s;
    return 0;
}

/* --- the lock ---------------------------------------------------------------------------------------------------- */

static pid_t
read_pid(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    uint64_t pid = 0;

    if (n <= 0 || !str_to_u64(str_trim(str_make(text, (size_t)n)), &pid) || pid > INT_MAX)
        return 0;
    return (pid_t)pid;
}

/* Only a hint for whoever finds the lock taken. */
static void
write_pid(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return;
}

int
state_lock(struct state *s, pid_t *ret_pid)
{
    int fd, error;

    if (s->is_writer)
        return 0;
    fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        error = errno;
        if (error == EWOULDBLOCK && ret_pid)
            *ret_pid = read_pid(fd);
        close(fd);
        return -error;
    }
    write_pid(fd);
    s->lock_fd = fd;
    s->is_writer = true;
    return 0;
}

void
state_unlock(struct state *s)
{
    if (!s->is_writer)
        return;
    close(s->lock_fd);
    s->lock_fd = -1;
    s->is_writer = false;
}

bool
state_is_writer(const struct state *s)
{
    return s->is_writer;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static int
read_to_end(int fd, size_t limit, struct buf *out)
{
    size_t before = buf_len(out);

    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, CHUNK), CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf_commit(out, (size_t)n);
        if (buf_len(out) - before > limit)
            return -EFBIG;
    }
}

int
state_read(struct state *s, const char *name, size_t limit, struct buf *out)
{
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t before = buf_len(out);
    int error;

    if (fd < 0)
        return -errno;
    error = read_to_end(fd, limit, out);
    close(fd);
    if (error)
        buf_truncate(out, before);
    return error;
}

static int
write_all(int fd, struct str text)
{
    while (text.len) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text = str_skip(text, (size_t)n);
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

int
state_write(struct state *s, const char *name, struct str text)
{
    char fresh[NAME_BYTES];
    int fd, error;

    if (!s->is_writer)
        return -EPERM;
    if (snprintf(fresh, sizeof(fresh), "%s.new", name) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    fd = openat(s->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    error = write_all(fd, text);
    if (close(fd) != 0 && error == 0)
        error = -errno;
    if (error == 0 && renameat(s->dir_fd, fresh, s->dir_fd, name) != 0)
        error = -errno;
    if (error) {
        unlinkat(s->dir_fd, fresh, 0);
        return error;
    }
    return fsync(s->dir_fd) == 0 ? 0 : -errno;
}

void
state_close(struct state **sp)
{
    struct state *s = *sp;

    *sp = NULL;
    if (!s)
        return;
    state_unlock(s);
    close(s->dir_fd);
    mem_free(s);
}
