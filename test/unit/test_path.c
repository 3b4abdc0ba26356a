/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/base/mem.h"
#include "proxy/route/path.h"

static void
assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"" STR_FMT "\", want \"" STR_FMT "\"", STR_ARG(got), STR_ARG(want));
}

/* Segments are joined by '|'. */
static void
assert_segments(const struct path *p, const char *want)
{
    char text[512];
    size_t len = 0;

    for (unsigned i = 0; i < p->n && i < PATH_SEGMENTS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s" STR_FMT, i ? "|" : "", STR_ARG(p->segments[i]));
    assert_str(str_make(text, len), str_from(want));
}

static const struct {
    const char *target, *text, *segments, *query;
} good[] = {
    { "/", "/", "", "" },
    { "/?a=b", "/", "", "a=b" },
    { "//", "/", "", "" },
    { "///?x", "/", "", "x" },
    { "/collections", "/collections", "collections", "" },
    { "/collections/", "/collections", "collections", "" },
    { "//collections///x/points/", "/collections/x/points", "collections|x|points", "" },
    { "/a/b?c=/d//e/", "/a/b", "a|b", "c=/d//e/" },
    { "/a?b?c", "/a", "a", "b?c" },
    { "/%63ollections/b", "/collections/b", "collections|b", "" },
    { "/caf%C3%A9", "/caf%C3%A9", "caf\xc3\xa9", "" },
    { "/caf%c3%a9", "/caf%C3%A9", "caf\xc3\xa9", "" },
    { "/caf\xc3\xa9", "/caf%C3%A9", "caf\xc3\xa9", "" },
    { "/%F0%9F%98%80", "/%F0%9F%98%80", "\xf0\x9f\x98\x80", "" },
    { "/a%20b", "/a%20b", "a b", "" },
    { "/a+b", "/a+b", "a+b", "" },
    { "/a%2Bb", "/a+b", "a+b", "" },
    { "/a%3Fb%23c", "/a%3Fb%23c", "a?b#c", "" },
    { "/a%25b", "/a%25b", "a%b", "" },
    { "/a%2541", "/a%2541", "a%41", "" }, /* decoded once: never "aA" */
    { "/a%252F", "/a%252F", "a%2F", "" }, /* a name with a percent sign, not with a slash */
    { "/a%2Fb", "/a%2Fb", "a/b", "" },
    { "/a%2fb/c", "/a%2Fb/c", "a/b|c", "" },
    { "/a%0Ab", "/a%0Ab", "a\nb", "" },
    { "/a\"<>\\^`{|}", "/a%22%3C%3E%5C%5E%60%7B%7C%7D", "a\"<>\\^`{|}", "" },
    { "/a~b-c.d_e!f$g&h'i(j)k*l,m;n=o:p@q", "/a~b-c.d_e!f$g&h'i(j)k*l,m;n=o:p@q", "a~b-c.d_e!f$g&h'i(j)k*l,m;n=o:p@q",
        "" },
    { "/%7E", "/~", "~", "" },
    { "/...", "/...", "...", "" },
    { "/.a/b..", "/.a/b..", ".a|b..", "" },
};

static void
test_good(void **state)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct arena arena = { 0 };
        struct path p, again;

        print_message("%s\n", good[i].target);
        assert_int_equal(path_parse(str_from(good[i].target), &arena, &p), FAIL_NONE);
        assert_str(p.text, str_from(good[i].text));
        assert_str(p.query, str_from(good[i].query));
        assert_segments(&p, good[i].segments);
        assert_int_equal(path_parse(p.text, &arena, &again), FAIL_NONE);
        assert_str(again.text, p.text);
        assert_segments(&again, good[i].segments);
        arena_fini(&arena);
    }
}

