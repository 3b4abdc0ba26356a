/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/route/hold.h"

#define ONE \
    "{\"cluster\":\"eu\",\"endpoint\":2,\"state\":\"drain\",\"reason\":\"disk\\u001b[2J " \
    "\\\"change\\\"\",\"by\":\"anna\"," \
    "\"since\":\"2026-01-02T03:04:05.678Z\"}"
#define FILE_OF(overrides) "{\"version\":1,\"check\":\"0\",\"overrides\":[" overrides "]}\n"
#define TWO "{\"cluster\":\"us\",\"endpoint\":0,\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"

static void
test_targets(void **state)
{
    static const struct {
        const char *text, *cluster;
        unsigned endpoint;
        bool is_good;
    } cases[] = {
        { "eu", "eu", 0, true },
        { "eu/1", "eu", 1, true },
        { "eu/64", "eu", 64, true },
        { "eu/65", "", 0, false },
        { "eu/0", "", 0, false },
        { "eu/", "", 0, false },
        { "/1", "", 0, false },
        { "", "", 0, false },
        { "eu/1/2", "", 0, false },
        { "eu/-1", "", 0, false },
        { "eu/1 ", "", 0, false },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str cluster = STR_NONE;
        unsigned endpoint = 99;

        assert_int_equal(hold_target_parse(str_from(cases[i].text), &cluster, &endpoint), cases[i].is_good);
        if (!cases[i].is_good)
            continue;
        assert_true(str_eq(cluster, str_from(cases[i].cluster)));
        assert_int_equal(endpoint, cases[i].endpoint);
    }
}

static struct holds *
change(struct holds *old, enum hold_kind kind, const char *cluster, unsigned endpoint, const char *reason)
{
    struct hold h = { kind, str_from(cluster), endpoint, str_from(reason), STR("me"), STR("now") };
    struct holds *fresh = holds_change(old, &h);

    assert_non_null(fresh);
    holds_free(old);
    return fresh;
}

static void
test_a_target_has_one_hold(void **state)
{
    struct holds *h = holds_new();

    assert_null(holds_find(h, STR("eu"), 0));
    h = change(h, HOLD_DRAIN, "eu", 0, "a");
    h = change(h, HOLD_DRAIN, "eu", 1, "b");
    h = change(h, HOLD_DOWN, "eu", 0, "c");
    assert_int_equal(h->n, 2);
    assert_int_equal(holds_find(h, STR("eu"), 0)->kind, HOLD_DOWN);
    assert_true(str_eq(holds_find(h, STR("eu"), 0)->reason, STR("c")));
    assert_true(str_eq(holds_find(h, STR("eu"), 1)->reason, STR("b")));
    assert_null(holds_find(h, STR("eu"), 2));
    assert_null(holds_find(h, STR("us"), 0));
    h = change(h, HOLD_NONE, "eu", 0, "");
    h = change(h, HOLD_NONE, "us", 0, "");
    assert_int_equal(h->n, 1);
    assert_non_null(holds_find(h, STR("eu"), 1));
    holds_free(h);
    holds_free(NULL);
}

static void
test_there_may_not_be_too_many(void **state)
{
    struct holds *h = holds_new();
    struct hold more = { HOLD_DRAIN, STR("one-more"), 0, STR_NONE, STR_NONE, STR_NONE };
    char name[16];

    for (unsigned i = 0; i < HOLDS_MAX; i++) {
        snprintf(name, sizeof(name), "c%u", i / 64);
        h = change(h, HOLD_DRAIN, name, 1 + i % 64, "");
    }
    assert_null(holds_change(h, &more));
    h = change(h, HOLD_DOWN, "c0", 1, "replaced");
    h = change(h, HOLD_NONE, "c0", 1, "");
    h = change(h, HOLD_DRAIN, "one-more", 0, "");
    holds_free(h);
}

static void
test_what_is_printed_is_read(void **state)
{
    struct holds *h = holds_new(), *again;
    struct buf text = { 0 }, second = { 0 };
    const char *error = NULL;

    h = change(h, HOLD_DRAIN, "eu", 0, "disk \"change\"\n\x1b[2J \xc3\xa4");
    h = change(h, HOLD_DOWN, "us", 64, "");
    holds_print(h, &text);
    again = holds_parse(buf_str(&text), &error);
    assert_non_null(again);
    assert_int_equal(again->n, 2);
    assert_true(str_eq(again->items[0].reason, h->items[0].reason));
    assert_int_equal(again->items[1].endpoint, 64);
    holds_print(again, &second);
    assert_true(str_eq(buf_str(&text), buf_str(&second)));
    holds_free(h);
    holds_free(again);
    buf_fini(&text);
    buf_fini(&second);
}

