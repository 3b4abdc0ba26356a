/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/status.h"

#include <stdlib.h>

#include "proxy/admin/traffic.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/obs/events.h"

enum { EVENTS_SHOWN = 50, GEO_OLD_DAYS = 180 };

static void
put_place(struct json_writer *w, const char *lat, const char *lon, const struct place *at)
{
    json_member_double(w, lat, (double)at->lat, 2);
    json_member_double(w, lon, (double)at->lon, 2);
}

static void
put_time(struct json_writer *w, const char *key, int64_t wall_us)
{
    json_key(w, key);
    json_put_time(w, wall_us);
}

static void
put_rate(const struct admin_view *view, struct json_writer *w, const char *key, unsigned series, unsigned seconds)
{
    json_member_double(w, key, view->rates ? rates_per_s(view->rates, series, seconds) : 0, 2);
}

/* --- the edge ---------------------------------------------------------------------------------------------------- */

static void
put_edge(const struct admin_view *view, const struct status_moment *at, struct json_writer *w)
{
    const struct fleet *f = *view->fleet;
    const struct world *world = f->world;
    bool is_draining = atomic_load(&view->shared->is_draining);

    json_member_str(w, "version", STR(SEXTANT_VERSION));
    json_member_str(w, "qdrant_version", f->version);
    put_time(w, "time", at->wall_us);
    put_time(w, "started", view->started_wall_us);
    json_member_double(w, "uptime_s", (double)(at->wall_us - view->started_wall_us) / 1e6, 1);
    json_member_bool(w, "ready", atomic_load(&view->shared->is_ready) && !is_draining);
    json_member_bool(w, "draining", is_draining);
    json_member_str(w, "region", world->conf->region);
    if (world->topology->has_region)
        put_place(w, "lat", "lon", &world->topology->region);
    json_member_str(w, "local_cluster", world->conf->local_cluster);
    json_member_u64(w, "workers", view->n_workers);
    json_member_u64(w, "generation", world->generation);
    json_member_u64(w, "reloads_failed", *view->reloads_failed);
    json_member_str(w, "last_reload_error", *view->last_reload_error);
    json_member_u64(w, "client_connections", atomic_load(&view->shared->connections));
    put_rate(view, w, "requests_per_s", TRAFFIC_ANSWERS, 10);
    put_rate(view, w, "requests_per_s_1m", TRAFFIC_ANSWERS, 60);
    put_rate(view, w, "errors_per_s", TRAFFIC_BAD_ANSWERS, 10);
    put_rate(view, w, "errors_per_s_1m", TRAFFIC_BAD_ANSWERS, 60);
}

/* --- clusters ---------------------------------------------------------------------------------------------------- */

static void
put_override(const struct admin_view *view, struct json_writer *w, struct str cluster, unsigned endpoint)
{
    const struct hold *h = view->holds ? holds_find(*view->holds, cluster, endpoint) : NULL;

    json_key(w, "override");
    if (!h) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    json_member_str(w, "state", str_from(hold_kind_name(h->kind)));
    json_member_str(w, "reason", h->reason);
    json_member_str(w, "by", h->by);
    json_member_str(w, "since", h->since);
    json_end_object(w);
}

static void
put_endpoint_head(
    const struct admin_view *view, struct json_writer *w, const struct cluster_conf *c, const struct endpoint_conf *e)
{
    struct buf name = { 0 };

    buf_printf(&name, STR_FMT "/%u", STR_ARG(c->name), e->number);
    json_member_str(w, "name", buf_str(&name));
    json_member_u64(w, "endpoint", e->number);
    json_member_str(w, "url", e->url.text);
    put_override(view, w, c->name, e->number);
    buf_fini(&name);
}

static void
put_backend(const struct admin_view *view, const struct status_moment *at, struct json_writer *w, struct backend *b)
{
    struct health h = backend_health(b);
    int64_t since = h.since_us ? at->wall_us - (at->mono_us - h.since_us) : view->started_wall_us;
    struct buf reason = { 0 };

    if (!health_is_usable(h.state) || h.state == HEALTH_DOUBT)
        backend_print_failure(b, &reason);
    json_member_str(w, "address", str_from(b->text));
    json_member_str(w, "state", str_from(health_state_name(h.state)));
    json_member_bool(w, "usable", health_is_usable(h.state));
    put_time(w, "since", since);
    json_member_str(w, "reason", buf_str(&reason));
    json_member_u64(w, "probe_fails", h.probe_fails);
    json_member_u64(w, "traffic_fails", h.traffic_fails);
    json_member_u64(w, "outstanding", atomic_load(&b->shared.outstanding));
    json_member_u64(w, "connections", atomic_load(&b->shared.connections));
    json_member_double(w, "latency_ms", (double)atomic_load(&b->shared.latency_us) / 1000, 3);
    buf_fini(&reason);
}

