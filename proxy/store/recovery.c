/* SPDX-License-Identifier: Apache-2.0
 *
 *   directory → identity → headers and checkpoints → records, to the owner → the tail written again and synced → seal
 *
 * 1. Nothing is changed before everything was read and found whole.
 * 2. The tail, of which nothing says that it was durable, may be in the page cache only: it is written again and synced before
 *    anybody is told of it, else a power cut could take what this start acted upon.
 * 3. A new journal draws its identity before its first segment and counts its first start after that: from then on, a directory
 *    without segments is one that lost them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/store/chain.h"
#include "proxy/store/journal_impl.h"

struct recovering {
    struct journal *j;
    const struct journal_recovery *owner;
    struct chain chain;
    struct segment_scan tail; /* of the last segment */
    uint64_t from_lsn;
    struct buf *error;
};

/* --- what is there ----------------------------------------------------------------------------------------------- */

static bool
is_empty(const struct folder *f)
{
    struct folder_list list = { .n_segments = 0 };
    bool is = folder_list(f, &list) == 0 && list.n_segments == 0;

    folder_list_fini(&list);
    return is && faccessat(f->fd, "checkpoint-0", F_OK, 0) != 0 && faccessat(f->fd, "checkpoint-1", F_OK, 0) != 0;
}

static int
find_identity(struct recovering *r, bool may_make)
{
    struct journal *j = r->j;
    int error = identity_read(&j->folder, &j->identity, r->error);

    if (error != -ENOENT)
        return error;
    if (!is_empty(&j->folder)) {
        buf_printf(r->error, "%s/identity: it is missing, but there are segments or checkpoints", j->folder.path);
        return -EBADMSG;
    }
    if (!may_make) {
        buf_printf(r->error, "%s: there is no journal", j->folder.path);
        return -ENOENT;
    }
    identity_draw(&j->identity);
    return identity_write(&j->folder, &j->identity, r->error);
}

static int
on_record(const struct record *record, size_t at, void *arg)
{
    struct recovering *r = arg;
    struct journal_record out = { .lsn = record->lsn,
        .kind = record->kind,
        .ref = record->ref,
        .wall_us = record->wall_us,
        .payload = record->payload };

    return record->lsn < r->from_lsn || !r->owner->on_record ? 0 : r->owner->on_record(&out, r->owner->arg);
}

/* Segments that hold nothing which the owner wants are not read: what they hold is looked at when it is asked for. */
static int
scan(struct recovering *r)
{
    const struct chain *c = &r->chain;
    int error = 0;

    for (unsigned i = 0; i < c->n_segments && !error; i++) {
        bool is_last = i + 1 == c->n_segments;

        if (!is_last && c->segments[i + 1].first_lsn <= r->from_lsn)
            continue;
        error = chain_scan(c, i, on_record, r, &r->tail, r->error);
    }
    if (error && buf_len(r->error) == 0)
        buf_printf(r->error, "%s: the owner of the journal refuses a record: %s", r->j->folder.path, strerror(-error));
    return error;
}

static int
tell_owner(struct recovering *r)
{
    const struct checkpoint_slot *slot;
    struct buf doubt = { 0 };
    int error = chain_checkpoint(&r->chain, &slot, &doubt, r->error);
    uint64_t covers = slot ? slot->checkpoint.covers_lsn : 0;

    if (!error && buf_len(&doubt))
        log_warning("journal %s: a checkpoint is damaged, another one will do: " STR_FMT, r->j->folder.path,
            STR_ARG(buf_str(&doubt)));
    buf_fini(&doubt);
    if (error)
        return error;
    r->from_lsn = covers + 1;
    if (r->owner->on_checkpoint) {
        uint64_t from = r->owner->on_checkpoint(covers, slot ? slot->checkpoint.bytes : STR_NONE, r->owner->arg);

        r->from_lsn = from < r->from_lsn ? from : r->from_lsn;
    }
    return scan(r);
}

/* --- and how it goes on ------------------------------------------------------------------------------------------ */

static void
adopt(struct recovering *r)
{
    struct journal *j = r->j;
    uint64_t last = 0;

    for (unsigned i = 0; i < r->chain.n_segments; i++) {
        const struct segment_header *h = &r->chain.segments[i];
        struct segment s = {
            .generation = h->generation, .first_lsn = h->first_lsn, .bytes = h->bytes, .stamp = h->stamp
        };

        segment_add_locked(j, &s);
        j->writer.generation = h->generation;
        last = r->tail.lsn;
    }
    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++) {
        const struct checkpoint_slot *slot = &r->chain.slots[i];

        if (!slot->exists || slot->fault[0])
            continue;
        j->shared.covers_lsn[i] = slot->checkpoint.covers_lsn;
        if (slot->checkpoint.sequence > j->shared.checkpoint_sequence) {
            j->shared.checkpoint_sequence = slot->checkpoint.sequence;
            j->shared.stats.covers_lsn = slot->checkpoint.covers_lsn;
        }
    }
    atomic_store(&j->durable_lsn, last);
    j->next_lsn = last + 1;
}

