/* SPDX-License-Identifier: Apache-2.0
 *
 * What fan-out asks of the configuration around it, and what a reload may not take from under writes that are recorded.
 */
#include "conf/fanout.h"
#include "test/unit/conf_fixture.h"

#define CLUSTERS \
    "SEXTANT_CLUSTERS=eu http://e at=DE; us http://u at=US; ap http://a at=JP; in http://i at=IN; sa http://s at=BR"
#define ERROR(at) "SEXTANT_PARTITION_MAP:" at ": error: "
#define MAP(line) "SEXTANT_PARTITION_MAP=" line "\nthe-rest *=eu,us,ap,in,sa copies=external"
#define NO_JOURNAL(at) \
    ERROR(at) \
    "fanout= needs SEXTANT_JOURNAL_DIR, a directory on a local disk: what is not recorded first can be " \
    "lost\n"
#define NO_KEYS(at) \
    ERROR(at) \
    "fanout= needs SEXTANT_API_KEY: who may write is decided here before a write is recorded, and copies are " \
    "written with this edge's own keys\n"
#define NOBODY(at, home) \
    ERROR(at) \
    "nobody journals for the home " home " of partition *: put it into SEXTANT_OWNS of this edge, or after owns= of " \
    "another in SEXTANT_EDGES\n"
#define SECRET "SEXTANT_EDGE_SECRET=0123456789abcdef-edges"

struct side {
    struct fixture f;
    struct fanout_conf *fanout;
};

static void
side_load(struct side *s, const char *const *env)
{
    struct edges_conf *edges;
    struct keys *keys;

    fixture_map(&s->f, env);
    edges = edges_parse(s->f.conf, s->f.topology, &s->f.arena, &s->f.issues);
    keys = keys_parse(s->f.conf, s->f.topology, &s->f.arena, &s->f.issues);
    s->fanout = fanout_parse(s->f.conf, s->f.topology, s->f.map, keys, edges, &s->f.arena, &s->f.issues);
}

/* Keys of clusters are another matter: every cluster has one here. */
#define KEYED \
    "SEXTANT_API_KEY=0123456789abcdef", "SEXTANT_CLUSTER_EU_API_KEY=k", "SEXTANT_CLUSTER_US_API_KEY=k", \
        "SEXTANT_CLUSTER_AP_API_KEY=k", "SEXTANT_CLUSTER_IN_API_KEY=k", "SEXTANT_CLUSTER_SA_API_KEY=k"

static const char clusters[] = CLUSTERS;
static const char one_line[] = MAP("a *=eu,us fanout=async");
static const char two_homes[] = MAP("a europe=eu,us *=ap,in fanout=all");
static const char one_of_two[] = MAP("a europe=eu,us *=ap fanout=all");
static const char no_fanout[] = MAP("a *=eu");

struct need {
    const char *env[16], *expected;
};

static void
check_needs(const struct need *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct side s;

        side_load(&s, cases[i].env);
        fixture_says(&s.f, cases[i].expected);
        fixture_fini(&s.f);
    }
}

static void
test_what_it_needs(void **state)
{
    static const struct need cases[] = {
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED }, "" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", KEYED }, NO_JOURNAL("1:11") },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j" }, NO_KEYS("1:11") },
        { { clusters, one_line, "SEXTANT_JOURNAL_DIR=/j", KEYED }, NOBODY("1:3", "eu") },
        { { clusters, two_homes, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED }, NOBODY("1:16", "ap") },
        { { clusters, one_line, "SEXTANT_OWNS=eu,us,eu, uss", "SEXTANT_JOURNAL_DIR=/j", KEYED },
            "SEXTANT_OWNS:1:4: error: cluster us is the home of no partition with fanout= and copies\n"
            "SEXTANT_OWNS:1:7: error: cluster eu is listed twice\n"
            "SEXTANT_OWNS:1:11: error: no cluster is called \"uss\"; did you mean us?\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED, "SEXTANT_CLUSTER_EU_JWT_RBAC=on" },
            ERROR("1:3") "the home eu of partition * has JWT_RBAC: it would enforce what a token may write only after "
                         "the write was recorded\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", "SEXTANT_STATE_DIR=/j", KEYED },
            "SEXTANT_JOURNAL_DIR:1:1: error: it is SEXTANT_STATE_DIR as well: the journal needs a directory of its "
            "own\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED,
              "SEXTANT_CLUSTER_US_SCHEMA={\"shard_number\": 2}" },
            "" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED, "SEXTANT_CLUSTER_US_SCHEMA=[1]" },
            "SEXTANT_CLUSTER_US_SCHEMA:1:1: error: it is not a JSON object\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED,
              "SEXTANT_CLUSTER_US_SCHEMA={\"metadata\": {}}" },
            "SEXTANT_CLUSTER_US_SCHEMA:1:1: error: \"metadata\" decides which data fit, and is home's in every "
            "cluster\n" },
        { { clusters, no_fanout, "SEXTANT_JOURNAL_DIR=/j", KEYED },
            "SEXTANT_JOURNAL_DIR:1:1: warning: no line of the map has fanout=: it has no effect\n" },
    };

    check_needs(cases, sizeof(cases) / sizeof(*cases));
}

