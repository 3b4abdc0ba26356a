/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#include "proxy/route/auth.h"

#define CLUSTERS "SEXTANT_CLUSTERS=eu http://a at=DE; us http://b at=US; ap http://c at=JP"
#define MAP "SEXTANT_PARTITION_MAP=all *=eu,us,ap copies=external\nhere *=eu\nthere *=us\n* europe=eu *=us"

static const char *const env[] = { CLUSTERS, MAP, "SEXTANT_API_KEY=the-key-of-clients",
    "SEXTANT_ALT_API_KEY=another-key-like-it", "SEXTANT_READ_ONLY_API_KEY=a-key-for-reading",
    "SEXTANT_CLUSTER_EU_API_KEY=key-of-eu", "SEXTANT_CLUSTER_EU_JWT_RBAC=on", "SEXTANT_CLUSTER_US_API_KEY=key-of-us",
    NULL };

struct asked {
    struct arena arena;
    struct auth_context context;
    struct message request;
    struct operation op;
    struct identity who;
};

static int
set_up(void **state)
{
    struct asked *a = test_calloc(1, sizeof(*a));

    a->context = (struct auth_context){ fixture_world(env), token_cache_new(), 1000000 };
    *state = a;
    return 0;
}

static int
tear_down(void **state)
{
    struct asked *a = *state;

    world_unref((struct world *)(uintptr_t)a->context.world);
    token_cache_free(a->context.tokens);
    arena_fini(&a->arena);
    test_free(a);
    return 0;
}

static void
begin(struct asked *a, enum method method, const char *target)
{
    message_init(&a->request, &a->arena);
    a->request.method = method;
    assert_int_equal(operation_parse(method, str_from(target), &a->arena, &a->op), FAIL_NONE);
}

static enum fail
ask(struct asked *a)
{
    return auth_check(&a->context, &a->op, &a->request, &a->who);
}

static struct str
token_of(struct arena *arena, const char *claims, const char *secret)
{
    struct str json = str_from(claims), header = STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
    char *text = arena_alloc(arena, base64_len(json.len) + 1), signature[DIGEST_BASE64_LEN];
    struct str token;

    base64_encode(json, text);
    token = arena_printf(arena, STR_FMT ".%s.", STR_ARG(header), text);
    token_sign(token, str_from(secret), signature);
    return token_with(token, signature, arena);
}

/* --- which credential ------------------------------------------------------------------------------------------------ */

static void
test_order_of_headers(void **state)
{
    static const struct {
        const char *key, *authorization;
        enum fail fail;
        enum auth_kind kind;
    } cases[] = {
        { NULL, NULL, FAIL_KEY_MISSING, AUTH_MISSING },
        { "the-key-of-clients", NULL, FAIL_NONE, AUTH_API },
        { "another-key-like-it", NULL, FAIL_NONE, AUTH_ALT },
        { "a-key-for-reading", NULL, FAIL_NONE, AUTH_READ_ONLY },
        { NULL, "Bearer the-key-of-clients", FAIL_NONE, AUTH_API },
        { NULL, "Bearer a-key-for-reading", FAIL_NONE, AUTH_READ_ONLY },
        { NULL, "bearer the-key-of-clients", FAIL_KEY_MISSING, AUTH_MISSING },
        { NULL, "Basic the-key-of-clients", FAIL_KEY_MISSING, AUTH_MISSING },
        { NULL, "Bearer  the-key-of-clients", FAIL_KEY_INVALID, AUTH_INVALID },
        { NULL, "Bearer ", FAIL_KEY_INVALID, AUTH_INVALID },
        { "", "Bearer the-key-of-clients", FAIL_KEY_INVALID, AUTH_INVALID },
        { "wrong", "Bearer the-key-of-clients", FAIL_KEY_INVALID, AUTH_INVALID },
        { "\xff", "Bearer the-key-of-clients", FAIL_NONE, AUTH_API }, /* not text: as if it were not there */
        { "\xff", NULL, FAIL_KEY_MISSING, AUTH_MISSING },
        { "the-key-of-client", NULL, FAIL_KEY_INVALID, AUTH_INVALID },
        { "the-key-of-clients ", NULL, FAIL_KEY_INVALID, AUTH_INVALID },
        { "THE-KEY-OF-CLIENTS", NULL, FAIL_KEY_INVALID, AUTH_INVALID },
        { "key-of-eu", NULL, FAIL_KEY_INVALID, AUTH_INVALID },
    };
    struct asked *a = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(a, METHOD_GET, "/collections");
        if (cases[i].authorization)
            message_add_id(&a->request, FIELD_AUTHORIZATION, str_from(cases[i].authorization));
        if (cases[i].key)
            message_add_id(&a->request, FIELD_API_KEY, str_from(cases[i].key));
        assert_int_equal(ask(a), cases[i].fail);
        assert_int_equal(a->who.kind, cases[i].kind);
    }
}

