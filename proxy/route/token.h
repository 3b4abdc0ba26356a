/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_TOKEN_H
#define SEXTANT_ROUTE_TOKEN_H

/* Qdrant's JWTs (RFC 7519, HS256): read, verified, and signed again with another key. Pure.
 *
 * Verdicts are those of Qdrant 1.19 (src/common/auth/jwt_parser.rs, claims.rs, lib/storage/src/rbac/mod.rs), or stricter:
 * what two readers could understand in two ways (a key that stands twice, an array for an object) is no token here. */

#include "proxy/base/arena.h"
#include "proxy/base/digest.h"
#include "proxy/base/fail.h"

enum { TOKEN_LEEWAY_SECONDS = 30, TOKEN_SUBJECT_MAX = 64 };
#define TOKEN_NO_END UINT64_MAX

/* What is kept of a verified token. */
struct token_claims {
    uint64_t exp;                    /* seconds since 1970, TOKEN_NO_END for none */
    char subject[TOKEN_SUBJECT_MAX]; /* `subject`, else `sub`, cut; for the log. Not NUL-terminated */
    uint8_t subject_len;
    bool is_limited; /* to the collections that it lists */
};

/* FAIL_NONE; FAIL_KEY_INVALID for what is no token at all; FAIL_TOKEN_SIGNATURE, FAIL_TOKEN_EXPIRED or FAIL_TOKEN_INVALID. */
enum fail token_verify(struct str token, struct str secret, uint64_t now_s, struct token_claims *ret_claims);
bool token_is_expired(uint64_t exp, uint64_t now_s);

/* The signature of a verified token under another key: DIGEST_BASE64_LEN letters. Header and claims stay as they are. */
void token_sign(struct str token, struct str secret, char *ret_signature);
/* The token with that signature. */
struct str token_with(struct str token, const char *signature, struct arena *arena);

/* Do the claims of a verified token speak of this collection, whatever they allow there? */
bool token_covers(struct str token, struct str collection);

#endif
