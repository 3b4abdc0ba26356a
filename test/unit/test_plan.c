/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#include "proxy/base/mem.h"

/* The cases stand in plan_cases.txt, with the worlds that they are about. */
#define CASES "test/unit/plan_cases.txt"

enum { ENV_MAX = 16, NAMES_MAX = 8, LINE_SIZE = 1024 };

struct reader {
    struct world *w;
    struct cluster_view views[CLUSTERS_MAX];
    char *env[ENV_MAX + 1]; /* owned */
    unsigned n_env, n_cases, n_bad, line;
};

static void
forget_world(struct reader *r)
{
    world_unref(r->w);
    r->w = NULL;
    for (unsigned i = 0; i < r->n_env; i++)
        mem_free(r->env[i]);
    memset(r->env, 0, sizeof(r->env));
    r->n_env = 0;
}

static void
need_world(struct reader *r)
{
    if (r->w)
        return;
    r->w = fixture_world((const char *const *)r->env);
    fixture_views(r->w, STR_NONE, r->views);
}

/* "a b" → names; "-": looked at, none named; "": not looked at. */
static const struct name_list *
parse_names(struct str text, struct name_list *list)
{
    list->n = 0;
    if (text.len == 0)
        return NULL;
    if (str_eq(text, STR("-")))
        return list;
    for (struct str word = fixture_word(&text); word.len; word = fixture_word(&text)) {
        assert_true(list->n < NAMES_MAX);
        list->names[list->n++] = word;
    }
    return list;
}

/* caller | METHOD target | names of the body -> plan */
static void
run_case(struct reader *r, struct str text, struct str expected)
{
    struct arena arena = { 0 };
    struct str caller_text, rest, operation_text, names_text;
    struct str names[NAMES_MAX];
    struct name_list list = { .names = names };
    struct caller caller;
    struct operation op;
    struct plan plan;
    struct buf got = { 0 };

    need_world(r);
    str_cut(text, '|', &caller_text, &rest);
    str_cut(rest, '|', &operation_text, &names_text);
    fixture_caller(caller_text, &caller);
    fixture_operation(str_trim(operation_text), &arena, &op);
    plan_build(r->w, &caller, &op, parse_names(str_trim(names_text), &list), r->views, &arena, &plan);
    fixture_put_plan(r->w, r->views, &plan, &got);
    r->n_cases++;
    if (!str_eq(buf_str(&got), expected)) {
        r->n_bad++;
        print_error(CASES ":%u: expected \"" STR_FMT "\", got \"" STR_FMT "\"\n", r->line, STR_ARG(expected),
            STR_ARG(buf_str(&got)));
    }
    buf_fini(&got);
    arena_fini(&arena);
}

static struct str
after_arrow(struct str line, struct str *ret_before)
{
    for (size_t i = 0; i + 1 < line.len; i++) {
        if (line.p[i] == '-' && line.p[i + 1] == '>') {
            *ret_before = str_make(line.p, i);
            return str_trim(str_skip(line, i + 2));
        }
    }
    return STR_NONE;
}

static void
read_line(struct reader *r, struct str line)
{
    struct str before, expected = after_arrow(line, &before);

    if (line.len == 0 || line.p[0] == '#')
        return;
    if (line.p[0] == '[') {
        forget_world(r);
    } else if (str_starts(line, STR("SEXTANT_"))) {
        assert_true(r->n_env < ENV_MAX);
        r->env[r->n_env++] = mem_dup(line.p, line.len);
    } else if (str_starts(line, STR("views"))) {
        need_world(r);
        fixture_views(r->w, str_skip(line, 5), r->views);
    } else if (expected.len) {
        run_case(r, before, expected);
    } else {
        fail_msg(CASES ":%u: not understood", r->line);
    }
}

static void
test_plans_are_as_the_cases_say(void **state)
{
    struct reader r = { 0 };
    char line[LINE_SIZE];
    FILE *file = fopen(CASES, "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        r.line++;
        read_line(&r, str_trim(str_from(line)));
    }
    fclose(file);
    forget_world(&r);
    assert_true(r.n_cases > 100);
    assert_int_equal(r.n_bad, 0);
}

/* One world for the tests below. */
static const char *three_regions[] = {
    "SEXTANT_CLUSTERS=eu http://e:1 at=aws:eu-central-1; us http://u:1 at=aws:us-east-1; ap http://a:1 "
    "at=aws:ap-northeast-1",
    "SEXTANT_PARTITION_MAP=users europe=eu north-america=us; catalog *=eu,us,ap copies=external; local-* asia=ap",
    NULL,
};

