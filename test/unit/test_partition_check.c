/* SPDX-License-Identifier: Apache-2.0
 *
 * Every mistake and every doubt about a map that is promised, with its place.
 */
#include "test/unit/conf_fixture.h"

#define CLUSTERS \
    "SEXTANT_CLUSTERS=eu http://e at=aws:eu-central-1; us http://u at=aws:us-east-1; ap http://a at=JP; " \
    "x http://x at=0,0"
#define ERROR(at) "SEXTANT_PARTITION_MAP:" at ": error: "
#define WARNING(at) "SEXTANT_PARTITION_MAP:" at ": warning: "
#define AREA_ERROR(at) "SEXTANT_AREAS:" at ": error: "
#define NO_AREA \
    " is no area: expected a country (DE), a continent (europe), a network (10.0.0.0/8), *, unknown or a name of " \
    "SEXTANT_AREAS"
#define NO_ITEM \
    " is no area: expected a country (DE), a continent (europe), a network (10.0.0.0/8) or another name of " \
    "SEXTANT_AREAS"
#define WORDS "expected areas=cluster[,cluster...], fanout=, copies=, read=, write=, all_down= or residency=\n"
#define NO_AREA_NAME \
    " is not a name for an area: up to 63 of a-z, 0-9, - and _, beginning with a letter; no continent and not " \
    "unknown\n"

struct map_case {
    const char *map, *expected;
};

/* `rest` is a line that uses every cluster, so that none is told to be unused. */
static void
check_cases(const struct map_case *cases, size_t n, const char *areas)
{
    for (size_t i = 0; i < n; i++) {
        struct arena a = { 0 };
        const char *env[] = { CLUSTERS, areas,
            arena_printf(&a, "SEXTANT_PARTITION_MAP=%s\nthe-rest *=eu,us,ap,x copies=external", cases[i].map).p, NULL };
        struct fixture f;

        fixture_map(&f, env);
        fixture_says(&f, cases[i].expected);
        fixture_fini(&f);
        arena_fini(&a);
    }
}
#define CHECK_CASES(cases, areas) check_cases(cases, sizeof(cases) / sizeof(*(cases)), areas)

static void
test_words(void **state)
{
    static const struct map_case cases[] = {
        { "a *=eu", "" }, { "a", ERROR("1:1") "the line has no partition: expected such as *=eu\n" },
        { "a copies=external", ERROR("1:1") "the line has no partition: expected such as *=eu\n" },
        { "*=eu", ERROR("1:1") "\"*=eu\": a line begins with collection patterns such as users or docs-*\n" ERROR(
                      "1:1") "the line has no partition: expected such as *=eu\n" },
        { "a,,b *=eu", ERROR("1:3") "\"\": an empty collection pattern\n" },
        { "a,b? *=eu", ERROR("1:3") "\"b?\": the only wildcard of a collection pattern is *\n" },
        { "a/b *=eu",
            ERROR("1:1") "\"a/b\": no collection's name may hold one of < > : \" / \\ | or a control character\n" },
        { "a *=eu zzz", ERROR("1:8") "\"zzz\" is not understood: " WORDS },
        { "a =eu", ERROR("1:3") "\"=eu\" is not understood: " WORDS },
        { "a *=", ERROR("1:3") "\"*=\" is not understood: " WORDS },
        { "# c\n\n a *=eu;b *=su # x", ERROR("3:13") "no cluster is called \"su\"; did you mean eu?\n" },
        { "a *=eu,", ERROR("1:8") "no cluster is called \"\"\n" },
        { "a *=eu,eu copies=external", ERROR("1:8") "cluster eu is listed twice\n" },
        { "a *=frankfurt", ERROR("1:5") "no cluster is called \"frankfurt\"\n" },
        { "a europ=eu", ERROR("1:3") "\"europ\"" NO_AREA "; did you mean europe?\n" },
        { "a asia,=eu", ERROR("1:8") "\"\"" NO_AREA "\n" },
        { "a asia,Europe=eu", ERROR("1:8") "\"Europe\"" NO_AREA "; did you mean europe?\n" },
        { "a asia,de=eu", ERROR("1:8") "\"de\"" NO_AREA "; did you mean DE?\n" },
        { "a UK=eu", ERROR("1:3") "\"UK\"" NO_AREA "; did you mean GB?\n" },
        { "a EU=eu", ERROR("1:3") "\"EU\"" NO_AREA "; did you mean europe?\n" },
        { "a QQ=eu", ERROR("1:3") "\"QQ\"" NO_AREA "\n" },
        { "a dahc=eu", ERROR("1:3") "\"dahc\"" NO_AREA "; did you mean dach?\n" },
        { "a unknwn=eu", ERROR("1:3") "\"unknwn\"" NO_AREA "; did you mean unknown?\n" },
        { "a 10.0.0.1/8=eu",
            ERROR("1:3") "\"10.0.0.1/8\" is not a network: it has bits beyond its length; did you mean 10.0.0.0/8?\n" },
        { "a NA=us north-america=eu", "" }, /* Namibia */
    };

    CHECK_CASES(cases, "SEXTANT_AREAS=dach=DE,AT,CH");
}

