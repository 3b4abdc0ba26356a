/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin.h"
#include "proxy/admin/status.h"
#include "proxy/base/clock.h"
#include "proxy/obs/process.h"
#include "proxy/route/auth.h"

struct metrics_labels
admin_metrics_labels(const struct fleet *f)
{
    struct metrics_labels l = { .clusters = { NULL } };

    for (unsigned i = 0; f && i < f->n_targets; i++)
        l.clusters[f->clusters[i].cluster->slot] = f->clusters[i].cluster->name;
    l.clusters[METRICS_NO_CLUSTER] = "none";
    for (unsigned k = 0; k < METRICS_KINDS; k++)
        l.kinds[k] = op_kind_name((enum op_kind)k);
    for (unsigned k = 0; k < METRICS_KEYS; k++)
        l.keys[k] = auth_kind_name((enum auth_kind)k);
    for (unsigned s = 0; s < METRICS_SOURCES; s++)
        l.sources[s] = place_source_name((enum place_source)s);
    return l;
}

/* One gauge of every cluster. */
typedef double cluster_value_fn(const struct fleet_cluster *fc, const struct cluster_view *v);

static void
print_clusters(const struct fleet *f, enum metric_id id, cluster_value_fn *value, struct buf *out)
{
    struct cluster_view views[CLUSTERS_MAX];
    struct buf labels = { 0 };

    fleet_views(f, views);
    metrics_print_head(id, out);
    for (unsigned i = 0; i < f->n_clusters; i++) {
        double v = value(&f->clusters[i], &views[i]);

        if (v < 0)
            continue;
        buf_clear(&labels);
        metrics_print_label(&labels, "cluster", f->world->topology->clusters[i].name);
        buf_putc(&labels, '\0');
        metrics_print_gauge(id, buf_str(&labels).p, v, out);
    }
    buf_fini(&labels);
}

/* What probes and traffic say: a cluster that an operator drains is no cause for an alarm. */
static double
value_up(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    bool is_up = false;

    for (unsigned i = 0; i < fc->n_backends; i++)
        is_up |= health_is_usable(backend_state(fc->backends[i].backend));
    return is_up;
}

static double
value_rtt(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return v->rtt_ms < 0 ? -1 : v->rtt_ms / 1000;
}

static double
value_cost(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return v->cost_ms / 1000;
}

static double
value_outstanding(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return (double)atomic_load(&fc->cluster->shared.outstanding) + atomic_load(&fc->cluster->shared.unbounded);
}

static double
value_adaptive(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    double found = atomic_load(&fc->cluster->shared.pressure.limit);

    return found > 0 ? found : -1;
}

static double
value_waiting(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return atomic_load(&fc->cluster->shared.waiting);
}

static double
value_connections(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    double total = 0;

    for (unsigned i = 0; i < fc->n_backends; i++)
        total += atomic_load(&fc->backends[i].backend->shared.connections);
    return total;
}

static double
value_key_refused(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return atomic_load(&fc->cluster->shared.is_key_refused);
}

static double
value_incomplete(const struct fleet_cluster *fc, const struct cluster_view *v)
{
    return v->lacks != 0;
}

typedef double backend_value_fn(const struct fleet_cluster *fc, const struct fleet_backend *fb);

static double
value_usable(const struct fleet_cluster *fc, const struct fleet_backend *fb)
{
    return health_is_usable(backend_state(fb->backend));
}

static double
value_falls(const struct fleet_cluster *fc, const struct fleet_backend *fb)
{
    return (double)atomic_load(&fb->backend->shared.falls);
}

static double
value_override(const struct fleet_cluster *fc, const struct fleet_backend *fb)
{
    bool is_down = atomic_load(&fc->cluster->shared.held_down) >> (fb->endpoint - 1) & 1;

    return is_down ? 2 : cluster_holds(fc->cluster, fb->endpoint);
}

