/* SPDX-License-Identifier: Apache-2.0
 *
 * Beyond not crashing: a verdict, once given, stays the same whatever bytes follow, and nothing is waited for beyond the
 * longest header.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/net/proxy_protocol.h"

static void
check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_make((const char *)data, size);
    int verdict = 0;

    for (size_t len = 0; len <= size; len = len < 300 ? len + 1 : len + 97) {
        struct proxy_header h;
        int n;

        memset(&h, 0xaa, sizeof(h));
        n = proxy_header_parse(str_make(input.p, len), &h);
        check(n >= -1 && n <= (int)len);
        check(verdict == 0 || n == verdict);
        check(n != 0 || len < 16 + 4096);
        if (n > 0) {
            check(h.is_local ? h.source.family == 0 : h.source.family == 4 || h.source.family == 6);
            check(h.is_local ? h.destination.family == 0 : h.destination.family == 4 || h.destination.family == 6);
        }
        verdict = n;
    }
    return 0;
}
