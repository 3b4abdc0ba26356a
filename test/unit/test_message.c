/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/http/message.h"

static void
test_known_names(void **state)
{
    for (unsigned id = 1; id < FIELD_COUNT; id++) {
        uint16_t flags = 99;

        assert_int_equal(field_lookup(field_name((enum field_id)id), &flags), id);
        assert_int_not_equal(flags, 99);
    }
}

static void
test_unknown_names(void **state)
{
    /* Others with the length, first and last byte of a known name, and the edges. */
    static const char *const names[] = { "", "x", "hxst", "hos", "hostt", "Host", "content-lxngth", "date ", "tx" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint16_t flags = 99;

        assert_int_equal(field_lookup(str_from(names[i]), &flags), FIELD_OTHER);
        assert_int_equal(flags, 0);
    }
}

static void
test_flags(void **state)
{
    static const struct {
        const char *name;
        uint16_t flags;
    } cases[] = {
        { "host", FIELD_FLAG_FRAME },
        { "transfer-encoding", FIELD_FLAG_FRAME },
        { "connection", FIELD_FLAG_HOP },
        { "http2-settings", FIELD_FLAG_HOP },
        { "expect", FIELD_FLAG_HOP },
        { "x-forwarded-for", FIELD_FLAG_FORWARD },
        { "x-sextant-place", FIELD_FLAG_HINT },
        { "api-key", FIELD_FLAG_KEEP },
        { "vary", 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint16_t flags;

        assert_int_not_equal(field_lookup(str_from(cases[i].name), &flags), FIELD_OTHER);
        assert_int_equal(flags, cases[i].flags);
    }
}

static void
test_table(void **state)
{
    struct arena arena = { 0 };
    struct message m;

    message_init(&m, &arena);
    assert_null(message_find(&m, FIELD_VARY));
    message_add(&m, STR("vary"), STR("one"));
    for (int i = 0; i < 100; i++) /* grows */
        message_add(&m, STR("x-other"), STR("1"));
    message_add_id(&m, FIELD_VARY, STR("two"));
    assert_int_equal(m.n_fields, 102);
    assert_int_equal(message_count(&m, FIELD_VARY), 2);
    assert_ptr_equal(message_find(&m, FIELD_VARY), &m.fields[0]);
    assert_true(str_eq(message_value(&m, FIELD_VARY), STR("one")));
    assert_null(message_value(&m, FIELD_DATE).p);
    assert_ptr_equal(message_find_name(&m, STR("x-other")), &m.fields[1]);
    assert_null(message_find_name(&m, STR("x-othe")));
    assert_true(str_eq(m.fields[101].name, STR("vary")));
    arena_fini(&arena);
}

static void
test_own_fields(void **state)
{
    struct arena arena = { 0 };
    struct message m;

    message_init(&m, &arena);
    message_add_id(&m, FIELD_X_FORWARDED_FOR, STR("a"));
    message_add_own(&m, FIELD_X_FORWARDED_FOR, STR("b"));
    assert_int_equal(m.fields[0].flags, FIELD_FLAG_FORWARD);
    assert_int_equal(m.fields[1].flags, 0);
    assert_int_equal(m.fields[1].id, FIELD_X_FORWARDED_FOR);
    arena_fini(&arena);
}

static void
test_tokens(void **state)
{
    static const struct {
        const char *value, *token;
        bool has;
    } cases[] = {
        { "close", "close", true },
        { "Close", "close", true },
        { "keep-alive, close", "close", true },
        { " , ,close\t,", "close", true },
        { "x-close", "close", false },
        { "close x", "close", false },
        { "clos", "close", false },
        { "", "close", false },
        { ",", "close", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = { 0 };
        struct message m;

        message_init(&m, &arena);
        message_add(&m, STR("x-other"), STR("close"));
        message_add(&m, STR("connection"), STR("first"));
        message_add(&m, STR("connection"), str_from(cases[i].value));
        if (message_has_token(&m, FIELD_CONNECTION, str_from(cases[i].token)) != cases[i].has)
            fail_msg("\"%s\"", cases[i].value);
        arena_fini(&arena);
    }
}

static void
test_named_hops(void **state)
{
    static const struct {
        const char *name;
        bool is_hop;
    } cases[] = {
        { "x-named", true }, { "user-agent", true }, { "x-not-named", false }, { "host", false },
        { "content-length", false }, { "content-type", false }, { "content-encoding", false },
        { "accept-encoding", false }, { "authorization", false }, { "api-key", false }, { "openai-api-key", false },
        { "origin", false }, { "x-forwarded-for", false }, { "x-sextant-place", false },
        { "x-qdrant-route-affinity", false }, { "te", true }, /* whatever Connection says */
    };
    struct arena arena = { 0 };
    struct message m;

    message_init(&m, &arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        message_add(&m, str_from(cases[i].name), STR("1"));
    message_add(&m, STR("connection"), STR("X-Named,User-Agent , Host,content-length,content-type,content-encoding"));
    message_add(&m, STR("connection"), STR("accept-encoding,authorization,api-key,openai-api-key,origin"));
    message_add(&m, STR("connection"), STR("x-forwarded-for,x-sextant-place,x-qdrant-route-affinity"));
    assert_true(message_mark_hops(&m));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (((m.fields[i].flags & FIELD_FLAG_HOP) != 0) != cases[i].is_hop)
            fail_msg("%s", cases[i].name);
    }
    arena_fini(&arena);
}

static void
test_too_many_named_hops(void **state)
{
    for (unsigned n = 31; n <= 33; n++) {
        struct arena arena = { 0 };
        struct message m;

        message_init(&m, &arena);
        for (unsigned i = 0; i < n; i++)
            message_add(&m, STR("connection"), STR("a,"));
        assert_int_equal(message_mark_hops(&m), n <= 32);
        arena_fini(&arena);
    }
}

static void
test_methods(void **state)
{
    for (unsigned i = METHOD_GET; i <= METHOD_OPTIONS; i++)
        assert_int_equal(method_parse(method_name((enum method)i)), i);
    assert_int_equal(method_parse(STR("TRACE")), METHOD_OTHER);
    assert_int_equal(method_parse(STR("get")), METHOD_OTHER);
    assert_int_equal(method_parse(STR("")), METHOD_OTHER);
    assert_int_equal(method_parse(STR("GE")), METHOD_OTHER);
}

/* Every status that fail.def can give has words of its own. */
static void
test_reasons(void **state)
{
    assert_true(str_eq(status_reason(404), STR("Not Found")));
    assert_true(str_eq(status_reason(299), STR("Unknown")));
    for (unsigned i = 0; i < FAIL_COUNT; i++)
        assert_false(str_eq(status_reason(fail_info((enum fail)i)->status), STR("Unknown")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_names),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_own_fields),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_named_hops),
        cmocka_unit_test(test_too_many_named_hops),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