static void
print_endpoints(const struct fleet *f, enum metric_id id, backend_value_fn *value, struct buf *out)
{
    struct buf labels = { 0 };

    metrics_print_head(id, out);
    for (unsigned i = 0; i < f->n_targets; i++) {
        for (unsigned j = 0; j < f->clusters[i].n_backends; j++) {
            const struct fleet_backend *fb = &f->clusters[i].backends[j];

            buf_clear(&labels);
            metrics_print_label(&labels, "cluster", f->world->topology->clusters[i].name);
            buf_printf(&labels, ",endpoint=\"%u\",", fb->endpoint);
            metrics_print_label(&labels, "address", str_from(fb->backend->text));
            buf_putc(&labels, '\0');
            metrics_print_gauge(id, buf_str(&labels).p, value(&f->clusters[i], fb), out);
        }
    }
    buf_fini(&labels);
}

static void
print_geo(const struct world *w, struct buf *out)
{
    const struct geo_db_info *infos;
    unsigned n = w->geo ? geo_db_files(w->geo, &infos) : 0;
    struct buf labels = { 0 };

    for (int id = METRIC_GEO_AGE; id <= METRIC_GEO_NETWORKS; id++) {
        metrics_print_head((enum metric_id)id, out);
        for (unsigned i = 0; i < n; i++) {
            double age = (double)clock_wall_us() / 1e6 - (double)infos[i].build_epoch;

            buf_clear(&labels);
            metrics_print_label(&labels, "file", infos[i].path);
            buf_putc(&labels, ',');
            metrics_print_label(&labels, "type", infos[i].type);
            buf_putc(&labels, '\0');
            metrics_print_gauge(
                (enum metric_id)id, buf_str(&labels).p, id == METRIC_GEO_AGE ? age : (double)infos[i].networks, out);
        }
    }
    buf_fini(&labels);
}

static void
print_row(void *arg, const struct residency_key *key, uint64_t requests, uint64_t in, uint64_t out_bytes)
{
    struct buf *out = arg, labels = { 0 };

    for (int to_caller = 0; to_caller < 2; to_caller++) {
        buf_clear(&labels);
        metrics_print_label(&labels, "rule", str_from(key->rule));
        buf_putc(&labels, ',');
        metrics_print_label(&labels, "partition", str_from(key->partition));
        buf_putc(&labels, ',');
        metrics_print_label(&labels, "caller_country", str_from(key->caller));
        buf_putc(&labels, ',');
        metrics_print_label(&labels, "cluster", str_from(key->cluster));
        buf_putc(&labels, ',');
        metrics_print_label(&labels, "cluster_country", str_from(key->cluster_country));
        buf_add(&labels, to_caller ? STR(",direction=\"to_caller\"") : STR(",direction=\"to_cluster\""));
        buf_putc(&labels, '\0');
        metrics_print_gauge(METRIC_RESIDENCY, buf_str(&labels).p, (double)(to_caller ? out_bytes : in), out);
    }
    buf_fini(&labels);
}

static void
print_certificates(const struct tls_server *t, struct buf *out)
{
    struct buf labels = { 0 };

    metrics_print_head(METRIC_TLS_NOT_AFTER, out);
    for (unsigned i = 0; i < tls_server_count(t); i++) {
        int64_t not_after;
        struct str file = tls_server_certificate(t, i, &not_after);

        buf_clear(&labels);
        metrics_print_label(&labels, "certificate", file);
        buf_putc(&labels, '\0');
        metrics_print_gauge(METRIC_TLS_NOT_AFTER, buf_str(&labels).p, (double)not_after, out);
    }
    buf_fini(&labels);
}

static void
print_one(enum metric_id id, const char *labels, double value, struct buf *out)
{
    metrics_print_head(id, out);
    metrics_print_gauge(id, labels, value, out);
}

