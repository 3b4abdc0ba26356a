/* SPDX-License-Identifier: Apache-2.0
 *
 * What edges tell each other: written and read back, and what is not read.
 */
#include "proxy/route/hop.h"
#include "test/unit/conf_fixture.h"

static void
test_there_and_back(void **state)
{
    static const struct hop hops[] = { { { "us", 2 }, 0x0f3a000000000001, 2500, { "asia,oceania", 12 } },
        { { "", 0 }, UINT64_MAX, 0, { "10.0.0.0/8", 10 } }, { { "a-b_c", 5 }, 0, 1, { "-", 1 } } };
    struct arena arena = { 0 };

    for (size_t i = 0; i < sizeof(hops) / sizeof(*hops); i++) {
        struct hop got;

        assert_true(hop_parse(hop_print(&hops[i], &arena), &got));
        assert_true(str_eq(got.from, hops[i].from) && str_eq(got.partition, hops[i].partition));
        assert_true(got.line == hops[i].line && got.within_ms == hops[i].within_ms);
    }
    arena_fini(&arena);
}

static void
test_what_is_not_read(void **state)
{
    static const char *const texts[] = { "", "1", "2 from=a line=0000000000000000 within=1 partition=*",
        "1 from=a line=000000000000000 within=1 partition=*", "1 from=a line=000000000000000G within=1 partition=*",
        "1 from=a line=0000000000000000 within=-1 partition=*",
        "1 from=a line=0000000000000000 within=86400001 partition=*",
        "1 from=a line=0000000000000000 within=1 partition=", "1 from=a within=1 line=0000000000000000 partition=*",
        "1 line=0000000000000000 within=1 partition=*", "1 from=a line=0000000000000000 within=1" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct hop hop;

        if (hop_parse(str_from(texts[i]), &hop))
            fail_msg("taken: %s", texts[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_not_read) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
