/* SPDX-License-Identifier: Apache-2.0
 *
 * What it costs to know who asks and to have something to show the cluster: by key, by a token that is known, and by one
 * that is not (its HMAC is computed twice, once for each side).
 */
#include <inttypes.h>
#include <stdio.h>

#include "proxy/base/clock.h"
#include "proxy/route/auth.h"

enum { ROUNDS = 100000, TOKENS = 1000 };

static struct world *
make_world(void)
{
    static const char *const env[] = { "SEXTANT_CLUSTERS=eu http://127.0.0.1:1 at=DE",
        "SEXTANT_API_KEY=the-key-of-all-the-clients", "SEXTANT_ALT_API_KEY=the-other-key-of-clients",
        "SEXTANT_READ_ONLY_API_KEY=the-key-of-those-who-read", "SEXTANT_CLUSTER_EU_API_KEY=the-key-of-the-cluster",
        "SEXTANT_CLUSTER_EU_JWT_RBAC=on", NULL };
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    struct world *w = world_load((char **)(uintptr_t)env, 1, &issues);

    arena_fini(&arena);
    return w;
}

static struct str
make_token(struct arena *arena, unsigned number)
{
    struct str claims = arena_printf(arena,
        "{\"access\":[{\"collection\":\"c%u\",\"access\":\"rw\"}],\"exp\":4102444800,\"subject\":\"alice\"}", number);
    char *text = arena_alloc(arena, base64_len(claims.len) + 1), signature[DIGEST_BASE64_LEN];
    struct str token;

    base64_encode(claims, text);
    token = arena_printf(arena, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.%s.", text);
    token_sign(token, STR("the-key-of-all-the-clients"), signature);
    return token_with(token, signature, arena);
}

static void
measure(struct world *w, const char *what, const struct str *keys, unsigned n)
{
    struct auth_context c = { w, token_cache_new(), 1000000 };
    struct arena arena = { 0 }, scratch = { 0 };
    struct operation op;
    struct identity who;
    struct message m;
    unsigned passed = 0;
    int64_t start;

    operation_parse(METHOD_POST, STR("/collections/c/points/query"), &arena, &op);
    message_init(&m, &arena);
    message_add_id(&m, FIELD_API_KEY, keys[0]);
    start = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        m.fields[0].value = keys[(unsigned)i % n];
        passed += auth_check(&c, &op, &m, &who) == FAIL_NONE;
        auth_credential(&c, &who, 0, &scratch);
        arena_reset(&scratch);
    }
    printf(
        "%-28s %5" PRId64 " ns   (%u of %d passed)\n", what, (clock_mono_us() - start) * 1000 / ROUNDS, passed, ROUNDS);
    token_cache_free(c.tokens);
    arena_fini(&arena);
    arena_fini(&scratch);
}

int
main(void)
{
    struct world *w = make_world();
    struct arena arena = { 0 };
    struct str key = STR("the-key-of-all-the-clients"), wrong = STR("guessed"), *tokens;

    if (!w)
        return 1;
    tokens = ARENA_ARRAY(&arena, TOKENS, struct str);
    for (unsigned i = 0; i < TOKENS; i++)
        tokens[i] = make_token(&arena, i);
    measure(w, "a key", &key, 1);
    measure(w, "a wrong key", &wrong, 1);
    measure(w, "a token that is known", tokens, 1);
    measure(w, "tokens that are not", tokens, TOKENS);
    arena_fini(&arena);
    world_unref(w);
    return 0;
}