static void
test_options(void **state)
{
    static const struct map_case cases[] = {
        { "a *=eu,us fanout=async", "" },
        { "a *=eu,us fanout=sync",
            ERROR("1:18") "fanout= takes async, quorum or all, not \"sync\"; did you mean async?\n" },
        { "a *=eu,us fanout=all write=nearest", ERROR("1:22") "write=nearest is only for copies=external\n" },
        { "a *=eu,us copies=external fanout=all",
            ERROR("1:27") "fanout= and copies= exclude each other: either Sextant keeps the copies or something else "
                          "does\n" },
        { "a *=eu fanout=all",
            WARNING("1:8") "no partition of this line lists several clusters: fanout=all has no effect\n" },
        { "a europe=eu,ap *=us,ap fanout=quorum",
            ERROR("1:16") "cluster ap is in partition europe as well: with fanout= the partitions of a line have no "
                          "cluster in common\n" },
        { "a europe=eu,ap *=us fanout=async\nb *=us,ap fanout=async", "" },
        { "a,_sextant *=eu", ERROR("1:3") "\"_sextant\": this collection holds Sextant's own notes: clients never see "
                                          "it\n" },
        { "a *=eu,us",
            ERROR("1:3") "partition * lists several clusters: say how the copies come to be, with copies=external "
                         "(something else replicates)\n" },
        { "a *=eu,us copies=none", ERROR("1:18") "copies= takes external, not \"none\"\n" },
        { "a *=eu,us copies=externl",
            ERROR("1:18") "copies= takes external, not \"externl\"; did you mean external?\n" },
        { "a *=eu,us copis=external",
            ERROR("1:11") "\"copis\" is neither an option nor an area; did you mean copies?\n" ERROR(
                "1:3") "partition * lists several clusters: say how the copies come to be, with copies=external "
                       "(something "
                       "else replicates)\n" },
        { "a *=eu read=near", ERROR("1:13") "read= takes nearest or home, not \"near\"\n" },
        { "a *=eu write=hom", ERROR("1:14") "write= takes home or nearest, not \"hom\"; did you mean home?\n" },
        { "a *=eu all_down=503", ERROR("1:17") "all_down= takes try or refuse, not \"503\"\n" },
        { "a *=eu residency=", ERROR("1:18") "residency= takes strict, not \"\"\n" },
        { "a *=eu read=home read=nearest", ERROR("1:18") "read= is given twice\n" },
        { "a *=eu write=nearest", ERROR("1:8") "write=nearest is only for copies=external\n" },
        { "a *=eu copies=external",
            WARNING("1:8") "no partition of this line lists several clusters: copies=external has no effect\n" },
    };

    CHECK_CASES(cases, "");
}

