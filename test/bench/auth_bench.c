/* SPDX-License-Identifier: Apache-2.0
 *
 * What it costs to know who asks and to have something to show the cluster: by key, by a token that is known, and by one
 * that is not (its HMAC is computed twice, once for each side).
 */
#include "proxy/route/auth.h"
#include "test/bench/bench.h"

enum { CALLS = 20000, TOKENS = 1000 };

struct callers {
    struct auth_context context;
    struct operation op;
    struct message message;
    const struct str *keys;
    unsigned n, at, passed;
};

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
check(void *arg, unsigned n)
{
    struct callers *c = arg;
    struct arena scratch = { 0 };
    struct identity who;

    for (unsigned i = 0; i < n; i++) {
        c->message.fields[0].value = c->keys[c->at++ % c->n];
        c->passed += auth_check(&c->context, &c->op, &c->message, &who) == FAIL_NONE;
        auth_credential(&c->context, &who, 0, &scratch);
        arena_reset(&scratch);
    }
    arena_fini(&scratch);
}

static void
measure(struct world *w, const char *name, const struct str *keys, unsigned n)
{
    struct callers c = { .context = { w, token_cache_new(), 1000000 }, .keys = keys, .n = n };
    struct arena arena = { 0 };

    operation_parse(METHOD_POST, STR("/collections/c/points/query"), &arena, &c.op);
    message_init(&c.message, &arena);
    message_add_id(&c.message, FIELD_API_KEY, keys[0]);
    bench_time(name, check, &c, CALLS);
    printf("# %u of %u passed\n", c.passed, c.at);
    token_cache_free(c.context.tokens);
    arena_fini(&arena);
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
    measure(w, "auth.key", &key, 1);
    measure(w, "auth.wrong_key", &wrong, 1);
    measure(w, "auth.known_token", tokens, 1);
    measure(w, "auth.new_token", tokens, TOKENS);
    arena_fini(&arena);
    world_unref(w);
    return 0;
}