static void
test_other_edges(void **state)
{
    static const struct need cases[] = {
        /* another edge journals: no journal here */
        { { clusters, one_line, "SEXTANT_EDGES=one https://edge-eu owns=eu", SECRET, KEYED }, "" },
        { { clusters, two_homes, "SEXTANT_EDGES=one https://edge-eu owns=eu", SECRET, KEYED }, NOBODY("1:16", "ap") },
        { { clusters, two_homes, "SEXTANT_OWNS=ap", "SEXTANT_EDGES=one https://edge-eu owns=eu", SECRET, KEYED },
            NO_JOURNAL("1:24") },
        { { clusters, two_homes, "SEXTANT_EDGE_NAME=two", "SEXTANT_JOURNAL_DIR=/j", SECRET, KEYED,
              "SEXTANT_EDGES=one https://edge-eu owns=eu; two https://edge-ap owns=ap" },
            "" },
        { { clusters, two_homes, "SEXTANT_EDGE_NAME=two", "SEXTANT_JOURNAL_DIR=/j", SECRET, KEYED, "SEXTANT_OWNS=eu",
              "SEXTANT_EDGES=one https://edge-eu owns=eu; two https://edge-ap owns=ap" },
            "SEXTANT_OWNS:1:1: error: the line of this edge in SEXTANT_EDGES says otherwise: leave one of them out\n"
            "SEXTANT_EDGES:1:1: error: edge one owns eu, and so does this one\n" NOBODY("1:16", "ap") },
        { { clusters, one_line, "SEXTANT_EDGES=one https://e1 owns=eu; two https://e1 owns=us,eu,xx", SECRET, KEYED },
            "SEXTANT_EDGES:1:29: error: https://e1 is already an endpoint of edge:one\n"
            "SEXTANT_EDGES:1:48: error: cluster eu is owned twice: one edge journals for a home, and no other\n"
            "SEXTANT_EDGES:1:51: error: no cluster is called \"xx\"\n"
            "SEXTANT_EDGES:1:25: error: edge two owns us, which is the home of no partition with fanout= and "
            "copies\n" },
        /* lines that cannot be read */
        { { clusters, one_line, "SEXTANT_EDGES=One! https://e1 owns=eu; one; two ftp:// owns=eu; two https://e2 eu",
              SECRET, KEYED, "SEXTANT_EDGE_NAME=three" },
            "SEXTANT_EDGES:1:1: error: \"One!\" is not a name of an edge: up to 58 of a-z, 0-9, - and _\n"
            "SEXTANT_EDGES:1:26: error: edge one has no URL: expected name url owns=CLUSTER[,CLUSTER...]\n"
            "SEXTANT_EDGES:1:35: error: \"ftp://\": expected a URL such as http://qdrant-1:6333\n"
            "SEXTANT_EDGES:1:47: error: cluster eu is owned twice: one edge journals for a home, and no other\n"
            "SEXTANT_EDGES:1:51: error: edge two is defined twice\n"
            "SEXTANT_EDGES:1:66: error: \"eu\" is not understood: expected owns=CLUSTER[,CLUSTER...]\n"
            "SEXTANT_EDGE_NAME:1:1: error: no line of SEXTANT_EDGES begins with three\n" },
        { { clusters, one_line, "SEXTANT_EDGES=one https://edge-eu owns=eu", KEYED, SECRET,
              "SEXTANT_EDGE_SUBJECTS=CN=a\nCN=b" },
            "SEXTANT_EDGE_SUBJECTS:1:1: error: certificates of those who connect are not looked at: "
            "SEXTANT_TLS_CLIENT_AUTH is off\n" },
        { { clusters, one_line, "SEXTANT_EDGES=one http://edge-eu owns=eu", KEYED },
            "SEXTANT_EDGES:1:5: warning: the way to edge one is not encrypted: whoever is on it can read the secret "
            "and the writes, and write with it; give it an https:// URL\n"
            "SEXTANT_EDGES:1:1: error: other edges could not tell this one from a stranger: give all of them the same "
            "SEXTANT_EDGE_SECRET, or this one SEXTANT_EDGE_CERT and _KEY\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED, "SEXTANT_EDGE_SECRET=short" },
            "SEXTANT_EDGE_SECRET:1:1: error: expected at least 16 visible ASCII characters, such as of openssl rand "
            "-hex "
            "32\n" },
        { { clusters, one_line, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED,
              "SEXTANT_EDGE_SECRET=0123456789abcdef" },
            "SEXTANT_EDGE_SECRET:1:1: error: it is a key of clients as well: whoever holds that could speak as an "
            "edge\n" },
        /* a partition without copies needs no journal, nor an owner */
        { { clusters, one_of_two, "SEXTANT_OWNS=eu", "SEXTANT_JOURNAL_DIR=/j", KEYED }, "" },
    };

    check_needs(cases, sizeof(cases) / sizeof(*cases));
}