static void
test_overlaps(void **state)
{
    static const struct map_case cases[] = {
        { "a DE=eu DE=us", ERROR("1:9") "area DE overlaps DE of this line: it stands there twice\n" },
        { "a DE,FR,DE=eu", ERROR("1:9") "area DE overlaps DE of this line: it stands there twice\n" },
        { "a *=eu *=us", ERROR("1:8") "area * overlaps * of this line: it stands there twice\n" },
        { "a 10.0.0.0/8=eu ::ffff:10.0.0.0/104=us",
            ERROR("1:17") "area ::ffff:10.0.0.0/104 overlaps 10.0.0.0/8 of this line and neither is narrower\n" },
        { "a 10.0.0.0/8=eu 10.1.0.0/16=us", "" },
        { "a dach=eu ski=us", ERROR("1:11") "area ski overlaps dach of this line and neither is narrower\n" },
        { "a dach=eu same=us", ERROR("1:11") "area same overlaps dach of this line and neither is narrower\n" },
        { "a dach=eu alps=us", "" },
        { "a net=eu nets=us", "" },
        { "a net=eu nut=us", ERROR("1:10") "area nut overlaps net of this line and neither is narrower\n" },
        { "a dach=eu DE=us 10.0.0.0/8=ap europe=x net=us *=eu", "" },
        { "a dach=eu us=us", "" },
    };

    CHECK_CASES(cases, "SEXTANT_AREAS=dach=DE,AT,CH; ski=AT,CH,FR; same=CH,AT,DE; alps=dach,FR,IT; net=10.0.0.0/8,DK;"
                       "nets=10.0.0.0/7,DK; nut=10.1.0.0/16,NO; us=US,CA");
}

static void
test_strict(void **state)
{
    static const struct map_case cases[] = {
        { "a europe=eu north-america=us asia=ap *=us residency=strict", "" },
        { "a dach=eu unknown=us 10.0.0.0/8=us residency=strict", "" },
        { "a europe=us residency=strict", ERROR("1:3") "residency=strict: cluster us is in US, outside europe\n" },
        { "a europe,unknown=us residency=strict",
            ERROR("1:3") "residency=strict: cluster us is in US, outside europe,unknown\n" },
        { "a DE=eu US=eu,us copies=external residency=strict",
            ERROR("1:9") "residency=strict: cluster eu is in DE, outside US\n" },
        { "a dach=ap residency=strict", ERROR("1:3") "residency=strict: cluster ap is in JP, outside dach\n" },
        { "a mixed=us residency=strict", ERROR("1:3") "residency=strict: cluster us is in US, outside mixed\n" },
        { "a net=us *=ap residency=strict", "" }, /* only networks: they say nothing of countries */
        { "a europe=x residency=strict", ERROR("1:3") "residency=strict: the country of cluster x is not known: add "
                                                      "country= to it in SEXTANT_CLUSTERS\n" },
        { "a *=x residency=strict", "" },
        { "a europe=us", "" },
    };

    CHECK_CASES(cases, "SEXTANT_AREAS=dach=DE,AT,CH; mixed=10.0.0.0/8,FR; net=10.0.0.0/8");
}

static void
test_what_nobody_reaches(void **state)
{
    static const struct map_case cases[] = {
        { "users *=eu; users *=us", WARNING("1:13") "pattern users is never reached: line 1 takes its collections\n" },
        { "u* *=eu\nusers,v *=us", WARNING("2:1") "pattern users is never reached: line 1 takes its collections\n" },
        { "u* *=eu\nv,users *=us", WARNING("2:3") "pattern users is never reached: line 1 takes its collections\n" },
        { "u* *=eu\nu*s,uv* *=us",
            WARNING("2:1") "pattern u*s is never reached: line 1 takes its collections\n" WARNING(
                "2:5") "pattern uv* is never reached: line 1 takes its collections\n" },
        { "users *=eu\nu* *=us", "" },
        { "a,b,a *=eu", WARNING("1:5") "pattern a is never reached: line 1 takes its collections\n" },
        { "*x *=eu\nx* *=us", "" },
        { "a dach=eu DE,AT,CH=us",
            WARNING("1:3") "partition dach is never reached: narrower areas take all its countries\n" },
        { "a dach,FR=eu DE,AT,CH=us",
            WARNING("1:3") "area dach matches nobody: narrower areas take all its countries\n" },
        { "a dach=eu DE,AT=us", "" },
        { "a antarctica=eu AQ,BV,HM,GS,TF=us",
            WARNING("1:3") "partition antarctica is never reached: narrower areas take all its countries\n" },
        { "a net=eu DE=us", "" },
        { "a *=eu africa,antarctica,asia,europe,north-america,oceania,south-america=us unknown=ap", "" },
    };

    CHECK_CASES(cases, "SEXTANT_AREAS=dach=DE,AT,CH; net=10.0.0.0/8,DE");
}

