/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin.h"
#include "proxy/admin/explain_query.h"
#include "proxy/base/clock.h"

/* --- status ------------------------------------------------------------------------------------------------------ */

static void
number(struct json_writer *w, const char *key, double value, int decimals)
{
    json_key(w, key);
    json_put_double(w, value, decimals);
}

static void
text(struct json_writer *w, const char *key, struct str value)
{
    json_key(w, key);
    json_put_str(w, value);
}

static void
put_backend(struct json_writer *w, const struct fleet_backend *fb)
{
    struct backend *b = fb->backend;
    struct health h = backend_health(b);

    json_begin_object(w);
    number(w, "endpoint", fb->endpoint, 0);
    text(w, "url", str_from(b->url));
    text(w, "address", str_from(b->text));
    text(w, "state", str_from(health_state_name(h.state)));
    number(w, "probe_fails", h.probe_fails, 0);
    number(w, "traffic_fails", h.traffic_fails, 0);
    number(w, "outstanding", atomic_load(&b->shared.outstanding), 0);
    number(w, "connections", atomic_load(&b->shared.connections), 0);
    number(w, "latency_ms", (double)atomic_load(&b->shared.latency_us) / 1000, 3);
    json_end_object(w);
}

static void
put_cluster(struct json_writer *w, const struct fleet *f, unsigned i, const struct cluster_view *v)
{
    const struct fleet_cluster *fc = &f->clusters[i];
    const struct cluster_conf *conf = &f->world->topology->clusters[i];

    json_begin_object(w);
    text(w, "name", conf->name);
    text(w, "country", str_from(conf->country));
    number(w, "lat", (double)conf->at.lat, 2);
    number(w, "lon", (double)conf->at.lon, 2);
    json_key(w, "up");
    json_put_bool(w, v->is_up);
    number(w, "cost_ms", v->cost_ms, 3);
    json_key(w, "rtt_ms");
    if (v->rtt_ms < 0)
        json_put_null(w);
    else
        json_put_double(w, v->rtt_ms, 3);
    number(w, "outstanding", atomic_load(&fc->cluster->shared.outstanding), 0);
    number(w, "waiting", atomic_load(&fc->cluster->shared.waiting), 0);
    json_key(w, "endpoints");
    json_begin_array(w);
    for (unsigned j = 0; j < fc->n_backends; j++)
        put_backend(w, &fc->backends[j]);
    json_end_array(w);
    json_end_object(w);
}

static void
put_geo(struct json_writer *w, const struct world *world)
{
    const struct geo_db_info *infos;
    unsigned n = world->geo ? geo_db_files(world->geo, &infos) : 0;

    json_key(w, "geo");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++) {
        json_begin_object(w);
        text(w, "path", infos[i].path);
        text(w, "type", infos[i].type);
        number(w, "build_epoch", (double)infos[i].build_epoch, 0);
        number(w, "networks", (double)infos[i].networks, 0);
        json_end_object(w);
    }
    json_end_array(w);
}

bool
admin_page_status(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct fleet *f = *view->fleet;
    struct json_writer w = json_writer(out);
    struct cluster_view views[CLUSTERS_MAX];

    fleet_views(f, views);
    json_begin_object(&w);
    text(&w, "version", STR(SEXTANT_VERSION));
    number(&w, "uptime_s", (double)(clock_wall_us() - view->started_wall_us) / 1e6, 1);
    json_key(&w, "ready");
    json_put_bool(&w, atomic_load(&view->shared->is_ready) && !atomic_load(&view->shared->is_draining));
    json_key(&w, "draining");
    json_put_bool(&w, atomic_load(&view->shared->is_draining));
    number(&w, "generation", (double)f->world->generation, 0);
    number(&w, "reloads_failed", (double)*view->reloads_failed, 0);
    text(&w, "last_reload_error", *view->last_reload_error);
    number(&w, "client_connections", atomic_load(&view->shared->connections), 0);
    text(&w, "qdrant_version", f->version);
    json_key(&w, "clusters");
    json_begin_array(&w);
    for (unsigned i = 0; i < f->n_clusters; i++)
        put_cluster(&w, f, i, &views[i]);
    json_end_array(&w);
    json_key(&w, "crossing_aliases");
    json_begin_array(&w);
    for (unsigned i = 0; i < f->n_crossing; i++)
        json_put_str(&w, f->crossing_aliases[i]);
    json_end_array(&w);
    put_geo(&w, f->world);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}

/* --- config ------------------------------------------------------------------------------------------------------ */

bool
admin_page_config(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct world *world = (*view->fleet)->world;
    struct buf options = { 0 }, map = { 0 };
    struct json_writer w = json_writer(out);

    conf_print_json(world->conf, &options);
    partition_map_print(world->map, world->topology, &map);
    json_begin_object(&w);
    number(&w, "generation", (double)world->generation, 0);
    json_key(&w, "options");
    json_put_raw(&w, buf_str(&options));
    text(&w, "partition_map", buf_str(&map));
    json_end_object(&w);
    buf_putc(out, '\n');
    buf_fini(&options);
    buf_fini(&map);
    return true;
}

/* --- explain ----------------------------------------------------------------------------------------------------- */

bool
admin_page_explain(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct fleet *f = *view->fleet;
    struct cluster_view views[CLUSTERS_MAX];
    struct arena arena = { 0 };
    struct explain_query q = {
        .ip = admin_param(query, "ip", &arena),
        .place = admin_param(query, "place", &arena),
        .method = admin_param(query, "method", &arena),
        .path = admin_param(query, "path", &arena),
        .collection = admin_param(query, "collection", &arena),
        .body = admin_param(query, "body", &arena),
        .trusted = str_eq(admin_param(query, "trusted", &arena), STR("true")),
        .json = !str_eq(admin_param(query, "format", &arena), STR("text")),
    };
    bool ok;

    fleet_views(f, views);
    ok = explain_answer(f->world, views, &q, out);
    arena_fini(&arena);
    return ok;
}

/* --- residency --------------------------------------------------------------------------------------------------- */

static void
put_row(void *arg, const struct residency_key *key, uint64_t requests, uint64_t in, uint64_t out_bytes)
{
    struct json_writer *w = arg;

    json_begin_object(w);
    text(w, "rule", str_from(key->rule));
    text(w, "partition", str_from(key->partition));
    text(w, "caller_country", str_from(key->caller));
    text(w, "cluster", str_from(key->cluster));
    text(w, "cluster_country", str_from(key->cluster_country));
    json_key(w, "requests");
    json_put_u64(w, requests);
    json_key(w, "bytes_to_cluster");
    json_put_u64(w, in);
    json_key(w, "bytes_to_caller");
    json_put_u64(w, out_bytes);
    json_end_object(w);
}

bool
admin_page_residency(const struct admin_view *view, struct str query, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "rows");
    json_begin_array(&w);
    residency_each(view->residency, view->n_residency, put_row, &w);
    json_end_array(&w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}
