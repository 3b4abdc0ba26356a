/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/conf_fixture.h"

#include "conf/partition_find.h"

#define CLUSTERS \
    "SEXTANT_CLUSTERS=eu http://e at=aws:eu-central-1; us http://u at=aws:us-east-1; ap http://a at=JP; " \
    "x http://x at=0,0"

/* "DE", "europe" (a continent without country), "unplaced", "default:DE", "50.1,8.7" */
static struct place
place_of(const char *text)
{
    struct place place = { .source = PLACE_DATABASE };
    struct str s = str_from(text);
    bool is_default = str_starts(s, STR("default:"));

    if (str_eq(s, STR("unplaced")))
        return (struct place){ .source = PLACE_NONE };
    s = is_default ? str_skip(s, 8) : s;
    if (continent_parse(s) != CONTINENT_NONE)
        place.continent = (uint8_t)continent_parse(s);
    else
        assert_true(place_parse(s, &place));
    place.source = is_default ? PLACE_DEFAULT : PLACE_DATABASE;
    return place;
}

static void
test_rules(void **state)
{
    const char *env[] = { CLUSTERS, "SEXTANT_PARTITION_MAP=users,users_v* *=eu\ndocs-*-x *=us\na*b*c *=ap\n* *=x",
        NULL };
    static const struct {
        const char *collection;
        int rule;
    } cases[] = {
        { "users", 0 },
        { "users_v", 0 },
        { "users_v2", 0 },
        { "users2", 3 },
        { "User", 3 },
        { "docs--x", 1 },
        { "docs-1-x", 1 },
        { "docs-x", 3 },
        { "abc", 2 },
        { "a..b..b..c", 2 },
        { "abcd", 3 },
        { "", 3 },
    };
    struct fixture f;

    fixture_map(&f, env);
    fixture_says(&f, "");
    assert_int_equal(f.map->n_rules, 4);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct rule *r = partition_map_rule(f.map, str_from(cases[i].collection));

        if (!r || (int)r->index != cases[i].rule)
            fail_msg("%s: line %d", cases[i].collection, r ? (int)r->index : -1);
    }
    f.map->n_rules = 3;
    assert_null(partition_map_rule(f.map, STR("nothing")));
    fixture_fini(&f);
}

/* What the manual says, word by word. */
static const struct rule *
scan(const struct partition_map *map, struct str name)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++) {
            if (str_glob(map->rules[i].patterns[j], name))
                return &map->rules[i];
        }
    }
    return NULL;
}

static struct str
draw_text(struct arena *arena, uint64_t *random, const char *letters, unsigned n_letters, unsigned len)
{
    char *text = arena_alloc(arena, len + 1);

    for (unsigned i = 0; i < len; i++) {
        *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = letters[(*random >> 33) % n_letters];
    }
    return str_make(text, len);
}

/* A wildcard, a byte that its neighbours have too, and more. */
static struct str
draw_glob(struct arena *arena, uint64_t *random, unsigned neighbourhood)
{
    char text[8] = { '*', "-\xc3"
                          "ab-"[neighbourhood % 5] };
    struct str more = draw_text(arena, random, "aab-*\xc3", 6, 1 + (*random >> 40) % 5);

    return arena_join(arena, str_make(text, 2), more, STR_NONE);
}

enum { RULES_MAX = 100 };

/* Short texts of few letters, so that all kinds of patterns match, repeat and overlap; in every second map there are blocks
 * of patterns with a byte in common. */
