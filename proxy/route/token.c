/* SPDX-License-Identifier: Apache-2.0
 *
 *   header . claims . signature      each base64url; the first two are JSON objects; the signature is over "header.claims"
 *
 * 1. Nothing of the claims is looked at before the signature is verified.
 * 2. Only HS256: a token never chooses how it is verified.
 */
#include "proxy/route/token.h"

#include "proxy/base/json.h"
#include "proxy/base/mem.h"

enum { TOKEN_MAX = 64 * 1024 };

struct parts {
    struct str header, claims, signature; /* as they came */
    struct str signed_text;               /* "header.claims" */
};

static bool
cut_last(struct str s, struct str *ret_head, struct str *ret_tail)
{
    size_t at = s.len;

    while (at && s.p[at - 1] != '.')
        at--;
    if (at == 0)
        return false;
    *ret_tail = str_make(s.p + at, s.len - at);
    *ret_head = str_make(s.p, at - 1);
    return true;
}

static bool
split(struct str token, struct parts *ret_parts)
{
    struct parts p;

    if (token.len > TOKEN_MAX || !cut_last(token, &p.signed_text, &p.signature) ||
        !cut_last(p.signed_text, &p.header, &p.claims))
        return false;
    *ret_parts = p;
    return true;
}

/* The object that a part holds, or NULL. */
static struct json_doc *
open_part(struct str part)
{
    char *bytes = mem_alloc(part.len + 1);
    struct json_doc *doc = NULL;
    struct str twice;
    size_t len;

    if (base64_decode(part, bytes, &len))
        doc = json_parse(str_make(bytes, len), NULL, NULL);
    mem_free(bytes);
    if (doc && json_type(json_root(doc)) == JSON_OBJECT && !json_has_duplicate_key(json_root(doc), &twice))
        return doc;
    json_free(doc);
    return NULL;
}

static bool
is_hs256(struct str header)
{
    struct json_doc *doc = open_part(header);
    bool is_it = doc && str_eq(json_string(json_get(json_root(doc), "alg")), STR("HS256"));

    json_free(doc);
    return is_it;
}

static bool
is_signed_by(const struct parts *p, const char *signature, size_t len, struct str secret)
{
    struct digest want = digest_hmac_sha256(secret, p->signed_text), got;

    if (len != DIGEST_BYTES)
        return false;
    memcpy(got.bytes, signature, DIGEST_BYTES);
    return digest_equal(&want, &got);
}

/* --- claims ------------------------------------------------------------------------------------------------------ */

/* A member that may be missing or null, or must be a string. */
static bool
is_text_or_none(struct json v)
{
    return json_type(v) == JSON_NONE || json_type(v) == JSON_NULL || json_type(v) == JSON_STRING;
}

static bool
take_exp(struct json v, struct token_claims *c)
{
    c->exp = TOKEN_NO_END;
    if (json_type(v) == JSON_NONE || json_type(v) == JSON_NULL)
        return true;
    return json_type(v) == JSON_NUMBER && str_to_u64(json_number(v), &c->exp);
}

static bool
is_match(struct json v)
{
    struct json value = json_get(v, "value");
    enum json_type type = json_type(value);
    struct str number = json_number(value);
    uint64_t whole;

    if (json_type(json_get(v, "key")) != JSON_STRING)
        return false;
    if (type == JSON_NUMBER)
        return str_to_u64(number.p[0] == '-' ? str_skip(number, 1) : number, &whole);
    return type == JSON_STRING || type == JSON_BOOL;
}

/* Whether the value is there is for each cluster to find out; here it only has to be well said. */
static bool
is_value_exists(struct json v)
{
    struct json matches = json_get(v, "matches");

    if (json_type(v) == JSON_NONE || json_type(v) == JSON_NULL)
        return true;
    if (json_type(json_get(v, "collection")) != JSON_STRING || json_type(matches) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(matches); json_next(&i);) {
        if (!is_match(i.value))
            return false;
    }
    return true;
}

static bool
is_one_of(struct str word, const char *const *words)
{
    for (; *words; words++) {
        if (str_eq(word, str_from(*words)))
            return true;
    }
    return false;
}

/* FAIL_TOKEN_INVALID for what Qdrant understands and refuses: a collection twice, a constraint that it no longer has. */
static enum fail
check_access_list(struct json list)
{
    static const char *const modes[] = { "r", "rw", "prw", NULL };
    enum fail fail = FAIL_NONE;

    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct json name = json_get(i.value, "collection"), payload = json_get(i.value, "payload");

        if (json_type(name) != JSON_STRING || !is_one_of(json_string(json_get(i.value, "access")), modes))
            return FAIL_KEY_INVALID;
        if (json_type(payload) != JSON_NONE && json_type(payload) != JSON_NULL)
            fail = FAIL_TOKEN_INVALID;
        for (struct json_iter j = json_iter(list); json_next(&j) && j.index < i.index;) {
            if (str_eq(json_string(json_get(j.value, "collection")), json_string(name)))
                fail = FAIL_TOKEN_INVALID;
        }
    }
    return fail;
}

