/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_MMDB_VALUE_H
#define SEXTANT_GEOIP_MMDB_VALUE_H

/* Values as a MaxMind database writes them (MaxMind DB file format 2.0), in its data section and in its metadata. Pure, and
 * bounded in depth and work whatever the bytes are: libmaxminddb before 1.13 can be led to overflow the stack by nested maps,
 * so it is never asked to read what has not been read here first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/base/str.h"

enum mmdb_type {
    MMDB_POINTER = 1,
    MMDB_UTF8,
    MMDB_DOUBLE,
    MMDB_BYTES,
    MMDB_UINT16,
    MMDB_UINT32,
    MMDB_MAP,
    MMDB_INT32,
    MMDB_UINT64,
    MMDB_UINT128,
    MMDB_ARRAY,
    MMDB_CONTAINER,
    MMDB_END,
    MMDB_BOOLEAN,
    MMDB_FLOAT
};

struct mmdb_value {
    enum mmdb_type type;
    uint32_t size; /* bytes, or pairs and elements */
    size_t at;     /* of the content; where a pointer leads */
    size_t after;  /* of the value as written */
};

struct mmdb_reader {
    const uint8_t *data;
    size_t size;
    uint64_t steps_left; /* values that may still be read */
};

/* The value at `at`. False: it is damaged, or the steps are used up. */
bool mmdb_read(struct mmdb_reader *r, size_t at, struct mmdb_value *ret_value);
/* The same, and what it points to if it is a pointer; `after` stays that of the pointer. */
bool mmdb_read_through(struct mmdb_reader *r, size_t at, struct mmdb_value *ret_value);
/* Where the value at `at` ends, with all that is in it. False: damaged, or nested more than 32 deep. */
bool mmdb_skip(struct mmdb_reader *r, size_t at, size_t *ret_after);

struct str mmdb_text(const struct mmdb_reader *r, const struct mmdb_value *v); /* empty if it is no text */
/* Any finite number, also one written as text. */
bool mmdb_number(const struct mmdb_reader *r, const struct mmdb_value *v, double *ret_number);
bool mmdb_unsigned(const struct mmdb_reader *r, const struct mmdb_value *v, uint64_t *ret_number);

#endif
