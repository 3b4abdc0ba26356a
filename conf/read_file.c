/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file of this folder that touches the file system. The size that the system tells is not believed (it is zero
 * below /proc): a file is read to its end.
 */
#include "conf/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/buf.h"

enum { CHUNK = 16384 };

static const char *
read_to_end(int fd, size_t limit, struct buf *out)
{
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, CHUNK), CHUNK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerrordesc_np(errno);
        if (n == 0)
            return NULL;
        buf_commit(out, (size_t)n);
        if (buf_len(out) > limit)
            return "it is too large";
    }
}

static const char *
read_open(int fd, size_t limit, struct buf *out)
{
    struct stat st;
    const char *error;

    if (fstat(fd, &st) != 0)
        return strerrordesc_np(errno);
    if (S_ISDIR(st.st_mode))
        return "it is a directory";
    if (!S_ISREG(st.st_mode))
        return "it is not a regular file";
    error = read_to_end(fd, limit, out);
    if (!error && buf_len(out) && memchr(buf_str(out).p, '\0', buf_len(out)))
        return "it is not text: it holds a zero byte";
    return error;
}

const char *
read_file(struct str path, size_t limit, struct arena *arena, struct str *ret_text)
{
    char name[PATH_MAX];
    struct buf text = { 0 };
    const char *error;
    int fd;

    if (path.len == 0 || path.len >= sizeof(name) || memchr(path.p, '\0', path.len))
        return "that is no file name";
    memcpy(name, path.p, path.len);
    name[path.len] = '\0';
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerrordesc_np(errno);
    error = read_open(fd, limit, &text);
    close(fd);
    if (!error && str_starts(buf_str(&text), STR("\xef\xbb\xbf")))
        buf_consume(&text, 3);
    if (!error)
        *ret_text = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return error;
}
