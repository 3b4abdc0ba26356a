/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/store/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/mem.h"

static int
refuse(const struct chain *c, const char *name, int error, struct buf *ret_error, const char *format, ...)
{
    va_list args;

    buf_printf(ret_error, "%s/%s: ", c->folder->path, name);
    va_start(args, format);
    buf_vprintf(ret_error, format, args);
    va_end(args);
    return error;
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

static int
load_header(const struct chain *c, int fd, const char *name, struct segment_header *ret_header, struct buf *ret_error)
{
    char bytes[SEGMENT_HEADER_BYTES];
    const char *fault;
    struct stat st;
    int error;

    if (fd < 0 || fstat(fd, &st) != 0)
        return refuse(c, name, -errno, ret_error, "it cannot be read: %s", strerror(errno));
    error = st.st_size < SEGMENT_HEADER_BYTES ? 0 : file_read_at(fd, bytes, sizeof(bytes), 0);
    if (error)
        return refuse(c, name, error, ret_error, "offset 0: it cannot be read: %s", strerror(-error));
    fault = segment_header_decode(str_make(bytes, st.st_size < SEGMENT_HEADER_BYTES ? 0 : sizeof(bytes)), ret_header);
    if (fault)
        return refuse(c, name, -EBADMSG, ret_error, "offset 0: %s", fault);
    if (memcmp(&ret_header->uuid, &c->identity.uuid, sizeof(ret_header->uuid)) != 0)
        return refuse(c, name, -EBADMSG, ret_error, "offset 0: it belongs to another journal");
    if ((uint64_t)st.st_size != ret_header->bytes)
        return refuse(c, name, -EBADMSG, ret_error,
            "offset %" PRIu64 ": it was cut short or grew: it has %" PRIu64 " bytes and was made with %" PRIu64
            "; it begins with LSN %" PRIu64,
            (uint64_t)st.st_size < ret_header->bytes ? (uint64_t)st.st_size : ret_header->bytes, (uint64_t)st.st_size,
            ret_header->bytes, ret_header->first_lsn);
    return 0;
}

static int
load_segment(struct chain *c, uint64_t generation, struct buf *ret_error)
{
    struct segment_header *h = &c->segments[c->n_segments];
    char name[FOLDER_NAME_BYTES];
    int fd, error;

    folder_segment_name(generation, name);
    fd = openat(c->folder->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    error = load_header(c, fd, name, h, ret_error);
    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    if (h->generation != generation)
        return refuse(c, name, -EBADMSG, ret_error, "offset 0: it was renamed by somebody");
    if (c->n_segments && h->first_lsn < h[-1].first_lsn)
        return refuse(c, name, -EBADMSG, ret_error,
            "offset 0: it begins with LSN %" PRIu64 ", the one before with LSN %" PRIu64, h->first_lsn,
            h[-1].first_lsn);
    c->n_segments++;
    return 0;
}

int
chain_load(struct chain *c, const struct folder *f, const struct identity *identity, struct buf *ret_error)
{
    struct folder_list list = { .n_segments = 0 };
    int error;

    *c = (struct chain){ .folder = f, .identity = *identity };
    checkpoint_read(f, &identity->uuid, c->slots);
    error = folder_list(f, &list);
    if (error)
        buf_printf(ret_error, "%s: it cannot be listed: %s", f->path, strerror(-error));
    if (!error && list.n_segments == 0 && identity->starts > 0) {
        buf_printf(ret_error, "%s: all segments are gone", f->path);
        error = -EBADMSG;
    }
    if (!error && list.n_segments)
        c->segments = mem_array(list.n_segments, sizeof(*c->segments));
    for (unsigned i = 0; i < list.n_segments && !error; i++)
        error = load_segment(c, list.segments[i], ret_error);
    folder_list_fini(&list);
    return error;
}

void
chain_fini(struct chain *c)
{
    mem_free(c->segments);
    c->segments = NULL;
    checkpoint_slots_fini(c->slots);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

uint64_t
chain_known_lsn(const struct chain *c)
{
    uint64_t known = 0;

    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++) {
        const struct checkpoint_slot *slot = &c->slots[i];

        if (slot->exists && !slot->fault[0] && slot->checkpoint.durable_lsn > known)
            known = slot->checkpoint.durable_lsn;
    }
    return known;
}

int
chain_checkpoint(
    const struct chain *c, const struct checkpoint_slot **ret_slot, struct buf *ret_doubt, struct buf *ret_error)
{
    const struct checkpoint_slot *newest = checkpoint_newest(c->slots);
    uint64_t first = c->n_segments ? c->segments[0].first_lsn : 1;
    uint64_t covers = newest ? newest->checkpoint.covers_lsn : 0;

    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++)
        if (c->slots[i].fault[0])
            buf_printf(ret_doubt, "%s%s", buf_len(ret_doubt) ? "; " : "", c->slots[i].fault);
    *ret_slot = newest;
    if (covers + 1 >= first)
        return 0;
    buf_printf(ret_error,
        "%s: the records from LSN %" PRIu64 " to %" PRIu64 " were trimmed, and no checkpoint covers them%s%s",
        c->folder->path, covers + 1, first - 1, buf_len(ret_doubt) ? ": " : "",
        buf_len(ret_doubt) ? "" : "; the files of the checkpoints are missing");
    buf_add(ret_error, buf_str(ret_doubt));
    return -EBADMSG;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

static int
explain_loss(const struct chain *c, const char *name, const struct segment_scan *s, uint64_t known_lsn,
    const struct record *proof, size_t proof_at, struct buf *ret_error)
{
    refuse(c, name, 0, ret_error, "offset %zu: LSN %" PRIu64 " cannot be read: %s; ", s->at, s->lsn + 1,
        record_fault_text(s->fault));
    if (proof->lsn == s->lsn + 1)
        buf_printf(ret_error, "it begins at offset %zu, and what was before it is gone", proof_at);
    else if (proof->lsn)
        buf_printf(ret_error, "LSN %" PRIu64 " at offset %zu was written when it was durable", proof->lsn, proof_at);
    else if (s->stop_lsn)
        buf_printf(ret_error, "the next segment begins with LSN %" PRIu64, s->stop_lsn);
    else if (s->goes_on)
        buf_printf(ret_error, "the next segment is missing: this one says that there is one");
    else
        buf_printf(ret_error, "it was durable: a checkpoint was written at LSN %" PRIu64,
            known_lsn > s->lsn ? known_lsn : s->durable_lsn);
    return -EBADMSG;
}

static int
scan_bytes(const struct chain *c, const char *name, struct segment_scan *s, chain_each_fn *each, void *arg,
    struct buf *ret_error)
{
    uint64_t known_lsn = chain_known_lsn(c);
    struct record r, proof = { .lsn = 0 };
    size_t proof_at = 0;
    int error;

    segment_scan_begin(s);
    while (segment_next(s, &r)) {
        error = each ? each(&r, s->at - r.bytes, arg) : 0;
        if (error)
            return error;
    }
    if (s->stop_lsn)
        return s->fault == RECORD_OK ? 0 : explain_loss(c, name, s, known_lsn, &proof, 0, ret_error);
    if (segment_may_end(s, known_lsn, &proof, &proof_at))
        return 0;
    return explain_loss(c, name, s, known_lsn, &proof, proof_at, ret_error);
}

int
chain_scan(const struct chain *c, unsigned segment, chain_each_fn *each, void *arg, struct segment_scan *ret_scan,
    struct buf *ret_error)
{
    const struct segment_header *h = &c->segments[segment];
    struct segment_scan s = { .header = *h, .stop_lsn = segment + 1 < c->n_segments ? h[1].first_lsn : 0 };
    char name[FOLDER_NAME_BYTES];
    struct buf bytes = { 0 };
    int error;

    folder_segment_name(h->generation, name);
    error = folder_read(c->folder, name, h->bytes, &bytes);
    if (error) {
        refuse(c, name, error, ret_error, "it cannot be read: %s", strerror(-error));
    } else {
        s.bytes = buf_str(&bytes);
        error = scan_bytes(c, name, &s, each, arg, ret_error);
        s.bytes = STR_NONE;
        *ret_scan = s;
    }
    buf_fini(&bytes);
    return error;
}
