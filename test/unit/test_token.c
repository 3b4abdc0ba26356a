/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/route/token.h"

#define SECRET STR("a-secret")
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
enum { NOW = 1000000 };

static struct str
encoded(struct arena *a, const char *text)
{
    struct str s = str_from(text);
    char *out = arena_alloc(a, base64_len(s.len) + 1);

    base64_encode(s, out);
    return str_make(out, base64_len(s.len));
}

static struct str
make(struct arena *a, const char *header, const char *claims)
{
    struct str token = arena_printf(
        a, STR_FMT "." STR_FMT ".", STR_ARG(encoded(a, header)), STR_ARG(encoded(a, claims)));
    char signature[DIGEST_BASE64_LEN];

    token_sign(token, SECRET, signature);
    return token_with(token, signature, a);
}

static const struct {
    const char *claims;
    enum fail fail;
} claims_cases[] = {
    { "{}", FAIL_NONE },
    { " { } ", FAIL_NONE },
    { "{\"access\":\"r\"}", FAIL_NONE },
    { "{\"access\":\"m\"}", FAIL_NONE },
    { "{\"access\":\"rw\"}", FAIL_KEY_INVALID },
    { "{\"access\":\"\"}", FAIL_KEY_INVALID },
    { "{\"access\":null}", FAIL_KEY_INVALID },
    { "{\"access\":1}", FAIL_KEY_INVALID },
    { "{\"access\":{}}", FAIL_KEY_INVALID },
    { "{\"access\":[]}", FAIL_NONE },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"r\"}]}", FAIL_NONE },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"rw\"},{\"collection\":\"d\",\"access\":\"prw\",\"x\":1}]}",
        FAIL_NONE },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"m\"}]}", FAIL_KEY_INVALID },
    { "{\"access\":[{\"collection\":\"c\"}]}", FAIL_KEY_INVALID },
    { "{\"access\":[{\"access\":\"r\"}]}", FAIL_KEY_INVALID },
    { "{\"access\":[{\"collection\":1,\"access\":\"r\"}]}", FAIL_KEY_INVALID },
    { "{\"access\":[\"c\"]}", FAIL_KEY_INVALID },
    { "{\"access\":[[\"c\",\"r\"]]}", FAIL_KEY_INVALID },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"r\"},{\"collection\":\"c\",\"access\":\"rw\"}]}",
        FAIL_TOKEN_INVALID },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"r\"},{\"collection\":\"\\u0063\",\"access\":\"r\"}]}",
        FAIL_TOKEN_INVALID },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"r\",\"payload\":{}}]}", FAIL_TOKEN_INVALID },
    { "{\"access\":[{\"collection\":\"c\",\"access\":\"r\",\"payload\":null}]}", FAIL_NONE },
    { "{\"exp\":null}", FAIL_NONE },
    { "{\"exp\":999970}", FAIL_NONE },
    { "{\"exp\":999969}", FAIL_TOKEN_EXPIRED },
    { "{\"exp\":0}", FAIL_TOKEN_EXPIRED },
    { "{\"exp\":18446744073709551615}", FAIL_NONE },
    { "{\"exp\":18446744073709551616}", FAIL_KEY_INVALID },
    { "{\"exp\":-1}", FAIL_KEY_INVALID },
    { "{\"exp\":2e6}", FAIL_KEY_INVALID },
    { "{\"exp\":2000000.0}", FAIL_KEY_INVALID },
    { "{\"exp\":\"2000000\"}", FAIL_KEY_INVALID },
    { "{\"exp\":2000000,\"exp\":2000000}", FAIL_KEY_INVALID },
    { "{\"exp\":0,\"\\u0065xp\":2000000}", FAIL_KEY_INVALID },
    { "{\"access\":\"r\",\"access\":\"m\"}", FAIL_KEY_INVALID },
    { "{\"sub\":\"x\",\"subject\":null,\"nbf\":9999999999,\"aud\":\"y\",\"foo\":[1,{}]}", FAIL_NONE },
    { "{\"sub\":1}", FAIL_KEY_INVALID },
    { "{\"subject\":{}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":null}", FAIL_NONE },
    { "{\"value_exists\":{\"collection\":\"u\",\"matches\":[]}}", FAIL_NONE },
    { "{\"value_exists\":{\"collection\":\"u\",\"matches\":[{\"key\":\"a.b\",\"value\":\"x\"},{\"key\":\"n\",\"value\":"
      "-3},"
      "{\"key\":\"b\",\"value\":true}]}}",
        FAIL_NONE },
    { "{\"value_exists\":{\"collection\":\"u\",\"matches\":[{\"key\":\"a\",\"value\":1.5}]}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":{\"collection\":\"u\",\"matches\":[{\"key\":\"a\",\"value\":null}]}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":{\"collection\":\"u\",\"matches\":[{\"value\":\"x\"}]}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":{\"collection\":\"u\"}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":{\"matches\":[]}}", FAIL_KEY_INVALID },
    { "{\"value_exists\":[]}", FAIL_KEY_INVALID },
    { "[null,null,\"m\",null,null]", FAIL_KEY_INVALID }, /* Qdrant would take it */
    { "null", FAIL_KEY_INVALID },
    { "\"x\"", FAIL_KEY_INVALID },
    { "", FAIL_KEY_INVALID },
    { "{", FAIL_KEY_INVALID },
    { "{}x", FAIL_KEY_INVALID },
    { "{\"a\":\xff}", FAIL_KEY_INVALID },
};

static void
test_claims(void **state)
{
    for (size_t i = 0; i < sizeof(claims_cases) / sizeof(*claims_cases); i++) {
        struct arena a = { 0 };
        struct token_claims c;
        enum fail fail = token_verify(make(&a, HS256, claims_cases[i].claims), SECRET, NOW, &c);

        if (fail != claims_cases[i].fail)
            fail_msg("claims %zu are %s", i, fail_info(fail)->code);
        arena_fini(&a);
    }
}

static const struct {
    const char *header;
    enum fail fail;
} header_cases[] = {
    { HS256, FAIL_NONE },
    { "{\"alg\":\"HS256\"}", FAIL_NONE },
    { "{\"alg\":\"HS256\",\"kid\":\"1\",\"x\":[]}", FAIL_NONE },
    { "{\"alg\":\"none\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"None\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"hs256\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"HS384\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"HS512\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"RS256\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"ES256\"}", FAIL_KEY_INVALID },
    { "{\"alg\":[\"HS256\"]}", FAIL_KEY_INVALID },
    { "{\"alg\":\"none\",\"alg\":\"HS256\"}", FAIL_KEY_INVALID },
    { "{\"alg\":\"HS256\",\"alg\":\"none\"}", FAIL_KEY_INVALID },
    { "{\"typ\":\"JWT\"}", FAIL_KEY_INVALID },
    { "[]", FAIL_KEY_INVALID },
    { "", FAIL_KEY_INVALID },
};

static void
test_headers(void **state)
{
    for (size_t i = 0; i < sizeof(header_cases) / sizeof(*header_cases); i++) {
        struct arena a = { 0 };
        struct token_claims c;
        enum fail fail = token_verify(make(&a, header_cases[i].header, "{}"), SECRET, NOW, &c);

        if (fail != header_cases[i].fail)
            fail_msg("header %s is %s", header_cases[i].header, fail_info(fail)->code);
        arena_fini(&a);
    }
}

static void
test_no_tokens(void **state)
{
    static const char *const texts[] = { "", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "\xff.\xff.\xff" };
    struct token_claims c;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_int_equal(token_verify(str_from(texts[i]), SECRET, NOW, &c), FAIL_KEY_INVALID);
}

/* Every single bit of it counts. */
static void
test_signatures(void **state)
{
    struct arena a = { 0 };
    struct str token = make(&a, HS256, "{\"access\":\"r\",\"exp\":2000000}"), cut;
    struct token_claims c;

    assert_int_equal(token_verify(token, SECRET, NOW, &c), FAIL_NONE);
    assert_int_equal(token_verify(token, STR("a-secreT"), NOW, &c), FAIL_TOKEN_SIGNATURE);
    assert_int_equal(token_verify(token, STR(""), NOW, &c), FAIL_TOKEN_SIGNATURE);
    for (size_t i = 0; i < token.len; i++) {
        char *copy = arena_alloc(&a, token.len);

        memcpy(copy, token.p, token.len);
        copy[i] ^= 1;
        assert_int_not_equal(token_verify(str_make(copy, token.len), SECRET, NOW, &c), FAIL_NONE);
    }
    cut = str_make(token.p, token.len - DIGEST_BASE64_LEN);
    assert_int_equal(token_verify(cut, SECRET, NOW, &c), FAIL_TOKEN_SIGNATURE); /* an empty one is base64 too */
    cut = str_make(token.p, token.len - 3);
    assert_int_equal(token_verify(cut, SECRET, NOW, &c), FAIL_TOKEN_SIGNATURE);
    assert_int_equal(token_verify(arena_printf(&a, STR_FMT "=", STR_ARG(token)), SECRET, NOW, &c), FAIL_KEY_INVALID);
    arena_fini(&a);
}

static void
test_what_is_kept(void **state)
{
    struct arena a = { 0 };
    struct token_claims c;

    token_verify(make(&a, HS256, "{\"sub\":\"tenant\",\"subject\":\"alice\",\"exp\":2000000}"), SECRET, NOW, &c);
    assert_int_equal(c.exp, 2000000);
    assert_false(c.is_limited);
    assert_true(str_eq(str_make(c.subject, c.subject_len), STR("alice")));
    token_verify(make(&a, HS256, "{\"sub\":\"tenant\",\"access\":[]}"), SECRET, NOW, &c);
    assert_true(c.exp == TOKEN_NO_END && c.is_limited);
    assert_true(str_eq(str_make(c.subject, c.subject_len), STR("tenant")));
    token_verify(
        make(&a, HS256, "{\"sub\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}"), SECRET,
        NOW, &c);
    assert_int_equal(c.subject_len, TOKEN_SUBJECT_MAX);
    arena_fini(&a);
}

static void
test_covers(void **state)
{
    struct arena a = { 0 };
    struct str some = make(
        &a, HS256, "{\"access\":[{\"collection\":\"c\",\"access\":\"r\"},{\"collection\":\"d\",\"access\":\"rw\"}]}");

    assert_true(token_covers(some, STR("c")) && token_covers(some, STR("d")));
    assert_false(token_covers(some, STR("e")) || token_covers(some, STR("")));
    assert_true(token_covers(make(&a, HS256, "{}"), STR("e")));
    assert_false(token_covers(make(&a, HS256, "{\"access\":[]}"), STR("e")));
    assert_false(token_covers(STR("a.b.c"), STR("e")));
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_no_tokens),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
