/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "proxy/sync/lexicon.h"

static void
test_numbers(void **state)
{
    struct lexicon *x = lexicon_new();
    uint32_t a = lexicon_number(x, STR("a")), b = lexicon_number(x, STR("b"));

    assert_int_equal(lexicon_number(x, STR_NONE), 0);
    assert_int_not_equal(a, b);
    assert_int_equal(lexicon_number(x, STR("a")), a);
    assert_true(str_eq(lexicon_name(x, b), STR("b")));
    assert_int_equal(lexicon_name(x, 3).len, 0);
    lexicon_forget(x, STR("a"));
    assert_false(lexicon_is_current(x, a));
    assert_true(str_eq(lexicon_name(x, a), STR("a"))); /* for the log */
    assert_int_not_equal(lexicon_number(x, STR("a")), a);
    lexicon_free(x);
}

static void
test_as_bytes(void **state)
{
    struct lexicon *x = lexicon_new(), *y;
    struct buf bytes = { 0 };
    struct str in;

    for (unsigned i = 0; i < 40; i++) {
        char name[16];

        lexicon_number(x, str_make(name, (size_t)snprintf(name, sizeof(name), "name %u", i % 30)));
        if (i == 10)
            lexicon_forget(x, STR("name 3"));
    }
    lexicon_encode(x, &bytes);
    buf_add(&bytes, STR("more"));
    in = buf_str(&bytes);
    y = lexicon_new();
    assert_true(lexicon_decode(y, &in));
    assert_true(str_eq(in, STR("more")));
    assert_int_equal(lexicon_number(y, STR("name 3")), lexicon_number(x, STR("name 3")));
    assert_int_equal(lexicon_number(y, STR("new")), lexicon_number(x, STR("new")));
    lexicon_free(y);
    for (size_t n = 0; n < buf_len(&bytes) - 4; n++) { /* nothing shorter will do */
        in = str_make(buf_str(&bytes).p, n);
        y = lexicon_new();
        assert_false(lexicon_decode(y, &in));
        lexicon_free(y);
    }
    lexicon_free(x);
    buf_fini(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_as_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
