/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/fail.h"

#include <assert.h>

static const struct fail_info infos[FAIL_COUNT] = {
#define FAIL(id, status, blame, retry, sentence) [FAIL_##id] = { #id, status, BLAME_##blame, RETRY_##retry, sentence },
#include "proxy/base/fail.def"
#undef FAIL
};

const struct fail_info *
fail_info(enum fail fail)
{
    assert((unsigned)fail < FAIL_COUNT);
    return &infos[fail];
}
