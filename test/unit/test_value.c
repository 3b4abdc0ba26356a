/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_fixture.h"

#include "conf/option_table.h"

#define KIB UINT64_C(1024)

static const char whole[] = "expected a whole number";
static const char size[] = "expected a size such as 64KiB, 1MiB or 1048576";
static const char duration[] = "expected a duration such as 250ms, 2s, 5min or 0";
static const char percent[] = "expected a percentage such as 20";

static const struct {
    enum value_type type;
    const char *text;
    double expected; /* -1: an error, the text below */
    const char *error;
} numbers[] = {
    { VALUE_count, "0", 0, NULL },
    { VALUE_count, "42", 42, NULL },
    { VALUE_count, "007", 7, NULL },
    { VALUE_count, "9007199254740992", 9007199254740992.0, NULL },
    { VALUE_count, "9007199254740994", -1, whole },
    { VALUE_count, "99999999999999999999", -1, whole },
    { VALUE_count, "", -1, whole },
    { VALUE_count, "-1", -1, whole },
    { VALUE_count, "+1", -1, whole },
    { VALUE_count, "1.0", -1, whole },
    { VALUE_count, "1 ", -1, whole },
    { VALUE_count, "0x10", -1, whole },
    { VALUE_size, "0", 0, NULL },
    { VALUE_size, "1048576", 1048576, NULL },
    { VALUE_size, "17B", 17, NULL },
    { VALUE_size, "64KiB", 65536, NULL },
    { VALUE_size, "1 MiB", 1048576, NULL },
    { VALUE_size, "1.5MiB", 1572864, NULL },
    { VALUE_size, "2GiB", 2147483648.0, NULL },
    { VALUE_size, "1TiB", 1099511627776.0, NULL },
    { VALUE_size, "1KB", 1000, NULL },
    { VALUE_size, "32MB", 32000000, NULL },
    { VALUE_size, "1GB", 1000000000, NULL },
    { VALUE_size, "0.1B", -1, size },
    { VALUE_size, "9000TiB", -1, size },
    { VALUE_size, "1kb", -1, size },
    { VALUE_size, "1K", -1, size },
    { VALUE_size, "1MiBs", -1, size },
    { VALUE_size, "MiB", -1, size },
    { VALUE_size, "1.2.3", -1, size },
    { VALUE_size, "", -1, size },
    { VALUE_size, "-1MiB", -1, size },
    { VALUE_size, "0x", -1, size },
    { VALUE_msec, "0", 0, NULL },
    { VALUE_msec, "0.0", 0, NULL },
    { VALUE_msec, "250ms", 250, NULL },
    { VALUE_msec, "2s", 2000, NULL },
    { VALUE_msec, "1.5s", 1500, NULL },
    { VALUE_msec, "3m", 180000, NULL },
    { VALUE_msec, "3min", 180000, NULL },
    { VALUE_msec, "2h", 7200000, NULL },
    { VALUE_msec, "1d", 86400000, NULL },
    { VALUE_msec, "5 s", 5000, NULL },
    { VALUE_msec, "2", -1, duration },
    { VALUE_msec, "0.5ms", -1, duration },
    { VALUE_msec, "1 hour", -1, duration },
    { VALUE_msec, "-1s", -1, duration },
    { VALUE_msec, "s", -1, duration },
    { VALUE_msec, "1e3s", -1, duration },
    { VALUE_percent, "20", 20, NULL },
    { VALUE_percent, "12.5", 12.5, NULL },
    { VALUE_percent, "20%", 20, NULL },
    { VALUE_percent, "20 %", 20, NULL },
    { VALUE_percent, "%", -1, percent },
    { VALUE_percent, "20%%", -1, percent },
    { VALUE_percent, "nan", -1, percent },
    { VALUE_percent, "inf", -1, percent },
    { VALUE_percent, "", -1, percent },
};

static void
test_numbers(void **state)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        union {
            uint64_t n;
            double d;
        } field = { .n = 7777 };
        const char *error = value_parse(numbers[i].type, str_from(numbers[i].text), "", "", &field);
        double got = numbers[i].type == VALUE_percent ? field.d : (double)field.n;

        if (numbers[i].error ? !error || strcmp(error, numbers[i].error) != 0 || field.n != 7777
                             : error || got != numbers[i].expected)
            fail_msg("\"%s\": %s, %g", numbers[i].text, error ? error : "no error", got);
    }
}

