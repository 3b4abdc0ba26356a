/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "proxy/sync/copy_check.h"
#include "proxy/sync/identities.h"

#define A "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define B "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
#define C "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
#define CLAIM \
    "\"journal\":\"" A "\",\"start\":\"0123456789abcdef\",\"starts\":7,\"lsn\":9007199254740991,\"counter\":3," \
    "\"released\":false"

static void
says(struct buf *b, const char *expected)
{
    assert_int_equal(buf_len(b), strlen(expected));
    assert_memory_equal(buf_str(b).p, expected, strlen(expected));
    buf_fini(b);
}

static void
test_requests(void **state)
{
    struct claim_note claim = {
        .journal = A, .start = "0123456789abcdef", .starts = 7, .lsn = NOTES_NUMBER_MAX, .counter = 3
    };
    struct claim_note seen = { .journal = B, .start = "fedcba9876543210", .counter = 2 };
    struct copy_note copy = { .journal = A, .position = 5 };
    struct buf b = { 0 };

    notes_put_question(NULL, &b);
    says(&b, "{\"ids\":[1,2],\"with_payload\":true}");
    notes_put_question(C, &b);
    says(&b, "{\"ids\":[1,2,\"" C "\"],\"with_payload\":true}");
    notes_put_identity(C, &b);
    says(&b,
        "{\"points\":[{\"id\":1,\"vector\":{},\"payload\":{\"identity\":\"" C "\"}}],\"update_mode\":\"insert_only\"}");
    notes_put_claim(&claim, NULL, &b);
    says(&b, "{\"points\":[{\"id\":2,\"vector\":{},\"payload\":{" CLAIM "}}],\"update_mode\":\"insert_only\"}");
    notes_put_claim(&claim, &seen, &b);
    says(&b, "{\"points\":[{\"id\":2,\"vector\":{},\"payload\":{" CLAIM "}}],\"update_mode\":\"update_only\","
             "\"update_filter\":{\"must\":[{\"key\":\"journal\",\"match\":{\"value\":\"" B "\"}},"
             "{\"key\":\"start\",\"match\":{\"value\":\"fedcba9876543210\"}},"
             "{\"key\":\"counter\",\"match\":{\"value\":2}}]}}");
    notes_put_copy(C, &copy, &b);
    says(&b, "{\"points\":[{\"id\":\"" C "\",\"vector\":{},\"payload\":{\"journal\":\"" A "\",\"position\":5}}]}");
}

#define IDENTITY "{\"id\":1,\"payload\":{\"identity\":\"" C "\"}}"
#define LIST(points) "{\"result\":[" points "],\"status\":\"ok\",\"time\":0.1}"

static void
test_answers(void **state)
{
    struct notes n;

    assert_true(notes_read(
        404, STR("{\"status\":{\"error\":\"Not found: Collection `_sextant` doesn't exist!\"},\"time\":0}"), NULL, &n));
    assert_false(n.has_collection);
    assert_true(notes_read(200, STR(LIST("")), NULL, &n));
    assert_true(n.has_collection && !n.has_claim && !n.identity[0]);
    assert_true(notes_read(200, STR(LIST("{\"id\":2,\"payload\":{" CLAIM "}}," IDENTITY)), NULL, &n));
    assert_true(n.has_claim && !n.has_copy);
    assert_string_equal(n.identity, C);
    assert_string_equal(n.claim.journal, A);
    assert_string_equal(n.claim.start, "0123456789abcdef");
    assert_int_equal(n.claim.starts, 7);
    assert_int_equal(n.claim.lsn, NOTES_NUMBER_MAX);
    assert_int_equal(n.claim.counter, 3);
    assert_false(n.claim.is_released);
    assert_true(notes_read(
        200, STR(LIST(IDENTITY ",{\"id\":\"" B "\",\"payload\":{\"journal\":\"" A "\",\"position\":9}}")), B, &n));
    assert_true(n.has_copy);
    assert_int_equal(n.copy.position, 9);
}

/* What makes no sense is never taken for "there is none". */
static void
test_answers_that_are_none(void **state)
{
    static const struct {
        int status;
        const char *body;
    } cases[] = {
        { 404, "" },
        { 404, "{\"status\":{\"error\":\"no such page\"}}" },
        { 404, "<html>Collection `_sextant` doesn't exist!" },
        { 500, "{\"status\":{\"error\":\"Collection `_sextant` doesn't exist!\"}}" },
        { 200, "" },
        { 200, "{}" },
        { 200, "{\"result\":null}" },
        { 403, LIST("") },
        { 200, LIST("{\"id\":1,\"payload\":{}}") },
        { 200, LIST("{\"id\":1,\"payload\":{\"identity\":\"mine\"}}") },
        { 200, LIST("{\"id\":2}") },
        { 200, LIST("{\"id\":3,\"payload\":{}}") },
        { 200, LIST(IDENTITY "," IDENTITY) },
        { 200, LIST("{\"id\":\"" B "\",\"payload\":{\"journal\":\"" A "\",\"position\":9}}") },
        { 200,
            LIST("{\"id\":2,\"payload\":{\"journal\":\"" A "\",\"start\":\"0123456789abcdef\",\"starts\":7,\"lsn\":1.5,"
                 "\"counter\":3,\"released\":false}}") },
        { 200,
            LIST("{\"id\":2,\"payload\":{\"journal\":\"" A "\",\"start\":\"0123456789abcdef\",\"starts\":7,\"lsn\":1,"
                 "\"counter\":9007199254740992,\"released\":false}}") },
        { 200,
            LIST("{\"id\":2,\"payload\":{\"journal\":\"" A "\",\"start\":\"0123\",\"starts\":7,\"lsn\":1,\"counter\":3,"
                 "\"released\":false}}") },
        { 200,
            LIST("{\"id\":2,\"payload\":{\"journal\":\"" A "\",\"start\":\"0123456789abcdef\",\"starts\":7,\"lsn\":1,"
                 "\"counter\":3}}") },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct notes n;

        if (notes_read(cases[i].status, str_from(cases[i].body), NULL, &n))
            fail_msg("%s", cases[i].body);
    }
}

