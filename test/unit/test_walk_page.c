/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/walk_page.h"

#define UUID "550e8400-e29b-41d4-a716-446655440000"
#define PAGE(points, next) \
    "{\"result\":{\"points\":[" points "],\"next_page_offset\":" next "},\"status\":\"ok\",\"time\":0.1}"
#define POINT(id, rest) "{\"id\":" id rest "}"

static bool
read_page(const char *text, const struct point_id *from, struct walk_page *page)
{
    struct buf error = { 0 };
    bool is_good = walk_read_page(str_from(text), from, page, &error);

    assert_int_equal(is_good, buf_len(&error) == 0);
    buf_fini(&error);
    return is_good;
}

static void
test_requests(void **state)
{
    struct point_id uuid, number = { .lo = UINT64_MAX };
    struct buf out = { 0 };

    assert_true(point_of_uuid(STR(UUID), &uuid));
    walk_put_scroll(5, NULL, STR_NONE, &out);
    walk_put_scroll(256, &number, STR("7"), &out);
    walk_put_scroll(1, &uuid, STR("\"a\\\"b\""), &out);
    assert_true(str_eq(buf_str(&out),
        STR("{\"limit\":5,\"with_payload\":true,\"with_vector\":true}"
            "{\"limit\":256,\"with_payload\":true,\"with_vector\":true,\"offset\":18446744073709551615,\"shard_key\":7}"
            "{\"limit\":1,\"with_payload\":true,\"with_vector\":true,\"offset\":\"" UUID
            "\",\"shard_key\":\"a\\\"b\"}")));
    buf_fini(&out);
}

static void
test_pages(void **state)
{
    static const struct {
        const char *text;
        unsigned n; /* 99: it is none */
        bool is_last;
    } cases[] = {
        { PAGE("", "null"), 0, true },
        { "{\"result\":{\"points\":[]},\"status\":\"ok\"}", 0, true },
        { PAGE(POINT("10", ""), "null"), 1, true },
        { PAGE(POINT("10", ",\"vector\":[1.0],\"payload\":{},\"shard_key\":\"a\",\"order_value\":1"), "11"), 1, false },
        { PAGE(POINT("10", "") "," POINT("12", "") "," POINT("\"" UUID "\"", ""), "null"), 3, true },
        { PAGE(POINT("10", ""), "\"" UUID "\""), 1, false },
        { PAGE(POINT("9", ""), "null"), 99, false },                      /* before what was asked for */
        { PAGE(POINT("12", "") "," POINT("11", ""), "null"), 99, false }, /* out of order */
        { PAGE(POINT("12", "") "," POINT("12", ""), "null"), 99, false }, /* twice */
        { PAGE(POINT("\"" UUID "\"", "") "," POINT("11", ""), "null"), 99, false },
        { PAGE(POINT("12", ""), "12"), 99, false }, /* would stand still */
        { PAGE(POINT("12", ""), "11"), 99, false },
        { PAGE("", "11"), 99, false }, /* and so would this */
        { PAGE(POINT("12", ""), "true"), 99, false },
        { PAGE(POINT("-1", ""), "null"), 99, false },
        { PAGE("{\"vector\":[]}", "null"), 99, false },
        { PAGE(POINT("12", ",\"news\":1"), "null"), 99, false },
        { PAGE("7", "null"), 99, false },
        { "{\"result\":{},\"status\":\"ok\"}", 99, false },
        { "{\"result\":{\"points\":[]},\"status\":{\"error\":\"x\"}}", 99, false },
        { "{\"result\":{\"points\":[]},\"result\":{\"points\":[]},\"status\":\"ok\"}", 99, false },
        { "{\"result\":{\"points\":[]},\"status\":\"ok\"", 99, false },
        { "", 99, false },
    };
    struct point_id from = { .lo = 10 };
    struct walk_page page;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool is_good = read_page(cases[i].text, &from, &page);

        if (is_good != (cases[i].n != 99) || (is_good && (page.n != cases[i].n || page.is_last != cases[i].is_last)))
            fail_msg("%s", cases[i].text);
    }
}