static void
test_flags(void **state)
{
    static const char *const on[] = { "on", "true", "yes", "1", "ON", "True" };
    static const char *const off[] = { "off", "false", "no", "0", "Off", "FALSE" };
    static const char *const bad[] = { "", "o", "on ", "2", "enabled", "y" };

    for (unsigned i = 0; i < 6; i++) {
        bool a = false, b = true, c = true;

        assert_null(value_parse(VALUE_flag, str_from(on[i]), "", "", &a));
        assert_true(a);
        assert_null(value_parse(VALUE_flag, str_from(off[i]), "", "", &b));
        assert_false(b);
        assert_string_equal(value_parse(VALUE_flag, str_from(bad[i]), "", "", &c), "expected on or off");
        assert_true(c);
    }
}

static void
test_ranges_include_their_ends(void **state)
{
    static const struct {
        enum value_type type;
        const char *text, *min, *max;
        bool is_inside;
    } cases[] = {
        { VALUE_msec, "10ms", "10ms", "1s", true },
        { VALUE_msec, "1s", "10ms", "1s", true },
        { VALUE_msec, "9ms", "10ms", "1s", false },
        { VALUE_msec, "1001ms", "10ms", "1s", false },
        { VALUE_size, "1TiB", "1", "1TiB", true },
        { VALUE_size, "0", "1", "", false },
        { VALUE_count, "100", "", "100", true },
        { VALUE_count, "101", "", "100", false },
        { VALUE_percent, "100.1", "0", "100", false },
        { VALUE_percent, "-0.1", "0", "100", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint64_t field;
        const char *error = value_parse(cases[i].type, str_from(cases[i].text), cases[i].min, cases[i].max, &field);

        if (error != (cases[i].is_inside ? NULL : value_out_of_range))
            fail_msg("%s: %s", cases[i].text, error ? error : "inside");
    }
}

static void
test_print(void **state)
{
    static const struct {
        enum value_type type;
        uint64_t value;
        const char *expected;
    } cases[] = {
        { VALUE_count, 0, "0" },
        { VALUE_count, 12, "12" },
        { VALUE_size, 0, "0" },
        { VALUE_size, 1, "1" },
        { VALUE_size, 1000, "1KB" },
        { VALUE_size, 1024, "1KiB" },
        { VALUE_size, 1025, "1025" },
        { VALUE_size, 1024000, "1000KiB" },
        { VALUE_size, 32 * KIB * KIB, "32MiB" },
        { VALUE_size, KIB * KIB * KIB * KIB, "1TiB" },
        { VALUE_msec, 0, "0" },
        { VALUE_msec, 1, "1ms" },
        { VALUE_msec, 1500, "1500ms" },
        { VALUE_msec, 90000, "90s" },
        { VALUE_msec, 300000, "5min" },
        { VALUE_msec, 3600000, "1h" },
        { VALUE_msec, 86400000, "1d" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf out = { 0 };
        uint64_t again = 0;

        value_print(cases[i].type, &cases[i].value, &out);
        assert_str_equal(buf_str(&out), cases[i].expected);
        assert_null(value_parse(cases[i].type, buf_str(&out), "", "", &again));
        assert_true(again == cases[i].value);
        buf_fini(&out);
    }
}

/* Many values of each type, small and large, come back as they were. */
static void
test_what_is_printed_reads_the_same(void **state)
{
    static const double percents[] = { 0, 20, 0.1, 1.0 / 3, 99.999999999999, 1e-9, 12.5, 100 };

    for (uint64_t n = 1; n < UINT64_C(1) << 53; n = n * 3 + n % 7) {
        for (unsigned type = VALUE_count; type <= VALUE_msec; type++) {
            struct buf out = { 0 };
            uint64_t again = 0;

            value_print((enum value_type)type, &n, &out);
            assert_null(value_parse((enum value_type)type, buf_str(&out), "", "", &again));
            assert_true(again == n);
            buf_fini(&out);
        }
    }
    for (unsigned i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
        struct buf out = { 0 };
        double again = -1;

        value_print(VALUE_percent, &percents[i], &out);
        assert_null(value_parse(VALUE_percent, buf_str(&out), "", "", &again));
        assert_true(again == percents[i]);
        buf_fini(&out);
    }
}

static void
test_options_are_in_their_own_ranges(void **state)
{
    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];
        uint64_t field[2];

        if (!o->name)
            continue;
        if (value_parse(o->type, str_from(o->default_value), o->min, o->max, field) ||
            (*o->min && value_parse(o->type, str_from(o->min), "", o->max, field)) ||
            (*o->max && value_parse(o->type, str_from(o->max), o->min, "", field)))
            fail_msg("%s", o->name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_ranges_include_their_ends),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_what_is_printed_reads_the_same),
        cmocka_unit_test(test_options_are_in_their_own_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
