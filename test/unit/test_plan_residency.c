/* SPDX-License-Identifier: Apache-2.0
 *
 * The promise of the partition map, tried with random maps, callers, hints, verdicts and costs, for every operation: no
 * cluster outside what the map permits is ever in a plan. What it permits is worked out here a second time, from the random
 * map itself, in the simplest way: lists of names, first match, country before continent before `*`.
 */
#include "test/unit/route_fixture.h"

#include "proxy/base/mem.h"

enum { N_CLUSTERS = 6, LINES_MAX = 6, PARTS_MAX = 6, N_WORLDS = 150, N_CALLERS = 4 };

static const char *const cluster_names[N_CLUSTERS] = { "de", "fr", "us", "ca", "jp", "br" };

/* Areas, and the clusters that lie in them (for strict lines), as bits of cluster_names. */
static const struct {
    const char *name;
    unsigned inside;
} areas[] = { { "DE", 1 }, { "FR", 2 }, { "US", 4 }, { "JP", 16 }, { "europe", 3 }, { "north-america", 12 },
    { "asia", 16 }, { "*", 63 }, { "unknown", 63 } };
enum { N_AREAS = sizeof(areas) / sizeof(*areas), AREA_STAR = 7, AREA_UNPLACED = 8 };

static const struct {
    const char *country, *continent;
} places[] = { { "DE", "europe" }, { "FR", "europe" }, { "IT", "europe" }, { "US", "north-america" },
    { "MX", "north-america" }, { "JP", "asia" }, { "CN", "asia" }, { "BR", "south-america" }, { "AU", "oceania" } };
enum { N_PLACES = sizeof(places) / sizeof(*places) };

struct model_line {
    char pattern[8];
    bool strict, external, write_nearest, refuse;
    unsigned n_parts, area[PARTS_MAX], home[PARTS_MAX];
    uint64_t mask[PARTS_MAX];
};

struct model {
    struct model_line lines[LINES_MAX];
    unsigned n;
};

static const char *const collections[] = { "c0", "c1", "c2", "c3", "d0" };
enum { N_COLLECTIONS = sizeof(collections) / sizeof(*collections) };

static uint64_t random_state;

static unsigned
pick(unsigned n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = random_state;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((x ^ x >> 31) % n);
}

static bool
model_matches(const struct model_line *line, const char *collection)
{
    size_t len = strlen(line->pattern);

    if (line->pattern[len - 1] == '*')
        return strncmp(line->pattern, collection, len - 1) == 0;
    return strcmp(line->pattern, collection) == 0;
}

static const struct model_line *
model_line_of(const struct model *model, const char *collection)
{
    for (unsigned i = 0; i < model->n; i++) {
        if (model_matches(&model->lines[i], collection))
            return &model->lines[i];
    }
    return NULL;
}

static int
model_part_of_area(const struct model_line *line, const char *area)
{
    for (unsigned i = 0; i < line->n_parts; i++) {
        if (strcmp(areas[line->area[i]].name, area) == 0)
            return (int)i;
    }
    return -1;
}

struct model_caller {
    int place; /* index in places, or -1 */
    enum place_source source;
};

static int
model_part(const struct model_line *line, const struct model_caller *c)
{
    int part;

    if (c->place < 0 || (line->strict && c->source == PLACE_DEFAULT)) {
        part = model_part_of_area(line, "unknown");
        return part < 0 && !line->strict ? model_part_of_area(line, "*") : part;
    }
    part = model_part_of_area(line, places[c->place].country);
    if (part < 0)
        part = model_part_of_area(line, places[c->place].continent);
    return part < 0 ? model_part_of_area(line, "*") : part;
}

static uint64_t
model_mask(const struct model *model, const struct model_caller *c, const char *collection)
{
    const struct model_line *line = model_line_of(model, collection);
    int part = line ? model_part(line, c) : -1;

    return part < 0 ? 0 : line->mask[part];
}

static void
make_part(struct model_line *line, unsigned area, struct buf *out)
{
    unsigned i = line->n_parts++, inside = line->strict ? areas[area].inside : 63, n = line->external ? 1 + pick(3) : 1;
    unsigned written = 0;

    line->area[i] = area;
    buf_printf(out, " %s=", areas[area].name);
    for (unsigned tries = 0; written == 0 || (written < n && tries < 20); tries++) {
        unsigned cluster = pick(N_CLUSTERS);

        if (!(inside >> cluster & 1) || line->mask[i] >> cluster & 1)
            continue;
        if (written == 0)
            line->home[i] = cluster;
        line->mask[i] |= UINT64_C(1) << cluster;
        buf_printf(out, "%s%s", written++ ? "," : "", cluster_names[cluster]);
    }
}