static void
test_masks(void **state)
{
    const char *env[] = { CLUSTERS, "SEXTANT_PARTITION_MAP=a europe=us,eu *=ap fanout=all\nb *=in,us fanout=async",
        "SEXTANT_OWNS=us in", NULL };
    struct side s;

    side_load(&s, env);
    assert_int_equal(s.fanout->homes, 1 << 1 | 1 << 3);
    assert_int_equal(s.fanout->owns, 1 << 1 | 1 << 3);
    assert_true(s.f.map->has_fanout);
    assert_true(partition_fans_out(&s.f.map->rules[0], &s.f.map->rules[0].partitions[0]));
    assert_false(partition_fans_out(&s.f.map->rules[0], &s.f.map->rules[0].partitions[1]));
    fixture_fini(&s.f);
}

struct line_case {
    const char *map;
    bool is_same; /* as the first */
    const char *areas;
};

static void
check_lines(const struct line_case *cases, size_t n)
{
    uint64_t first = 0;

    for (size_t i = 0; i < n; i++) {
        struct arena a = { 0 };
        const char *env[] = { clusters, arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", cases[i].map).p,
            cases[i].areas ? arena_printf(&a, "SEXTANT_AREAS=%s", cases[i].areas).p : NULL, NULL };
        struct side s;

        side_load(&s, env);
        first = i ? first : s.fanout->lines[0];
        assert_true((s.fanout->lines[0] == first) == cases[i].is_same);
        fixture_fini(&s.f);
        arena_fini(&a);
    }
}

/* What two edges must agree on: partitions, what their areas stand for, clusters, policy and residency of the line, and
 * nothing else. */
static void
test_lines(void **state)
{
    static const struct line_case plain[] = {
        { "a europe=eu,us *=ap,in fanout=all", true, NULL },
        { "a,b-*   europe=eu,us  *=ap,in   fanout=all  read=home # a comment", true, NULL },
        { "a europe=eu,us *=ap,in fanout=async", false, NULL },
        { "a europe=us,eu *=ap,in fanout=all", false, NULL },
        { "a europe=eu,us *=ap,in,sa fanout=all", false, NULL },
        { "a europe=eu,us DE=sa *=ap,in fanout=all", false, NULL },
    };
    static const struct line_case named[] = {
        { "a mine=eu,us *=ap,in fanout=all", true, "mine=DE,10.0.0.0/8,near; near=FR,192.0.2.0/24" },
        { "a mine=eu,us *=ap,in fanout=all", true, "mine=FR,192.0.2.0/24,10.0.0.0/8,10.1.0.0/16,DE" },
        { "a mine=eu,us *=ap,in fanout=all", false, "mine=FR,192.0.2.0/24,10.0.0.0/8" },
        { "a mine=eu,us *=ap,in fanout=all", false, "mine=DE,FR,192.0.2.0/25,10.0.0.0/8" },
        { "a mine=eu,us *=ap,in fanout=all", false, "mine=DE,FR,192.0.2.0/24,10.0.0.0/8,africa" },
    };

    check_lines(plain, sizeof(plain) / sizeof(*plain));
    check_lines(named, sizeof(named) / sizeof(*named));
}

