/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/base/fail.h"

static void
test_every_failure_says_something(void **state)
{
    for (enum fail f = FAIL_NONE + 1; f < FAIL_COUNT; f++) {
        const struct fail_info *info = fail_info(f);

        if (!info->code[0] || strlen(info->sentence) < 15 || strchr(info->sentence, '"'))
            fail_msg("%s: %s", info->code, info->sentence);
        if (info->status < 400 || info->status > 599)
            fail_msg("%s: status %u", info->code, info->status);
        for (enum fail g = f + 1; g < FAIL_COUNT; g++)
            assert_string_not_equal(info->code, fail_info(g)->code);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_failure_says_something) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
