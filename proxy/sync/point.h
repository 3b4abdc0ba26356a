/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_POINT_H
#define SEXTANT_SYNC_POINT_H

/* Ids of points in one form, whatever their spelling: a number of 64 bits, or a UUID, which Qdrant takes in four forms
 * (hyphenated, 32 digits, in braces, after "urn:uuid:"), digits in either case, and prints hyphenated in lower case. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/buf.h"
#include "proxy/base/json.h"

struct point_id {
    uint64_t hi, lo; /* of a UUID the first and the last eight bytes; a number stands in `lo` */
    bool is_uuid;
};

enum { POINT_TEXT_MAX = 36 };

/* As Qdrant reads an id in a body. False: it is none, or may be read in two ways. */
bool point_of_json(struct json value, struct point_id *ret_id);
bool point_of_text(
    struct str json, struct point_id *ret_id); /* the same from the bytes of the value; none with escapes */
bool point_of_number(struct str text, struct point_id *ret_id); /* 0 to 2^64 - 1, in digits alone */
bool point_of_uuid(struct str text, struct point_id *ret_id);

/* As Qdrant prints it, without quotes. Gives the length. */
unsigned point_text(const struct point_id *id, char room[POINT_TEXT_MAX]);
void point_put_json(const struct point_id *id, struct buf *out); /* a number, or a string in quotes */

/* A UUID in its 16 bytes. */
void point_put_bytes(const struct point_id *id, char bytes[16]);
struct point_id point_of_bytes(const char bytes[16]);

/* Qdrant's order: numbers, then UUIDs by their bytes. */
int point_compare(const struct point_id *a, const struct point_id *b);

static inline bool
point_eq(const struct point_id *a, const struct point_id *b)
{
    return a->lo == b->lo && a->hi == b->hi && a->is_uuid == b->is_uuid;
}

#endif
