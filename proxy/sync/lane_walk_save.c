/* SPDX-License-Identifier: Apache-2.0
 *
 * What a walk is about to have overwritten or deleted at a copy is appended to walk-HOME-COPY.jsonl in the journal's directory, a
 * JSON object a line, before it is marked. The file grows to SEXTANT_WALK_SAVED at most: then what is deleted must be allowed, and
 * what is overwritten goes without.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/sync/walk_impl.h"

static void
put_line(const struct walk *w, const struct walk_task *task, const struct walk_difference *d, struct buf *out)
{
    struct owner *o = w->lane->home->owner;
    struct json_writer j = json_writer(out);
    struct str shard_key = w->n_keys ? w->keys[w->key] : STR_NONE;

    json_begin_object(&j);
    json_key(&j, "time");
    json_put_time(&j, clock_wall_us());
    json_member_str(&j, "cluster", str_from(w->lane->copy));
    json_member_str(&j, "collection", lexicon_name(o->collections, task->collection));
    json_member_str(&j, "what", d->kind == WALK_EXTRA ? STR("deleted") : STR("overwritten"));
    if (shard_key.len) {
        json_key(&j, "shard_key");
        json_put_raw(&j, shard_key);
    }
    json_key(&j, "point");
    buf_add(out, STR("{\"id\":"));
    point_put_json(&d->target->id, out);
    buf_printf(out, ",\"vector\":" STR_FMT ",\"payload\":" STR_FMT "}}\n", STR_ARG(d->target->vector),
        STR_ARG(d->target->payload));
}

/* A file that was made is there after a loss of power only once its directory is durable as well. */
static int
sync_directory(const char *path)
{
    const char *end = strrchr(path, '/');
    char *dir = mem_dup(path, (size_t)(end - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

    mem_free(dir);
    if (fd < 0)
        return -errno;
    error = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return error;
}

/* 0 or -errno; half a line is taken back. Durable when it returns 0: what comes next deletes and overwrites. */
static int
append(const char *path, struct str text, uint64_t limit)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), error = 0;
    struct stat was = { .st_size = 0 };
    ssize_t n;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &was) != 0)
        error = -errno;
    else if ((uint64_t)was.st_size + text.len > limit)
        error = -EFBIG;
    if (error == 0) {
        n = write(fd, text.p, text.len);
        if (n != (ssize_t)text.len)
            error = n < 0 ? -errno : -ENOSPC;
        if (!error && fdatasync(fd) != 0)
            error = -errno;
        if (error && ftruncate(fd, was.st_size) != 0)
            error = -errno;
    }
    close(fd);
    return error == 0 && was.st_size == 0 ? sync_directory(path) : error;
}

static unsigned
count_kind(const struct walk *w, enum walk_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->comparison.n; i++)
        n += w->comparison.differences[i].kind == kind;
    return n;
}

bool
walk_keep(struct walk *w, const struct walk_task *task)
{
    const struct conf *conf = w->lane->home->owner->up->fleet->world->conf;
    struct buf lines = { 0 }, path = { 0 };
    unsigned n_extra = count_kind(w, WALK_EXTRA), n_unlike = count_kind(w, WALK_UNLIKE);
    int error;

    for (unsigned i = 0; i < w->comparison.n; i++) {
        if (w->comparison.differences[i].target)
            put_line(w, task, &w->comparison.differences[i], &lines);
    }
    buf_printf(&path, STR_FMT "/walk-%s-%s.jsonl", STR_ARG(conf->journal_dir), w->lane->home->name, w->lane->copy);
    buf_putc(&path, '\0');
    error = buf_len(&lines) ? append(buf_str(&path).p, buf_str(&lines), conf->walk_saved) : 0;
    if (buf_len(&lines))
        crash_point(CRASH_AT_WALK_KEPT);
    buf_fini(&lines);
    buf_fini(&path);
    if (error && (n_extra == 0 || w->may_delete)) {
        TAILQ_FIRST(&w->tasks)->tally.unsaved += n_extra + n_unlike;
        error = 0;
    }
    if (error)
        snprintf(w->trouble, sizeof(w->trouble), "what it would delete can't be kept: walk-%s-%s.jsonl: %s",
            w->lane->home->name, w->lane->copy,
            error == -EFBIG ? "it is as long as SEXTANT_WALK_SAVED" : strerrordesc_np(-error));
    return error == 0;
}