static void
make_line(struct model_line *line, const char *pattern, struct buf *out)
{
    unsigned used = 0;

    *line = (struct model_line){ .strict = pick(3) == 0, .external = pick(2) == 0, .refuse = pick(4) == 0 };
    snprintf(line->pattern, sizeof(line->pattern), "%s", pattern);
    buf_printf(out, "%s", pattern);
    for (unsigned want = 1 + pick(PARTS_MAX - 1); line->n_parts < want;) {
        unsigned area = pick(N_AREAS);

        if (used >> area & 1)
            continue;
        used |= 1U << area;
        make_part(line, area, out);
    }
    line->write_nearest = line->external && pick(2) == 0;
    buf_printf(out, "%s%s%s%s%s\n", line->strict ? " residency=strict" : "", line->external ? " copies=external" : "",
        line->write_nearest ? " write=nearest" : "", line->refuse ? " all_down=refuse" : "",
        pick(2) ? " read=home" : "");
}

static void
make_map(struct model *model, struct buf *out)
{
    static const char *const last[] = { "c*", "*", "c3" };

    model->n = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (pick(4))
            make_line(&model->lines[model->n++], collections[i], out);
    }
    make_line(&model->lines[model->n++], last[pick(3)], out);
}

static struct world *
make_world(struct model *model)
{
    struct buf clusters = { 0 }, map = { 0 };
    char *env[] = { NULL, NULL, NULL };
    struct world *w;

    buf_printf(&clusters, "SEXTANT_CLUSTERS=");
    for (unsigned i = 0; i < N_CLUSTERS; i++)
        buf_printf(&clusters, "%s http://%s:1,http://%s2:1 at=%c%c\n", cluster_names[i], cluster_names[i],
            cluster_names[i], cluster_names[i][0] - 32, cluster_names[i][1] - 32);
    buf_printf(&map, "SEXTANT_PARTITION_MAP=");
    make_map(model, &map);
    env[0] = buf_take(&clusters);
    env[1] = buf_take(&map);
    w = fixture_world((const char *const *)env);
    mem_free(env[0]);
    mem_free(env[1]);
    return w;
}

static struct str
pick_hint(const struct str *names, unsigned n)
{
    return pick(3) ? STR_NONE : names[pick(n)];
}

static void
make_caller(struct model_caller *model, struct caller *c)
{
    static const struct str clusters[] = { STR("de"), STR("us"), STR("jp"), STR("xx") };
    static const struct str endpoints[] = { STR("de/1"), STR("us/2"), STR("us/3"), STR("x") };
    static const struct str partitions[] = { STR("DE"), STR("europe"), STR("*"), STR("unknown") };

    *c = (struct caller){ .address = { .family = 4, .bytes = { 203, 0, 113, 9 } }, .is_trusted = pick(2) };
    model->place = (int)pick(N_PLACES + 1) - 1;
    model->source = model->place < 0 ? PLACE_NONE : (enum place_source)(1 + pick(4));
    if (model->place >= 0)
        assert_true(place_parse(str_from(places[model->place].country), &c->place));
    c->place.source = (uint8_t)model->source;
    if (!c->is_trusted)
        return;
    c->hint_cluster = pick_hint(clusters, 4);
    c->hint_endpoint = pick_hint(endpoints, 4);
    c->hint_partition = pick_hint(partitions, 4);
}

static void
make_views(struct cluster_view *views)
{
    for (unsigned i = 0; i < N_CLUSTERS; i++)
        views[i] = (struct cluster_view){
            .is_up = pick(4) > 0, .is_ejected = pick(2), .cost_ms = pick(8), .rtt_ms = -1, .distance_km = -1
        };
}

/* A path of the operation, or of no operation at all. */
static void
make_operation(enum op_id id, const char *collection, struct arena *arena, struct operation *op)
{
    const struct op_info *info = op_info(id);
    const char *pattern = id > OP_UNKNOWN && id < OP_DASHBOARD ? info->pattern : "/collections/{c}/brand-new";
    enum method method = id == OP_UNKNOWN ? METHOD_POST : info->method;
    struct buf target = { 0 };

    for (const char *p = pattern; *p; p++) {
        if (*p != '{') {
            buf_putc(&target, *p);
            continue;
        }
        buf_printf(&target, "%s", p[1] == 'c' ? collection : "1");
        p = strchr(p, '}');
    }
    assert_int_equal(operation_parse(method, arena_str(arena, buf_str(&target)), arena, op), FAIL_NONE);
    buf_fini(&target);
}

static uint64_t
mask_of(const uint8_t *clusters, unsigned n)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < n; i++)
        mask |= UINT64_C(1) << clusters[i];
    return mask;
}

static int
health_class(const struct cluster_view *v)
{
    return v->is_up ? 0 : v->is_ejected ? 1 : 2;
}

static void
check_order(const struct plan *plan, const struct cluster_view *views)
{
    uint64_t mask = mask_of(plan->candidates, plan->n_candidates);

    assert_int_equal(__builtin_popcountll(mask), plan->n_candidates);
    assert_true(plan->n_up <= plan->n_candidates);
    for (unsigned i = 1; plan->shape == PLAN_FORWARD && i < plan->n_candidates; i++)
        assert_true(health_class(&views[plan->candidates[i - 1]]) <= health_class(&views[plan->candidates[i]]));
    if (plan->shape == PLAN_FORWARD)
        assert_int_equal(plan->n_up > 0, health_class(&views[plan->candidates[0]]) < 2);
    if (plan->is_pinned && plan->shape == PLAN_FORWARD)
        assert_true(plan->n_candidates == 1 && plan->endpoint <= 2);
    assert_true(!plan->may_move || (plan->n_candidates > 1 && !plan->is_pinned));
    assert_true(
        plan->shape == PLAN_REFUSE ? plan->fail != FAIL_NONE && plan->n_candidates == 0 : plan->fail == FAIL_NONE);
    assert_true(plan->shape != PLAN_FORWARD || plan->n_candidates > 0);
}