static void
test_mistakes_in_areas(void **state)
{
    static const struct {
        const char *areas, *map, *expected;
    } cases[] = {
        { "a=DE\n\n# c\nb=a,FR", "* b=eu", "" },
        { "c=b;b=a;a=DE", "* c=eu", "" },
        { "dach", "* *=eu", AREA_ERROR("1:1") "expected name=item[,item...], not \"dach\"\n" },
        { "a=DE\n a=FR", "* a=eu", AREA_ERROR("2:2") "area a is defined twice, first in line 1\n" },
        { "Dach=DE", "* *=eu", AREA_ERROR("1:1") "\"Dach\"" NO_AREA_NAME },
        { "europe=DE", "* *=eu", AREA_ERROR("1:1") "\"europe\"" NO_AREA_NAME },
        { "unknown=DE", "* *=eu", AREA_ERROR("1:1") "\"unknown\"" NO_AREA_NAME },
        { "a=", "* a=eu", AREA_ERROR("1:1") "area a matches nobody\n" },
        { "a=,", "* a=eu", AREA_ERROR("1:1") "area a matches nobody\n" },
        { "a=DE,*", "* a=eu", AREA_ERROR("1:6") "\"*\"" NO_ITEM "\n" },
        { "a=DE,xx,eurpe", "* a=eu",
            AREA_ERROR("1:6") "\"xx\"" NO_ITEM "\n" AREA_ERROR("1:9") "\"eurpe\"" NO_ITEM "; did you mean europe?\n" },
        { "a=10.1.0.0/8", "* a=eu",
            AREA_ERROR(
                "1:3") "\"10.1.0.0/8\" is not a network: it has bits beyond its length; did you mean 10.0.0.0/8?\n" },
        { "a=a", "* a=eu", AREA_ERROR("1:3") "area a contains itself\n" },
        { "a=b;b=c\nc=DE,a", "* a=eu", AREA_ERROR("2:6") "area a contains itself\n" },
        { "a=DE FR", "* a=eu",
            AREA_ERROR("1:6") "one area a line: its items are separated by commas without blanks\n" },
        { "dach DE", "* dach=eu", /* the map is not blamed for a name that was lost */
            AREA_ERROR("1:1") "expected name=item[,item...], not \"dach\"\n" AREA_ERROR(
                "1:6") "one area a line: its items are separated by commas without blanks\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct arena a = { 0 };
        const char *env[] = { "SEXTANT_CLUSTERS=eu http://e at=DE",
            arena_printf(&a, "SEXTANT_AREAS=%s", cases[i].areas).p,
            arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", cases[i].map).p, NULL };
        struct fixture f;

        fixture_map(&f, env);
        fixture_says(&f, cases[i].expected);
        fixture_fini(&f);
        arena_fini(&a);
    }
}

/* A chain of 256 definitions, each naming the next: the last one's country is in the first. */
static void
test_areas_may_be_deep(void **state)
{
    for (unsigned n = 256; n <= 257; n++) {
        struct buf areas = { 0 };
        const char *env[] = { "SEXTANT_CLUSTERS=eu http://e at=DE", "SEXTANT_PARTITION_MAP=* a0=eu", NULL, NULL };
        struct place place = { .source = PLACE_DATABASE, .country = "DE" };
        struct addr nobody = { 0 };
        struct fixture f;

        buf_add(&areas, STR("SEXTANT_AREAS="));
        for (unsigned i = 0; i + 1 < n; i++)
            buf_printf(&areas, "a%u=a%u\n", i, i + 1);
        buf_printf(&areas, "a%u=DE", n - 1);
        buf_putc(&areas, '\0');
        env[2] = buf_str(&areas).p;
        fixture_map(&f, env);
        if (n == 256) {
            fixture_says(&f, "");
            assert_non_null(rule_partition(&f.map->rules[0], &nobody, &place, NULL));
        } else {
            assert_true(f.issues.n_errors > 0);
            assert_str_equal(f.issues.items[0].text, "there may be 256 areas at most");
        }
        fixture_fini(&f);
        buf_fini(&areas);
    }
}

static void
test_the_whole_map(void **state)
{
    static const char *const cases[][4] = {
        { CLUSTERS, "SEXTANT_PARTITION_MAP=# nothing\n", "", ERROR("1:1") "the map has no line\n" },
        { "SEXTANT_CLUSTERS=eu http://e at=DE; us http://u at=US", "SEXTANT_PARTITION_MAP=a *=eu", "",
            "SEXTANT_PARTITION_MAP: warning: cluster us is in no line of the map\n" },
        { "SEXTANT_CLUSTERS=eu http://e at=DE; us http://u at=US", "SEXTANT_PARTITION_MAP=/nonexistent", "",
            ERROR("1:1") "cannot read /nonexistent: No such file or directory\n" },
        { "SEXTANT_CLUSTERS=eu http://e at=Hamburg", "SEXTANT_PARTITION_MAP=a europe=eu residency=strict", "",
            "SEXTANT_CLUSTERS:1:16: error: \"Hamburg\" is not a place: expected a cloud region (aws:eu-central-1), a "
            "country "
            "(DE) or lat,lon\n" },
        { "SEXTANT_CLUSTERS=", "SEXTANT_PARTITION_MAP=a *=eu", "",
            "SEXTANT_CLUSTERS:1:1: error: no cluster is defined; for example: SEXTANT_CLUSTERS='eu http://qdrant:6333 "
            "at=aws:eu-central-1'\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *env[] = { cases[i][0], cases[i][1], cases[i][2], NULL };
        struct fixture f;

        fixture_map(&f, env);
        fixture_says(&f, cases[i][3]);
        fixture_fini(&f);
    }
}

/* --- no map ------------------------------------------------------------------------------------------------------ */

static void
test_three_maps_ready_to_copy(void **state)
{
    static const char expected[] =
        "SEXTANT_PARTITION_MAP: error: several clusters need a map that says which of them may hold what. Three usual "
        "ones, "
        "ready to copy:\n"
        "\n"
        "  # every region has a copy, kept by Sextant, which needs keys, SEXTANT_JOURNAL_DIR and SEXTANT_OWNS=eu "
        "(docs/replication.md)\n"
        "  SEXTANT_PARTITION_MAP='* *=eu,us,fr,de2,x,za fanout=async'\n"
        "\n"
        "  # every region has a copy, and something else keeps the copies alike\n"
        "  SEXTANT_PARTITION_MAP='* *=eu,us,fr,de2,x,za copies=external write=nearest'\n"
        "\n"
        "  # each region holds the data of its own callers (no area could be guessed for de2, x: add it)\n"
        "  SEXTANT_PARTITION_MAP='* europe=eu north-america=us FR=fr africa=za *=eu'\n"
        "\n";
    const char *env[] = {
        "SEXTANT_CLUSTERS=eu http://e at=aws:eu-central-1; us http://u at=aws:us-east-1; fr http://f at=FR;"
        "de2 http://d at=DE; x http://x at=0,0; za http://z at=-33.9,18.4 country=ZA",
        NULL, NULL
    };
    struct str rest = str_from(expected);
    unsigned n = 0;
    struct fixture f;

    fixture_map(&f, env);
    fixture_says(&f, expected);
    fixture_fini(&f);
    while (rest.len) {
        struct arena a = { 0 };
        struct str line;

        str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (!str_starts(line, STR("SEXTANT_PARTITION_MAP='")))
            continue;
        line = str_skip(line, strlen("SEXTANT_PARTITION_MAP='"));
        env[1] = arena_printf(&a, "SEXTANT_PARTITION_MAP=%.*s", (int)line.len - 1, line.p).p;
        fixture_map(&f, env);
        assert_int_equal(f.issues.n_errors, 0);
        n++;
        fixture_fini(&f);
        arena_fini(&a);
    }
    assert_int_equal(n, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_what_nobody_reaches),
        cmocka_unit_test(test_mistakes_in_areas),
        cmocka_unit_test(test_areas_may_be_deep),
        cmocka_unit_test(test_the_whole_map),
        cmocka_unit_test(test_three_maps_ready_to_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
