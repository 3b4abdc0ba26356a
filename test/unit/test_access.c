/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/admin/access.h"
#include "proxy/admin/admin.h"

#define TOKEN "0123456789abcdef"
#define GOOD "Bearer " TOKEN
#define JSON "application/json"

static enum access_verdict
decide(enum access access, const char *token, bool is_private, const char *host, const char *authorization,
    const char *type, const char *origin)
{
    struct arena arena = { 0 };
    struct message m;
    struct access_rules rules = { .token = str_from(token), .is_private = is_private };
    enum access_verdict verdict;

    message_init(&m, &arena);
    m.host = str_from(host);
    if (authorization)
        message_add(&m, STR("authorization"), str_from(authorization));
    if (type)
        message_add(&m, STR("content-type"), str_from(type));
    if (origin)
        message_add(&m, STR("origin"), str_from(origin));
    verdict = access_decide(access, &rules, &m);
    arena_fini(&arena);
    return verdict;
}

/* Every route of the listener, by token set or not, right, wrong or none sent, on loopback or not. */
static void
test_every_route(void **state)
{
    static const struct {
        const char *path;
        enum access access;
    } routes[] = {
#define ROUTE(path, access, function, refusal, content_type, help) { path, ACCESS_##access },
#define ORDER(path, function, help) { path, ACCESS_WRITE },
#include "proxy/admin/admin_routes.def"
#undef ROUTE
#undef ORDER
    };
    static const char *const sent[] = { NULL, "Bearer wrong-wrong-wrong", GOOD };

    for (unsigned i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        for (unsigned k = 0; k < 12; k++) {
            bool is_private = k & 1, is_set = k & 2;
            const char *authorization = sent[k / 4];
            enum access_verdict want = routes[i].access == ACCESS_OPEN ? ACCESS_GRANTED
                                       : is_set                        ? k / 4 == 2 ? ACCESS_GRANTED : ACCESS_NO_TOKEN
                                       : is_private                    ? ACCESS_GRANTED
                                                                       : ACCESS_LOCKED;
            enum access_verdict got = decide(
                routes[i].access, is_set ? TOKEN : "", is_private, "127.0.0.1:6390", authorization, JSON, NULL);

            if (got != want)
                fail_msg("%s, token %d, private %d, %s: %d instead of %d", routes[i].path, is_set, is_private,
                    authorization ? authorization : "none", got, want);
        }
    }
    assert_true(sizeof(routes) / sizeof(routes[0]) >= 10);
}

static void
test_tokens(void **state)
{
    static const struct {
        const char *authorization;
        bool is_good;
    } cases[] = {
        { GOOD, true },
        { "bearer " TOKEN, true },
        { "Bearer   " TOKEN, true },
        { TOKEN, false },
        { "Bearer", false },
        { "Bearer ", false },
        { "Bearer " TOKEN "x", false },
        { "Bearer 0123456789abcde", false },
        { "Bearer 0123456789abcdeF", false },
        { "Bearer 1123456789abcdef", false },
        { "Bearer " TOKEN TOKEN, false },
        { "Basic " TOKEN, false },
        { "Bearer " TOKEN ", Bearer x", false },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum access_verdict got = decide(ACCESS_READ, TOKEN, true, "h", cases[i].authorization, NULL, NULL);

        if ((got == ACCESS_GRANTED) != cases[i].is_good)
            fail_msg("%s: %d", cases[i].authorization, got);
    }
}

static void
test_two_tokens_are_none(void **state)
{
    struct arena arena = { 0 };
    struct message m;
    struct access_rules rules = { .token = STR(TOKEN) };

    message_init(&m, &arena);
    message_add(&m, STR("authorization"), STR(GOOD));
    message_add(&m, STR("authorization"), STR(GOOD));
    assert_int_equal(access_decide(ACCESS_READ, &rules, &m), ACCESS_NO_TOKEN);
    arena_fini(&arena);
}