static void
test_the_first_of_two_counts(void **state)
{
    struct asked *a = *state;

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, STR("wrong"));
    message_add_id(&a->request, FIELD_API_KEY, STR("the-key-of-clients"));
    assert_int_equal(ask(a), FAIL_KEY_INVALID);
}

/* --- which route ------------------------------------------------------------------------------------------------- */

/* Those of the 98 that Qdrant 1.19 lets a read-only key use. */
static const enum op_id readable[] = { OP_LIST_COLLECTIONS, OP_LIST_ALIASES, OP_GET_COLLECTION, OP_COLLECTION_EXISTS,
    OP_COLLECTION_ALIASES, OP_COLLECTION_OPTIMIZATIONS, OP_COLLECTION_MEMORY, OP_COLLECTION_CLUSTER, OP_LIST_SHARD_KEYS,
    OP_GET_POINT, OP_GET_POINTS, OP_SCROLL_POINTS, OP_COUNT_POINTS, OP_FACET, OP_QUERY_POINTS, OP_QUERY_BATCH,
    OP_QUERY_GROUPS, OP_SEARCH_POINTS, OP_SEARCH_BATCH, OP_SEARCH_GROUPS, OP_SEARCH_MATRIX_PAIRS,
    OP_SEARCH_MATRIX_OFFSETS, OP_RECOMMEND_POINTS, OP_RECOMMEND_BATCH, OP_RECOMMEND_GROUPS, OP_DISCOVER_POINTS,
    OP_DISCOVER_BATCH, OP_LOCAL_GET_POINTS, OP_LOCAL_SCROLL_POINTS, OP_LOCAL_COUNT_POINTS, OP_LIST_SNAPSHOTS,
    OP_GET_SNAPSHOT, OP_LIST_SHARD_SNAPSHOTS, OP_GET_SHARD_SNAPSHOT, OP_PARTIAL_MANIFEST, OP_LIST_FULL_SNAPSHOTS,
    OP_GET_FULL_SNAPSHOT, OP_CLUSTER_STATUS, OP_CLUSTER_TELEMETRY, OP_LIST_METADATA_KEYS, OP_GET_METADATA_KEY,
    OP_GET_QUOTAS, OP_METRICS, OP_TELEMETRY, OP_GET_LOGGER, OP_GET_ISSUES };
static const enum op_id open_to_all[] = { OP_VERSION, OP_HEALTHZ, OP_LIVEZ, OP_READYZ, OP_DASHBOARD };

static bool
is_in(enum op_id id, const enum op_id *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == id)
            return true;
    }
    return false;
}

static void
test_every_route_with_each_key(void **state)
{
    struct asked *a = *state;
    unsigned n = 0;

    for (enum op_id id = OP_UNKNOWN + 1; id < OP_PREFLIGHT; id++, n++) {
        bool is_open = is_in(id, open_to_all, sizeof(open_to_all) / sizeof(*open_to_all));
        bool is_readable = is_in(id, readable, sizeof(readable) / sizeof(*readable));

        message_init(&a->request, &a->arena);
        a->op = (struct operation){ .id = id, .info = op_info(id), .scope = op_info(id)->scope };
        assert_int_equal(ask(a), is_open ? FAIL_NONE : FAIL_KEY_MISSING);
        message_add_id(&a->request, FIELD_API_KEY, STR("a-key-for-reading"));
        assert_int_equal(ask(a), is_open || is_readable ? FAIL_NONE : FAIL_KEY_FORBIDDEN);
        a->request.fields[0].value = STR("the-key-of-clients");
        assert_int_equal(ask(a), FAIL_NONE);
        a->request.fields[0].value = STR("wrong");
        assert_int_equal(ask(a), is_open ? FAIL_NONE : FAIL_KEY_INVALID);
    }
    assert_int_equal(n, 98 + 1); /* and the dashboard */
}

