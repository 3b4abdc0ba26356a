/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/world.h"

#include "proxy/base/mem.h"
#include "proxy/route/world_impl.h"

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
            conf_option_issue(issues, true, w->conf, "geo_db", "there may be %d files at most", GEO_FILES_MAX);
            return;
        }
        conf_add_file(w->conf, item);
        paths[n++] = item;
    }
    if (n == 0)
        return;
    w->geo = geo_db_load(paths, n, error, sizeof(error));
    if (!w->geo)
        conf_option_issue(issues, true, w->conf, "geo_db", "%s", error);
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
    conf_option_issue(issues, true, w->conf, "default_place",
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
        conf_option_issue(issues, true, conf, "log_level",
            "expected error, warning, info or debug, not \"" STR_FMT "\"", STR_ARG(conf->log_level));
    if (!str_eq(conf->session, STR("off")) && !str_eq(conf->session, STR("credential")))
        conf_option_issue(
            issues, true, conf, "session", "expected off or credential, not \"" STR_FMT "\"", STR_ARG(conf->session));
    if (!str_eq(conf->traceparent, STR("pass")) && !str_eq(conf->traceparent, STR("create")))
        conf_option_issue(issues, true, conf, "traceparent", "expected pass or create, not \"" STR_FMT "\"",
            STR_ARG(conf->traceparent));
    if (!str_starts(conf->probe_path, STR("/")))
        conf_option_issue(issues, true, conf, "probe_path", "expected a path that begins with /");
    if (conf->handover.len && !str_eq(conf->handover, STR("off")) && conf->handover.p[0] != '/' &&
        (conf->handover.p[0] != '@' || conf->handover.len < 2))
        conf_option_issue(issues, true, conf, "handover", "expected a path that begins with /, @name or off");
    if (conf->upstream_idle >= 5000)
        conf_option_issue(issues, false, conf, "upstream_idle",
            "Qdrant closes idle connections after 5 s: keeping them as long costs failed requests");
}

static void
keep_warnings(struct world *w, const struct conf_issues *issues)
{
    struct buf text = { 0 };

    conf_issues_print(issues, &text);
    w->warnings = arena_str(&w->arena, buf_str(&text));
    buf_fini(&text);
}

struct world *
world_load(char **environ, uint64_t generation, struct conf_issues *issues)
{
    struct world *w = MEM_NEW(struct world);
    const struct edges_conf *edges;

    atomic_init(&w->refs, 1);
    w->generation = generation;
    w->conf = conf_load(environ, issues);
    w->topology = topology_parse(w->conf, &w->arena, issues);
    edges = edges_parse(w->conf, w->topology, &w->arena, issues);
    w->map = partition_map_parse(w->conf, w->topology, &w->arena, issues);
    w->trust = trust_parse(w->conf, &w->arena, issues);
    w->keys = keys_parse(w->conf, w->topology, &w->arena, issues);
    w->fanout = fanout_parse(w->conf, w->topology, w->map, w->keys, edges, &w->arena, issues);
    w->overrides = overrides_parse(w->conf, &w->arena, issues);
    w->listeners = listeners_parse(w->conf, &w->arena, issues);
    check_words(w->conf, issues);
    load_default_place(w, issues);
    load_geo(w, issues);
    world_load_tls(w, issues);
    if (issues->n_errors == 0) {
        keep_warnings(w, issues);
        return w;
    }
    world_unref(w);
    return NULL;
}

bool
world_may_follow(const struct world *old, const struct world *fresh, const struct fanout_progress *progress,
    struct conf_issues *issues)
{
    struct fanout_side was = { old->conf, old->topology, old->map, old->fanout };
    struct fanout_side is = { fresh->conf, fresh->topology, fresh->map, fresh->fanout };
    unsigned n_errors = issues->n_errors;

    fanout_check_change(&was, &is, progress, issues);
    return issues->n_errors == n_errors;
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
    tls_server_unref(w->tls);
    for (unsigned i = 0; i < CLUSTERS_MAX; i++)
        tls_client_unref(w->tls_clients[i]);
    conf_free(w->conf);
    arena_fini(&w->arena);
    mem_free(w);
}

void
world_inherit(struct world *fresh, const struct world *old)
{
    if (fresh->tls && old->tls)
        tls_server_inherit(fresh->tls, old->tls);
    else if (old->tls)
        fresh->tls = tls_server_ref(old->tls);
}