static void
test_alike(void **state)
{
    static const struct {
        const char *vector_a, *payload_a, *vector_b, *payload_b;
        bool is_alike;
    } cases[] = {
        { "[1.0,0.5]", "{}", "[1.0,0.5]", "{}", true },
        { "[1.0,0.5]", "{}", "[1,5e-1]", "{}", true },
        { "[1.0,0.5]", "{}", "[0.5,1.0]", "{}", false },
        { "{\"a\":[1.0],\"b\":[2.0]}", "{}", "{\"b\":[2.0],\"a\":[1.0]}", "{}", true },
        { "{\"a\":[1.0]}", "{}", "{\"a\":[1.0],\"b\":[2.0]}", "{}", false },
        { "{\"s\":{\"indices\":[3,7],\"values\":[2.0,1.5]}}", "{}", "{\"s\":{\"values\":[2.0,1.5],\"indices\":[3,7]}}",
            "{}", true },
        { "[[1.0,0.0],[0.0,1.0]]", "{}", "[[0.0,1.0],[1.0,0.0]]", "{}", false },
        { "{}", "{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "{}", "{\"b\":{\"d\":3,\"c\":2},\"a\":1}", true },
        { "{}", "{\"a\":[1,2]}", "{}", "{\"a\":[2,1]}", false },
        { "{}", "{\"a\":null}", "{}", "{}", false }, /* Qdrant tells null from nothing */
        { "{}", "{\"a\":1}", "{}", "{\"a\":1.0}", true },
        { "{}", "{\"a\":1}", "{}", "{\"a\":\"1\"}", false },
        { "{}", "{\"a\":9007199254740993}", "{}", "{\"a\":9007199254740992}", false },
        { "{}", "{\"a\":18446744073709551615}", "{}", "{\"a\":1.8446744073709552e19}",
            true }, /* by way of another node */
        { "{}", "{\"a\":\"\\u00e9\"}", "{}", "{\"a\":\"\xc3\xa9\"}", true },
        { "null", "null", "{}", "{}", true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf a = { 0 }, b = { 0 };
        struct walk_page x, y;

        buf_printf(
            &a, PAGE(POINT("1", ",\"vector\":%s,\"payload\":%s"), "null"), cases[i].vector_a, cases[i].payload_a);
        buf_printf(
            &b, PAGE(POINT("1", ",\"vector\":%s,\"payload\":%s"), "null"), cases[i].vector_b, cases[i].payload_b);
        buf_putc(&a, '\0');
        buf_putc(&b, '\0');
        assert_true(read_page(buf_str(&a).p, NULL, &x) && read_page(buf_str(&b).p, NULL, &y));
        if (walk_is_alike(&x.rows[0], &y.rows[0]) != cases[i].is_alike)
            fail_msg("%s %s and %s %s", cases[i].vector_a, cases[i].payload_a, cases[i].vector_b, cases[i].payload_b);
        buf_fini(&a);
        buf_fini(&b);
    }
}

/* Pages of points whose payload is their digit: 1 to 9, `-` for none there, upper case letters for another payload. */
static void
make_page(struct buf *text, const char *digits, unsigned next, struct walk_page *page)
{
    bool is_first = true;

    buf_add(text, STR("{\"result\":{\"points\":["));
    for (unsigned i = 0; digits[i]; i++) {
        if (digits[i] == '-')
            continue;
        buf_printf(
            text, "%s{\"id\":%u,\"vector\":{},\"payload\":{\"p\":\"%c\"}}", is_first ? "" : ",", i + 1, digits[i]);
        is_first = false;
    }
    buf_add(text, STR("],\"next_page_offset\":"));
    if (next)
        buf_printf(text, "%u", next);
    else
        buf_add(text, STR("null"));
    buf_add(text, STR("},\"status\":\"ok\"}"));
    buf_putc(text, '\0');
    assert_true(read_page(buf_str(text).p, NULL, page));
}

static void
test_ranges(void **state)
{
    static const struct {
        const char *source;
        unsigned source_next;
        const char *target;
        unsigned target_next;
        const char *differences; /* m missing, u unlike, x extra, with the id */
        unsigned next;           /* 0: that was all */
    } cases[] = {
        { "", 0, "", 0, "", 0 },
        { "aaa", 0, "aaa", 0, "", 0 },
        { "aaa", 0, "a-b", 0, "m2u3", 0 },
        { "a-a", 0, "aaa", 0, "x2", 0 },
        { "", 0, "aaa", 4, "x1x2x3", 4 }, /* only the range that both cover */
        { "aaa", 4, "", 0, "m1m2m3", 4 },
        { "a---a", 9, "aaa", 4, "x2x3", 4 }, /* 5 is not missing yet */
        { "aaa", 4, "a---a", 9, "m2m3", 4 },
        { "aaa", 7, "aaa", 0, "", 7 },
        { "aa-a", 5, "aa", 3, "", 3 },
        { "---a", 5, "a---", 4, "x1", 4 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf a = { 0 }, b = { 0 }, found = { 0 };
        struct walk_page source, target;
        struct walk_comparison c;

        make_page(&a, cases[i].source, cases[i].source_next, &source);
        make_page(&b, cases[i].target, cases[i].target_next, &target);
        walk_compare(&source, &target, &c);
        for (unsigned k = 0; k < c.n; k++) {
            const struct walk_difference *d = &c.differences[k];

            buf_printf(&found, "%c%d", "mux"[d->kind], (int)(d->source ? d->source : d->target) -> id.lo);
            assert_int_equal(d->source != NULL, d->kind != WALK_EXTRA);
            assert_int_equal(d->target != NULL, d->kind != WALK_MISSING);
        }
        if (!str_eq(buf_str(&found), str_from(cases[i].differences)) || c.is_last != (cases[i].next == 0) ||
            (!c.is_last && c.next.lo != cases[i].next))
            fail_msg("case %zu: " STR_FMT " up to %d", i, STR_ARG(buf_str(&found)), c.is_last ? 0 : (int)c.next.lo);
        buf_fini(&a);
        buf_fini(&b);
        buf_fini(&found);
    }
}

static void
test_too_much(void **state)
{
    assert_false(walk_is_too_much(0, 0));
    assert_true(walk_is_too_much(1, 0));
    assert_true(walk_is_too_much(1, 4));
    assert_false(walk_is_too_much(1, 5));
    assert_false(walk_is_too_much(20, 100));
    assert_true(walk_is_too_much(21, 100));
    assert_true(walk_is_too_much(UINT64_MAX, UINT64_MAX));
    assert_false(walk_is_too_much(UINT64_MAX / 5, UINT64_MAX));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
