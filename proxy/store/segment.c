/* SPDX-License-Identifier: Apache-2.0
 *
 *   segment:  header (4096 bytes) · record · record · … · (zeros, or what an earlier use left)
 *   record:   header (64 bytes) · payload · zeros to a multiple of 8
 *
 * When does a segment end, and when is it broken? Three things decide, and no guess:
 * 1. The writer begins a batch only when the one before is durable, and every record says what was durable when it was written.
 *    So what follows a hole and was written after the hole's place was durable proves a loss; what follows it and was not is part of
 *    the same batch, of which the disk kept some pages and not others, and which nobody was told of.
 * 2. A record without this use's stamp, or of an earlier start than the record before it, was given up once: it is no record.
 * 3. The next segment's first LSN ends this one. What lies behind was written again there, or was never acknowledged.
 */
#include "proxy/store/segment.h"

#include "proxy/base/crc32c.h"
#include "proxy/base/le.h"

#define SEGMENT_MAGIC "SXTSEGM1"
static const uint32_t record_magic = 0x31525853; /* "SXR1" */

enum { SEGMENT_SUM_AT = SEGMENT_HEADER_BYTES - 4, RECORD_SUM_AT = RECORD_HEADER_BYTES - 4 };

void
segment_header_encode(const struct segment_header *h, char ret_bytes[SEGMENT_HEADER_BYTES])
{
    memset(ret_bytes, 0, SEGMENT_HEADER_BYTES);
    memcpy(ret_bytes, SEGMENT_MAGIC, 8);
    le32_put(ret_bytes + 8, SEGMENT_VERSION);
    le32_put(ret_bytes + 12, SEGMENT_HEADER_BYTES);
    le64_put(ret_bytes + 16, h->generation);
    le64_put(ret_bytes + 24, h->first_lsn);
    le64_put(ret_bytes + 32, h->bytes);
    memcpy(ret_bytes + 40, h->uuid.bytes, JOURNAL_UUID_BYTES);
    le64_put(ret_bytes + 56, (uint64_t)h->wall_us);
    le32_put(ret_bytes + 64, h->start);
    le64_put(ret_bytes + 72, h->stamp);
    le32_put(ret_bytes + SEGMENT_SUM_AT, crc32c(0, str_make(ret_bytes, SEGMENT_SUM_AT)));
}

const char *
segment_header_decode(struct str bytes, struct segment_header *ret_header)
{
    const char *p = bytes.p;

    if (bytes.len < SEGMENT_HEADER_BYTES)
        return "it is shorter than the header of a segment";
    if (memcmp(p, SEGMENT_MAGIC, 8) != 0)
        return "it does not begin like a segment";
    if (le32_get(p + SEGMENT_SUM_AT) != crc32c(0, str_make(p, SEGMENT_SUM_AT)))
        return "the sum of its header is wrong";
    if (le32_get(p + 8) != SEGMENT_VERSION || le32_get(p + 12) != SEGMENT_HEADER_BYTES)
        return "it was written by a version of Sextant that this one does not know";
    *ret_header = (struct segment_header){
        .generation = le64_get(p + 16),
        .first_lsn = le64_get(p + 24),
        .bytes = le64_get(p + 32),
        .wall_us = (int64_t)le64_get(p + 56),
        .start = le32_get(p + 64),
        .stamp = le64_get(p + 72),
    };
    memcpy(ret_header->uuid.bytes, p + 40, JOURNAL_UUID_BYTES);
    return ret_header->first_lsn == 0 || ret_header->generation == 0 ? "its header has no LSN or no generation" : NULL;
}

void
record_draft(const struct record *r, char *at)
{
    memset(at, 0, RECORD_HEADER_BYTES);
    le32_put(at, record_magic);
    at[4] = RECORD_HEADER_BYTES;
    at[6] = (char)r->kind;
    at[7] = (char)r->flags;
    le64_put(at + 8, r->lsn);
    le64_put(at + 24, r->ref);
    le64_put(at + 32, (uint64_t)r->wall_us);
    le32_put(at + 52, (uint32_t)r->payload.len);
}

size_t
record_draft_bytes(const char *at)
{
    return record_bytes(le32_get(at + 52));
}

uint64_t
record_draft_lsn(const char *at)
{
    return le64_get(at + 8);
}

size_t
record_finish(char *at, uint64_t durable_lsn, uint64_t stamp, uint32_t start)
{
    size_t bytes = record_draft_bytes(at);

    le64_put(at + 16, durable_lsn);
    le64_put(at + 40, stamp);
    le32_put(at + 48, start);
    le32_put(at + 56, crc32c(0, str_make(at + RECORD_HEADER_BYTES, bytes - RECORD_HEADER_BYTES)));
    le32_put(at + RECORD_SUM_AT, crc32c(0, str_make(at, RECORD_SUM_AT)));
    return bytes;
}