static const struct {
    struct str target;
    enum fail fail;
} bad[] = {
    { STR(""), FAIL_BAD_TARGET },
    { STR("*"), FAIL_BAD_TARGET },
    { STR("collections"), FAIL_BAD_TARGET },
    { STR("http://h/collections"), FAIL_BAD_TARGET },
    { STR("?a"), FAIL_BAD_TARGET },
    { STR("/a b"), FAIL_BAD_TARGET },
    { STR("/a\tb"), FAIL_BAD_TARGET },
    { STR("/a\0b"), FAIL_BAD_TARGET },
    { STR("/a\x1f"), FAIL_BAD_TARGET },
    { STR("/a\x7f"), FAIL_BAD_TARGET },
    { STR("/a\r\nX: y"), FAIL_BAD_TARGET },
    { STR("/a#b"), FAIL_BAD_TARGET },
    { STR("/a?b#c"), FAIL_BAD_TARGET },
    { STR("/a?b c"), FAIL_BAD_TARGET },
    { STR("/a?b\0c"), FAIL_BAD_TARGET },
    { STR("/%"), FAIL_BAD_TARGET },
    { STR("/%4"), FAIL_BAD_TARGET },
    { STR("/%4/1"), FAIL_BAD_TARGET },
    { STR("/%4g"), FAIL_BAD_TARGET },
    { STR("/%%34%31"), FAIL_BAD_TARGET },
    { STR("/%u0041"), FAIL_BAD_TARGET },
    { STR("/%FF"), FAIL_BAD_TARGET },
    { STR("/\xff"), FAIL_BAD_TARGET },
    { STR("/%C3"), FAIL_BAD_TARGET },
    { STR("/%C3/%A9"), FAIL_BAD_TARGET },
    { STR("/%C0%AF"), FAIL_BAD_TARGET }, /* overlong slash */
    { STR("/%E0%80%AF"), FAIL_BAD_TARGET },
    { STR("/%F0%80%80%AF"), FAIL_BAD_TARGET },
    { STR("/%C0%AE%C0%AE"), FAIL_BAD_TARGET }, /* overlong dots */
    { STR("/%ED%A0%80"), FAIL_BAD_TARGET },    /* surrogate */
    { STR("/%F4%90%80%80"), FAIL_BAD_TARGET },
    { STR("/."), FAIL_DOT_SEGMENT },
    { STR("/.."), FAIL_DOT_SEGMENT },
    { STR("/a/../b"), FAIL_DOT_SEGMENT },
    { STR("/a/./b"), FAIL_DOT_SEGMENT },
    { STR("/a/..?b"), FAIL_DOT_SEGMENT },
    { STR("/a/.//"), FAIL_DOT_SEGMENT },
    { STR("/a/%2e%2E/b"), FAIL_DOT_SEGMENT },
    { STR("/a/.%2e"), FAIL_DOT_SEGMENT },
    { STR("/a/b/c/d/e/f/g/h/i/j/.."), FAIL_DOT_SEGMENT },
    { STR("/a/b/c/d/e/f/g/h/i/j/%2e"), FAIL_DOT_SEGMENT },
};

static void
test_bad(void **state)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct arena arena = { 0 };
        struct path p = { .n = 77 };

        print_message("%s\n", bad[i].target.p);
        assert_int_equal(path_parse(bad[i].target, &arena, &p), bad[i].fail);
        assert_int_equal(p.n, 77);
        arena_fini(&arena);
    }
}

static void
test_oddities(void **state)
{
    struct arena arena = { 0 };
    struct path p;

    assert_int_equal(path_parse(STR("/a/b%2Fc/d%00"), &arena, &p), FAIL_NONE);
    assert_int_equal(p.slashed, 1 << 1);
    assert_int_equal(p.nulled, 1 << 2);
    assert_false(p.climbs);
    assert_int_equal(path_parse(STR("/a%2F..%2Fb"), &arena, &p), FAIL_NONE);
    assert_true(p.climbs);
    assert_int_equal(path_parse(STR("/a/%2e%2e%2fb"), &arena, &p), FAIL_NONE);
    assert_true(p.climbs);
    assert_int_equal(path_parse(STR("/a/x%2F.."), &arena, &p), FAIL_NONE);
    assert_true(p.climbs);
    assert_int_equal(path_parse(STR("/a/x%2F...%2F"), &arena, &p), FAIL_NONE);
    assert_false(p.climbs);
    arena_fini(&arena);
}

static void
test_canonical_is_not_copied(void **state)
{
    struct arena arena = { 0 };
    struct str target = STR("/collections/products/points/query?timeout=5");
    struct path p;

    assert_int_equal(path_parse(target, &arena, &p), FAIL_NONE);
    assert_null(arena.chunks);
    assert_ptr_equal(p.text.p, target.p);
    assert_ptr_equal(p.segments[1].p, target.p + 13);
}

static void
test_deep(void **state)
{
    struct arena arena = { 0 };
    struct path p;
    char target[2 * 40 + 4];

    for (size_t i = 0; i < 80; i += 2)
        memcpy(target + i, "/a", 2);
    assert_int_equal(path_parse(str_make(target, 80), &arena, &p), FAIL_NONE);
    assert_int_equal(p.n, 40);
    memcpy(target + 80, "%2F", 3);
    assert_int_equal(path_parse(str_make(target, 83), &arena, &p), FAIL_NONE);
    assert_int_equal(p.n, 40);
    assert_int_equal(p.slashed, UINT32_C(1) << 31);
    arena_fini(&arena);
}

static void
test_long(void **state)
{
    struct arena arena = { 0 };
    struct path p;
    size_t len = 65535;
    char *target = mem_alloc(len);

    memset(target, 'a', len);
    target[0] = '/';
    assert_int_equal(path_parse(str_make(target, len), &arena, &p), FAIL_BAD_TARGET);
    assert_int_equal(path_parse(str_make(target, 65000), &arena, &p), FAIL_NONE);
    memset(target + 1, '"', 30000); /* three times as long when encoded */
    assert_int_equal(path_parse(str_make(target, 30001), &arena, &p), FAIL_BAD_TARGET);
    assert_int_equal(path_parse(str_make(target, 10001), &arena, &p), FAIL_NONE);
    mem_free(target);
    arena_fini(&arena);
}

static void
test_code_points(void **state)
{
    assert_int_equal(path_code_points(STR("")), 0);
    assert_int_equal(path_code_points(STR("caf\xc3\xa9")), 4);
    assert_int_equal(path_code_points(STR("\xf0\x9f\x98\x80x")), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_canonical_is_not_copied),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_code_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
