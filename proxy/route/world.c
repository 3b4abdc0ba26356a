/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/world.h"

#include "proxy/base/mem.h"

enum { GEO_FILES_MAX = 8 };

static void
load_geo(struct world *w, struct conf_issues *issues)
{
    struct str paths[GEO_FILES_MAX], rest = w->conf->geo_db, item;
    unsigned n = 0;
    char error[512];

    while (rest.len) {
        str_cut(rest, ',', &item, &rest);
        item = str_trim(item);
        if (item.len == 0)
            continue;
        if (n == GEO_FILES_MAX) {
            conf_issue(
                issues, true, conf_source(w->conf, "geo_db"), 1, 1, "there may be %d files at most", GEO_FILES_MAX);
            return;
        }
        conf_add_file(w->conf, item);
        paths[n++] = item;
    }
    if (n == 0)
        return;
    w->geo = geo_db_load(paths, n, error, sizeof(error));
    if (!w->geo)
        conf_issue(issues, true, conf_source(w->conf, "geo_db"), 1, 1, "%s", error);
}

static void
load_default_place(struct world *w, struct conf_issues *issues)
{
    struct str text = w->conf->default_place;

    if (text.len == 0)
        return;
    if (place_parse(text, &w->default_place)) {
        w->has_default_place = true;
        w->default_place.source = PLACE_DEFAULT;
        return;
    }
    conf_issue(issues, true, conf_source(w->conf, "default_place"), 1, 1,
        "\"" STR_FMT "\" is not a place: expected a country, a cloud region or lat,lon", STR_ARG(text));
}

static void
check_words(const struct conf *conf, struct conf_issues *issues)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    bool is_level = false;

    for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        is_level |= str_eq(conf->log_level, str_from(levels[i]));
    if (!is_level)
        conf_issue(issues, true, conf_source(conf, "log_level"), 1, 1,
            "expected error, warning, info or debug, not \"" STR_FMT "\"", STR_ARG(conf->log_level));
    if (!str_starts(conf->probe_path, STR("/")))
        conf_issue(issues, true, conf_source(conf, "probe_path"), 1, 1, "expected a path that begins with /");
    if (conf->upstream_idle >= 5000)
        conf_issue(issues, false, conf_source(conf, "upstream_idle"), 1, 1,
            "Qdrant closes idle connections after 5 s: keeping them as long costs failed requests");
}

/* Anybody who reaches the admin listener learns configuration and traffic, and there is no key for it yet. */
static void
check_listeners(struct world *w, struct conf_issues *issues)
{
    unsigned n = 0;
    struct listen_conf *admin;

    listen_parse(conf_source(w->conf, "listen"), w->conf->listen, &n, &w->arena, issues);
    if (n == 0)
        conf_issue(issues, true, conf_source(w->conf, "listen"), 1, 1, "expected an address such as 0.0.0.0:6333");
    admin = listen_parse(conf_source(w->conf, "admin_listen"), w->conf->admin_listen, &n, &w->arena, issues);
    for (unsigned i = 0; i < n; i++) {
        const struct addr *a = &admin[i].addr;
        static const struct addr loopback6 = { .family = 6, .bytes = { [15] = 1 } };

        if (!(a->family == 4 && a->bytes[0] == 127) && !addr_eq(a, &loopback6))
            conf_issue(issues, true, conf_source(w->conf, "admin_listen"), 1, 1,
                "the admin listener is for loopback only in this version: expected such as 127.0.0.1:6390 or "
                "[::1]:6390");
    }
}

struct world *
world_load(char **environ, uint64_t generation, struct conf_issues *issues)
{
    struct world *w = MEM_NEW(struct world);

    atomic_init(&w->refs, 1);
    w->generation = generation;
    w->conf = conf_load(environ, issues);
    w->topology = topology_parse(w->conf, &w->arena, issues);
    w->map = partition_map_parse(w->conf, w->topology, &w->arena, issues);
    w->trust = trust_parse(w->conf, &w->arena, issues);
    w->overrides = overrides_parse(w->conf, &w->arena, issues);
    check_listeners(w, issues);
    check_words(w->conf, issues);
    load_default_place(w, issues);
    load_geo(w, issues);
    if (issues->n_errors == 0)
        return w;
    world_unref(w);
    return NULL;
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
    if (!w || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    geo_db_free(w->geo);
    conf_free(w->conf);
    arena_fini(&w->arena);
    mem_free(w);
}
