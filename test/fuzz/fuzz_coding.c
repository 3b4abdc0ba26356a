/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte chooses the codings. Nothing beyond the limit comes out, nothing is added when it fails, and what comes out
 * does not depend on the limit.
 */
#include <stdlib.h>

#include "proxy/http/coding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = { "gzip", "deflate", "br", "zstd", "br, gzip", "zstd,deflate", "identity" };
    struct buf out = { 0 }, again = { 0 };
    struct str coding, body;

    if (size == 0)
        return 0;
    coding = str_from(codings[data[0] % (sizeof(codings) / sizeof(codings[0]))]);
    body = str_make((const char *)data + 1, size - 1);
    if (coding_decode(coding, body, 20000, &out) == FAIL_NONE) {
        if (buf_len(&out) > 20000 || coding_decode(coding, body, 20001, &again) ||
            (buf_len(&out) && !str_eq(buf_str(&out), buf_str(&again))))
            abort();
        buf_clear(&again);
        if (buf_len(&out) && coding_decode(coding, body, buf_len(&out) - 1, &again) != FAIL_BODY_TOO_LARGE)
            abort();
    }
    if (buf_len(&again) || (buf_len(&out) == 0 && out.start))
        abort();
    buf_fini(&out);
    buf_fini(&again);
    return 0;
}
