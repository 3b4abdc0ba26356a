/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_SEGMENT_H
#define SEXTANT_STORE_SEGMENT_H

/* The bytes of a segment, and what may be believed of them. Pure: bytes in, decisions out. docs/journal.md describes the format
 * for people; both change together, and the version with them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/base/buf.h"
#include "proxy/base/str.h"

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_HEADER_BYTES = 4096,
    RECORD_HEADER_BYTES = 64,
    RECORD_ALIGN = 8,
    JOURNAL_UUID_BYTES = 16,
};

struct journal_uuid {
    uint8_t bytes[JOURNAL_UUID_BYTES];
};

struct segment_header {
    struct journal_uuid uuid;
    uint64_t generation; /* +1 for every use of a file as a segment: the order of segments */
    uint64_t stamp;      /* drawn at random for every use: each record has it, so that nothing of an earlier use is ever
                            believed, nor what a client wrote into its own payload to look like a record */
    uint64_t first_lsn;  /* everything before it is in the segments before, and nothing from it on */
    uint64_t bytes;      /* of the file, header included */
    int64_t wall_us;
    uint32_t start; /* which start of the process made it */
};

void segment_header_encode(const struct segment_header *h, char ret_bytes[SEGMENT_HEADER_BYTES]);
/* NULL, or what is wrong with it. */
const char *segment_header_decode(struct str bytes, struct segment_header *ret_header);

/* A seal says that all up to its LSN is durable. It takes no LSN of its own. The last one of a segment that is followed by
 * another says so. */
enum { RECORD_KIND_SEAL = 0 };
enum { RECORD_FLAG_GOES_ON = 1 /* of a seal */ };

struct record {
    uint64_t lsn;
    uint64_t durable_lsn; /* all up to it was known durable when this was written */
    uint64_t ref;
    int64_t wall_us;
    uint64_t stamp; /* of the segment's header */
    uint32_t start;
    uint8_t kind, flags;
    struct str payload;
    size_t bytes; /* that it takes in the segment */
};

/* What a payload of so many bytes takes. */
static inline size_t
record_bytes(size_t payload)
{
    return (RECORD_HEADER_BYTES + payload + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* A record is put together in two steps: its owner knows lsn, kind, flags, ref, wall_us and payload.len; durable_lsn, stamp and
 * start are known when it is written. The payload lies at `at` + RECORD_HEADER_BYTES, zeros after it up to record_bytes(). */
void record_draft(const struct record *r, char *at);
size_t record_finish(
    char *at, uint64_t durable_lsn, uint64_t stamp, uint32_t start); /* with both sums; its bytes in all */
size_t record_draft_bytes(const char *at);
uint64_t record_draft_lsn(const char *at);

enum record_fault {
    RECORD_OK,
    RECORD_ABSENT,      /* no record begins here */
    RECORD_BAD_HEADER,  /* one begins, but its header's sum is wrong */
    RECORD_BAD_LENGTH,  /* it would reach beyond the segment */
    RECORD_BAD_PAYLOAD, /* its header is right, its payload is not */
    RECORD_OLD,         /* left by an earlier use of the file, or by writes that an earlier start gave up */
    RECORD_OUT_OF_ORDER,
};
const char *record_fault_text(enum record_fault fault);

/* What begins at the first of the bytes. With RECORD_BAD_PAYLOAD and RECORD_BAD_LENGTH the header's fields are set. */
enum record_fault record_decode(struct str bytes, struct record *ret_record);

/* Going through the records of one segment. Zeroed, then bytes, header and stop_lsn set, then segment_scan_begin(). */
struct segment_scan {
    struct str bytes; /* the whole file */
    struct segment_header header;
    uint64_t
        stop_lsn; /* the first LSN of the next segment: what lies from it on was given up. 0: this is the last segment */

    size_t at;               /* of what was not passed yet */
    uint64_t lsn;            /* the last one passed; before any, header.first_lsn - 1 */
    uint64_t durable_lsn;    /* highest that a record passed, or the segment's being there, proves durable */
    size_t tail_at;          /* where that begins of which no later record says that it was durable */
    uint32_t start;          /* of the last record passed */
    bool goes_on;            /* it says that a next segment exists */
    enum record_fault fault; /* why segment_next() said no; RECORD_OK: it came to stop_lsn or to the end of the file */
};
void segment_scan_begin(struct segment_scan *s);
/* The next record that is none of the journal's own. False at the first place that does not go on. */
bool segment_next(struct segment_scan *s, struct record *ret_record);

/* After segment_next() said no, in the last segment: may what lies from s->at on be dropped as a write that was never
 * acknowledged? `known_lsn`: durable by what is known from elsewhere. False: an acknowledged record is lost, and *ret_proof
 * says which record, where, proves it (lsn 0: `known_lsn` does, or the segment's own word that another follows). */
bool segment_may_end(const struct segment_scan *s, uint64_t known_lsn, struct record *ret_proof, size_t *ret_at);

#endif
