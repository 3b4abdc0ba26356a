/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "proxy/http/coding.h"
#include "test/unit/coding_samples.h"

#define S(bytes) \
    { \
        bytes, sizeof(bytes) - 1 \
    }
enum { ENOUGH = 1 << 20, BOMB = 300000 };

/* Decodes from memory of exactly that length, behind bytes that are there already and must stay. */
static enum fail
decode(const char *coding, struct str body, size_t limit, struct buf *out)
{
    char *copy = malloc(body.len ? body.len : 1);
    enum fail fail;

    memcpy(copy, body.p, body.len);
    buf_clear(out);
    buf_add(out, STR("before"));
    fail = coding_decode(str_from(coding), str_make(copy, body.len), limit, out);
    assert_true(str_starts(buf_str(out), STR("before")));
    if (fail)
        assert_int_equal(buf_len(out), strlen("before"));
    buf_consume(out, strlen("before"));
    free(copy);
    return fail;
}

static void
check(const char *coding, struct str body, enum fail fail)
{
    struct buf out = { 0 };
    enum fail got = decode(coding, body, ENOUGH, &out);

    if (got != fail || (!got && !str_eq(buf_str(&out), STR(SAMPLE_PLAIN))))
        fail_msg("\"%s\", %zu bytes: %s, %zu bytes out", coding, body.len, fail_info(got)->code, buf_len(&out));
    buf_fini(&out);
}

static const struct sample {
    const char *coding;
    struct str body;
} samples[] = {
    { "gzip", S(SAMPLE_GZIP) },
    { "x-gzip", S(SAMPLE_GZIP) },
    { "GZip", S(SAMPLE_GZIP) },
    { "deflate", S(SAMPLE_DEFLATE) },
    { "br", S(SAMPLE_BR) },
    { "zstd", S(SAMPLE_ZSTD) },
    { " gzip ,", S(SAMPLE_GZIP) },
    { "identity, gzip", S(SAMPLE_GZIP) },
    { "br, gzip", S(SAMPLE_GZIP_OF_BR) },
    { "br,identity,gzip,identity", S(SAMPLE_GZIP_OF_BR) },
};

#define FOR_SAMPLES(i) for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)

static void
test_each_coding(void **state)
{
    FOR_SAMPLES(i)
    check(samples[i].coding, samples[i].body, FAIL_NONE);
}

static void
test_identity(void **state)
{
    static const char *const codings[] = { "", " ", "identity", "Identity,", "identity, identity, identity, identity" };

    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
        check(codings[i], STR(SAMPLE_PLAIN), FAIL_NONE);
}

static void
test_refused_codings(void **state)
{
    check("compress", STR(SAMPLE_PLAIN), FAIL_BAD_BODY);
    check("gzipp", STR(SAMPLE_GZIP), FAIL_BAD_BODY);
    check("gzip;q=1", STR(SAMPLE_GZIP), FAIL_BAD_BODY);
    check("gzip br", STR(SAMPLE_GZIP_OF_BR), FAIL_BAD_BODY);
    check("gzip,br", STR(SAMPLE_GZIP_OF_BR), FAIL_BAD_BODY);
    check("gzip,gzip,gzip,gzip", STR(SAMPLE_GZIP), FAIL_BAD_BODY);
    check("gzip", STR(SAMPLE_DEFLATE), FAIL_BAD_BODY);
    check("deflate", STR(SAMPLE_BARE_DEFLATE), FAIL_BAD_BODY);
    check("deflate", STR(SAMPLE_GZIP), FAIL_BAD_BODY);
    check("gzip", STR(SAMPLE_PLAIN), FAIL_BAD_BODY);
    check("br", STR(SAMPLE_ZSTD), FAIL_BAD_BODY);
    check("zstd", STR(SAMPLE_ZSTD_WIDE_WINDOW), FAIL_BAD_BODY);
    check("gzip", STR(""), FAIL_BAD_BODY);
}

static void
test_truncated(void **state)
{
    FOR_SAMPLES(i)
    {
        for (size_t len = 0; len < samples[i].body.len; len++)
            check(samples[i].coding, str_make(samples[i].body.p, len), FAIL_BAD_BODY);
    }
}

/* A byte, the same again, an empty frame: whatever follows, there must be one reading. */
static void
test_trailing_bytes(void **state)
{
    FOR_SAMPLES(i)
    {
        struct buf twice = { 0 };

        buf_add(&twice, samples[i].body);
        buf_putc(&twice, '\0');
        check(samples[i].coding, buf_str(&twice), FAIL_BAD_BODY);
        buf_truncate(&twice, samples[i].body.len);
        buf_add(&twice, samples[i].body);
        check(samples[i].coding, buf_str(&twice), FAIL_BAD_BODY);
        buf_fini(&twice);
    }
    check("zstd", STR(SAMPLE_ZSTD "\x50\x2a\x4d\x18\0\0\0\0"), FAIL_BAD_BODY);
    check("zstd", STR("\x50\x2a\x4d\x18\0\0\0\0" SAMPLE_ZSTD), FAIL_BAD_BODY);
}

/* Formats with a checksum see every changed bit of it. */
static void
test_checksum(void **state)
{
    static const struct sample with_sum[] = { { "gzip", S(SAMPLE_GZIP) }, { "deflate", S(SAMPLE_DEFLATE) },
        { "zstd", S(SAMPLE_ZSTD) } };

    for (size_t i = 0; i < sizeof(with_sum) / sizeof(with_sum[0]); i++) {
        struct buf copy = { 0 };

        buf_add(&copy, with_sum[i].body);
        copy.data[copy.end - 2] ^= 1;
        check(with_sum[i].coding, buf_str(&copy), FAIL_BAD_BODY);
        buf_fini(&copy);
    }
}

static void
check_limit(const char *coding, struct str body, size_t limit, enum fail fail)
{
    struct buf out = { 0 };
    enum fail got = decode(coding, body, limit, &out);

    if (got != fail || (!got && buf_len(&out) != limit))
        fail_msg("%s to %zu bytes: %s, %zu bytes out", coding, limit, fail_info(got)->code, buf_len(&out));
    assert_true(out.cap <= 4 * (limit + 1024)); /* nor was more ever held */
    buf_fini(&out);
}

static void
test_limits(void **state)
{
    static const struct sample bombs[] = { { "gzip", S(SAMPLE_GZIP_BOMB) }, { "deflate", S(SAMPLE_DEFLATE_BOMB) },
        { "br", S(SAMPLE_BR_BOMB) }, { "zstd", S(SAMPLE_ZSTD_BOMB) }, { "gzip,gzip", S(SAMPLE_GZIP_OF_GZIP_BOMB) } };

    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
        check_limit(bombs[i].coding, bombs[i].body, BOMB, FAIL_NONE);
        check_limit(bombs[i].coding, bombs[i].body, BOMB - 1, FAIL_BODY_TOO_LARGE);
        check_limit(bombs[i].coding, bombs[i].body, 1000, FAIL_BODY_TOO_LARGE);
        check_limit(bombs[i].coding, bombs[i].body, 0, FAIL_BODY_TOO_LARGE);
    }
    check_limit("", STR(SAMPLE_PLAIN), strlen(SAMPLE_PLAIN), FAIL_NONE);
    check_limit("", STR(SAMPLE_PLAIN), strlen(SAMPLE_PLAIN) - 1, FAIL_BODY_TOO_LARGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_coding),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_refused_codings),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
