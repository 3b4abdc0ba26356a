/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_CODING_H
#define SEXTANT_HTTP_CODING_H

/* Content codings, for the few bodies that must be read (coding.c is the only user of zlib, brotli and zstd). Pure. */

#include "proxy/base/buf.h"
#include "proxy/base/fail.h"

/* Decode a whole body coded as a Content-Encoding value says ("" or identity, gzip, x-gzip, deflate, br, zstd; several
 * by comma, at most three), appending to `out`. FAIL_BAD_BODY: unknown coding, damaged, trailing bytes;
 * FAIL_BODY_TOO_LARGE: more than `limit` bytes come out. */
enum fail coding_decode(struct str content_encoding, struct str body, size_t limit, struct buf *out);

#endif
