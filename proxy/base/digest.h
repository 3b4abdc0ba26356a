/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_DIGEST_H
#define SEXTANT_BASE_DIGEST_H

/* SHA-256, HMAC-SHA-256, comparison in constant time and base64url: all that keys and tokens need. Any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/str.h"

enum { DIGEST_BYTES = 32, DIGEST_BASE64_LEN = 43 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest digest_sha256(struct str data);
struct digest digest_hmac_sha256(struct str key, struct str data);
/* The time it takes does not depend on the bytes. Of secrets compare digests, so that their length does not show either. */
bool digest_equal(const struct digest *a, const struct digest *b);

/* RFC 4648 §5 without padding, as JWTs have it (RFC 7515 §2). `ret_text` has room for base64_len(data.len) bytes, and
 * gets no NUL. */
size_t base64_len(size_t n);
void base64_encode(struct str data, char *ret_text);
/* False, unless the text is exactly what encoding some bytes gives: no padding, no other alphabet, no bits left over.
 * `ret_bytes` has room for text.len bytes. */
bool base64_decode(struct str text, char *ret_bytes, size_t *ret_len);

#endif
