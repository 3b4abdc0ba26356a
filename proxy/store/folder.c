/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in the directory change by rename only, and a change counts when the directory was synced.
 */
#include "proxy/store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"

/* --- files ------------------------------------------------------------------------------------------------------- */

int
file_write_at(int fd, struct str bytes, uint64_t at)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.p, bytes.len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        if ((size_t)n < bytes.len)
            crash_point(CRASH_AT_JOURNAL_IN_WRITE);
        bytes = str_skip(bytes, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

int
file_read_at(int fd, char *to, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pread(fd, to, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        to += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

void
folder_segment_name(uint64_t generation, char ret_name[FOLDER_NAME_BYTES])
{
    snprintf(ret_name, FOLDER_NAME_BYTES, "segment-%016" PRIx64 ".log", generation);
}

void
folder_spare_name(uint64_t number, char ret_name[FOLDER_NAME_BYTES])
{
    snprintf(ret_name, FOLDER_NAME_BYTES, "spare-%016" PRIx64 ".log", number);
}

/* Exactly as they are made: what looks nearly so is not ours. */
static bool
parse_name(const char *name, struct str before, uint64_t *ret_number)
{
    struct str s = str_from(name);
    uint64_t number = 0;

    if (!str_starts(s, before) || s.len != before.len + 16 + 4 || !str_ends(s, STR(".log")))
        return false;
    for (size_t i = before.len; i < before.len + 16; i++) {
        int digit = s.p[i] >= 'A' && s.p[i] <= 'F' ? -1 : str_hex_value(s.p[i]);

        if (digit < 0)
            return false;
        number = number << 4 | (uint64_t)digit;
    }
    *ret_number = number;
    return true;
}

static int
by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void
push(uint64_t **list, unsigned *n, uint64_t number)
{
    *list = mem_grow(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = number;
}

int
folder_list(const struct folder *f, struct folder_list *ret_list)
{
    struct folder_list list = { .n_segments = 0 };
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    uint64_t number;

    if (!dir)
        return -errno;
    for (errno = 0; (entry = readdir(dir));) {
        if (parse_name(entry->d_name, STR("segment-"), &number))
            push(&list.segments, &list.n_segments, number);
        else if (parse_name(entry->d_name, STR("spare-"), &number))
            push(&list.spares, &list.n_spares, number);
    }
    closedir(dir);
    if (list.n_segments)
        qsort(list.segments, list.n_segments, sizeof(*list.segments), by_number);
    if (list.n_spares)
        qsort(list.spares, list.n_spares, sizeof(*list.spares), by_number);
    *ret_list = list;
    return 0;
}

void
folder_sweep(const struct folder *f)
{
    static const struct str kinds[] = { { "spare-", 6 }, { "checkpoint-", 11 }, { "identity", 8 } };
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            if (str_starts(str_from(entry->d_name), kinds[i]) && str_ends(str_from(entry->d_name), STR(".new")))
                unlinkat(f->fd, entry->d_name, 0);
    closedir(dir);
}

void
folder_list_fini(struct folder_list *list)
{
    mem_free(list->segments);
    mem_free(list->spares);
    *list = (struct folder_list){ .n_segments = 0 };
}

int
folder_sync(const struct folder *f)
{
    return fsync(f->fd) == 0 ? 0 : -errno;
}

int
folder_rename(const struct folder *f, const char *from, const char *to)
{
    return renameat(f->fd, from, f->fd, to) == 0 ? folder_sync(f) : -errno;
}

int
folder_remove(const struct folder *f, const char *name)
{
    return unlinkat(f->fd, name, 0) == 0 ? folder_sync(f) : -errno;
}

int
folder_free_bytes(const struct folder *f, uint64_t *ret_bytes)
{
    struct statvfs v;

    if (fstatvfs(f->fd, &v) != 0)
        return -errno;
    *ret_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

int
folder_write(const struct folder *f, const char *name, struct str text)
{
    char fresh[FOLDER_NAME_BYTES];
    int fd, error;

    snprintf(fresh, sizeof(fresh), "%s.new", name);
    fd = openat(f->fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    error = file_write_at(fd, text, 0);
    if (!error && fsync(fd) != 0)
        error = -errno;
    close(fd);
    crash_point(CRASH_AT_IDENTITY_AFTER_SYNC);
    if (!error && renameat(f->fd, fresh, f->fd, name) != 0)
        error = -errno;
    crash_point(CRASH_AT_IDENTITY_AFTER_RENAME);
    return error ? error : folder_sync(f);
}

int
folder_read(const struct folder *f, const char *name, size_t limit, struct buf *out)
{
    int fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
    size_t before = buf_len(out);
    struct stat st;

    if (fd < 0)
        return -errno;
    error = fstat(fd, &st) != 0 ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : (uint64_t)st.st_size > limit ? -EFBIG : 0;
    if (!error && st.st_size) {
        error = file_read_at(fd, buf_reserve(out, (size_t)st.st_size), (size_t)st.st_size, 0);
        buf_commit(out, (size_t)st.st_size);
    }
    close(fd);
    if (error)
        buf_truncate(out, before);
    return error;
}

/* --- what it must be able to do ---------------------------------------------------------------------------------- */

/* statfs(2) and linux/magic.h. */
static const struct {
    uint64_t type;
    const char *name;
} not_local[] = {
    { 0x6969, "NFS" }, { 0x517b, "SMB" }, { 0xfe534d42, "SMB" }, { 0xff534d42, "CIFS" }, { 0x5346414f, "AFS" },
    { 0x6b414653, "AFS" }, { 0x73757245, "Coda" }, { 0x564c, "NCP" }, { 0x01021997, "9P" }, { 0x00c36400, "Ceph" },
    { 0x0bd00bd0, "Lustre" }, { 0x19830326, "BeeGFS" }, { 0x47504653, "GPFS" },
    { 0x786f4256, "a shared folder of VirtualBox" },
    { 0x65735546, "FUSE" }, /* sshfs, s3fs, GlusterFS, virtiofs: what is behind it cannot be told */
};

const char *
folder_type_refused(uint64_t f_type)
{
    for (unsigned i = 0; i < sizeof(not_local) / sizeof(not_local[0]); i++)
        if (not_local[i].type == (f_type & 0xffffffff))
            return not_local[i].name;
    return NULL;
}

bool
folder_type_is_memory(uint64_t f_type)
{
    return f_type == 0x01021994 || f_type == 0x858458f6; /* tmpfs, ramfs */
}

static int
refuse(struct folder *f, int error, struct buf *ret_error, const char *format, ...)
{
    va_list args;

    buf_printf(ret_error, "%s: ", f->path);
    va_start(args, format);
    buf_vprintf(ret_error, format, args);
    va_end(args);
    folder_close(f);
    return error;
}

/* Does a lock keep others out? On some file systems it only seems to. */
static int
check_lock(struct folder *f, struct buf *ret_error)
{
    int other = openat(f->fd, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool is_kept_out = other >= 0 && flock(other, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (other >= 0)
        close(other);
    return is_kept_out ? 0 : refuse(f, -ENOLCK, ret_error, "locks do not work in this file system");
}

static int
lock(struct folder *f, struct buf *ret_error)
{
    f->lock_fd = openat(f->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->lock_fd < 0)
        return refuse(f, -errno, ret_error, "no file can be written there: %s", strerror(errno));
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return check_lock(f, ret_error);
    if (errno == EWOULDBLOCK)
        return refuse(f, -EWOULDBLOCK, ret_error, "another process has this journal open");
    return refuse(f, -errno, ret_error, "it cannot be locked: %s", strerror(errno));
}

static int
check_kind(struct folder *f, struct buf *ret_error)
{
    const char *kind;
    struct statfs s;

    if (fstatfs(f->fd, &s) != 0)
        return refuse(f, -errno, ret_error, "its file system cannot be asked: %s", strerror(errno));
    kind = folder_type_refused((uint64_t)s.f_type);
    return kind ? refuse(f, -ENOTSUP, ret_error, "it is on %s; a journal needs a disk of this machine", kind) : 0;
}

static int
check_sync(struct folder *f, struct buf *ret_error)
{
    int error = file_write_at(f->lock_fd, STR("\n"), 0);

    if (error)
        return refuse(f, error, ret_error, "nothing can be written there: %s", strerror(-error));
    if (fsync(f->lock_fd) != 0 || fdatasync(f->lock_fd) != 0 || fsync(f->fd) != 0)
        return refuse(f, -errno, ret_error, "fsync does not work there: %s", strerror(errno));
    return 0;
}

int
folder_open_to_read(struct folder *f, const char *dir, struct buf *ret_error)
{
    *f = (struct folder){ .fd = -1, .lock_fd = -1 };
    snprintf(f->path, sizeof(f->path), "%s", dir);
    f->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->fd >= 0 ? 0 : refuse(f, -errno, ret_error, "%s", strerror(errno));
}

int
folder_open(struct folder *f, const char *dir, struct buf *ret_error)
{
    int error = folder_open_to_read(f, dir, ret_error);

    if (!error)
        error = check_kind(f, ret_error);
    if (!error)
        error = lock(f, ret_error);
    return error ? error : check_sync(f, ret_error);
}

void
folder_close(struct folder *f)
{
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = f->lock_fd = -1;
}
