/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/route/answer.h"

static void
test_location(void **state)
{
    static const char *const cases[][3] = {
        { "/dashboard/", "", "/dashboard/" },
        { "dashboard/", "", "dashboard/" },
        { "?page=2", "", "?page=2" },
        { "", "", "/" },
        { "http://10.0.0.7:6333/a?b=http://c", "", "/a?b=http://c" },
        { "HTTPS://inner/a", "", "/a" },
        { "http://inner", "", "/" },
        { "http://inner?x", "", "?x" },
        { "//inner:80/a", "", "/a" },
        { "http://me:secret@inner/a", "", "/a" },
        { "http:/a", "", "/a" },
        { "http:////a", "", "//a" },
        { "http://inner/q/1/a", "/q/1", "/a" },
        { "http://inner/q/1", "/q/1", "/" },
        { "http://inner/q/10/a", "/q/1", "/q/10/a" },
        { "/q/1?x", "/q/1", "?x" },
        { "/other", "/q/1", "/other" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str got = answer_location(str_from(cases[i][0]), str_from(cases[i][1]));

        if (!str_eq(got, str_from(cases[i][2])))
            fail_msg("%s: " STR_FMT, cases[i][0], STR_ARG(got));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_location) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