const char *
record_fault_text(enum record_fault fault)
{
    static const char *const texts[] = {
        [RECORD_OK] = "the segment ends",
        [RECORD_ABSENT] = "no record begins there",
        [RECORD_BAD_HEADER] = "the sum of the record's header is wrong",
        [RECORD_BAD_LENGTH] = "the record reaches beyond its segment",
        [RECORD_BAD_PAYLOAD] = "the sum of the record's payload is wrong",
        [RECORD_OLD] = "what lies there is left from an earlier use",
        [RECORD_OUT_OF_ORDER] = "the record there has another LSN",
    };

    return texts[fault];
}

enum record_fault
record_decode(struct str bytes, struct record *ret_record)
{
    const char *p = bytes.p;
    uint32_t length;

    if (bytes.len < RECORD_HEADER_BYTES || le32_get(p) != record_magic)
        return RECORD_ABSENT;
    if (le32_get(p + RECORD_SUM_AT) != crc32c(0, str_make(p, RECORD_SUM_AT)) || p[4] != RECORD_HEADER_BYTES || p[5])
        return RECORD_BAD_HEADER;
    length = le32_get(p + 52);
    *ret_record = (struct record){
        .kind = (uint8_t)p[6],
        .flags = (uint8_t)p[7],
        .lsn = le64_get(p + 8),
        .durable_lsn = le64_get(p + 16),
        .ref = le64_get(p + 24),
        .wall_us = (int64_t)le64_get(p + 32),
        .stamp = le64_get(p + 40),
        .start = le32_get(p + 48),
        .bytes = record_bytes(length),
    };
    if (ret_record->bytes > bytes.len)
        return RECORD_BAD_LENGTH;
    ret_record->payload = str_make(p + RECORD_HEADER_BYTES, length);
    if (le32_get(p + 56) != crc32c(0, str_make(p + RECORD_HEADER_BYTES, ret_record->bytes - RECORD_HEADER_BYTES)))
        return RECORD_BAD_PAYLOAD;
    return RECORD_OK;
}

void
segment_scan_begin(struct segment_scan *s)
{
    s->at = s->tail_at = SEGMENT_HEADER_BYTES;
    s->lsn = s->durable_lsn = s->header.first_lsn - 1;
    s->start = 0;
    s->goes_on = false;
    s->fault = RECORD_OK;
}

/* Does the record follow what was passed? */
static enum record_fault
judge(const struct segment_scan *s, const struct record *r)
{
    if (r->stamp != s->header.stamp || r->start < s->start)
        return RECORD_OLD;
    if (r->kind == RECORD_KIND_SEAL)
        return r->lsn == s->lsn && r->durable_lsn == s->lsn ? RECORD_OK : RECORD_OUT_OF_ORDER;
    return r->lsn == s->lsn + 1 && r->durable_lsn < r->lsn ? RECORD_OK : RECORD_OUT_OF_ORDER;
}

static void
pass(struct segment_scan *s, const struct record *r)
{
    bool is_seal = r->kind == RECORD_KIND_SEAL;

    /* The first record of a batch: all before it is durable. */
    if (!is_seal && r->durable_lsn == s->lsn)
        s->tail_at = s->at;
    if (r->durable_lsn > s->durable_lsn)
        s->durable_lsn = r->durable_lsn;
    s->lsn = r->lsn;
    s->start = r->start;
    s->at += r->bytes;
    if (is_seal) {
        s->tail_at = s->at;
        s->goes_on = r->flags & RECORD_FLAG_GOES_ON;
    }
}

bool
segment_next(struct segment_scan *s, struct record *ret_record)
{
    do {
        if (s->stop_lsn != 0 && s->lsn + 1 >= s->stop_lsn)
            return false;
        s->fault = record_decode(str_skip(s->bytes, s->at), ret_record);
        if (s->fault == RECORD_OK)
            s->fault = judge(s, ret_record);
        if (s->fault != RECORD_OK)
            return false;
        pass(s, ret_record);
    } while (ret_record->kind == RECORD_KIND_SEAL);
    return true;
}

bool
segment_may_end(const struct segment_scan *s, uint64_t known_lsn, struct record *ret_proof, size_t *ret_at)
{
    *ret_proof = (struct record){ .lsn = 0 };
    *ret_at = s->at;
    if (known_lsn > s->lsn || s->durable_lsn > s->lsn || s->goes_on)
        return false;
    for (size_t at = s->at; at + RECORD_HEADER_BYTES <= s->bytes.len; at += RECORD_ALIGN) {
        struct record r = { .lsn = 0 };
        enum record_fault fault = RECORD_ABSENT;

        if (le32_get(s->bytes.p + at) == record_magic)
            fault = record_decode(str_skip(s->bytes, at), &r);
        if (fault == RECORD_ABSENT || fault == RECORD_BAD_HEADER || r.stamp != s->header.stamp || r.start < s->start)
            continue;
        /* The second: the record that is expected here begins further on, behind something that is gone: a seal. */
        if (r.durable_lsn > s->lsn || (r.kind != RECORD_KIND_SEAL && r.lsn == s->lsn + 1 && at > s->at)) {
            *ret_proof = r;
            *ret_at = at;
            return false;
        }
    }
    return true;
}
