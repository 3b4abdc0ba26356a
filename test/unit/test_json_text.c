/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/base/buf.h"
#include "proxy/base/json.h"
#include "proxy/base/json_text.h"

static bool
is_json(struct str text, struct str *ret_value)
{
    struct json_text t = json_text(text);

    *ret_value = json_text_value(&t);
    return json_text_end(&t);
}

static const char *const good[] = {
    "0",
    "-0",
    "10",
    "-1.50e+07",
    "1E9",
    "1e-9",
    "0.0",
    "18446744073709551616",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
    "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"",
    "[]",
    "{}",
    "[ ]",
    "{ }",
    "[1]",
    "[1,2]",
    "[0.5,-0,-1.25e-3,1E+9]",
    "[[1,2],[0.5,3]]",
    "[1,2 ]",
    "[1,2,{\"a\":[3,4]}]",
    "[1,[2]]",
    "[[],{},[{}]]",
    "{\"a\":1}",
    "{\"a\":{\"b\":[{}]},\"a\":null}",
    " \n\r\t[ 1 , 2 ] \n",
    "{ \"a\" : 1 , \"b\" : [ ] }",
    "{\"\":\"\"}",
};

static const char byte_order_mark[] = { (char)0xef, (char)0xbb, (char)0xbf, '1', 0 };
static const char *const bad[] = {
    "",
    " ",
    "00",
    "01",
    "-",
    "+1",
    ".5",
    "1.",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "tru",
    "truee",
    "nul",
    "Infinity",
    "NaN",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\u12",
    "\"\n\"",
    "\"\x01\"",
    "\"\xff\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "[1,02]",
    "[1,2.]",
    "[1,.5]",
    "[1,-]",
    "[1,2e]",
    "[1,2e+]",
    "[1,2}",
    "[[1,2],[3,4]",
    "{\"a\":[1,2}",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "[}",
    "{]",
    "[{]}",
    "1 2",
    "[] []",
    "{}x",
    "'a'",
    "// c\n1",
    byte_order_mark,
};

static void
test_what_is_json(void **state)
{
    struct str value;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!is_json(str_from(good[i]), &value) || !str_eq(value, str_trim(str_from(good[i]))))
            fail_msg("%s is JSON", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (is_json(str_from(bad[i]), &value))
            fail_msg("%s is not JSON", bad[i]);
    }
}

/* The tables say the same as the other reader of JSON. */
static void
test_as_the_parser_says(void **state)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct json_doc *doc = json_parse(str_from(good[i]), NULL, NULL);

        assert_non_null(doc);
        json_free(doc);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(json_parse(str_from(bad[i]), NULL, NULL));
}

static void
compare_readers(struct str text)
{
    char *copy = test_malloc(text.len); /* nothing beyond it may be looked at */
    struct json_doc *doc = json_parse(text, NULL, NULL);
    struct str value;

    memcpy(copy, text.p, text.len);
    if (is_json(str_make(copy, text.len), &value) != (doc != NULL))
        fail_msg(STR_FMT, STR_ARG(text));
    json_free(doc);
    test_free(copy);
}

/* Digits are looked at eight at a time: any byte at any place among them, where the text goes on and where it ends. */
static void
test_digits(void **state)
{
    for (size_t len = 14; len < 23; len++) {
        for (size_t i = 0; i < len * 256; i++) {
            char text[] = "0.12345678901234567890";

            text[i / 256] = (char)(i % 256);
            compare_readers(str_make(text, len));
        }
    }
}

/* Every cut of a text is no JSON, and no byte beyond it is looked at. */
static void
test_cuts(void **state)
{
    static const char text[] = "{\"k\\u00e9y\":[1.5e3,\"\xc3\xa9\",{\"a\":null,\"b\":[true,false]}],\"z\":{}}";
    struct str value;

    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = test_malloc(len + 1);

        memcpy(copy, text, len);
        assert_false(is_json(str_make(copy, len), &value));
        test_free(copy);
    }
    assert_true(is_json(STR(text), &value));
    assert_false(is_json(STR("1\0"), &value));
}

static void
test_depth(void **state)
{
    struct str value;

    for (unsigned depth = 510; depth < 515; depth++) {
        struct buf text = { 0 };

        for (unsigned i = 0; i < depth; i++)
            buf_add(&text, i % 2 ? STR("[") : STR("{\"a\":"));
        buf_putc(&text, '1');
        for (unsigned i = depth; i-- > 0;)
            buf_putc(&text, i % 2 ? ']' : '}');
        assert_int_equal(is_json(buf_str(&text), &value), depth <= 512);
        buf_fini(&text);
    }
}

static void
test_walking(void **state)
{
    struct json_text t = json_text(STR(" { \"a\" : [ 1.0 , { \"x\":[] } , \"s\" ] , \"e\\u0041\" : {} , \"n\":-0 } "));
    struct str key;

    assert_true(json_text_enter(&t, '{'));
    assert_true(json_text_member(&t, &key));
    assert_true(str_eq(key, STR("a")));
    assert_true(json_text_enter(&t, '['));
    assert_true(json_text_element(&t));
    assert_true(str_eq(json_text_value(&t), STR("1.0")));
    assert_true(json_text_element(&t));
    assert_true(str_eq(json_text_value(&t), STR("{ \"x\":[] }")));
    assert_true(json_text_element(&t));
    assert_true(str_eq(json_text_value(&t), STR("\"s\"")));
    assert_false(json_text_element(&t));
    assert_true(json_text_member(&t, &key));
    assert_true(str_eq(key, STR("e\\u0041")));
    assert_true(json_text_enter(&t, '{'));
    assert_false(json_text_member(&t, &key));
    assert_false(json_text_end(&t));
    assert_true(json_text_member(&t, &key));
    assert_true(str_eq(json_text_value(&t), STR("-0")));
    assert_false(json_text_member(&t, &key));
    assert_true(json_text_end(&t));
}

/* Once wrong, always wrong. */
static void
test_wrong_stays_wrong(void **state)
{
    struct json_text t = json_text(STR("{\"a\":tru,\"b\":2}"));
    struct str key;

    assert_true(json_text_enter(&t, '{'));
    assert_true(json_text_member(&t, &key));
    assert_int_equal(json_text_value(&t).len, 0);
    assert_false(json_text_member(&t, &key));
    assert_false(json_text_element(&t));
    assert_false(json_text_enter(&t, '{'));
    assert_int_equal(json_text_value(&t).len, 0);
    assert_false(json_text_end(&t));
    t = json_text(STR("[1]"));
    assert_false(json_text_enter(&t, '{'));
    assert_false(json_text_end(&t));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_json),
        cmocka_unit_test(test_as_the_parser_says),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_walking),
        cmocka_unit_test(test_wrong_stays_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