static void
print_clients(const struct admin_view *view, struct buf *out)
{
    const struct conf *conf = (*view->fleet)->world->conf;

    print_one(METRIC_CLIENTS_OPEN, "", atomic_load(&view->shared->connections), out);
    print_one(METRIC_CLIENTS_LIMIT, "", (double)conf->max_connections, out);
    print_one(METRIC_TLS_IN_FLIGHT, "", atomic_load(&view->shared->tls.in_flight), out);
    print_one(METRIC_REPLAY_BYTES, "", (double)atomic_load(&view->shared->replay_bytes), out);
    print_one(METRIC_BUFFER_BYTES, "", (double)buf_memory(), out);
    print_one(METRIC_BUFFER_LIMIT, "", (double)conf->buffer_total, out);
    print_one(METRIC_REPLAY_LIMIT, "", (double)conf->replay_total, out);
    print_one(METRIC_OUTSTANDING_LIMIT, "", (double)conf->cluster_requests, out);
    print_one(METRIC_POOL_LIMIT, "", (double)conf->cluster_connections, out);
}

static void
print_config(const struct admin_view *view, struct buf *out)
{
    const struct fleet *f = *view->fleet;

    print_one(METRIC_GENERATION, "", (double)f->world->generation, out);
    print_one(METRIC_RELOADS_FAILED, "", (double)*view->reloads_failed, out);
    print_one(METRIC_RELOAD_OK, "", view->last_reload_error->len == 0, out);
    print_one(METRIC_RELOAD_TIME, "", (double)*view->reloaded_wall_us / 1e6, out);
    print_one(METRIC_NAMES_FAILING, "", names_failing(view->names), out);
    print_geo(f->world, out);
    print_certificates(f->world->tls, out);
}

static void
print_process(const struct admin_view *view, struct buf *out)
{
    struct process_stat stat;
    bool is_ready = atomic_load(&view->shared->is_ready) && !atomic_load(&view->shared->is_draining);

    print_one(METRIC_BUILD, "version=\"" SEXTANT_VERSION "\"", 1, out);
    print_one(METRIC_READY, "", is_ready, out);
    print_one(METRIC_WORKERS, "", view->n_workers, out);
    if (!process_stat_read(&stat))
        return;
    print_one(METRIC_CPU, "", stat.cpu_seconds, out);
    print_one(METRIC_RSS, "", stat.resident_bytes, out);
    print_one(METRIC_VSIZE, "", stat.virtual_bytes, out);
    print_one(METRIC_FDS, "", stat.open_fds, out);
    print_one(METRIC_FDS_LIMIT, "", stat.max_fds, out);
    print_one(METRIC_THREADS, "", stat.threads, out);
    print_one(METRIC_START_TIME, "", stat.start_time_seconds, out);
}

bool
admin_page_metrics(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct fleet *f = *view->fleet;
    struct metrics_labels labels = admin_metrics_labels(f);

    metrics_print(view->metrics, *view->n_metrics, &labels, out);
    print_endpoints(f, METRIC_UP, value_usable, out);
    print_endpoints(f, METRIC_FALLS, value_falls, out);
    print_endpoints(f, METRIC_OVERRIDE, value_override, out);
    print_clusters(f, METRIC_CLUSTER_UP, value_up, out);
    print_clusters(f, METRIC_KEY_REFUSED, value_key_refused, out);
    print_clusters(f, METRIC_INCOMPLETE, value_incomplete, out);
    print_clusters(f, METRIC_RTT, value_rtt, out);
    print_clusters(f, METRIC_COST, value_cost, out);
    print_clusters(f, METRIC_OUTSTANDING, value_outstanding, out);
    print_clusters(f, METRIC_ADAPTIVE_LIMIT, value_adaptive, out);
    print_clusters(f, METRIC_WAITING, value_waiting, out);
    print_clusters(f, METRIC_POOL, value_connections, out);
    print_clients(view, out);
    print_config(view, out);
    metrics_print_fanout(view, out);
    metrics_print_head(METRIC_RESIDENCY, out);
    residency_each(view->residency, *view->n_residency, print_row, out);
    print_process(view, out);
    return true;
}