static void
check_schema(const struct model_line *line, const struct plan *plan)
{
    uint64_t homes = 0, all = 0, mask = mask_of(plan->candidates, plan->n_candidates);

    for (unsigned i = 0; i < line->n_parts; i++) {
        homes |= UINT64_C(1) << line->home[i];
        all |= line->mask[i];
    }
    if (plan->shape == PLAN_REFUSE)
        return;
    assert_int_equal(mask & ~(line->external ? all : homes), 0);
    if (plan->reason == REASON_EVERY_HOME)
        assert_int_equal(mask, line->external ? all : homes);
}

static void
check_collection(const struct model *model, const struct model_caller *c, const struct caller *caller,
    const struct operation *op, const char *collection, const char *second, const struct plan *plan)
{
    const struct model_line *line = model_line_of(model, collection);
    uint64_t permitted = model_mask(model, c, collection), mask = mask_of(plan->candidates, plan->n_candidates);

    if (!line) {
        assert_true(plan->shape == PLAN_LOCAL || plan->shape == PLAN_REFUSE);
        return;
    }
    assert_true(plan->shape == PLAN_FORWARD || plan->shape == PLAN_REFUSE || op->info->kind == OP_SCHEMA);
    if (op->info->kind == OP_SCHEMA) {
        check_schema(line, plan);
        return;
    }
    if (second)
        permitted &= model_mask(model, c, second);
    assert_int_equal(mask & ~permitted, 0);
    assert_true(permitted || plan->shape == PLAN_REFUSE);
    if (plan->shape == PLAN_FORWARD && op->info->kind == OP_WRITE && !line->write_nearest)
        assert_int_equal(mask, UINT64_C(1) << line->home[model_part(line, c)]);
    /* nothing but a hint, a look-up or all_down=refuse keeps a permitted request back */
    if (permitted && !second && !caller->is_trusted && !line->refuse)
        assert_int_equal(plan->shape, PLAN_FORWARD);
}

static void
check_lists(const struct world *w, const struct model *model, const struct model_caller *c, const struct caller *caller,
    const struct plan *plan)
{
    for (unsigned i = 0; i < N_COLLECTIONS; i++) {
        uint64_t permitted = model_mask(model, c, collections[i]);
        unsigned n_keep = 0;

        for (unsigned part = 0; part < plan->n_parts; part++) {
            if (!plan_list_keeps(w, caller, plan, part, str_from(collections[i])))
                continue;
            n_keep++;
            assert_int_equal(mask_of(plan->parts[part].candidates, plan->parts[part].n_candidates) & ~permitted, 0);
        }
        if (plan->shape == PLAN_LISTS)
            assert_int_equal(n_keep, permitted != 0);
        if (plan->shape == PLAN_FORWARD)
            assert_int_equal(mask_of(plan->candidates, plan->n_candidates) & ~permitted, 0);
    }
}

static void
check_operation(const struct world *w, const struct model *model, enum op_id id)
{
    const char *collection = collections[pick(N_COLLECTIONS)], *second = collections[pick(N_COLLECTIONS)];
    struct str name = str_from(second);
    struct name_list names = { .names = &name };
    struct arena arena = { 0 };
    struct cluster_view views[CLUSTERS_MAX];
    struct model_caller model_caller;
    struct caller caller;
    struct operation op;
    struct plan plan;

    make_views(views);
    make_caller(&model_caller, &caller);
    make_operation(id, collection, &arena, &op);
    names.n = op.info->flags & OP_LOOKUP ? pick(2) : 0;
    plan_build(w, &caller, &op, &names, views, &arena, &plan);
    check_order(&plan, views);
    if (op.scope == SCOPE_COLLECTION)
        check_collection(model, &model_caller, &caller, &op, collection, names.n ? second : NULL, &plan);
    if (op.scope == SCOPE_LIST)
        check_lists(w, model, &model_caller, &caller, &plan);
    if (op.info->flags & OP_STORAGE && w->map->has_strict && !caller.is_trusted)
        assert_int_equal(plan.fail, FAIL_TRUSTED_ONLY);
    arena_fini(&arena);
}

static void
test_no_plan_leaves_what_the_map_permits(void **state)
{
    for (unsigned i = 0; i < N_WORLDS; i++) {
        struct model model;
        struct world *w;

        random_state = i;
        w = make_world(&model);
        for (unsigned k = 0; k < N_CALLERS; k++) {
            for (unsigned id = OP_UNKNOWN; id < OP_COUNT; id++)
                check_operation(w, &model, (enum op_id)id);
        }
        world_unref(w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_plan_leaves_what_the_map_permits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