static int
rewrite_tail(struct recovering *r, int fd)
{
    size_t len = r->tail.at - r->tail.tail_at;
    char *bytes;
    int error;

    if (len == 0)
        return 0;
    bytes = mem_alloc(len);
    error = file_read_at(fd, bytes, len, r->tail.tail_at);
    crash_point(CRASH_AT_RECOVERY_BEFORE_REWRITE);
    if (!error)
        error = file_write_at(fd, str_make(bytes, len), r->tail.tail_at);
    crash_point(CRASH_AT_RECOVERY_AFTER_REWRITE);
    mem_free(bytes);
    return error;
}

static int
resume(struct recovering *r)
{
    const struct segment_header *last = &r->chain.segments[r->chain.n_segments - 1];
    struct journal *j = r->j;
    char name[FOLDER_NAME_BYTES];
    int error;

    folder_segment_name(last->generation, name);
    j->writer.fd = openat(j->folder.fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    error = j->writer.fd < 0 ? -errno : rewrite_tail(r, j->writer.fd);
    if (!error && fdatasync(j->writer.fd) != 0)
        error = -errno;
    crash_point(CRASH_AT_RECOVERY_AFTER_SYNC);
    j->writer.at = j->shared.active_at = r->tail.at;
    j->writer.stamp = last->stamp;
    j->writer.bytes = last->bytes;
    j->writer.indexed_at = r->tail.at;
    if (!error && writer_can_seal(j))
        error = writer_seal(j);
    crash_point(CRASH_AT_RECOVERY_SEALED);
    j->shared.active_at = j->writer.at;
    if (error)
        buf_printf(
            r->error, "%s/%s: its last records cannot be written again: %s", j->folder.path, name, strerror(-error));
    return error;
}

static void
adopt_spares(struct journal *j, const struct folder_list *list)
{
    char name[FOLDER_NAME_BYTES];
    struct stat st;

    for (unsigned i = 0; i < list->n_spares; i++) {
        folder_spare_name(list->spares[i], name);
        j->shared.next_spare = list->spares[i] + 1;
        if (j->shared.n_spares < SPARES_KEPT && fstatat(j->folder.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && (uint64_t)st.st_size == j->segment_bytes)
            j->shared.spares[j->shared.n_spares++] = list->spares[i];
        else
            unlinkat(j->folder.fd, name, 0);
    }
}

/* Room for the files that a working journal has: the one written to, the next, the one for outcomes. */
static int
check_space(struct recovering *r)
{
    struct journal *j = r->j;
    unsigned have = (j->shared.n_segments ? 1 : 0) + j->shared.n_spares, need = 1 + SPARES_WANTED;
    uint64_t missing = have < need ? (need - have) * j->segment_bytes : 0;
    int error = folder_free_bytes(&j->folder, &j->shared.disk_free);

    if (error || j->shared.disk_free >= missing)
        return error;
    buf_printf(r->error, "%s: the disk has %" PRIu64 " MB free, the journal needs %" PRIu64 " MB to begin with",
        j->folder.path, j->shared.disk_free >> 20, missing >> 20);
    return -ENOSPC;
}

static int
prepare_spares(struct recovering *r)
{
    struct journal *j = r->j;
    struct folder_list list = { .n_segments = 0 };
    int error = folder_list(&j->folder, &list);

    if (!error) {
        folder_sweep(&j->folder);
        adopt_spares(j, &list);
        error = check_space(r);
    }
    folder_list_fini(&list);
    if (!error && j->shared.n_segments == 0 && j->shared.n_spares == 0)
        error = upkeep_make_spare(j);
    if (error && buf_len(r->error) == 0)
        buf_printf(r->error, "%s: no file for records can be made: %s", j->folder.path, strerror(-error));
    return error;
}

static int
begin(struct recovering *r)
{
    struct journal *j = r->j;
    int error;

    j->is_new = r->chain.n_segments == 0;
    adopt(r);
    error = prepare_spares(r);
    j->identity.starts++;
    if (!error && !j->is_new)
        error = identity_write(&j->folder, &j->identity, r->error);
    if (error)
        return error;
    if (!j->is_new)
        return resume(r);
    error = writer_install(j, NULL, 0, 1);
    if (error)
        buf_printf(r->error, "%s: the first segment cannot be made: %s", j->folder.path, strerror(-error));
    return error ? error : identity_write(&j->folder, &j->identity, r->error);
}

int
journal_recover(struct journal *j, const struct journal_options *options, const struct journal_recovery *recovery,
    struct buf *ret_error)
{
    struct recovering r = { .j = j, .owner = recovery, .error = ret_error };
    struct statfs s;
    int error = find_identity(&r, options->may_make);

    if (error)
        return error;
    j->is_in_memory = fstatfs(j->folder.fd, &s) == 0 && folder_type_is_memory((uint64_t)s.f_type);
    error = chain_load(&r.chain, &j->folder, &j->identity, ret_error);
    if (!error)
        error = tell_owner(&r);
    if (!error)
        error = begin(&r);
    chain_fini(&r.chain);
    return error;
}
