/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/base/digest.h"

static void
assert_hex(struct digest d, const char *expected)
{
    char text[DIGEST_BYTES * 2 + 1];

    for (unsigned i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + i * 2, 3, "%02x", d.bytes[i]);
    assert_string_equal(text, expected);
}

/* FIPS 180-2, appendix B. */
static void
test_sha256(void **state)
{
    assert_hex(digest_sha256(STR_NONE), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hex(digest_sha256(STR("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hex(digest_sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231, cases 1, 2 and 6. */
static void
test_hmac(void **state)
{
    char long_key[131];

    memset(long_key, 0xaa, sizeof(long_key));
    assert_hex(
        digest_hmac_sha256(
            STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"), STR("Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hex(digest_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_hex(digest_hmac_sha256(
                   str_make(long_key, sizeof(long_key)), STR("Test Using Larger Than Block-Size Key - Hash Key First")),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
test_equal(void **state)
{
    struct digest a = digest_sha256(STR("a")), b = a;

    assert_true(digest_equal(&a, &b));
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        b.bytes[i] ^= 0x80;
        assert_false(digest_equal(&a, &b));
        b = a;
    }
}

/* RFC 4648 §10, in the other alphabet and without padding. */
static void
test_base64(void **state)
{
    static const char *const pairs[][2] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "-_-_" } };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct str bytes = str_from(pairs[i][0]), text = str_from(pairs[i][1]);
        char out[16], back[16];
        size_t len = 99;

        assert_int_equal(base64_len(bytes.len), text.len);
        base64_encode(bytes, out);
        assert_memory_equal(out, text.p, text.len);
        assert_true(base64_decode(text, back, &len));
        assert_int_equal(len, bytes.len);
        assert_memory_equal(back, bytes.p, len);
    }
}

static void
test_base64_refused(void **state)
{
    static const char *const texts[] = { "Z", "Zg==", "Zg=", "Zh", "Zm9", "Zm9v ", "Zm+v", "Zm/v", "Z\xc3\xa4", "Zm9vY",
        "Zm9v\n" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char out[16];
        size_t len;

        if (base64_decode(str_from(texts[i]), out, &len))
            fail_msg("%s is decoded", texts[i]);
    }
    assert_false(base64_decode(str_make("Zm9\0", 4), (char[4]){ 0 }, &(size_t){ 0 }));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
