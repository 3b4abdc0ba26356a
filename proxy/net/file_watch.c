/* SPDX-License-Identifier: Apache-2.0
 *
 * Any event in a watched directory makes the files be looked at again; what counts is whether what a path leads to (device,
 * inode, size, time) is another than before. So renames, symbolic links swapped underneath (as Kubernetes does) and plain
 * writes are all seen, and other files beside them are not.
 */
#include "proxy/net/file_watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

enum { QUIET_US = 200 * 1000 };

struct identity {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

struct file_watch {
    struct loop *loop;
    int fd;
    struct fd_watch *watch;
    struct timer quiet;
    char **paths;
    struct identity *seen;
    unsigned n;
    void (*fn)(void *arg);
    void *arg;
};

static struct identity
identify(const char *path)
{
    struct stat st;
    struct identity id;

    memset(&id, 0, sizeof(id));
    if (stat(path, &st) == 0) {
        id.dev = st.st_dev;
        id.ino = st.st_ino;
        id.size = st.st_size;
        id.mtime = st.st_mtim;
    }
    return id;
}

static void
on_quiet(void *arg)
{
    struct file_watch *w = arg;
    bool is_changed = false;

    for (unsigned i = 0; i < w->n; i++) {
        struct identity now = identify(w->paths[i]);

        if (memcmp(&now, &w->seen[i], sizeof(now)) != 0) {
            w->seen[i] = now;
            is_changed = true;
        }
    }
    if (is_changed)
        w->fn(w->arg);
}

static void
on_event(unsigned what, void *arg)
{
    struct file_watch *w = arg;
    char events[4096];

    while (read(w->fd, events, sizeof(events)) > 0)
        continue;
    timer_set(&w->quiet, QUIET_US);
}

static int
watch_directory(struct file_watch *w, const char *path)
{
    char copy[PATH_MAX];
    uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MODIFY | IN_ATTRIB;

    if (strlen(path) >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, path, strlen(path) + 1);
    return inotify_add_watch(w->fd, dirname(copy), mask) < 0 ? -errno : 0;
}

/* The directory where the file itself lies, when the path leads through links to another one. */
static void
watch_target(struct file_watch *w, const char *path)
{
    char real[PATH_MAX];

    if (realpath(path, real))
        (void)watch_directory(w, real);
}

struct file_watch *
file_watch_new(struct loop *loop, const char *const *paths, unsigned n, void (*fn)(void *arg), void *arg, int *ret_error)
{
    struct file_watch *w = MEM_NEW(struct file_watch);

    w->loop = loop;
    w->fn = fn;
    w->arg = arg;
    timer_init(&w->quiet, loop, on_quiet, w);
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        *ret_error = -errno;
        file_watch_free(w);
        return NULL;
    }
    w->paths = mem_array(n, sizeof(*w->paths));
    w->seen = mem_array(n, sizeof(*w->seen));
    for (unsigned i = 0; i < n; i++) {
        int error = watch_directory(w, paths[i]);

        w->paths[w->n++] = mem_dup(paths[i], strlen(paths[i]));
        w->seen[i] = identify(paths[i]);
        watch_target(w, paths[i]);
        if (error && error != -ENOENT) {
            *ret_error = error;
            file_watch_free(w);
            return NULL;
        }
    }
    w->watch = fd_watch_new(loop, w->fd, false, FD_READ, on_event, w);
    return w;
}

void
file_watch_free(struct file_watch *w)
{
    if (!w)
        return;
    fd_watch_free(w->watch);
    timer_fini(&w->quiet);
    if (w->fd >= 0)
        close(w->fd);
    for (unsigned i = 0; i < w->n; i++)
        mem_free(w->paths[i]);
    mem_free(w->paths);
    mem_free(w->seen);
    mem_free(w);
}
