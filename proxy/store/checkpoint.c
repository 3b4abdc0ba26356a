/* SPDX-License-Identifier: Apache-2.0
 *
 *   write: checkpoint-N.new → write → fdatasync → rename to checkpoint-N (N: sequence modulo 2) → fsync of the directory
 */
#include "proxy/store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/crc32c.h"
#include "proxy/base/le.h"

#define CHECKPOINT_MAGIC "SXTCHKP1"
enum { HEADER_BYTES = 96, SUM_AT = HEADER_BYTES - 4 };

static void
encode_header(const struct checkpoint *c, char ret_bytes[HEADER_BYTES])
{
    memset(ret_bytes, 0, HEADER_BYTES);
    memcpy(ret_bytes, CHECKPOINT_MAGIC, 8);
    le32_put(ret_bytes + 8, CHECKPOINT_VERSION);
    le32_put(ret_bytes + 12, HEADER_BYTES);
    le64_put(ret_bytes + 16, c->sequence);
    le64_put(ret_bytes + 24, c->covers_lsn);
    le64_put(ret_bytes + 32, c->durable_lsn);
    le64_put(ret_bytes + 40, (uint64_t)c->wall_us);
    le64_put(ret_bytes + 48, c->bytes.len);
    memcpy(ret_bytes + 56, c->uuid.bytes, JOURNAL_UUID_BYTES);
    le32_put(ret_bytes + 72, crc32c(0, c->bytes));
    le32_put(ret_bytes + SUM_AT, crc32c(0, str_make(ret_bytes, SUM_AT)));
}

const char *
checkpoint_decode(struct str file, struct checkpoint *ret_checkpoint)
{
    const char *p = file.p;
    struct str bytes;

    if (file.len < HEADER_BYTES)
        return "it is shorter than the header of a checkpoint";
    if (memcmp(p, CHECKPOINT_MAGIC, 8) != 0)
        return "it does not begin like a checkpoint";
    if (le32_get(p + SUM_AT) != crc32c(0, str_make(p, SUM_AT)))
        return "the sum of its header is wrong";
    if (le32_get(p + 8) != CHECKPOINT_VERSION || le32_get(p + 12) != HEADER_BYTES)
        return "it was written by a version of Sextant that this one does not know";
    bytes = str_skip(file, HEADER_BYTES);
    if (bytes.len != le64_get(p + 48))
        return "it has not the length that its header tells";
    if (le32_get(p + 72) != crc32c(0, bytes))
        return "the sum of its content is wrong";
    *ret_checkpoint = (struct checkpoint){
        .sequence = le64_get(p + 16),
        .covers_lsn = le64_get(p + 24),
        .durable_lsn = le64_get(p + 32),
        .wall_us = (int64_t)le64_get(p + 40),
        .bytes = bytes,
    };
    memcpy(ret_checkpoint->uuid.bytes, p + 56, JOURNAL_UUID_BYTES);
    return NULL;
}

static void
slot_name(uint64_t sequence, const char *end, char ret_name[FOLDER_NAME_BYTES])
{
    snprintf(ret_name, FOLDER_NAME_BYTES, "checkpoint-%u%s", (unsigned)(sequence % CHECKPOINT_SLOTS), end);
}

int
checkpoint_write(const struct folder *f, const struct checkpoint *c)
{
    char header[HEADER_BYTES], fresh[FOLDER_NAME_BYTES], name[FOLDER_NAME_BYTES];
    int fd, error;

    crash_point(CRASH_AT_CHECKPOINT_BEFORE_WRITE);
    slot_name(c->sequence, ".new", fresh);
    slot_name(c->sequence, "", name);
    encode_header(c, header);
    fd = openat(f->fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    error = file_write_at(fd, str_make(header, sizeof(header)), 0);
    crash_point(CRASH_AT_CHECKPOINT_IN_WRITE);
    if (!error)
        error = file_write_at(fd, c->bytes, HEADER_BYTES);
    if (!error && fdatasync(fd) != 0)
        error = -errno;
    close(fd);
    crash_point(CRASH_AT_CHECKPOINT_AFTER_SYNC);
    if (!error && renameat(f->fd, fresh, f->fd, name) != 0)
        error = -errno;
    crash_point(CRASH_AT_CHECKPOINT_AFTER_RENAME);
    if (error)
        unlinkat(f->fd, fresh, 0);
    return error ? error : folder_sync(f);
}

static void
read_slot(const struct folder *f, const struct journal_uuid *uuid, unsigned slot, struct checkpoint_slot *ret_slot)
{
    char name[FOLDER_NAME_BYTES];
    const char *fault = NULL;
    int error;

    *ret_slot = (struct checkpoint_slot){ .exists = true };
    slot_name(slot, "", name);
    error = folder_read(f, name, CHECKPOINT_BYTES_MAX, &ret_slot->file);
    if (error == -ENOENT) {
        ret_slot->exists = false;
        return;
    }
    if (!error)
        fault = checkpoint_decode(buf_str(&ret_slot->file), &ret_slot->checkpoint);
    if (error)
        snprintf(ret_slot->fault, sizeof(ret_slot->fault), "%s cannot be read: %s", name, strerror(-error));
    else if (fault)
        snprintf(ret_slot->fault, sizeof(ret_slot->fault), "%s: %s", name, fault);
    else if (memcmp(&ret_slot->checkpoint.uuid, uuid, sizeof(*uuid)) != 0)
        snprintf(ret_slot->fault, sizeof(ret_slot->fault), "%s belongs to another journal", name);
    else if (ret_slot->checkpoint.sequence % CHECKPOINT_SLOTS != slot)
        snprintf(ret_slot->fault, sizeof(ret_slot->fault), "%s was renamed by somebody", name);
}

void
checkpoint_read(
    const struct folder *f, const struct journal_uuid *uuid, struct checkpoint_slot ret_slots[CHECKPOINT_SLOTS])
{
    for (unsigned slot = 0; slot < CHECKPOINT_SLOTS; slot++)
        read_slot(f, uuid, slot, &ret_slots[slot]);
}

const struct checkpoint_slot *
checkpoint_newest(const struct checkpoint_slot slots[CHECKPOINT_SLOTS])
{
    const struct checkpoint_slot *newest = NULL;

    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++)
        if (slots[i].exists && !slots[i].fault[0] &&
            (!newest || slots[i].checkpoint.sequence > newest->checkpoint.sequence))
            newest = &slots[i];
    return newest;
}

void
checkpoint_slots_fini(struct checkpoint_slot slots[CHECKPOINT_SLOTS])
{
    for (unsigned i = 0; i < CHECKPOINT_SLOTS; i++)
        buf_fini(&slots[i].file);
}