static void
test_versions(void **state)
{
    static const struct {
        const char *version;
        bool is_recent;
    } cases[] = { { "1.17.0", true }, { "1.19.0-dev", true }, { "1.100.2", true }, { "2.0.0", true },
        { "1.16.3", false }, { "1.9.1", false }, { "0.20", false }, { "", false }, { "one", false }, { "1.x", false } };
    char version[32];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf body = { 0 };

        buf_printf(&body, "{\"title\":\"qdrant\",\"version\":\"%s\"}", cases[i].version);
        if (notes_read_version(buf_str(&body), version) != cases[i].is_recent)
            fail_msg("%s", cases[i].version);
        assert_string_equal(version, cases[i].version);
        buf_fini(&body);
    }
    assert_false(notes_read_version(STR("nothing"), version));
    assert_string_equal(version, "");
}

static void
test_uuids(void **state)
{
    struct random r;
    notes_uuid one, two;

    random_init(&r);
    for (unsigned i = 0; i < 100; i++) {
        notes_make_uuid(&r, one);
        notes_make_uuid(&r, two);
        assert_true(notes_is_uuid(str_from(one)));
        assert_string_not_equal(one, two);
        assert_int_equal(one[14], '4');
        assert_non_null(strchr("89ab", one[19]));
    }
    assert_false(notes_is_uuid(STR("")));
    assert_false(notes_is_uuid(STR("AAAAAAAA-aaaa-4aaa-8aaa-aaaaaaaaaaaa")));
    assert_false(notes_is_uuid(STR("aaaaaaaa+aaaa-4aaa-8aaa-aaaaaaaaaaaa")));
}

static void
test_copies(void **state)
{
    static const struct {
        const char *identity, *known, *note; /* journal of the note; NULL: none */
        uint64_t position, lsn;
        bool is_new;
        enum copy_verdict verdict;
        bool lacks;
    } cases[] = {
        { B, "", NULL, 0, 0, true, COPY_FRESH, true },
        { B, "", NULL, 0, 0, false, COPY_FRESH, true }, /* it is a copy, or a home, of others as well */
        { B, B, A, 7, 9, false, COPY_KNOWN, false },
        { B, B, A, 9, 9, false, COPY_KNOWN, false },
        { B, B, A, 10, 9, false, COPY_WALK, false },
        { B, B, C, 7, 9, false, COPY_WALK, false },
        { B, "", C, 7, 9, false, COPY_WALK, false },
        { B, "", A, 7, 9, false, COPY_WALK, false },
        { B, B, NULL, 0, 9, false, COPY_WALK, true },
        { B, A, NULL, 0, 9, true, COPY_WALK, true }, /* emptied: it has no data that could be another's */
        { B, A, NULL, 0, 9, false, COPY_FOREIGN, true },
        { B, A, A, 7, 9, false, COPY_FOREIGN, true },
        { C, "", NULL, 0, 9, false, COPY_FOREIGN, false },
        { C, C, A, 7, 9, false, COPY_FOREIGN, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct copy_spec spec = { .home = C, .journal = A, .identity = cases[i].known, .lsn = cases[i].lsn };
        struct notes notes = { .has_collection = true, .copy.position = cases[i].position };
        struct copy_result r;

        memcpy(notes.identity, cases[i].identity, sizeof(notes.identity));
        notes.has_copy = cases[i].note != NULL;
        if (notes.has_copy)
            memcpy(notes.copy.journal, cases[i].note, sizeof(notes.copy.journal));
        copy_judge(&spec, &notes, cases[i].is_new, &r);
        if (r.verdict != cases[i].verdict)
            fail_msg("case %zu: %s", i, copy_verdict_name(r.verdict));
        assert_int_equal(r.lacks, cases[i].lacks);
        assert_string_equal(r.identity, cases[i].identity);
    }
}

static void
test_two_names(void **state)
{
    struct identities all = { .n = 0 };

    assert_int_equal(identities_add(&all, STR("eu"), A).len, 0);
    assert_int_equal(identities_add(&all, STR("us"), B).len, 0);
    assert_int_equal(identities_add(&all, STR("us"), B).len, 0);
    assert_true(str_eq(identities_add(&all, STR("ap"), A), STR("eu")));
    assert_true(str_eq(identities_add(&all, STR("eu"), A), STR("ap")));
    assert_int_equal(identities_add(&all, STR("ap"), C).len, 0); /* it became another one */
    assert_int_equal(identities_add(&all, STR("eu"), A).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_two_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