/* A host that has no address yet has no backend; it is listed all the same. */
static void
put_unresolved(
    const struct admin_view *view, struct json_writer *w, const struct cluster_conf *c, const struct endpoint_conf *e)
{
    json_begin_object(w);
    put_endpoint_head(view, w, c, e);
    json_member_str(w, "address", STR(""));
    json_member_str(w, "state", STR("unresolved"));
    json_member_bool(w, "usable", false);
    json_member_str(w, "reason", str_from(fail_info(FAIL_NAME_UNRESOLVED)->sentence));
    json_end_object(w);
}

static void
put_endpoints(const struct admin_view *view, const struct status_moment *at, struct json_writer *w,
    const struct fleet_cluster *fc, const struct cluster_conf *c)
{
    json_key(w, "endpoints");
    json_begin_array(w);
    for (unsigned i = 0; i < c->n_endpoints; i++) {
        unsigned n = 0;

        for (unsigned j = 0; j < fc->n_backends; j++) {
            if (fc->backends[j].endpoint != c->endpoints[i].number)
                continue;
            n++;
            json_begin_object(w);
            put_endpoint_head(view, w, c, &c->endpoints[i]);
            put_backend(view, at, w, fc->backends[j].backend);
            json_end_object(w);
        }
        if (n == 0)
            put_unresolved(view, w, c, &c->endpoints[i]);
    }
    json_end_array(w);
}

static void
put_load(const struct admin_view *view, struct json_writer *w, const struct fleet_cluster *fc)
{
    unsigned slot = fc->cluster->slot, connections = 0;

    for (unsigned i = 0; i < fc->n_backends; i++)
        connections += atomic_load(&fc->backends[i].backend->shared.connections);
    json_member_u64(w, "outstanding", atomic_load(&fc->cluster->shared.outstanding));
    json_member_u64(w, "waiting", atomic_load(&fc->cluster->shared.waiting));
    json_member_u64(w, "connections", connections);
    put_rate(view, w, "requests_per_s", TRAFFIC_SENT + slot, 10);
    put_rate(view, w, "requests_per_s_1m", TRAFFIC_SENT + slot, 60);
    put_rate(view, w, "errors_per_s", TRAFFIC_ERRORS + slot, 10);
    put_rate(view, w, "errors_per_s_1m", TRAFFIC_ERRORS + slot, 60);
}

static void
put_or_null(struct json_writer *w, const char *key, double value, int decimals)
{
    json_key(w, key);
    if (value < 0)
        json_put_null(w);
    else
        json_put_double(w, value, decimals);
}

/* Homes of whose data it is known not to have all. */
static void
put_incomplete(const struct fleet *f, struct json_writer *w, uint64_t lacks)
{
    json_key(w, "incomplete");
    json_begin_array(w);
    for (unsigned i = 0; i < f->n_clusters; i++) {
        if (lacks >> i & 1)
            json_put_str(w, f->world->topology->clusters[i].name);
    }
    json_end_array(w);
}

static void
put_cluster(const struct admin_view *view, const struct status_moment *at, struct json_writer *w, unsigned i,
    const struct cluster_view *v)
{
    const struct fleet *f = *view->fleet;
    const struct cluster_conf *c = &f->world->topology->clusters[i];

    json_begin_object(w);
    json_member_str(w, "name", c->name);
    json_member_str(w, "country", str_from(c->country));
    put_place(w, "lat", "lon", &c->at);
    json_member_bool(w, "up", v->is_up);
    put_override(view, w, c->name, 0);
    put_incomplete(f, w, v->lacks);
    json_member_double(w, "cost_ms", v->cost_ms, 3);
    put_or_null(w, "rtt_ms", v->rtt_ms, 3);
    put_or_null(w, "distance_km", v->distance_km, 0);
    json_member_double(w, "bias", c->bias, 1);
    put_load(view, w, &f->clusters[i]);
    put_endpoints(view, at, w, &f->clusters[i], c);
    json_end_object(w);
}

void
status_put_clusters(const struct admin_view *view, const struct status_moment *at, struct json_writer *w)
{
    const struct fleet *f = *view->fleet;
    struct cluster_view views[CLUSTERS_MAX];

    fleet_views(f, views);
    json_key(w, "clusters");
    json_begin_array(w);
    for (unsigned i = 0; i < f->n_clusters; i++)
        put_cluster(view, at, w, i, &views[i]);
    json_end_array(w);
}