/* --- reloads ----------------------------------------------------------------------------------------------------- */

#define MANUAL "; see docs/replication.md, \"Changing the map\"\n"
#define NOT_DRAINED(line) ", and is not drained: first `sextant ctl freeze '" line "' --wait`" MANUAL

static void
load_map(struct side *s, const char *map, const char *owns)
{
    static const char swapped[] = "SEXTANT_CLUSTERS=us http://u at=US; sa http://s at=BR;"
                                  "ap http://a at=JP; eu http://e at=DE; in http://i at=IN";
    struct arena a = { 0 };
    const char *env[] = { map[0] == '~' ? swapped : clusters,
        arena_printf(&a, "SEXTANT_PARTITION_MAP=%s", map + (map[0] == '~')).p,
        arena_printf(&a, "SEXTANT_OWNS=%s", owns).p, "SEXTANT_JOURNAL_DIR=/j", KEYED, NULL };

    side_load(s, env);
    s->f.issues.n = s->f.issues.n_errors = 0;
    arena_fini(&a);
}

/* What may follow what, while so much is frozen and drained, and so much waits. */
struct change {
    const char *old, *fresh, *owns, *expected;
    struct fanout_progress progress;
};

static void
check_changes(const struct change *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct side old, fresh;

        load_map(&old, cases[i].old, "eu,us,ap");
        old.fanout->owns &= old.fanout->homes;
        load_map(&fresh, cases[i].fresh, cases[i].owns);
        fanout_check_change(&(struct fanout_side){ old.f.conf, old.f.topology, old.f.map, old.fanout },
            &(struct fanout_side){ fresh.f.conf, fresh.f.topology, fresh.f.map, fresh.fanout }, &cases[i].progress,
            &fresh.f.issues);
        fixture_says(&fresh.f, cases[i].expected);
        fixture_fini(&old.f);
        fixture_fini(&fresh.f);
    }
}

static void
test_changes(void **state)
{
    static const struct change cases[] = {
        { "a *=eu,us fanout=async", "a *=eu,us fanout=all", "eu", "", { NULL } },
        { "a *=eu,us fanout=async", "~a *=eu,us fanout=async", "eu", "", { NULL } },
        { "a *=eu,us fanout=async", "a *=eu,ap,us fanout=async", "eu", "", { NULL } },
        { "a,b *=eu,us fanout=async", "c *=ap\na *=eu,us fanout=async\nb *=eu,us,in fanout=all", "eu", "", { NULL } },
        { "docs-x *=us\ndocs-* *=eu,us fanout=async", "docs-x *=us\ndocs-* *=eu,us fanout=async", "eu", "", { NULL } },
        { "docs-x *=us\ndocs-* *=eu,us fanout=async", "docs-x *=us,ap fanout=async\ndocs-* *=eu,us fanout=async",
            "eu,us", "", { NULL } },
        { "a *=eu\n* *=us", "b *=ap,eu fanout=async\n* *=us", "ap", "", { NULL } },
        { "a *=eu,us fanout=async", "a *=us,eu fanout=async", "us",
            ERROR("1:3") "partition * loses its home eu" NOT_DRAINED("a"), { NULL } },
        { "a *=eu,us fanout=async", "a *=ap,us fanout=async", "ap",
            ERROR("1:3") "partition * loses its home eu" NOT_DRAINED("a"), { NULL } },
        { "a *=eu,us,ap fanout=async", "a *=eu,us fanout=async", "eu",
            ERROR("1:3") "partition * loses its copy ap" NOT_DRAINED("a"), { NULL } },
        { "a *=eu,us fanout=async", "a *=eu,us copies=external", "",
            ERROR("1:3") "partition * loses its fan-out" NOT_DRAINED("a"), { NULL } },
        { "a *=eu,us fanout=async", "a *=eu", "", ERROR("1:3") "partition * loses its fan-out" NOT_DRAINED("a"),
            { NULL } },
        { "a *=eu,us fanout=async", "a *=eu,us fanout=async", "",
            "SEXTANT_OWNS:1:1: error: the home eu loses its owner, and its claim is not given up: first `sextant ctl "
            "freeze` "
            "what has its home there, then `sextant ctl release eu`" MANUAL,
            { NULL } },
        { "a,c *=eu,us fanout=async", "b *=eu,us fanout=async", "eu",
            "SEXTANT_PARTITION_MAP: error: no line takes collections such as a any more: partition * loses its "
            "fan-out" NOT_DRAINED("a,c"),
            { NULL } },
        { "a europe=eu,us *=ap,in fanout=async", "a europe=ap,in *=eu,us fanout=async", "eu,ap",
            ERROR("1:3") "partition europe loses its home eu" NOT_DRAINED("a")
                ERROR("1:16") "partition * loses its home ap" NOT_DRAINED("a"),
            { NULL } },
        { "docs-* *=eu,us fanout=async", "docs-x *=us\ndocs-* *=eu,us fanout=async", "eu",
            ERROR("1:8") "partition * loses its home eu" NOT_DRAINED("docs-*"), { NULL } },
        { "docs-* *=eu,us fanout=async", "*-x *=us\ndocs-* *=eu,us fanout=async", "eu",
            ERROR("1:5") "partition * loses its home eu" NOT_DRAINED("docs-*"), { NULL } },
        { "*-x *=us\n* *=eu,us fanout=async", "docs-* *=us\n*-x *=us\n* *=eu,us fanout=async", "eu",
            ERROR("1:8") "partition * loses its home eu" NOT_DRAINED("*"), { NULL } },
        { "* *=eu,us fanout=async", "docs *=eu,us,ap fanout=async\n* *=eu,us fanout=async", "eu", "", { NULL } },
        /* another edge journals for it: what it has recorded is its own affair */
        { "a *=in,us fanout=async", "a *=us,in fanout=async", "us", "", { NULL } },
    };

    check_changes(cases, sizeof(cases) / sizeof(*cases));
}