static void
test_routes_that_qdrant_does_not_have(void **state)
{
    static const struct {
        enum method method;
        const char *target;
        bool is_open;
    } cases[] = {
        { METHOD_GET, "/nothing", false },
        { METHOD_POST, "/collections/c/debug", false },
        { METHOD_HEAD, "/collections", false },
        { METHOD_HEAD, "/healthz", true },
        { METHOD_POST, "/", true },
        { METHOD_PUT, "/dashboard/x", true },
        { METHOD_GET, "/dashboards", false },
        { METHOD_GET, "/readyz/x", false },
        { METHOD_OPTIONS, "/collections", false },
        { METHOD_OPTIONS, "/healthz", true },
    };
    struct asked *a = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(a, cases[i].method, cases[i].target);
        assert_int_equal(ask(a), cases[i].is_open ? FAIL_NONE : FAIL_KEY_MISSING);
        message_add_id(&a->request, FIELD_API_KEY, STR("a-key-for-reading"));
        assert_int_equal(ask(a), cases[i].is_open ? FAIL_NONE : FAIL_METHOD_UNKNOWN);
        a->request.fields[0].value = STR("the-key-of-clients");
        assert_int_equal(ask(a), FAIL_NONE);
    }
}

static void
test_preflight(void **state)
{
    struct asked *a = *state;

    begin(a, METHOD_OPTIONS, "/collections");
    message_add_id(&a->request, FIELD_ORIGIN, STR("https://app.example"));
    assert_int_equal(ask(a), FAIL_KEY_MISSING);
    message_add(&a->request, STR("access-control-request-method"), STR("GET"));
    assert_int_equal(ask(a), FAIL_NONE);
    assert_int_equal(a->who.kind, AUTH_OPEN);
    assert_int_equal(auth_credential(&a->context, &a->who, 0, &a->arena).len, 0);
}

/* A target that means nothing yet is never open. */
static void
test_a_target_that_could_not_be_parsed(void **state)
{
    struct asked *a = *state;

    message_init(&a->request, &a->arena);
    a->op = (struct operation){ .info = op_info(OP_UNKNOWN) };
    assert_int_equal(ask(a), FAIL_KEY_MISSING);
}

/* --- what clusters are shown ------------------------------------------------------------------------------------- */

static void
test_credentials(void **state)
{
    struct asked *a = *state;
    struct str token = token_of(&a->arena, "{\"access\":\"r\"}", "another-key-like-it"), shown;
    struct token_claims claims;
    struct field kept = { .id = FIELD_AUTHORIZATION }, passed = { .name = STR("openai-api-key") };

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, STR("a-key-for-reading"));
    assert_int_equal(ask(a), FAIL_NONE);
    assert_true(str_eq(auth_credential(&a->context, &a->who, 0, &a->arena), STR("key-of-eu")));
    assert_true(str_eq(auth_credential(&a->context, &a->who, 1, &a->arena), STR("key-of-us")));
    assert_int_equal(auth_credential(&a->context, &a->who, 2, &a->arena).len, 0);
    assert_true(auth_keeps_back(a->context.world, &kept));
    assert_false(auth_keeps_back(a->context.world, &passed));
    for (unsigned turn = 0; turn < 3; turn++) { /* signed, then remembered */
        a->request.fields[0].value = token;
        assert_int_equal(ask(a), FAIL_NONE);
        assert_int_equal(a->who.kind, AUTH_TOKEN);
        shown = auth_credential(&a->context, &a->who, turn % 2, &a->arena);
        assert_int_equal(
            token_verify(shown, turn % 2 ? STR("key-of-us") : STR("key-of-eu"), 1000000, &claims), FAIL_NONE);
        assert_memory_equal(shown.p, token.p, token.len - DIGEST_BASE64_LEN); /* header and claims as they came */
    }
}

/* More tokens than are remembered take each other's places; none is ever shown with another's signature. */
static void
test_many_tokens(void **state)
{
    enum { N = TOKEN_CACHE_ENTRIES * 3 };
    struct asked *a = *state;
    struct token_claims claims;

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, STR(""));
    for (unsigned i = 0; i < N * 2; i++) {
        struct str subject = arena_printf(&a->arena, "{\"subject\":\"s%u\"}", i % N), shown;

        a->request.fields[0].value = token_of(&a->arena, subject.p, "the-key-of-clients");
        assert_int_equal(ask(a), FAIL_NONE);
        shown = auth_credential(&a->context, &a->who, i & 1, &a->arena);
        assert_int_equal(token_verify(shown, i & 1 ? STR("key-of-us") : STR("key-of-eu"), 1000000, &claims), FAIL_NONE);
        assert_int_equal(claims.subject_len, a->who.claims.subject_len);
        assert_memory_equal(claims.subject, a->who.claims.subject, claims.subject_len);
    }
}

