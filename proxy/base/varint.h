/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_VARINT_H
#define SEXTANT_BASE_VARINT_H

/* Numbers of 1 to 10 bytes, small ones short (LEB128), and texts after their length, for what is kept in files. */

#include "proxy/base/buf.h"

void varint_put(struct buf *out, uint64_t value);
void varint_put_str(struct buf *out, struct str text);

/* Taken off the front of *io. False, with *io undefined: cut off, longer than needed be, or more than `max`. */
bool varint_take(struct str *io, uint64_t max, uint64_t *ret_value);
bool varint_take_str(struct str *io, struct str *ret_text);

#endif