static void
test_changes_of_what_is_frozen(void **state)
{
#define TEXT(text) \
    { \
        text, sizeof(text) - 1 \
    }
    static const struct fanout_waiting waiting[] = { { TEXT("eu"), TEXT("us"), 3 }, { TEXT("ap"), TEXT("in"), 7 },
        { TEXT("eu"), TEXT("ap"), 12 } };
    static const struct fanout_frozen frozen[] = {
        { .line = TEXT("a"), .home = TEXT("eu"), .left = TEXT("12 points for ap") },
        { .line = TEXT("b,c"), .home = TEXT("eu"), .is_drained = true },
        { .line = TEXT("d"), .home = TEXT("us"), .is_drained = true, .is_given_up = true },
    };
#define PROGRESS \
    { \
        frozen, waiting, 3, 3 \
    }
    static const struct change cases[] = {
        { "a *=eu,us,ap fanout=async", "a *=eu,us fanout=async", "eu",
            ERROR(
                "1:3") "partition * loses its copy ap, and is not drained yet: 12 points for ap; `sextant ctl freeze` "
                       "shows when it is" MANUAL,
            PROGRESS },
        { "x *=eu,us,ap fanout=async", "x *=eu,us fanout=async", "eu",
            ERROR(
                "1:3") "partition * loses its copy ap, and is not drained: 3 points wait for eu/us, 12 points wait for "
                       "eu/ap; first `sextant ctl freeze 'x' --wait`" MANUAL,
            PROGRESS },
        { "b,c *=eu,us,ap fanout=async", "b,c *=eu,us fanout=async", "eu", "", PROGRESS },
        { "b,c *=eu,us,ap fanout=async\na *=eu,us fanout=async", "b,c *=us,eu fanout=async\na *=eu,us fanout=async",
            "eu,us", "", PROGRESS },
        { "b,c *=eu,us,ap fanout=async", "b,c *=us,eu fanout=async", "us",
            "SEXTANT_OWNS:1:1: error: the home eu loses its owner, and its claim is not given up: first `sextant ctl "
            "freeze` "
            "what has its home there, then `sextant ctl release eu`" MANUAL,
            PROGRESS },
        { "d *=us,eu fanout=async", "d *=us,eu fanout=async", "", "", PROGRESS },
        { "d *=us,eu fanout=async", "d *=us", "", "", PROGRESS },
        { "d *=us,eu fanout=async", "e *=us", "", "", PROGRESS },
    };

    check_changes(cases, sizeof(cases) / sizeof(*cases));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_needs),
        cmocka_unit_test(test_other_edges),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_changes_of_what_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
