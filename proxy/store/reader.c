/* SPDX-License-Identifier: Apache-2.0
 *
 * Records again, by their LSN, from the files. A segment's index leads near one, and from there headers lead on; where the record
 * after the last one read begins is known. Segments leave by journal_trim() only, on this same thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/store/journal_impl.h"

/* The segment that has the record, and a place at or before it in there. */
static bool
locate(struct journal *j, uint64_t lsn, struct segment *ret_segment, struct segment_entry *ret_entry)
{
    bool found = false;

    pthread_mutex_lock(&j->shared.lock);
    for (unsigned i = j->shared.n_segments; i-- > 0 && !found;) {
        const struct segment *s = &j->shared.segments[i];

        if (s->first_lsn > lsn)
            continue;
        found = true;
        *ret_segment = *s;
        *ret_entry = (struct segment_entry){ s->first_lsn, SEGMENT_HEADER_BYTES };
        for (unsigned k = 0; k < s->n_index && s->index[k].lsn <= lsn; k++)
            *ret_entry = s->index[k];
    }
    pthread_mutex_unlock(&j->shared.lock);
    return found;
}

static int
open_segment(struct journal *j, uint64_t generation)
{
    char name[FOLDER_NAME_BYTES];

    if (j->reader.fd >= 0 && j->reader.generation == generation)
        return 0;
    if (j->reader.fd >= 0)
        close(j->reader.fd);
    folder_segment_name(generation, name);
    j->reader.fd = openat(j->folder.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    j->reader.generation = generation;
    j->reader.lsn = 0;
    return j->reader.fd < 0 ? -errno : 0;
}

/* The header at `at`, of which the length, LSN and stamp are believed if its sum is right. */
static int
read_header(struct journal *j, const struct segment *s, uint64_t at, struct record *ret_record)
{
    char header[RECORD_HEADER_BYTES];
    enum record_fault fault;
    int error = file_read_at(j->reader.fd, header, sizeof(header), at);

    if (error)
        return error == -ENODATA ? -EBADMSG : error;
    fault = record_decode(str_make(header, sizeof(header)), ret_record);
    if (fault == RECORD_ABSENT || fault == RECORD_BAD_HEADER || ret_record->stamp != s->stamp ||
        at + ret_record->bytes > s->bytes)
        return -EBADMSG;
    return 0;
}

static int
read_whole(struct journal *j, uint64_t at, struct record *r, struct buf *buf)
{
    size_t bytes = r->bytes;
    int error;

    buf_clear(buf);
    error = file_read_at(j->reader.fd, buf_reserve(buf, bytes), bytes, at);
    if (error)
        return error;
    buf_commit(buf, bytes);
    return record_decode(buf_str(buf), r) == RECORD_OK ? 0 : -EBADMSG;
}

int
journal_read(struct journal *j, uint64_t lsn, struct journal_record *ret_record, struct buf *buf)
{
    struct segment_entry at = { 0, 0 };
    struct segment s = { .generation = 0 };
    struct record r = { .lsn = 0 };
    int error;

    if (lsn == 0 || lsn > journal_durable(j) || !locate(j, lsn, &s, &at))
        return -ENOENT;
    error = open_segment(j, s.generation);
    if (!error && j->reader.lsn >= at.lsn && j->reader.lsn <= lsn && j->reader.lsn)
        at = (struct segment_entry){ j->reader.lsn, j->reader.at };
    /* `at.lsn` is the next to come; seals have the LSN before it. */
    for (; !error; at.at += r.bytes) {
        error = read_header(j, &s, at.at, &r);
        if (!error && r.kind != RECORD_KIND_SEAL && r.lsn != at.lsn++)
            error = -EBADMSG;
        if (!error && r.kind != RECORD_KIND_SEAL && r.lsn == lsn)
            break;
    }
    if (!error)
        error = read_whole(j, at.at, &r, buf);
    if (error)
        return error;
    j->reader.lsn = lsn + 1;
    j->reader.at = at.at + r.bytes;
    *ret_record = (struct journal_record){
        .lsn = r.lsn, .kind = r.kind, .ref = r.ref, .wall_us = r.wall_us, .payload = r.payload
    };
    return 0;
}
