/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>

#include "proxy/ctl/table.h"

static void
test_escapes(void **state)
{
    static const struct {
        const char *text, *escaped, *with_lines;
    } cases[] = {
        { "", "", "" },
        { "plain", "plain", "plain" },
        { "a\nb", "a\\nb", "a\nb" },
        { "a\r\tb\x7f", "a\\x0d\\x09b\\x7f", "a\\x0d\\x09b\\x7f" },
        { "\x1b[2J\x1b]0;t\a", "\\x1b[2J\\x1b]0;t\\x07", "\\x1b[2J\\x1b]0;t\\x07" },
        { "\xc2\x9b"
          "2J",
            "\\u009b2J", "\\u009b2J" },
        { "\xe2\x80\xae"
          "evil",
            "\\u202eevil", "\\u202eevil" },
        { "\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069", "\\u2066x\\u2069" },
        { "\xff\xc3(", "\\xff\\xc3(", "\\xff\\xc3(" },
        { "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac", "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac",
            "Z\xc3\xbcrich \xe6\x9d\xb1\xe4\xba\xac" },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf a = { 0 }, b = { 0 };

        text_escape(str_from(cases[i].text), false, &a);
        text_escape(str_from(cases[i].text), true, &b);
        if (!str_eq(buf_str(&a), str_from(cases[i].escaped)) || !str_eq(buf_str(&b), str_from(cases[i].with_lines)))
            fail_msg("case %u: " STR_FMT, i, STR_ARG(buf_str(&a)));
        buf_fini(&a);
        buf_fini(&b);
    }
}

static void
print(const struct style *style, const char *last, struct buf *out)
{
    static const char *const heads[] = { "NAME", ">MS", "WHY" };
    struct arena arena = { 0 };
    struct table t;
    struct cell *row;

    table_init(&t, &arena, heads, 3);
    row = table_row(&t);
    row[0] = (struct cell){ STR("eu"), TINT_NONE };
    row[1] = (struct cell){ STR("2.5"), TINT_GOOD };
    row[2] = (struct cell){ str_from(last), TINT_BAD };
    row = table_row(&t);
    row[0] = (struct cell){ STR("frankf\xc3\xbcrt"), TINT_NONE };
    row[1] = (struct cell){ STR("110"), TINT_NONE };
    table_print(&t, style, out);
    arena_fini(&arena);
}

static void
expect(const struct style *style, const char *last, const char *text)
{
    struct buf out = { 0 };

    print(style, last, &out);
    if (!str_eq(buf_str(&out), str_from(text)))
        fail_msg("\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&out)), text);
    buf_fini(&out);
}

static void
test_tables(void **state)
{
    static const struct style plain = { false, 0 }, narrow = { false, 30 }, tiny = { false, 5 }, colour = { true, 0 };

    expect(&plain, "new\ndisks",
        "NAME        MS  WHY\n"
        "eu         2.5  new\\ndisks\n"
        "frankf\xc3\xbcrt  110\n");
    expect(&narrow, "0123456789abcdef",
        "NAME        MS  WHY\n"
        "eu         2.5  0123456789abc\xe2\x80\xa6\n"
        "frankf\xc3\xbcrt  110\n");
    expect(&narrow, "0123456789abcd",
        "NAME        MS  WHY\n"
        "eu         2.5  0123456789abcd\n"
        "frankf\xc3\xbcrt  110\n");
    expect(&narrow, "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac",
        "NAME        MS  WHY\n"
        "eu         2.5  \xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1\xe4\xba\xac\xe2\x80\xa6\n"
        "frankf\xc3\xbcrt  110\n");
    expect(&tiny, "0123456789abcdef",
        "NAME        MS  WHY\n"
        "eu         2.5  0123456789a\xe2\x80\xa6\n"
        "frankf\xc3\xbcrt  110\n");
    expect(&colour, "x",
        "\033[2mNAME\033[0m        \033[2mMS\033[0m  \033[2mWHY\033[0m\n"
        "eu         \033[32m2.5\033[0m  \033[31mx\033[0m\n"
        "frankf\xc3\xbcrt  110\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_tables),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
