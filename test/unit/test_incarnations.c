/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/incarnations.h"

#define N STR("notes")

static void
expect(const struct incarnations *incs, enum inc_state state, const char *inc)
{
    struct str got;

    assert_int_equal(incs_state(incs, N, &got), state);
    assert_true(str_eq(got, str_from(inc)));
}

static void
test_life(void **state)
{
    struct incarnations *incs = incs_new();

    expect(incs, INC_NONE, "");
    incs_set(incs, N, STR("a"), INC_UNSURE);
    incs_saw(incs, N, true, STR("a"));
    expect(incs, INC_LIVE, "a");
    incs_saw(incs, N, false, STR_NONE); /* an emptied home is no record */
    expect(incs, INC_LIVE, "a");
    incs_saw(incs, N, true, STR("stranger"));
    expect(incs, INC_LIVE, "a");
    assert_false(incs_is_deleted(incs, N, STR("a")));
    incs_delete(incs, N, STR("a"));
    incs_set(incs, N, STR("a"), INC_UNSURE);
    assert_true(incs_is_deleted(incs, N, STR("a")));
    incs_saw(incs, N, true, STR("a")); /* it was not done after all */
    assert_false(incs_is_deleted(incs, N, STR("a")));
    incs_delete(incs, N, STR("a"));
    incs_set(incs, N, STR("a"), INC_UNSURE);
    incs_saw(incs, N, false, STR_NONE);
    expect(incs, INC_GONE, "a");
    assert_true(incs_is_deleted(incs, N, STR("a")));
    assert_false(incs_is_deleted(incs, STR("other"), STR("a")));
    assert_false(incs_is_deleted(incs, N, STR_NONE));
    incs_free(incs);
}

static void
test_bytes(void **state)
{
    struct incarnations *incs = incs_new(), *again = incs_new(), *cut = incs_new();
    struct buf bytes = { 0 };
    struct str io;
    char name[2] = "A";

    for (int i = 0; i < 50; i++, name[0]++)
        incs_delete(incs, N, str_from(name));
    incs_set(incs, N, STR("live"), INC_LIVE);
    assert_false(incs_is_deleted(incs, N, STR("A"))); /* only the last few */
    incs_encode(incs, &bytes);
    io = buf_str(&bytes);
    assert_true(incs_decode(again, &io) && io.len == 0);
    expect(again, INC_LIVE, "live");
    name[0]--;
    assert_true(incs_is_deleted(again, N, str_from(name)));
    io = buf_str(&bytes);
    io.len--;
    assert_false(incs_decode(cut, &io));
    buf_fini(&bytes);
    incs_free(incs);
    incs_free(again);
    incs_free(cut);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_life), cmocka_unit_test(test_bytes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