static void
test_the_index_finds_what_a_scan_finds(void **state)
{
    uint64_t random = 1;
    unsigned found = 0, missed = 0;

    for (unsigned round = 0; round < 2000; round++) {
        struct arena arena = { 0 };
        struct rule rules[RULES_MAX] = { { .index = 0 } };
        struct partition_map map = { .rules = rules, .n_rules = round % 2 ? round % RULES_MAX : round % 13 };
        struct str patterns[RULES_MAX][3];

        for (unsigned i = 0; i < map.n_rules; i++) {
            rules[i] = (struct rule){
                .index = i, .patterns = patterns[i], .n_patterns = round % 2 ? 1 : 1 + (round + i) % 3
            };
            for (unsigned j = 0; j < rules[i].n_patterns; j++)
                patterns[i][j] = round % 2 ? draw_glob(&arena, &random, i / 16)
                                           : draw_text(&arena, &random, "aab-*\xc3", 6, 1 + (random >> 40) % 5);
        }
        map.index = rule_index_build(&map, &arena);
        for (unsigned i = 0; i < 50; i++) {
            struct str name = draw_text(&arena, &random, "aab-\xc3", 5, (random >> 40) % 7);
            const struct rule *want = scan(&map, name), *got = partition_map_rule(&map, name);

            found += want != NULL;
            missed += want == NULL;
            if (want != got)
                fail_msg("round %u, \"" STR_FMT "\": line %d instead of %d", round, STR_ARG(name),
                    got ? (int)got->index : -1, want ? (int)want->index : -1);
        }
        arena_fini(&arena);
    }
    assert_true(found > 10000 && missed > 10000);
}

static const char areas[] = "SEXTANT_AREAS=dach=DE,AT,CH\nalps=dach,FR,IT; office=192.0.2.0/25,10.0.0.0/8\n"
                            "west=europe,US; mixed=office,JP";
static const struct {
    const char *line, *address, *place;
    const char *partition, *area; /* NULL: nobody takes it */
} callers[] = {
    { "* *=eu", "1.1.1.1", "DE", "*", "*" },
    { "* *=eu", "1.1.1.1", "unplaced", "*", "*" },
    { "* *=eu", "1.1.1.1", "0,0", "*", "*" },
    { "* *=eu", "", "unplaced", "*", "*" },
    { "* europe=eu", "1.1.1.1", "DE", "europe", "europe" },
    { "* europe=eu", "1.1.1.1", "europe", "europe", "europe" },
    { "* europe=eu", "1.1.1.1", "US", NULL, NULL },
    { "* europe=eu", "1.1.1.1", "unplaced", NULL, NULL },
    { "* europe=eu", "1.1.1.1", "0,0", NULL, NULL },
    { "* asia,oceania=ap *=us", "1.1.1.1", "NZ", "asia,oceania", "oceania" },
    { "* *=us asia,oceania=ap", "1.1.1.1", "JP", "asia,oceania", "asia" },
    { "* europe=eu DE=us", "1.1.1.1", "DE", "DE", "DE" },
    { "* DE=us europe=eu", "1.1.1.1", "FR", "europe", "europe" },
    { "* dach=eu europe=us", "1.1.1.1", "AT", "dach", "dach" },
    { "* dach=eu AT=us", "1.1.1.1", "AT", "AT", "AT" },
    { "* alps=us dach=eu", "1.1.1.1", "DE", "dach", "dach" }, /* a list within a list is narrower */
    { "* dach=eu alps=us", "1.1.1.1", "IT", "alps", "alps" },
    { "* west=us alps=ap dach=eu", "1.1.1.1", "CH", "dach", "dach" },
    { "* west=us alps=ap dach=eu", "1.1.1.1", "FR", "alps", "alps" },
    { "* west=us alps=ap dach=eu", "1.1.1.1", "ES", "west", "west" },
    { "* west=us", "1.1.1.1", "europe", "west", "west" },
    { "* 192.0.2.0/24=us DE=eu", "192.0.2.9", "DE", "192.0.2.0/24", "192.0.2.0/24" },
    { "* 192.0.2.0/24=us DE=eu", "192.0.3.9", "DE", "DE", "DE" },
    { "* 192.0.2.0/24=us 192.0.2.128/25=ap *=eu", "192.0.2.129", "DE", "192.0.2.128/25", "192.0.2.128/25" },
    { "* 192.0.2.128/25=ap 192.0.2.0/24=us *=eu", "192.0.2.1", "unplaced", "192.0.2.0/24", "192.0.2.0/24" },
    { "* 2001:db8::/32=ap *=eu", "2001:db8::1", "unplaced", "2001:db8::/32", "2001:db8::/32" },
    { "* 0.0.0.0/0=ap *=eu", "2001:db8::1", "DE", "*", "*" },
    { "* office=us DE=eu", "192.0.2.9", "DE", "DE", "DE" }, /* a list is a list, whatever is in it */
    { "* office=us europe=eu", "192.0.2.9", "DE", "office", "office" },
    { "* office=us europe=eu", "192.0.2.200", "DE", "europe", "europe" },
    { "* office=us *=eu", "10.9.9.9", "unplaced", "office", "office" },
    { "* mixed=us *=eu", "10.9.9.9", "DE", "mixed", "mixed" },
    { "* mixed=us *=eu", "1.1.1.1", "JP", "mixed", "mixed" },
    { "* unknown=us *=eu", "1.1.1.1", "unplaced", "unknown", "unknown" },
    { "* *=eu unknown=us", "1.1.1.1", "unplaced", "unknown", "unknown" },
    { "* unknown=us *=eu", "1.1.1.1", "0,0", "*", "*" },
    { "* unknown=us *=eu", "1.1.1.1", "default:DE", "*", "*" },
    { "* unknown=us 1.1.1.0/24=eu", "1.1.1.1", "unplaced", "1.1.1.0/24", "1.1.1.0/24" },
    { "* europe=eu *=us", "1.1.1.1", "default:DE", "europe", "europe" },
    { "* europe=eu *=us residency=strict", "1.1.1.1", "DE", "europe", "europe" },
    { "* europe=eu *=us residency=strict", "1.1.1.1", "default:DE", NULL, NULL },
    { "* europe=eu *=us residency=strict", "1.1.1.1", "unplaced", NULL, NULL },
    { "* europe=eu *=us residency=strict", "1.1.1.1", "0,0", "*", "*" },
    { "* europe=eu unknown=us residency=strict", "1.1.1.1", "default:DE", "unknown", "unknown" },
    { "* europe=eu 1.1.1.1=us residency=strict", "1.1.1.1", "default:DE", "1.1.1.1", "1.1.1.1" },
};

