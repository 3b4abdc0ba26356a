/* SPDX-License-Identifier: Apache-2.0
 *
 * The readers of the journal's files. The first byte says what the others are: a checkpoint, an identity, the records of a segment
 * as they are, or a program that writes such records with right sums and wrong everything else, as bytes at random never get
 * past a sum. Whatever it is: nothing beyond the bytes is read, what is taken is in order, and reading it again gives the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "proxy/store/checkpoint.h"
#include "proxy/store/identity.h"
#include "proxy/store/segment.h"

enum { FIRST_LSN = 100, ROOM = 16 * 1024 };
static const uint64_t stamp = UINT64_C(0x5eed5eed5eed);

struct program {
    const uint8_t *p, *end;
    char *bytes;
    size_t at, size;
    uint64_t lsn, durable;
    uint32_t start;
    bool is_proper; /* so far what a journal would write */
};

static uint8_t
take(struct program *g)
{
    return g->p < g->end ? *g->p++ : 0;
}

static void
put(struct program *g, uint8_t kind, uint8_t flags, size_t len, uint64_t its_stamp)
{
    struct record r = { .kind = kind, .flags = flags, .lsn = g->lsn, .ref = g->at, .payload = { NULL, len } };

    if (g->at + record_bytes(len) > g->size)
        return;
    record_draft(&r, g->bytes + g->at);
    memset(g->bytes + g->at + RECORD_HEADER_BYTES, take(g), record_bytes(len) - RECORD_HEADER_BYTES);
    g->at += record_finish(g->bytes + g->at, g->durable, its_stamp, g->start);
}

static void
step(struct program *g)
{
    uint8_t code = take(g), value = take(g);

    switch (code % 10) {
    case 0: /* a record of the batch */
    case 1:
        g->lsn++;
        put(g, (uint8_t)(1 + value % 7), 0, value, stamp);
        return;
    case 2: /* the batch is durable */
        g->durable = g->lsn;
        return;
    case 3:
        g->durable = g->lsn;
        put(g, RECORD_KIND_SEAL, 0, 0, stamp);
        return;
    case 4: /* another start */
        g->start++;
        g->durable = g->lsn;
        put(g, RECORD_KIND_SEAL, 0, 0, stamp);
        return;
    default:
        g->is_proper = false;
        break;
    }
    switch (code % 10) {
    case 5:
        g->lsn += (uint64_t)(int64_t)(int8_t)value;
        break;
    case 6:
        g->durable += (uint64_t)(int64_t)(int8_t)value;
        break;
    case 7:
        g->start += (uint32_t)(int8_t)value;
        put(g, value % 2, 1, value, stamp);
        break;
    case 8: /* go somewhere else */
        g->at = g->at > (size_t)value * 8 + SEGMENT_HEADER_BYTES ? g->at - (size_t)value * 8 : g->at + value;
        g->at = g->at > g->size ? g->size : g->at;
        break;
    case 9:
        if (value < 128)
            put(g, 1, 0, value, stamp + value);
        else
            g->bytes[SEGMENT_HEADER_BYTES + (size_t)take(g) * value % (g->size - SEGMENT_HEADER_BYTES)] ^= (char)value;
        break;
    }
}

static struct segment_scan
scan(struct str bytes, const struct segment_header *h, uint64_t stop_lsn)
{
    struct segment_scan s = { .bytes = bytes, .header = *h, .stop_lsn = stop_lsn };
    struct record r, proof;
    uint64_t want = h->first_lsn;
    size_t at;

    segment_scan_begin(&s);
    for (; segment_next(&s, &r); want++) {
        assert(r.lsn == want && r.kind != RECORD_KIND_SEAL && r.stamp == h->stamp && r.durable_lsn < r.lsn);
        assert(r.payload.p >= bytes.p && r.payload.p + r.payload.len <= bytes.p + bytes.len);
    }
    assert(s.lsn == want - 1 && s.tail_at <= s.at && s.at <= bytes.len && record_fault_text(s.fault));
    assert(!stop_lsn || s.lsn < stop_lsn || stop_lsn <= h->first_lsn);
    if (segment_may_end(&s, 0, &proof, &at))
        assert(!segment_may_end(&s, s.lsn + 1, &proof, &at) && s.durable_lsn <= s.lsn);
    else if (proof.lsn || proof.stamp)
        assert(at >= s.at && at + RECORD_HEADER_BYTES <= bytes.len);
    return s;
}

static void
check_records(struct str bytes, const struct segment_header *h)
{
    struct segment_scan all = scan(bytes, h, 0), part;

    /* The segment as if another one followed it, from any of its records on. */
    for (uint64_t stop = h->first_lsn; stop <= all.lsn + 1; stop += 1 + (all.lsn - h->first_lsn) / 5) {
        part = scan(bytes, h, stop);
        assert(part.fault == RECORD_OK && part.lsn + 1 == stop && part.at <= all.at);
    }
}

static void
run(const uint8_t *data, size_t size, bool is_raw)
{
    struct segment_header h = { .generation = 1, .stamp = stamp, .first_lsn = FIRST_LSN }, read;
    struct program g = { .p = data,
        .end = data + size,
        .at = SEGMENT_HEADER_BYTES,
        .lsn = FIRST_LSN - 1,
        .durable = FIRST_LSN - 1,
        .start = 1,
        .is_proper = !is_raw };
    char *bytes;

    g.size = is_raw ? SEGMENT_HEADER_BYTES + size : ROOM;
    h.bytes = g.size;
    bytes = g.bytes = calloc(1, g.size);
    if (!bytes)
        abort();
    segment_header_encode(&h, bytes);
    assert(!segment_header_decode(str_make(bytes, g.size), &read) && read.stamp == stamp && read.bytes == g.size);
    if (is_raw)
        memcpy(bytes + SEGMENT_HEADER_BYTES, data, size);
    else
        while (g.p < g.end)
            step(&g);
    check_records(str_make(bytes, g.size), &h);
    if (g.is_proper && g.at + 512 < g.size)
        assert(scan(str_make(bytes, g.size), &h, 0).at == g.at);
    free(bytes);
}

static void
check_identity(struct str text)
{
    struct identity i;
    struct buf again = { 0 };

    if (!identity_parse(text, &i))
        return;
    identity_print(&i, &again);
    assert(str_eq(buf_str(&again), text));
    buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest;
    struct checkpoint c;

    if (size == 0)
        return 0;
    rest = str_make((const char *)data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
        if (!checkpoint_decode(rest, &c))
            assert(c.bytes.p >= rest.p && c.bytes.p + c.bytes.len == rest.p + rest.len);
        break;
    case 1:
        check_identity(rest);
        break;
    case 2:
        run(data + 1, size - 1, true);
        break;
    default:
        run(data + 1, size - 1, false);
        break;
    }
    return 0;
}
