/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens. The input is a line with a header, then claims; they are signed here, as nobody else could, and the bytes as they
 * are stand for what a stranger sends. A token that passes is the same under the key of a cluster, and passes there only.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/route/token.h"

enum { NOW = 1000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str
encoded(struct arena *a, struct str bytes)
{
    char *text = arena_alloc(a, base64_len(bytes.len) + 1), *back = arena_alloc(a, base64_len(bytes.len) + 1);
    size_t len = 0;

    base64_encode(bytes, text);
    assert(base64_decode(str_make(text, base64_len(bytes.len)), back, &len) && len == bytes.len);
    assert(len == 0 || memcmp(back, bytes.p, len) == 0);
    return str_make(text, base64_len(bytes.len));
}

static struct str
sign(struct arena *a, struct str text, struct str secret)
{
    char signature[DIGEST_BASE64_LEN];
    struct str token = arena_printf(a, STR_FMT ".", STR_ARG(text));

    token_sign(token, secret, signature);
    return token_with(token, signature, a);
}

static void
check_accepted(struct arena *a, struct str token, const struct token_claims *claims)
{
    char signature[DIGEST_BASE64_LEN];
    struct token_claims again;
    struct str other;

    assert(!token_is_expired(claims->exp, NOW) && claims->subject_len <= TOKEN_SUBJECT_MAX);
    token_sign(token, STR("key of a cluster"), signature);
    other = token_with(token, signature, a);
    assert(other.len == token.len && memcmp(other.p, token.p, token.len - DIGEST_BASE64_LEN) == 0);
    assert(token_verify(other, STR("key of clients"), NOW, &again) == FAIL_TOKEN_SIGNATURE);
    assert(token_verify(other, STR("key of a cluster"), NOW, &again) == FAIL_NONE);
    assert(again.exp == claims->exp && again.is_limited == claims->is_limited);
    if (!claims->is_limited)
        assert(token_covers(token, STR("any")));
}

/* Without the key nothing passes, and what the claims say cannot matter. */
static void
check_stranger(struct str bytes)
{
    struct token_claims claims;
    enum fail fail = token_verify(bytes, STR("key of clients"), NOW, &claims);

    assert(fail == FAIL_KEY_INVALID || fail == FAIL_TOKEN_SIGNATURE);
    token_covers(bytes, STR("any"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct str bytes = str_make((const char *)data, size), header, claims_text, token;
    struct token_claims claims;
    char raw[512];
    size_t len;

    if (size > 8192)
        return 0;
    check_stranger(bytes);
    if (size <= sizeof(raw) && base64_decode(bytes, raw, &len))
        assert(str_eq(encoded(&a, str_make(raw, len)), bytes));
    str_cut(bytes, '\n', &header, &claims_text);
    token = arena_printf(&a, STR_FMT "." STR_FMT, STR_ARG(encoded(&a, header)), STR_ARG(encoded(&a, claims_text)));
    token = sign(&a, token, STR("key of clients"));
    if (token_verify(token, STR("key of clients"), NOW, &claims) == FAIL_NONE)
        check_accepted(&a, token, &claims);
    arena_fini(&a);
    return 0;
}
