/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches directories, not files, because a file that is replaced takes its watch with it: the directory of each path, and
 * that of what the path leads to through links. Directories that don't exist yet are stood for by the nearest that does.
 *
 * Whatever happens there only means "look": when it has been quiet for a while the directories are worked out anew (links
 * may lead elsewhere now), then the files' fingerprints are compared. In this order, so that a change in between is seen.
 * A name of ours that was written or moved in counts as changed even with the same fingerprint, as time stamps are coarse.
 */
#include "proxy/net/file_watch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/loop_impl.h"

#define QUIET_US (200 * USEC_PER_MSEC)
#define LATEST_US (2 * USEC_PER_SEC)
#define INTEREST \
    (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | \
        IN_MOVE_SELF | IN_ONLYDIR)

struct fingerprint {
    bool exists;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct watched_file {
    char *path;
    struct fingerprint seen;
    int here, there; /* watches of its directory and of its target's; -1 when none */
};

struct file_watch {
    struct loop *loop;
    struct event event;
    struct timer quiet;
    int fd;
    bool is_changed;
    int64_t first_us; /* when the unrest began, 0 when it is quiet */
    void (*fn)(void *arg);
    void *arg;
    size_t n;
    struct watched_file *files;
};

static struct fingerprint
look_at(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct fingerprint){ 0 };
    return (struct fingerprint){
        .exists = true, .device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .modified = st.st_mtim
    };
}

static bool
is_same(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->exists == b->exists && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Cut the path to its directory, in place: "a/b" → "a", "b" → ".", "/b" → "/". */
static void
cut_to_directory(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        memcpy(path, ".", 2);
    else
        slash[slash == path] = '\0';
}

/* Watch the directory of a path, or the nearest above it that exists. The watch, or -errno. */
static int
watch_directory(int fd, const char *path)
{
    char directory[PATH_MAX];
    int watch;

    if (strlen(path) >= sizeof(directory))
        return -ENAMETOOLONG;
    memcpy(directory, path, strlen(path) + 1);
    do {
        cut_to_directory(directory);
        watch = inotify_add_watch(fd, directory, INTEREST);
    } while (watch < 0 && (errno == ENOENT || errno == ENOTDIR) && strcmp(directory, "/") != 0 &&
             strcmp(directory, ".") != 0);
    return watch < 0 ? -errno : watch;
}

static bool
is_watch_used(const struct file_watch *w, int watch)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->files[i].here == watch || w->files[i].there == watch)
            return true;
    return false;
}

static void
replace_watch(struct file_watch *w, int *slot, int watch)
{
    int old = *slot;

    *slot = watch < 0 ? -1 : watch;
    if (old >= 0 && !is_watch_used(w, old))
        inotify_rm_watch(w->fd, old); /* fails when the directory is gone, and its watch with it */
}

/* Work out what to watch for one file. 0, or -errno of its own directory's. */
static int
aim(struct file_watch *w, struct watched_file *f)
{
    char target[PATH_MAX];
    int here = watch_directory(w->fd, f->path);

    replace_watch(w, &f->here, here);
    if (realpath(f->path, target))
        replace_watch(w, &f->there, watch_directory(w->fd, target));
    return here < 0 ? here : 0;
}

static void
on_quiet(void *arg)
{
    struct file_watch *w = arg;
    bool is_changed = w->is_changed;

    w->is_changed = false;
    w->first_us = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct watched_file *f = &w->files[i];
        struct fingerprint now;

        aim(w, f);
        now = look_at(f->path);
        is_changed = is_changed || !is_same(&now, &f->seen);
        f->seen = now;
    }
    if (is_changed)
        w->fn(w->arg);
}

static bool
is_one_of_ours(const struct file_watch *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++) {
        const char *slash = strrchr(w->files[i].path, '/');

        if (strcmp(name, slash ? slash + 1 : w->files[i].path) == 0)
            return true;
    }
    return false;
}

static void
note(struct file_watch *w, const struct inotify_event *e)
{
    bool is_written = e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO) && e->len && is_one_of_ours(w, e->name);

    if (is_written || e->mask & IN_Q_OVERFLOW)
        w->is_changed = true;
}

static void
on_notice(evutil_socket_t fd, short what, void *arg)
{
    struct file_watch *w = arg;
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t len = read(w->fd, events, sizeof(events)); /* level-triggered: the rest comes next turn */
    int64_t now_us, left_us;

    loop_touch(w->loop);
    if (len <= 0)
        return;
    for (const char *p = events; p < events + len;) {
        const struct inotify_event *e = (const void *)p;

        note(w, e);
        p += sizeof(*e) + e->len;
    }
    now_us = loop_now_us(w->loop);
    if (w->first_us == 0)
        w->first_us = now_us;
    left_us = w->first_us + LATEST_US - now_us;
    timer_set(&w->quiet, left_us < QUIET_US ? left_us : QUIET_US);
}

int
file_watch_new(struct loop *loop, const char *const *paths, size_t n, void (*fn)(void *arg), void *arg,
    struct file_watch **ret_watch)
{
    struct file_watch *w;
    int error = 0, fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    assert(loop->base);
    if (fd < 0)
        return -errno;
    w = MEM_NEW(struct file_watch);
    *w = (struct file_watch){ .loop = loop, .fd = fd, .fn = fn, .arg = arg, .n = n };
    w->files = mem_array(n, sizeof(*w->files));
    timer_init(&w->quiet, loop, on_quiet, w);
    event_assign(&w->event, loop->base, fd, EV_READ | EV_PERSIST, on_notice, w);
    event_add(&w->event, NULL);
    for (size_t i = 0; i < n; i++)
        w->files[i] = (struct watched_file){ .path = mem_dup(paths[i], strlen(paths[i])), .here = -1, .there = -1 };
    for (size_t i = 0; i < n && !error; i++) {
        error = aim(w, &w->files[i]);
        w->files[i].seen = look_at(paths[i]);
    }
    if (error)
        file_watch_free(w);
    else
        *ret_watch = w;
    return error;
}

bool
file_watch_is_of(const struct file_watch *w, const char *const *paths, size_t n)
{
    for (size_t i = 0; i < n && n == w->n; i++) {
        if (strcmp(w->files[i].path, paths[i]) != 0)
            return false;
    }
    return n == w->n;
}

void
file_watch_free(struct file_watch *w)
{
    if (!w)
        return;
    event_del(&w->event);
    timer_fini(&w->quiet);
    close(w->fd);
    for (size_t i = 0; i < w->n; i++)
        mem_free(w->files[i].path);
    mem_free(w->files);
    mem_free(w);
}
