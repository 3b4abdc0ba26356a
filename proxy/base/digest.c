/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of libcrypto beside TLS. The algorithm is fetched once: fetching costs more than hashing a key.
 */
#include "proxy/base/digest.h"

#include <assert.h>
#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(sha256);
}

struct digest
digest_sha256(struct str data)
{
    struct digest d;
    int ok;

    pthread_once(&once, fetch);
    ok = EVP_Digest(data.len ? data.p : "", data.len, d.bytes, NULL, sha256, NULL);
    assert(ok == 1);
    return d;
}

struct digest
digest_hmac_sha256(struct str key, struct str data)
{
    struct digest d;
    unsigned len = 0;
    const unsigned char *done;

    pthread_once(&once, fetch);
    done = HMAC(sha256, key.len ? key.p : "", (int)key.len, (const unsigned char *)(data.len ? data.p : ""), data.len,
        d.bytes, &len);
    assert(done && len == DIGEST_BYTES);
    return d;
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

/* --- base64url --------------------------------------------------------------------------------------------------- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
base64_len(size_t n)
{
    return n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0);
}

void
base64_encode(struct str data, char *ret_text)
{
    uint32_t bits = 0;
    unsigned n = 0;

    for (size_t i = 0; i < data.len; i++) {
        bits = bits << 8 | (unsigned char)data.p[i];
        for (n += 8; n >= 6; n -= 6)
            *ret_text++ = letters[bits >> (n - 6) & 63];
    }
    if (n)
        *ret_text = letters[bits << (6 - n) & 63];
}

static int
value_of(char c)
{
    const char *at = c ? strchr(letters, c) : NULL;

    return at ? (int)(at - letters) : -1;
}

bool
base64_decode(struct str text, char *ret_bytes, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned n = 0;
    size_t len = 0;

    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.p[i]);

        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        n += 6;
        if (n < 8)
            continue;
        n -= 8;
        ret_bytes[len++] = (char)(bits >> n & 0xff);
    }
    if (bits & ((1u << n) - 1))
        return false;
    *ret_len = len;
    return true;
}