/* A reload changes keys: what the old ones had verified or signed is not used. */
static void
test_another_configuration_starts_anew(void **state)
{
    struct asked *a = *state;
    struct world *other = (struct world *)(uintptr_t)a->context.world;

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, token_of(&a->arena, "{}", "the-key-of-clients"));
    assert_int_equal(ask(a), FAIL_NONE);
    assert_non_null(token_cache_find(a->context.tokens, &a->who.digest, 1, 1000000));
    other->generation = 2;
    assert_null(token_cache_find(a->context.tokens, &a->who.digest, 2, 1000000));
    assert_int_equal(ask(a), FAIL_NONE);
    assert_null(token_cache_find(a->context.tokens, &a->who.digest, 1, 1000000));
}

static void
test_what_is_remembered_ends(void **state)
{
    struct asked *a = *state;

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, token_of(&a->arena, "{\"exp\":1000000}", "the-key-of-clients"));
    assert_int_equal(ask(a), FAIL_NONE);
    a->context.now_s = 1000030;
    assert_int_equal(ask(a), FAIL_NONE);
    a->context.now_s = 1000031;
    assert_int_equal(ask(a), FAIL_TOKEN_EXPIRED);
    assert_int_equal(a->who.kind, AUTH_INVALID);
}

static void
test_which_refusal_is_told(void **state)
{
    struct asked *a = *state;

    begin(a, METHOD_GET, "/collections");
    message_add_id(&a->request, FIELD_API_KEY, token_of(&a->arena, "{}", "guessed"));
    assert_int_equal(ask(a), FAIL_TOKEN_SIGNATURE);
    a->request.fields[0].value = token_of(&a->arena, "{\"exp\":1}", "the-key-of-clients");
    assert_int_equal(ask(a), FAIL_TOKEN_EXPIRED);
    a->request.fields[0].value = token_of(&a->arena, "{\"exp\":1}", "another-key-like-it");
    assert_int_equal(ask(a), FAIL_TOKEN_SIGNATURE); /* by the first key, as Qdrant has it */
    a->request.fields[0].value = token_of(&a->arena, "{\"access\":\"rw\"}", "the-key-of-clients");
    assert_int_equal(ask(a), FAIL_TOKEN_SIGNATURE); /* no claims by the first key, a wrong signature by the second */
    a->request.fields[0].value = token_of(&a->arena, "{}", "a-key-for-reading"); /* that key signs nothing */
    assert_int_equal(ask(a), FAIL_TOKEN_SIGNATURE);
}

/* --- plans ------------------------------------------------------------------------------------------------------- */

static enum fail
narrowed(struct asked *a, const char *claims, enum method method, const char *target, const char *views_text,
    struct plan *plan)
{
    struct cluster_view views[CLUSTERS_MAX];
    struct str error = STR_NONE;
    struct caller caller;

    begin(a, method, target);
    message_add_id(&a->request, FIELD_API_KEY, token_of(&a->arena, claims, "the-key-of-clients"));
    assert_int_equal(ask(a), FAIL_NONE);
    fixture_views(a->context.world, str_from(views_text), views);
    fixture_caller(STR("DE"), &caller);
    plan_build(a->context.world, &caller, &a->op, NULL, views, &a->arena, plan);
    return auth_narrow_plan(a->context.world, &a->who, &a->op, &a->arena, plan, &error);
}

static void
test_only_clusters_that_take_tokens(void **state)
{
    struct asked *a = *state;
    struct plan p;

    assert_int_equal(narrowed(a, "{}", METHOD_GET, "/collections/all", "us=1 eu=2 ap=3", &p), FAIL_NONE);
    assert_int_equal(p.n_candidates, 1);
    assert_int_equal(p.candidates[0], 0);
    assert_int_equal(p.n_up, 1);
    assert_int_equal(narrowed(a, "{}", METHOD_GET, "/collections/all", "us=1 eu=2! ap=3", &p), FAIL_NONE);
    assert_int_equal(p.n_candidates, 1);
    assert_int_equal(p.n_up, 0);
    assert_int_equal(narrowed(a, "{}", METHOD_GET, "/collections/there", "", &p), FAIL_TOKEN_NOT_TAKEN);
    assert_int_equal(narrowed(a, "{}", METHOD_GET, "/collections/here", "", &p), FAIL_NONE);
    assert_int_equal(narrowed(a, "{}", METHOD_PUT, "/collections/all", "", &p), FAIL_TOKEN_NOT_TAKEN);
    assert_int_equal(narrowed(a, "{}", METHOD_GET, "/collections", "", &p), FAIL_TOKEN_NOT_TAKEN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_of_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_first_of_two_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_route_with_each_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_routes_that_qdrant_does_not_have, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_preflight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_target_that_could_not_be_parsed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_credentials, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_configuration_starts_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_remembered_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_which_refusal_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_clusters_that_take_tokens, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
