/* SPDX-License-Identifier: Apache-2.0
 *
 * What the decisions of one request cost, with 20 clusters and 200 lines: who calls (a header behind a trusted proxy), what is
 * meant (method and target), and the plan (rule, partition, order of the candidates). `decide` is meaning and plan together,
 * with what a request does around them: a look at the health of all clusters, a fresh arena. After the map of names come maps in
 * which the line that matches is the last one, after 199 with wildcards: tenants by the beginning of their names, and patterns that
 * have to be tried. `worst` is a map that nobody writes: 199 patterns full of wildcards, made of the bytes of the name.
 */
#include "proxy/route/plan.h"
#include "proxy/upstream/fleet.h"
#include "test/bench/bench.h"

enum { N_CLUSTERS = 20, N_LINES = 200, CALLS = 50000 };

struct request {
    const struct world *world;
    struct fleet *fleet;
    struct message message;
    struct addr peer;
    struct caller caller;
    struct str target;
    struct operation op;
    struct plan plan;
    struct cluster_view views[CLUSTERS_MAX], looked[CLUSTERS_MAX];
    struct arena arena, scratch;
};

/* `pattern` has a % for the number of its line, else ones, nines and a wildcard follow that tell lines apart; the last line names
 * collection_199. */
static struct world *
make_world(const char *pattern)
{
    struct buf clusters = { 0 }, map = { 0 }, text = { 0 };
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    const char *env[] = { NULL, NULL, "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8,fd00::/8",
        "SEXTANT_OVERRIDES=198.51.100.0/24=DE", NULL };
    struct world *w;

    buf_printf(&clusters, "SEXTANT_CLUSTERS=");
    buf_printf(&map, "SEXTANT_PARTITION_MAP=");
    for (int i = 0; i < N_CLUSTERS; i++)
        buf_printf(&clusters, "q%d http://127.0.0.1:%d at=%d,%d\n", i, 7000 + i, i, i);
    for (int i = 0; i < N_LINES; i++) {
        struct str head, tail, wild = str_from(i == N_LINES - 1 ? "collection_%" : pattern);
        bool has_number = str_cut(wild, '%', &head, &tail);

        buf_add(&map, head);
        if (has_number)
            buf_printf(&map, "%d", i);
        for (int bit = 7; bit >= 0 && !has_number; bit--)
            buf_putc(&map, i >> bit & 1 ? '9' : '1');
        buf_add(&map, tail);
        buf_printf(&map, has_number ? " europe=q0" : "* europe=q0");
        for (int k = 1; k < N_CLUSTERS; k++)
            buf_printf(&map, ",q%d", k);
        buf_printf(&map, " *=q1 copies=external\n");
    }
    buf_putc(&clusters, '\0');
    buf_putc(&map, '\0');
    env[0] = buf_str(&clusters).p;
    env[1] = buf_str(&map).p;
    w = world_load((char **)(uintptr_t)env, 1, &issues);
    conf_issues_print(&issues, &text);
    if (!w)
        printf(STR_FMT, STR_ARG(buf_str(&text)));
    buf_fini(&clusters);
    buf_fini(&map);
    buf_fini(&text);
    arena_fini(&arena);
    return w;
}

static void
resolve(void *arg, unsigned n)
{
    struct request *r = arg;
    struct str error;

    for (unsigned i = 0; i < n; i++)
        caller_resolve(r->world, &r->peer, false, &r->message, &r->caller, &error);
}

static void
classify(void *arg, unsigned n)
{
    struct request *r = arg;

    for (unsigned i = 0; i < n; i++) {
        if (operation_parse(METHOD_POST, r->target, &r->arena, &r->op))
            abort();
    }
}

static void
plan(void *arg, unsigned n)
{
    static const struct name_list no_names = { 0 };
    struct request *r = arg;

    for (unsigned i = 0; i < n; i++) {
        plan_build(r->world, &r->caller, &r->op, &no_names, r->views, &r->scratch, &r->plan);
        arena_reset(&r->scratch);
    }
}

static void
look(void *arg, unsigned n)
{
    struct request *r = arg;

    for (unsigned i = 0; i < n; i++)
        fleet_views(r->fleet, r->looked);
}

static void
decide(void *arg, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        classify(arg, 1);
        look(arg, 1);
        plan(arg, 1);
    }
}

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static void
measure(struct world *w, const char *what, const char *target, bool all)
{
    struct registry *registry = registry_new();
    struct request r = { .world = w, .target = str_from(target) };
    char name[64];

    r.fleet = fleet_build(registry, w, resolve_nothing, NULL);
    for (unsigned i = 0; i < N_CLUSTERS; i++)
        r.views[i] = (struct cluster_view){ .is_up = i % 5 != 0, .cost_ms = (i * 7) % N_CLUSTERS };
    message_init(&r.message, &r.arena);
    for (int i = 0; i < 12; i++)
        message_add(&r.message, STR("x-some-header"), STR("value"));
    message_add_id(&r.message, FIELD_X_FORWARDED_FOR, STR("198.51.100.7, 10.0.0.2"));
    if (!addr_parse(STR("10.0.0.1"), &r.peer))
        abort();
    resolve(&r, 1);
    classify(&r, 1);
    if (all) {
        bench_time("plan.caller", resolve, &r, CALLS);
        bench_time("plan.classify", classify, &r, CALLS);
        bench_time("plan.health", look, &r, CALLS);
    }
    snprintf(name, sizeof(name), "plan.plan.%s", what);
    bench_time(name, plan, &r, CALLS);
    snprintf(name, sizeof(name), "plan.decide.%s", what);
    bench_time(name, decide, &r, CALLS);
    printf("# %u candidates\n", r.plan.n_candidates);
    arena_fini(&r.arena);
    arena_fini(&r.scratch);
    fleet_unref(r.fleet);
    registry_free(registry);
}

/* All 199 have nothing but bytes of the name: each has to be tried to its end. */
static void
bench_worst(struct world *w)
{
    struct request r = { .world = w, .target = STR("/collections/collection_199/points/scroll") };

    for (unsigned i = 0; i < N_CLUSTERS; i++)
        r.views[i] = (struct cluster_view){ .is_up = true, .cost_ms = i };
    classify(&r, 1);
    bench_time("plan.worst", plan, &r, CALLS / 10);
    printf("# %u candidates\n", r.plan.n_candidates);
    arena_fini(&r.arena);
    arena_fini(&r.scratch);
}

int
main(void)
{
    struct world *names = make_world("collection_%"), *tenants = make_world("tenant_%_*"),
                 *globs = make_world("*-of-%-*"), *worst = make_world("*c*l*_*");

    if (!names || !tenants || !globs || !worst)
        return 1;
    measure(names, "first", "/collections/collection_0/points/scroll", true);
    measure(names, "last", "/collections/collection_199/points/scroll", false);
    measure(names, "none", "/collections/other/points/scroll", false);
    measure(tenants, "after_beginnings", "/collections/collection_199/points/scroll", false);
    measure(globs, "after_globs", "/collections/collection_199/points/scroll", false);
    bench_worst(worst);
    world_unref(names);
    world_unref(tenants);
    world_unref(globs);
    world_unref(worst);
    return 0;
}