static enum fail
check_access(struct json access, struct token_claims *c)
{
    static const char *const modes[] = { "r", "m", NULL };

    switch (json_type(access)) {
    case JSON_NONE:
        return FAIL_NONE;
    case JSON_STRING:
        return is_one_of(json_string(access), modes) ? FAIL_NONE : FAIL_KEY_INVALID;
    case JSON_ARRAY:
        c->is_limited = true;
        return check_access_list(access);
    default:
        return FAIL_KEY_INVALID;
    }
}

static void
take_subject(struct json root, struct token_claims *c)
{
    struct str subject = json_string(json_get(root, "subject"));

    if (subject.len == 0)
        subject = json_string(json_get(root, "sub"));
    c->subject_len = (uint8_t)(subject.len < TOKEN_SUBJECT_MAX ? subject.len : TOKEN_SUBJECT_MAX);
    if (c->subject_len)
        memcpy(c->subject, subject.p, c->subject_len);
}

static enum fail
check_claims(struct json root, uint64_t now_s, struct token_claims *ret_claims)
{
    struct token_claims c = { .is_limited = false };
    enum fail fail = check_access(json_get(root, "access"), &c);

    if (fail == FAIL_KEY_INVALID || !take_exp(json_get(root, "exp"), &c) || !is_text_or_none(json_get(root, "sub")) ||
        !is_text_or_none(json_get(root, "subject")) || !is_value_exists(json_get(root, "value_exists")))
        return FAIL_KEY_INVALID;
    if (token_is_expired(c.exp, now_s))
        return FAIL_TOKEN_EXPIRED;
    take_subject(root, &c);
    if (fail == FAIL_NONE)
        *ret_claims = c;
    return fail;
}

bool
token_is_expired(uint64_t exp, uint64_t now_s)
{
    return now_s > TOKEN_LEEWAY_SECONDS && exp < now_s - TOKEN_LEEWAY_SECONDS;
}

enum fail
token_verify(struct str token, struct str secret, uint64_t now_s, struct token_claims *ret_claims)
{
    struct parts p;
    struct json_doc *doc;
    char *signature;
    enum fail fail;
    size_t len = 0;
    bool is_text, is_ours;

    if (!split(token, &p) || !is_hs256(p.header))
        return FAIL_KEY_INVALID;
    signature = mem_alloc(p.signature.len + 1);
    is_text = base64_decode(p.signature, signature, &len);
    is_ours = is_text && is_signed_by(&p, signature, len, secret);
    mem_free(signature);
    if (!is_text)
        return FAIL_KEY_INVALID;
    if (!is_ours)
        return FAIL_TOKEN_SIGNATURE;
    doc = open_part(p.claims);
    fail = doc ? check_claims(json_root(doc), now_s, ret_claims) : FAIL_KEY_INVALID;
    json_free(doc);
    return fail;
}

/* --- signing ----------------------------------------------------------------------------------------------------- */

void
token_sign(struct str token, struct str secret, char *ret_signature)
{
    struct str text = STR_NONE, signature;
    struct digest d;

    cut_last(token, &text, &signature);
    d = digest_hmac_sha256(secret, text);
    base64_encode(str_make((const char *)d.bytes, DIGEST_BYTES), ret_signature);
}

struct str
token_with(struct str token, const char *signature, struct arena *arena)
{
    struct str text = STR_NONE, old;
    char *whole;

    cut_last(token, &text, &old);
    whole = arena_alloc(arena, text.len + 1 + DIGEST_BASE64_LEN);
    memcpy(whole, text.p, text.len);
    whole[text.len] = '.';
    memcpy(whole + text.len + 1, signature, DIGEST_BASE64_LEN);
    return str_make(whole, text.len + 1 + DIGEST_BASE64_LEN);
}

bool
token_covers(struct str token, struct str collection)
{
    struct parts p;
    struct json_doc *doc = split(token, &p) ? open_part(p.claims) : NULL;
    struct json access = doc ? json_get(json_root(doc), "access") : (struct json){ NULL };
    bool covers = doc && json_type(access) != JSON_ARRAY;

    for (struct json_iter i = json_iter(access); json_next(&i);)
        covers |= str_eq(json_string(json_get(i.value, "collection")), collection);
    json_free(doc);
    return covers;
}
