/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds a world from environment and files, aside and whole: what is returned never changes again. Every part is read
 * even when another is faulty, so that all mistakes are told at once; but nothing is judged by a faulty part.
 */
#include "proxy/route/world.h"

#include "proxy/base/mem.h"

static void
load_default_place(struct world *w, struct conf_issues *issues)
{
    struct str text = str_trim(w->conf->default_place);

    if (text.len == 0)
        return;
    w->has_default_place = place_parse(text, &w->default_place);
    w->default_place.source = PLACE_DEFAULT;
    if (!w->has_default_place)
        conf_issue(issues, true, STR("SEXTANT_DEFAULT_PLACE"), 1, 1,
            "\"" STR_FMT "\" is not a place: expected a country (DE), a cloud region (aws:eu-central-1) or lat,lon",
            STR_ARG(text));
}

static void
load_geo(struct world *w, struct conf_issues *issues)
{
    struct str rest = w->conf->geo_db, path;
    struct str *paths = ARENA_ARRAY(&w->arena, rest.len + 1, struct str);
    unsigned n = 0;
    char error[256] = "";

    while (rest.len) {
        str_cut(rest, ',', &path, &rest);
        path = str_trim(path);
        if (path.len)
            paths[n++] = arena_str(&w->arena, path);
    }
    if (n == 0)
        return;
    w->geo = geo_db_load(paths, n, error, sizeof(error));
    if (!w->geo)
        conf_issue(issues, true, STR("SEXTANT_GEO_DB"), 0, 0, "%s", error);
}

static void
load_map(struct world *w, struct conf_issues *issues)
{
    unsigned errors = issues->n_errors;

    w->topology = topology_parse(w->conf, &w->arena, issues);
    if (!w->topology || issues->n_errors > errors)
        return;
    w->map = partition_map_parse(w->conf, w->topology, &w->arena, issues);
    if (!w->map || issues->n_errors > errors)
        return;
    if (w->map->n_rules > RULES_MAX)
        conf_issue(issues, true, STR("SEXTANT_PARTITION_MAP"), w->map->rules[RULES_MAX].line, 1,
            "a map may have %d lines; join patterns of the same partitions by comma", RULES_MAX);
    for (unsigned i = 0; i < w->map->n_rules; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_patterns; k++)
            w->maps_all |= str_eq(rule->patterns[k], STR("*"));
    }
}

static void
load_callers(struct world *w, struct conf_issues *issues)
{
    w->trust = trust_parse(w->conf, &w->arena, issues);
    w->overrides = overrides_parse(w->conf, &w->arena, issues);
    w->listens = listen_parse(STR("SEXTANT_LISTEN"), w->conf->listen, &w->n_listens, &w->arena, issues);
    w->admin_listens = listen_parse(
        STR("SEXTANT_ADMIN_LISTEN"), w->conf->admin_listen, &w->n_admin_listens, &w->arena, issues);
}

static void
world_free(struct world *w)
{
    geo_db_free(w->geo);
    conf_free(w->conf);
    arena_fini(&w->arena);
    mem_free(w);
}

struct world *
world_load(char **environ, uint64_t generation, struct conf_issues *issues)
{
    struct world *w = MEM_NEW(struct world);
    unsigned errors = issues->n_errors;

    atomic_init(&w->refs, 1);
    w->generation = generation;
    w->conf = conf_load(environ, issues);
    load_map(w, issues);
    load_callers(w, issues);
    load_default_place(w, issues);
    load_geo(w, issues);
    if (issues->n_errors > errors) {
        world_free(w);
        return NULL;
    }
    return w;
}

struct world *
world_ref(struct world *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void
world_unref(struct world *w)
{
    if (w && atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1)
        world_free(w);
}