/* --- what else there is to know ---------------------------------------------------------------------------------- */

static void
put_geo(const struct status_moment *at, struct json_writer *w, const struct geo_db_info *infos, unsigned n)
{
    json_key(w, "geo");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_str(w, "path", infos[i].path);
        json_member_str(w, "type", infos[i].type);
        json_member_u64(w, "build_epoch", (uint64_t)infos[i].build_epoch);
        json_member_double(w, "age_s", (double)at->wall_us / 1e6 - (double)infos[i].build_epoch, 0);
        json_member_u64(w, "networks", infos[i].networks);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
warn(struct json_writer *w, struct buf *text)
{
    json_put_str(w, buf_str(text));
    buf_clear(text);
}

static void
put_warnings(const struct admin_view *view, const struct status_moment *at, struct json_writer *w,
    const struct geo_db_info *infos, unsigned n)
{
    const struct fleet *f = *view->fleet;
    struct str rest = f->world->warnings, line;
    struct buf text = { 0 };

    json_key(w, "warnings");
    json_begin_array(w);
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        json_put_str(w, line);
    }
    for (unsigned i = 0; i < n; i++) {
        int64_t days = (at->wall_us / USEC_PER_SEC - infos[i].build_epoch) / 86400;

        if (days <= GEO_OLD_DAYS)
            continue;
        buf_printf(&text, "geo database " STR_FMT " is %lld days old", STR_ARG(infos[i].path), (long long)days);
        warn(w, &text);
    }
    if (view->last_reload_error->len)
        json_put_str(
            w, STR("the last reload was refused: the configuration in use is not the one that is written down"));
    for (unsigned i = 0; i < f->n_crossing; i++) {
        buf_printf(&text, "alias " STR_FMT " leads to a collection of another line of the map: it is refused",
            STR_ARG(f->crossing_aliases[i]));
        warn(w, &text);
    }
    json_end_array(w);
    buf_fini(&text);
}

static void
put_crossing(const struct fleet *f, struct json_writer *w)
{
    json_key(w, "crossing_aliases");
    json_begin_array(w);
    for (unsigned i = 0; i < f->n_crossing; i++)
        json_put_str(w, f->crossing_aliases[i]);
    json_end_array(w);
}

void
status_put_events(const struct status_moment *at, struct json_writer *w)
{
    struct event *events = mem_array(EVENTS_KEPT, sizeof(*events));
    unsigned n = events_recent(events, at->n_events < EVENTS_KEPT ? at->n_events : (unsigned)EVENTS_KEPT);

    json_key(w, "events");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_u64(w, "number", events[i].number);
        put_time(w, "time", events[i].wall_us);
        json_member_u64(w, "times", events[i].times);
        json_member_str(w, "kind", str_from(events_kind_name(events[i].kind)));
        json_member_str(w, "level", str_from(events_level_name(events[i].kind)));
        json_member_str(w, "subject", str_from(events[i].subject));
        json_member_str(w, "text", str_from(events[i].text));
        json_end_object(w);
    }
    json_end_array(w);
    mem_free(events);
}

void
status_print(const struct admin_view *view, const struct status_moment *at, struct buf *out)
{
    const struct fleet *f = *view->fleet;
    const struct geo_db_info *infos = NULL;
    unsigned n_geo = f->world->geo ? geo_db_files(f->world->geo, &infos) : 0;
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    put_edge(view, at, &w);
    put_warnings(view, at, &w, infos, n_geo);
    status_put_clusters(view, at, &w);
    status_put_callers(view, &w);
    status_put_map(view, &w);
    status_put_fanout(view, &w);
    put_geo(at, &w, infos, n_geo);
    put_crossing(f, &w);
    status_put_events(at, &w);
    json_end_object(&w);
    buf_putc(out, '\n');
}

bool
admin_page_status(const struct admin_view *view, struct str query, struct buf *out)
{
    struct arena arena = { 0 };
    struct str events = admin_param(query, "events", &arena);
    struct status_moment at = { .wall_us = clock_wall_us(), .mono_us = clock_mono_us(), .n_events = EVENTS_SHOWN };
    uint64_t n;
    bool ok = events.len == 0 || str_to_u64(events, &n);

    if (ok && events.len)
        at.n_events = n < EVENTS_KEPT ? (unsigned)n : (unsigned)EVENTS_KEPT;
    if (ok)
        status_print(view, &at, out);
    else
        buf_add(out, STR("events= takes a number\n"));
    arena_fini(&arena);
    return ok;
}