static void
test_files(void **state)
{
    static const struct {
        const char *text, *error; /* NULL: it is good; "": any */
    } cases[] = {
        { "{\"version\":1,\"check\":\"09612b07b5ecb5a5\",\"overrides\":[]}\n", NULL },
        { FILE_OF(""), "it was changed by something else: its check does not fit" },
        { FILE_OF(ONE "," TWO), "it was changed by something else: its check does not fit" },
        { "{\"version\":1,\"check\":\"09612b07b5ecb5a5\",\"overrides\":[],\"more\":1}\n",
            "it was changed by something else: its check does not fit" },
        { "{\"version\":1,\"check\":\"09612b07b5ecb5a5\",\"overrides\":[]} \n",
            "it was changed by something else: its check does not fit" },
        { "", "" },
        { "\n", "" },
        { "{}", "it is no object with a list of overrides" },
        { "[]", "it is no object with a list of overrides" },
        { "{\"overrides\":[]}", "it is of a version that is not known here" },
        { "{\"version\":1,\"overrides\":{}}", "it is no object with a list of overrides" },
        { "{\"version\":2,\"overrides\":[]}", "it is of a version that is not known here" },
        { "{\"version\":\"1\",\"overrides\":[]}", "it is of a version that is not known here" },
        { FILE_OF(ONE "," ONE), "two overrides have the same target" },
        { FILE_OF("1"), "an override has not the six members that it should have" },
        { FILE_OF("{\"cluster\":\"eu\"}"), "an override has not the six members that it should have" },
        { FILE_OF(
              "{\"cluster\":\"eu\",\"cluster\":\"eu\",\"endpoint\":0,\"state\":\"drain\",\"reason\":\"\",\"by\":\"\"}"),
            "the reason, by or since of an override is missing or too long" },
        { FILE_OF("{\"cluster\":\"\",\"endpoint\":0,\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the cluster of an override is no name" },
        { FILE_OF("{\"cluster\":7,\"endpoint\":0,\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the cluster of an override is no name" },
        { FILE_OF("{\"cluster\":\"a\",\"endpoint\":65,\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the endpoint of an override is no number from 0 to 64" },
        { FILE_OF("{\"cluster\":\"a\",\"endpoint\":-1,\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the endpoint of an override is no number from 0 to 64" },
        { FILE_OF(
              "{\"cluster\":\"a\",\"endpoint\":\"1\",\"state\":\"down\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the endpoint of an override is no number from 0 to 64" },
        { FILE_OF("{\"cluster\":\"a\",\"endpoint\":0,\"state\":\"up\",\"reason\":\"\",\"by\":\"\",\"since\":\"\"}"),
            "the state of an override is neither drain nor down" },
        { FILE_OF("{\"cluster\":\"a\",\"endpoint\":0,\"state\":\"down\",\"reason\":null,\"by\":\"\",\"since\":\"\"}"),
            "the reason, by or since of an override is missing or too long" },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *error = NULL;
        struct holds *h = holds_parse(str_from(cases[i].text), &error);

        if ((h != NULL) != (cases[i].error == NULL))
            fail_msg("case %u: %s", i, h ? "taken" : error);
        if (!h && cases[i].error[0])
            assert_string_equal(error, cases[i].error);
        holds_free(h);
    }
}

/* Cut anywhere, or with any one bit changed, a file is refused. */
static void
test_damaged_files(void **state)
{
    struct holds *h = change(holds_new(), HOLD_DRAIN, "eu", 2, "disk \"change\"\x1b[2J");
    const char *error = NULL;
    struct buf good = { 0 };
    struct str text;

    h = change(h, HOLD_DOWN, "us", 0, "");
    holds_print(h, &good);
    holds_free(h);
    text = buf_str(&good);
    for (size_t n = 0; n < text.len; n++) {
        if (holds_parse(str_make(text.p, n), &error))
            fail_msg("cut at %zu it was taken", n);
    }
    for (size_t at = 0; at < text.len; at++) {
        for (int flip = 1; flip < 256; flip <<= 1) {
            good.data[good.start + at] = (char)(good.data[good.start + at] ^ flip);
            if (holds_parse(text, &error))
                fail_msg("with byte %zu changed by %d it was taken", at, flip);
            good.data[good.start + at] = (char)(good.data[good.start + at] ^ flip);
        }
    }
    buf_fini(&good);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_a_target_has_one_hold),
        cmocka_unit_test(test_there_may_not_be_too_many),
        cmocka_unit_test(test_what_is_printed_is_read),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
