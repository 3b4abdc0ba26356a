/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_FAIL_H
#define SEXTANT_BASE_FAIL_H

/* What a request can meet; the list and its meaning stand in fail.def. FAIL_NONE is zero. */

#include <stdint.h>

enum fail {
#define FAIL(id, status, blame, retry, sentence) FAIL_##id,
#include "proxy/base/fail.def"
#undef FAIL
    FAIL_COUNT
};

enum fail_blame { BLAME_CLIENT, BLAME_POLICY, BLAME_UPSTREAM, BLAME_US };
enum fail_retry { RETRY_NEVER, RETRY_SAFE, RETRY_ANY };

struct fail_info {
    const char *code; /* "NO_HEALTHY_CLUSTER" */
    uint16_t status;
    enum fail_blame blame;
    enum fail_retry retry;
    const char *sentence;
};

const struct fail_info *fail_info(enum fail fail);

#endif
