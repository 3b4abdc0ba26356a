/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of traceparent, valid and not, by W3C Trace Context §3.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/base/random.h"
#include "proxy/http/trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const struct row {
    const char *value;
    bool is_valid;
} rows[] = {
    { "00-" ID "-" PARENT "-01", true },
    { "00-" ID "-" PARENT "-00", true },
    { "00-" ID "-" PARENT "-ff", true }, /* flags that are not known are no reason */
    { "00-00000000000000000000000000000001-0000000000000001-00", true },
    /* later versions */
    { "01-" ID "-" PARENT "-01", true },
    { "cc-" ID "-" PARENT "-01-what-the-future-will-be-like", true },
    { "cc-" ID "-" PARENT "-01-", true },
    { "cc-" ID "-" PARENT "-01.what", false },
    { "cc-" ID "-" PARENT "-011", false },
    { "ff-" ID "-" PARENT "-01", false },
    /* version 00 is 55 bytes long */
    { "00-" ID "-" PARENT "-01-", false },
    { "00-" ID "-" PARENT "-01-00", false },
    { "00-" ID "-" PARENT "-0", false },
    { "00-" ID "-" PARENT "", false },
    { "00-" ID "-" PARENT "-", false },
    { "", false },
    { "00", false },
    /* zeros */
    { "00-00000000000000000000000000000000-" PARENT "-01", false },
    { "00-" ID "-0000000000000000-01", false },
    /* lower-case hexadecimal only */
    { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", false },
    { "00-" ID "-00F067AA0BA902B7-01", false },
    { "00-" ID "-" PARENT "-0G", false },
    { "00-" ID "-" PARENT "-0X", false },
    { "0A-" ID "-" PARENT "-01", false },
    { ".0-" ID "-" PARENT "-01", false },
    { "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01", false },
    { "00-4bf92f3577b34da6a3ce929d0e0e473 -" PARENT "-01", false },
    { "00-" ID "-00f067aa0ba902b.-01", false },
    /* dashes where they belong */
    { "00_" ID "-" PARENT "-01", false },
    { "00-" ID "_" PARENT "-01", false },
    { "00-" ID "-" PARENT "_01", false },
    { "000-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01", false },
    { "00-" ID "-" PARENT "-01,"
      "00-" ID "-" PARENT "-01",
        false },
    { "00-" ID "-" PARENT "-01 ", false },
    { " 00-" ID "-" PARENT "-01", false },
};

static void
test_values(void **state)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trace t;
        bool is_valid = trace_parse(str_from(rows[i].value), &t);

        if (is_valid != rows[i].is_valid)
            fail_msg("%s: %s", rows[i].value, is_valid ? "taken" : "refused");
        assert_int_equal(t.id.len, is_valid ? TRACE_ID_BYTES : 0);
        assert_int_equal(t.parent.len, is_valid ? TRACE_SPAN_BYTES : 0);
    }
}

static void
test_slices(void **state)
{
    struct trace t;

    assert_true(trace_parse(STR("00-" ID "-" PARENT "-01"), &t));
    assert_true(str_eq(t.id, STR(ID)) && str_eq(t.parent, STR(PARENT)));
}

static void
test_two_fields_are_none(void **state)
{
    struct arena arena = { 0 };
    struct message m;
    struct trace t;

    message_init(&m, &arena);
    assert_false(trace_of(&m, &t));
    message_add(&m, STR("traceparent"), STR("00-" ID "-" PARENT "-01"));
    assert_true(trace_of(&m, &t));
    message_add(&m, STR("traceparent"), STR("00-" ID "-" PARENT "-01"));
    assert_false(trace_of(&m, &t));
    assert_int_equal(t.id.len, 0);
    arena_fini(&arena);
}

static void
test_made_ones_are_valid(void **state)
{
    static const uint64_t numbers[][3] = { { 0, 0, 0 }, { UINT64_MAX, UINT64_MAX, UINT64_MAX },
        { 0, 1, 0x0123456789abcdef } };
    char text[TRACE_PARENT_BYTES];
    struct trace t;

    for (unsigned i = 0; i < 3; i++) {
        trace_make(numbers[i], text);
        assert_true(trace_parse(str_make(text, sizeof(text)), &t));
    }
    assert_true(str_eq(str_make(text, sizeof(text)), STR("00-00000000000000000000000000000001-0123456789abcdef-01")));
}

static void
test_random_numbers_differ(void **state)
{
    struct random a, b;
    uint64_t ones = 0;

    random_init(&a);
    random_init(&b);
    assert_true(memcmp(&a, &b, sizeof(a)) != 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = random_next(&a);

        assert_true(x != random_next(&b));
        ones += (uint64_t)__builtin_popcountll(x);
    }
    assert_true(ones > 31000 && ones < 33000); /* 32000 expected, deviation 126 */
}

/* The first numbers of the authors' own program from the state 1, 2, 3, 4. */
static void
test_random_is_xoshiro(void **state)
{
    struct random r = { { 1, 2, 3, 4 } };

    assert_true(random_next(&r) == 11520);
    assert_true(random_next(&r) == 0);
    assert_true(random_next(&r) == 1509978240);
    assert_true(random_next(&r) == 1215971899390074240);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_two_fields_are_none),
        cmocka_unit_test(test_made_ones_are_valid),
        cmocka_unit_test(test_random_numbers_differ),
        cmocka_unit_test(test_random_is_xoshiro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