static void
test_partitions(void **state)
{
    for (size_t i = 0; i < sizeof(callers) / sizeof(*callers); i++) {
        struct arena a = { 0 };
        const char *env[] = { CLUSTERS, areas, arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", callers[i].line).p, NULL };
        struct place place = place_of(callers[i].place);
        struct addr address = { 0 };
        const struct partition *part;
        const struct area *area = NULL;
        struct fixture f;

        fixture_map(&f, env);
        assert_int_equal(f.issues.n_errors, 0);
        addr_parse(str_from(callers[i].address), &address);
        part = rule_partition(&f.map->rules[0], &address, &place, &area);
        if (!part != !callers[i].partition || !area != !part ||
            (part && (!str_eq(part->name, str_from(callers[i].partition)) ||
                         !str_eq(area->text, str_from(callers[i].area)))))
            fail_msg("%s from %s, %s: " STR_FMT, callers[i].line, callers[i].address, callers[i].place,
                STR_ARG(part ? part->name : STR("nobody")));
        assert_true(part == rule_partition(&f.map->rules[0], &address, &place, NULL));
        fixture_fini(&f);
        arena_fini(&a);
    }
}

static void
test_a_line(void **state)
{
    const char *env[] = { CLUSTERS,
        "SEXTANT_PARTITION_MAP=# first\n users,u*\teurope=eu,us  *=us,ap   copies=external read=home write=nearest "
        "all_down=refuse # end\n;* *=x residency=strict",
        NULL };
    const struct rule *r;
    struct fixture f;

    fixture_map(&f, env);
    fixture_says(&f, "");
    r = &f.map->rules[0];
    assert_int_equal(f.map->n_rules, 2);
    assert_int_equal(r->n_patterns, 2);
    assert_str_equal(r->patterns[1], "u*");
    assert_int_equal(r->n_partitions, 2);
    assert_int_equal(r->copies, COPIES_EXTERNAL);
    assert_int_equal(r->read, READ_HOME);
    assert_int_equal(r->write, WRITE_NEAREST);
    assert_int_equal(r->all_down, ALL_DOWN_REFUSE);
    assert_false(r->strict);
    assert_int_equal(r->cluster_mask, 7);
    assert_int_equal(r->line, 2);
    assert_int_equal(r->column, 2);
    assert_str_equal(r->text, "users,u* europe=eu,us *=us,ap copies=external read=home write=nearest all_down=refuse");
    assert_str_equal(r->partitions[1].name, "*");
    assert_int_equal(r->partitions[1].n_clusters, 2);
    assert_int_equal(r->partitions[1].clusters[0], 1);
    assert_int_equal(r->partitions[1].clusters[1], 2);
    assert_int_equal(r->partitions[1].cluster_mask, 6);
    assert_int_equal(r->partitions[1].index, 1);
    assert_int_equal(r->partitions[1].column, 25);
    r = &f.map->rules[1];
    assert_true(r->strict);
    assert_true(f.map->has_strict);
    assert_false(f.map->is_implied);
    assert_int_equal(r->copies, COPIES_NONE);
    assert_int_equal(r->read, READ_NEAREST);
    assert_int_equal(r->write, WRITE_HOME);
    assert_int_equal(r->all_down, ALL_DOWN_TRY);
    fixture_fini(&f);
}

static void
test_one_cluster_needs_no_map(void **state)
{
    const char *env[] = { "SEXTANT_CLUSTERS=only http://q at=DE", NULL };
    struct buf out = { 0 };
    struct fixture f;

    fixture_map(&f, env);
    fixture_says(&f, "");
    assert_true(f.map->is_implied);
    assert_true(f.map->is_uniform);
    assert_int_equal(f.map->n_rules, 1);
    partition_map_print(f.map, f.topology, &out);
    assert_str_equal(buf_str(&out), "* *=only\n");
    buf_fini(&out);
    fixture_fini(&f);
}

static void
test_uniform(void **state)
{
    static const struct {
        const char *map;
        bool is_uniform;
    } cases[] = {
        { "* *=eu", true },
        { "a *=eu; b *=eu", true },
        { "a *=eu; b *=us", false },
        { "a *=eu,us copies=external; b *=us,eu copies=external read=home", true },
        { "a *=eu,us copies=external; b *=eu", false },
        { "a europe=eu *=us; b *=us europe=eu", true },
        { "a asia,oceania=ap *=us; b oceania,asia=ap *=us", true },
        { "a europe=eu *=us; b DE=eu *=us", false },
        { "a europe=eu *=eu; b *=eu", true },
        { "a europe=eu *=us; b europe=eu", false },
        { "a europe=eu *=us; b europe=eu *=us unknown=us", true },
        { "a europe=eu *=us; b europe=eu *=us unknown=eu", false },
        { "a *=eu; b *=eu residency=strict", false },
        { "a europe=eu residency=strict; b europe=eu", false }, /* the default place */
        { "a *=eu; b *=eu 10.0.0.0/8=us", false },
        { "a *=eu 10.0.0.0/8=us; b *=eu 10.0.0.0/8=us", true },
        { "a *=eu office=us; b *=eu office=us", true },
        { "a *=eu office=us; b *=eu", false },
        { "a *=eu dach=us; b *=eu DE,AT,CH=us", true },
        { "a *=eu dach=us; b *=eu DE,AT=us", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        const char *env[] = { CLUSTERS, "SEXTANT_AREAS=dach=DE,AT,CH;office=10.0.0.0/8",
            arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", cases[i].map).p, NULL };
        struct fixture f;

        fixture_map(&f, env);
        assert_int_equal(f.issues.n_errors, 0);
        if (f.map->is_uniform != cases[i].is_uniform)
            fail_msg("%s", cases[i].map);
        fixture_fini(&f);
        arena_fini(&a);
    }
}

/* --- printing ---------------------------------------------------------------------------------------------------- */

static void
test_what_is_printed_reads_the_same(void **state)
{
    static const char *const maps[] = {
        "* *=eu",
        "users,u* europe,dach=eu,us *=us,ap unknown=x copies=external read=home write=nearest all_down=refuse\n\n\n"
        "a;b *=x residency=strict",
        "* 10.0.0.0/8=eu 2001:db8::/32=us DE=ap *=x # c",
        "a *=eu,us fanout=async; b europe=eu,us *=ap fanout=quorum read=home; c *=us,eu fanout=all",
    };

    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
        struct arena a = { 0 };
        const char *env[] = { CLUSTERS, "SEXTANT_AREAS=dach=DE,AT,CH",
            arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", maps[i]).p, NULL };
        struct buf first = { 0 }, second = { 0 };
        struct fixture f, g;

        fixture_map(&f, env);
        partition_map_print(f.map, f.topology, &first);
        env[2] = arena_printf(&a, "SEXTANT_PARTITION_MAP=" STR_FMT, STR_ARG(buf_str(&first))).p;
        fixture_map(&g, env);
        assert_int_equal(g.issues.n_errors, f.issues.n_errors);
        partition_map_print(g.map, g.topology, &second);
        assert_true(str_eq(buf_str(&first), buf_str(&second)));
        assert_int_equal(f.map->n_rules, g.map->n_rules);
        for (unsigned j = 0; j < f.map->n_rules; j++) {
            assert_int_equal(f.map->rules[j].cluster_mask, g.map->rules[j].cluster_mask);
            assert_int_equal(f.map->rules[j].n_areas, g.map->rules[j].n_areas);
            assert_int_equal(f.map->rules[j].strict, g.map->rules[j].strict);
            assert_int_equal(f.map->rules[j].fanout, g.map->rules[j].fanout);
        }
        buf_fini(&first);
        buf_fini(&second);
        fixture_fini(&f);
        fixture_fini(&g);
        arena_fini(&a);
    }
}

static void
test_the_table(void **state)
{
    static const char expected[] = /* */
        "COLLECTIONS                           CALLERS FROM             READS, IN ORDER          WRITES\n"
        "users,users_v* residency=strict       europe                   eu                       eu\n"
        "                                      north-america            us                       us\n"
        "                                      *                        us                       us\n"
        "                                      (unplaced)               refused, 403\n"
        "catalog copies=external               *                        us,eu,ap                 eu\n"
        "paper copies=external read=home       *                        ap,us,eu                 ap\n"
        "docs-* copies=external write=nearest  *                        us,eu                    us,eu\n"
        "replicated fanout=quorum              *                        us,eu,ap                 eu, then us,ap\n"
        "local all_down=refuse                 DE                       eu                       eu\n"
        "                                      (elsewhere, unplaced)    refused, 403\n"
        "open                                  DE                       eu                       eu\n"
        "                                      unknown                  us                       us\n"
        "                                      (elsewhere)              refused, 403\n"
        "(others)                              anywhere                 no such collection, 404\n";
    const char *env[] = { CLUSTERS, "SEXTANT_REGION=aws:us-east-1",
        "SEXTANT_PARTITION_MAP=users,users_v* europe=eu north-america=us *=us residency=strict\n"
        "catalog *=eu,us,ap copies=external\npaper *=ap,eu,us copies=external read=home\n"
        "docs-* *=eu,us copies=external write=nearest\nreplicated *=eu,us,ap fanout=quorum\n"
        "local DE=eu all_down=refuse\nopen DE=eu unknown=us",
        NULL };
    struct buf out = { 0 };
    struct fixture f;
    char *text;

    fixture_map(&f, env);
    partition_map_print_table(f.map, f.topology, &out);
    text = buf_take(&out);
    assert_string_equal(text, expected);
    mem_free(text);
    fixture_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_the_index_finds_what_a_scan_finds),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_one_cluster_needs_no_map),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_what_is_printed_reads_the_same),
        cmocka_unit_test(test_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
