/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/store/renew.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/crash_point.h"
#include "proxy/store/chain.h"
#include "proxy/store/journal_impl.h"

#define TAKES_OVER "takes-over"
enum { HOMES_BYTES = 64 * 1024, ASIDE_MAX = 10000 };

/* --- what is there ----------------------------------------------------------------------------------------------- */

/* All of it can be read, and an owner has worked with it: it left a checkpoint. */
static bool
is_good(const struct folder *f, uint64_t *ret_last)
{
    struct chain chain = { .n_segments = 0 };
    const struct checkpoint_slot *slot = NULL;
    struct identity identity;
    struct buf error = { 0 }, doubt = { 0 };
    struct segment_scan s = { .at = 0 };
    bool is = identity_read(f, &identity, &error) == 0 && chain_load(&chain, f, &identity, &error) == 0;

    for (unsigned i = 0; is && i < chain.n_segments; i++)
        is = chain_scan(&chain, i, NULL, NULL, &s, &error) == 0;
    is = is && chain_checkpoint(&chain, &slot, &doubt, &error) == 0 && slot;
    *ret_last = s.lsn;
    chain_fini(&chain);
    buf_fini(&error);
    buf_fini(&doubt);
    return is;
}

/* --- putting it aside -------------------------------------------------------------------------------------------- */

static bool
is_spare(const char *name)
{
    return str_starts(str_from(name), STR("spare-"));
}

static bool
is_part(const char *name)
{
    struct str s = str_from(name);

    return str_starts(s, STR("identity")) || str_starts(s, STR("segment-")) || str_starts(s, STR("checkpoint-")) ||
           str_starts(s, STR(TAKES_OVER)) || is_spare(name);
}

/* A fresh directory in it; -1 and errno. */
static int
open_aside(const struct folder *f, char ret_name[FOLDER_NAME_BYTES])
{
    for (unsigned i = 1; i < ASIDE_MAX; i++) {
        snprintf(ret_name, FOLDER_NAME_BYTES, "old-%u", i);
        if (mkdirat(f->fd, ret_name, 0700) == 0)
            return openat(f->fd, ret_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* Spare files hold nothing, and take room. */
static int
move(const struct folder *f, const char *name, int aside)
{
    int error = is_spare(name) ? unlinkat(f->fd, name, 0) : renameat(f->fd, name, aside, name);

    return error ? -errno : 0;
}

static int
each_part(const struct folder *f, int (*fn)(const struct folder *f, const char *name, int arg), int arg)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!dir)
        return -errno;
    while (!error && (entry = readdir(dir))) {
        if (is_part(entry->d_name))
            error = fn(f, entry->d_name, arg);
    }
    closedir(dir);
    return error;
}

static int
find(const struct folder *f, const char *name, int arg)
{
    return -EEXIST;
}

/* Without its identity no start takes what is left. */
static int
put_aside(const struct folder *f, int aside)
{
    int error = renameat(f->fd, "identity", aside, "identity") == 0 || errno == ENOENT ? folder_sync(f) : -errno;

    crash_point(CRASH_AT_RENEW_IDENTITY_ASIDE);
    if (!error)
        error = each_part(f, move, aside);
    if (!error && fsync(aside) != 0)
        error = -errno;
    return error ? error : folder_sync(f);
}

/* --- the new one ------------------------------------------------------------------------------------------------- */

static int
begin(const struct folder *f, struct buf *out, struct buf *err)
{
    char uuid[UUID_TEXT_BYTES];
    struct identity identity;
    int error;

    identity_draw(&identity);
    error = folder_write(f, TAKES_OVER, STR(""));
    crash_point(CRASH_AT_RENEW_MAY_TAKE);
    if (error)
        buf_printf(err, "%s/" TAKES_OVER ": it cannot be written: %s", f->path, strerror(-error));
    else
        error = identity_write(f, &identity, err);
    crash_point(CRASH_AT_RENEW_DONE);
    journal_uuid_print(&identity.uuid, uuid);
    if (!error)
        buf_printf(out, "%s: a new journal, %s\n", f->path, uuid);
    return error;
}

static int
replace(const struct folder *f, struct buf *out, struct buf *err)
{
    char name[FOLDER_NAME_BYTES];
    int aside = open_aside(f, name), error = aside < 0 ? -errno : 0;

    crash_point(CRASH_AT_RENEW_BEGUN);
    if (!error)
        error = put_aside(f, aside);
    crash_point(CRASH_AT_RENEW_ALL_ASIDE);
    if (aside >= 0)
        close(aside);
    if (error) {
        buf_printf(err, "%s/%s: what is there cannot be put aside: %s", f->path, name, strerror(-error));
        return error;
    }
    error = begin(f, out, err);
    if (!error)
        buf_printf(out, "%s/%s: what was there; Sextant needs it no more\n", f->path, name);
    return error;
}

static int
renew(const struct folder *f, bool replaces, struct buf *out, struct buf *err)
{
    uint64_t last;

    if (each_part(f, find, 0) == 0)
        return begin(f, out, err);
    if (!replaces && is_good(f, &last)) {
        buf_printf(err,
            "%s: there is a journal of %llu records, which is whole: start the edge with it, or say --replace to put "
            "it aside",
            f->path, (unsigned long long)last);
        return -EEXIST;
    }
    return replace(f, out, err);
}

int
journal_renew(const char *dir, bool replaces, struct buf *out, struct buf *err)
{
    struct folder f;
    int error = folder_open(&f, dir, err);

    if (error)
        return error;
    error = renew(&f, replaces, out, err);
    folder_close(&f);
    return error;
}

/* --- what it has taken ------------------------------------------------------------------------------------------- */

bool
journal_takes_over(const struct journal *j, struct str home)
{
    struct buf text = { 0 };
    struct str rest, line;
    bool takes = folder_read(&j->folder, TAKES_OVER, HOMES_BYTES, &text) == 0;

    for (rest = buf_str(&text); takes && rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        takes = !str_eq(line, home);
    }
    buf_fini(&text);
    return takes;
}

int
journal_took_over(struct journal *j, struct str home, bool is_last)
{
    struct buf text = { 0 };
    int error;

    if (is_last)
        return folder_remove(&j->folder, TAKES_OVER);
    error = folder_read(&j->folder, TAKES_OVER, HOMES_BYTES, &text);
    buf_printf(&text, STR_FMT "\n", STR_ARG(home));
    if (!error)
        error = folder_write(&j->folder, TAKES_OVER, buf_str(&text));
    buf_fini(&text);
    return error;
}
