/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of writes: written and read back, and what is none.
 */
#include <string.h>

#include "proxy/route/stamp.h"
#include "test/unit/conf_fixture.h"

static struct str
printed(const struct stamp *s, char text[STAMP_LEN])
{
    stamp_print(s, text);
    return str_make(text, STAMP_LEN);
}

static void
check_same(const struct stamp *a, const struct stamp *b)
{
    assert_true(a->journal == b->journal && a->start == b->start && a->data == b->data && a->lsn == b->lsn);
}

static void
test_there_and_back(void **state)
{
    static const struct stamp stamps[] = { { 0, 0, 0, 0 }, { 1, 2, 3, 4 },
        { UINT64_MAX, UINT32_MAX, UINT32_MAX, (UINT64_C(1) << 48) - 1 }, { 1, 0, 0, UINT64_C(1) << 47 } };
    char text[STAMP_LEN];
    struct stamp got;

    for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++) {
        assert_true(stamp_parse(printed(&stamps[i], text), &got));
        check_same(&got, &stamps[i]);
    }
}

/* What edges of other versions and machines must read alike. */
static void
test_form(void **state)
{
    struct stamp s = { stamp_journal(STR("a-journal")), 7, stamp_data(STR("eu"), STR("europe")), 123456 };
    char text[STAMP_LEN];

    assert_memory_equal(printed(&s, text).p, "1yIWQ-D-5JaQHAAAAxgwXnkDiAQAAAI8wOUQ", STAMP_LEN);
}

static void
test_every_byte_counts(void **state)
{
    struct stamp s = { 0x0123456789abcdef, 7, 8, 9 }, got;
    char text[STAMP_LEN];

    printed(&s, text);
    for (unsigned i = 0; i < STAMP_LEN; i++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[STAMP_LEN];

            memcpy(changed, text, STAMP_LEN);
            changed[i] = (char)c;
            assert_int_equal(stamp_parse(str_make(changed, STAMP_LEN), &got), changed[i] == text[i]);
        }
        assert_false(stamp_parse(str_make(text, i), &got));
    }
    assert_false(stamp_parse(STR_NONE, &got));
}

static void
test_lists(void **state)
{
    struct stamp a = { 1, 2, 3, 4 }, b = { 5, 6, 7, 8 }, got;
    char first[STAMP_LEN], second[STAMP_LEN];
    struct arena arena = { 0 };
    struct str list = arena_join(&arena, printed(&a, first), STR(" ,\t"), printed(&b, second));

    assert_true(stamp_take(&list, &got));
    check_same(&got, &a);
    assert_true(stamp_take(&list, &got));
    check_same(&got, &b);
    assert_int_equal(list.len, 0);
    assert_false(stamp_take(&list, &got));
    arena_fini(&arena);
}

static void
test_of_what(void **state)
{
    assert_int_not_equal(stamp_data(STR("eu"), STR("europe")), stamp_data(STR("eu"), STR("asia")));
    assert_int_not_equal(stamp_data(STR("eu"), STR("europe")), stamp_data(STR("us"), STR("europe")));
    assert_int_not_equal(stamp_data(STR("a"), STR("b")), stamp_data(STR("b"), STR("a")));
    assert_true(stamp_journal(STR("a")) != stamp_journal(STR("b")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_of_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