/* Lists are read and bodies looked into as soon as there is something to hide. */
static void
test_what_fan_out_hides(void **state)
{
    static const char *one_line[] = { "SEXTANT_CLUSTERS=eu http://e:1 at=DE; us http://u:1 at=US",
        "SEXTANT_PARTITION_MAP=* *=eu,us copies=external", NULL };
    struct world *w = fixture_world(one_line);
    struct arena arena = { 0 };
    struct cluster_view views[CLUSTERS_MAX];
    struct operation lists, aliases, query;
    struct caller caller;
    struct plan plan;

    fixture_views(w, STR("eu=10 us=80"), views);
    fixture_caller(STR("US"), &caller);
    fixture_operation(STR("GET /collections"), &arena, &lists);
    fixture_operation(STR("POST /collections/aliases"), &arena, &aliases);
    fixture_operation(STR("POST /collections/a/points/query"), &arena, &query);
    for (unsigned has_fanout = 0; has_fanout < 2; has_fanout++) {
        w->map->has_fanout = has_fanout;
        plan_build(w, &caller, &lists, NULL, views, &arena, &plan);
        assert_int_equal(plan.shape, has_fanout ? PLAN_LISTS : PLAN_FORWARD);
        assert_int_equal(plan_needs_body(w, &aliases), has_fanout);
        assert_int_equal(plan_needs_body(w, &query), has_fanout);
    }
    assert_true(plan_list_keeps(w, &caller, &plan, 0, STR("sextant")));
    plan_build(w, &caller, &lists, NULL, views, &arena, &plan);
    assert_false(plan_list_keeps(w, &caller, &plan, 0, STR("_sextant")));
    arena_fini(&arena);
    world_unref(w);
}

static void
test_lists_keep_what_the_map_sends_there(void **state)
{
    struct world *w = fixture_world(three_regions);
    struct arena arena = { 0 };
    struct cluster_view views[CLUSTERS_MAX];
    struct caller caller;
    struct operation op;
    struct plan plan;

    fixture_views(w, STR("eu=10 us=80 ap=200"), views);
    fixture_caller(STR("US"), &caller);
    fixture_operation(STR("GET /collections"), &arena, &op);
    plan_build(w, &caller, &op, NULL, views, &arena, &plan);
    assert_int_equal(plan.shape, PLAN_LISTS);
    assert_int_equal(plan.n_parts, 2); /* users from us, catalog from eu */
    assert_true(plan_list_keeps(w, &caller, &plan, 0, STR("users")));
    assert_false(plan_list_keeps(w, &caller, &plan, 0, STR("catalog")));
    assert_false(plan_list_keeps(w, &caller, &plan, 1, STR("users")));
    assert_true(plan_list_keeps(w, &caller, &plan, 1, STR("catalog")));
    for (unsigned part = 0; part < 3; part++) {
        assert_false(plan_list_keeps(w, &caller, &plan, part, STR("local-1")));
        assert_false(plan_list_keeps(w, &caller, &plan, part, STR("unmapped")));
    }
    arena_fini(&arena);
    world_unref(w);
}

static bool
needs_body(const char *const *env, const char *operation)
{
    struct world *w = fixture_world(env);
    struct arena arena = { 0 };
    struct operation op;
    bool needs;

    fixture_operation(str_from(operation), &arena, &op);
    needs = plan_needs_body(w, &op);
    arena_fini(&arena);
    world_unref(w);
    return needs;
}

static void
test_bodies_are_read_only_where_they_must(void **state)
{
    static const char *single[] = { "SEXTANT_CLUSTERS=eu http://e:1 at=DE", NULL };
    static const char *partial[] = { "SEXTANT_CLUSTERS=eu http://e:1 at=DE", "SEXTANT_PARTITION_MAP=docs-* *=eu",
        NULL };
    static const char *two_lines[] = { "SEXTANT_CLUSTERS=eu http://e:1 at=DE",
        "SEXTANT_PARTITION_MAP=users *=eu; * *=eu", NULL };
    const char *query = "POST /collections/docs-1/points/query", *aliases = "POST /collections/aliases";

    assert_false(needs_body(single, query));
    assert_false(needs_body(single, aliases));
    assert_true(needs_body(partial, query)); /* it may name a collection that no line matches */
    assert_true(needs_body(partial, aliases));
    assert_false(needs_body(two_lines, query));
    assert_true(needs_body(two_lines, aliases));
    assert_true(needs_body(three_regions, query));
    assert_false(needs_body(three_regions, "POST /collections/docs-1/points/scroll"));
    assert_false(needs_body(three_regions, "PUT /collections/docs-1/points"));
}

static void
check_kept(uint64_t clusters, unsigned n, unsigned first, unsigned n_up, enum plan_reason reason)
{
    static const struct cluster_view views[] = { { .is_up = true }, { .is_up = true }, { .is_up = false } };
    struct plan p = { .candidates = { 1, 0, 2 },
        .n_candidates = 3,
        .n_up = 1 /* 0 is behind */,
        .may_move = true,
        .reason = REASON_NEAREST };

    plan_keep(&p, clusters, views);
    assert_int_equal(p.n_candidates, n);
    assert_int_equal(p.n_up, n_up);
    assert_int_equal(p.reason, reason);
    assert_int_equal(p.may_move, n > 1);
    if (n)
        assert_int_equal(p.candidates[0], first);
}

static void
test_tokens_take_away(void **state)
{
    check_kept(7, 3, 1, 2, REASON_NEAREST);
    check_kept(1 << 1, 1, 1, 1, REASON_NEAREST);
    check_kept(1 << 0 | 1 << 2, 2, 0, 1, REASON_TOKEN);
    check_kept(1 << 2 | 1 << 3, 1, 2, 0, REASON_TOKEN);
    check_kept(1 << 3, 0, 0, 0, REASON_TOKEN); /* another is never put in */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_are_as_the_cases_say),
        cmocka_unit_test(test_what_fan_out_hides),
        cmocka_unit_test(test_lists_keep_what_the_map_sends_there),
        cmocka_unit_test(test_bodies_are_read_only_where_they_must),
        cmocka_unit_test(test_tokens_take_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