static void
test_browsers(void **state)
{
    static const struct {
        enum access access;
        const char *token, *host, *type, *origin;
        enum access_verdict want;
    } cases[] = {
        /* names: only without a token, as a page that was led here has none */
        { ACCESS_READ, "", "127.0.0.1:6390", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_READ, "", "[::1]:6390", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_READ, "", "10.1.2.3", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_READ, "", "localhost:6390", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_READ, "", "LocalHost", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_READ, "", "", NULL, NULL, ACCESS_BAD_HOST },
        { ACCESS_READ, "", "evil.example:6390", NULL, NULL, ACCESS_BAD_HOST },
        { ACCESS_READ, "", "localhost.evil.example", NULL, NULL, ACCESS_BAD_HOST },
        { ACCESS_READ, "", "127.0.0.1.evil.example", NULL, NULL, ACCESS_BAD_HOST },
        { ACCESS_WRITE, "", "evil.example", JSON, NULL, ACCESS_BAD_HOST },
        { ACCESS_READ, TOKEN, "sextant.internal:6390", NULL, NULL, ACCESS_GRANTED },
        { ACCESS_OPEN, "", "evil.example", NULL, NULL, ACCESS_GRANTED },
        /* what forms can send, and scripts without asking */
        { ACCESS_WRITE, "", "localhost", NULL, NULL, ACCESS_BAD_CONTENT },
        { ACCESS_WRITE, "", "localhost", "text/plain", NULL, ACCESS_BAD_CONTENT },
        { ACCESS_WRITE, "", "localhost", "application/x-www-form-urlencoded", NULL, ACCESS_BAD_CONTENT },
        { ACCESS_WRITE, "", "localhost", "text/plain; x=application/json", NULL, ACCESS_BAD_CONTENT },
        { ACCESS_WRITE, "", "localhost", "Application/JSON; charset=utf-8", NULL, ACCESS_GRANTED },
        { ACCESS_WRITE, TOKEN, "localhost", NULL, NULL, ACCESS_BAD_CONTENT },
        { ACCESS_READ, "", "localhost", NULL, "http://evil.example", ACCESS_GRANTED },
        { ACCESS_WRITE, "", "localhost:6390", JSON, "http://evil.example", ACCESS_BAD_ORIGIN },
        { ACCESS_WRITE, "", "localhost:6390", JSON, "null", ACCESS_BAD_ORIGIN },
        { ACCESS_WRITE, "", "localhost:6390", JSON, "http://localhost:3000", ACCESS_BAD_ORIGIN },
        { ACCESS_WRITE, "", "localhost:6390", JSON, "http://localhost:6390", ACCESS_GRANTED },
        { ACCESS_WRITE, TOKEN, "localhost:6390", JSON, "http://evil.example", ACCESS_BAD_ORIGIN },
        { ACCESS_WRITE, TOKEN, "edge.example", JSON, "https://edge.example", ACCESS_GRANTED },
        { ACCESS_WRITE, TOKEN, "edge.example", JSON, "https://edge.example.evil", ACCESS_BAD_ORIGIN },
        { ACCESS_WRITE, TOKEN, "edge.example", JSON, "ftp://edge.example", ACCESS_BAD_ORIGIN },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum access_verdict got = decide(
            cases[i].access, cases[i].token, true, cases[i].host, GOOD, cases[i].type, cases[i].origin);

        if (got != cases[i].want)
            fail_msg("case %u (%s): %d instead of %d", i, cases[i].host, got, cases[i].want);
    }
}

static void
test_every_refusal_has_words(void **state)
{
    for (int v = ACCESS_NO_TOKEN; v < ACCESS_VERDICTS; v++) {
        assert_in_range(access_status((enum access_verdict)v), 401, 415);
        assert_true(strlen(access_sentence((enum access_verdict)v)) > 20);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_two_tokens_are_none),
        cmocka_unit_test(test_browsers),
        cmocka_unit_test(test_every_refusal_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
