/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *
read_open(int fd, size_t limit, struct arena *arena, struct str *ret_text)
{
    struct stat st;
    char *text;
    size_t have = 0;

    if (fstat(fd, &st) != 0)
        return strerrordesc_np(errno);
    if (S_ISDIR(st.st_mode))
        return "it is a directory";
    if (st.st_size < 0 || (size_t)st.st_size > limit)
        return "it is too large";
    text = arena_alloc(arena, (size_t)st.st_size + 1);
    while (have < (size_t)st.st_size) {
        ssize_t n = read(fd, text + have, (size_t)st.st_size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerrordesc_np(errno);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *ret_text = str_make(text, have);
    return NULL;
}

const char *
read_file(struct str path, size_t limit, struct arena *arena, struct str *ret_text)
{
    char name[PATH_MAX];
    const char *error;
    int fd;

    if (path.len == 0 || path.len >= sizeof(name) || memchr(path.p, '\0', path.len))
        return "not a file name";
    memcpy(name, path.p, path.len);
    name[path.len] = '\0';
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerrordesc_np(errno);
    error = read_open(fd, limit, arena, ret_text);
    close(fd);
    return error;
}
