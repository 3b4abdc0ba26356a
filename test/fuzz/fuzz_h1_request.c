/* SPDX-License-Identifier: Apache-2.0 */
#include "test/fuzz/h1_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    h1_fuzz(H1_REQUESTS, data, size);
    return 0;
}
