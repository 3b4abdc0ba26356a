/* SPDX-License-Identifier: Apache-2.0
 *
 *   start: world -> registry, names -> fleet -> workers, listeners, admin -> ready
 *   SIGTERM, SIGINT: readyz says 503, accepting goes on for the drain delay, then listeners close and what runs may finish
 *   until the drain timeout; a second signal ends at once.
 */
#include "proxy/server/server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"
#include "proxy/sync/owner.h"
#include "proxy/upstream/reach.h"

enum { WARM_UP_US = 5 * 1000 * 1000, LAG_EVERY_US = 1000 * 1000 };

/* --- fleets ------------------------------------------------------------------------------------------------------ */

void
server_publish(struct server *s)
{
    struct fleet *old = s->fleet;
    struct fleet *fresh = fleet_build(s->registry, s->world, names_get, s->names);

    if (s->prober)
        prober_apply(s->prober, fresh);
    fleet_set_holds(fresh, s->holds);
    s->fleet = fresh;
    if (old->world != fresh->world)
        reach_expect(old, fresh);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_post_fleet(s->workers[i], fresh);
    server_tell_owner(s, fresh, NULL);
    if (s->up)
        upstream_set_fleet(s->up, fresh);
    if (s->prober)
        prober_follow(s->prober, fresh);
    fleet_unref(old);
}

static bool
is_warm(const struct server *s)
{
    for (unsigned i = 0; i < s->fleet->n_clusters; i++) {
        if (s->fleet->clusters[i].n_backends == 0)
            return false;
    }
    return true;
}

static void
on_names(void *arg)
{
    struct server *s = arg;

    server_publish(s);
    if (s->n_started == 0 && is_warm(s))
        timer_set(&s->warm_up, 0);
}

/* Version or aliases: the same backends, so nothing but the snapshot changes. */
static void
on_findings(void *arg)
{
    server_publish(arg);
}

/* --- signals ----------------------------------------------------------------------------------------------------- */

static void
on_stop_signal(int signal, void *arg)
{
    server_stop(arg, signal);
}

static void
on_hup(int signal, void *arg)
{
    struct server *s = arg;

    if (s->handover.is_done)
        handover_pass_on(s, signal);
    else
        server_begin_reload(s, "SIGHUP");
}

static void
on_usr1(int signal, void *arg)
{
    struct server *s = arg;
    int error;

    if (s->handover.is_done)
        handover_pass_on(s, signal);
    error = access_log_reopen(s->log);
    if (error)
        log_error("the access log cannot be opened again: %s; the old one stays in use", strerrordesc_np(-error));
    else
        log_info("logs reopened");
}

static void
on_usr2(int signal, void *arg)
{
    struct server *s = arg;

    if (s->handover.is_done)
        handover_pass_on(s, signal);
    else if (s->n_stops)
        log_warning("hand-over: not while ending");
    else
        handover_spawn(s);
}

static void
on_child(int signal, void *arg)
{
    handover_on_child(arg);
}

/* --- looking after the workers ----------------------------------------------------------------------------------- */

static void
on_lag(void *arg)
{
    struct server *s = arg;

    for (unsigned i = 0; i < s->n_started; i++)
        worker_post_lag(s->workers[i]);
    timer_set(&s->lag, LAG_EVERY_US);
}

/* --- starting ---------------------------------------------------------------------------------------------------- */

void
server_fit(struct server *s, struct world *world)
{
    struct buf notes = { 0 };
    struct str rest, line;

    resources_fit(&s->resources, world->conf, world->topology->n_clusters, &notes);
    rest = buf_str(&notes);
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        log_warning(STR_FMT, STR_ARG(line));
    }
    buf_fini(&notes);
}

static void
log_resources(const struct server *s)
{
    struct buf line = { 0 };

    resources_print(&s->resources, s->world->conf, s->n_workers, &line);
    log_info("resources: " STR_FMT, STR_ARG(buf_str(&line)));
    buf_fini(&line);
}

static void
make_workers(struct server *s)
{
    unsigned n = resources_workers(&s->resources, s->world->conf);

    s->n_workers = n < WORKERS_MAX ? n : (unsigned)WORKERS_MAX;
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->workers[i] = worker_new(s->fleet, &s->shared, s->log, (uint64_t)clock_wall_us() * (i + 1));
        s->metric_sets[i] = s->workers[i]->metrics;
        s->residencies[i] = s->workers[i]->residency;
        worker_know_all(s->workers[i], s->workers, s->n_workers);
    }
    s->metric_sets[s->n_workers] = s->metrics;
    s->n_metric_sets = s->n_workers + 1;
    s->n_residencies = s->n_workers;
    if (s->shared.owner)
        server_show_owner(s);
}

static int
start_workers(struct server *s)
{
    for (; s->n_started < s->n_workers; s->n_started++) {
        int error = worker_start(s->workers[s->n_started]);

        if (error) {
            log_error("cannot start a thread: %s", strerrordesc_np(-error));
            return 1;
        }
        if (s->world->conf->cpu_affinity)
            resources_pin(&s->resources, s->workers[s->n_started]->thread, s->n_started);
    }
    return 0;
}

static void
watch_signals(struct server *s)
{
    static const struct {
        int signal;
        void (*fn)(int signal, void *arg);
    } watched[SIGNALS] = { { SIGTERM, on_stop_signal }, { SIGINT, on_stop_signal }, { SIGHUP, on_hup },
        { SIGUSR1, on_usr1 }, { SIGUSR2, on_usr2 }, { SIGCHLD, on_child } };

    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < SIGNALS; i++)
        s->signals[i] = signal_watch_new(s->loop, watched[i].signal, watched[i].fn, s);
}

/* --- serving ----------------------------------------------------------------------------------------------------- */

static int
begin_serving(struct server *s)
{
    int code;

    timer_clear(&s->warm_up);
    atomic_store(&s->shared.is_ready, true); /* the first connection may be there at once */
    code = server_start_owner(s);
    if (code == 0)
        code = start_workers(s);
    if (code)
        return code;
    log_resources(s);
    log_info("ready: %u workers, %u clusters, %u lines in the partition map", s->n_workers,
        s->world->topology->n_clusters, s->world->map->n_rules);
    events_add(EVENT_START, STR_NONE, "ready: %u workers, %u clusters, %u lines in the partition map", s->n_workers,
        s->world->topology->n_clusters, s->world->map->n_rules);
    succession_ready(s);
    return 0;
}

static void
on_warm(void *arg)
{
    struct server *s = arg;

    if (s->n_started)
        return;
    s->code = begin_serving(s);
    if (s->code)
        loop_stop(s->loop);
}

/* While the process before this one serves there is time to look names up: nobody should get a 503 that it would not have
 * given. Otherwise the sooner the better. */
static int
begin_serving_when_warm(struct server *s)
{
    if (s->predecessor_fd < 0 || is_warm(s))
        return begin_serving(s);
    timer_set(&s->warm_up, WARM_UP_US);
    return 0;
}

static int
start_front(struct server *s)
{
    const struct conf *conf = s->world->conf;
    int error = 0, code = server_find_place(s);

    if (code == 0)
        code = server_load_holds(s);
    if (code)
        return code;
    s->log = access_log_open(conf->access_log, &error);
    if (s->log)
        return 0;
    log_error("cannot open the access log " STR_FMT ": %s", STR_ARG(conf->access_log), strerrordesc_np(-error));
    return 1;
}

static int
start(struct server *s)
{
    const struct conf *conf = s->world->conf;
    int code = start_front(s);

    if (code)
        return code;
    s->loop = loop_new();
    watch_signals(s);
    server_drain_init(s);
    handover_init(s);
    supervision_init(s);
    server_state_init(s);
    timer_init(&s->warm_up, s->loop, on_warm, s);
    timer_init(&s->lag, s->loop, on_lag, s);
    timer_set(&s->lag, LAG_EVERY_US);
    s->registry = registry_new();
    s->metrics = metrics_new();
    s->names = names_new(s->loop, on_names, s);
    names_follow(s->names, s->world->topology, conf->dns_refresh * USEC_PER_MSEC);
    s->fleet = fleet_build(s->registry, s->world, names_get, s->names);
    fleet_set_holds(s->fleet, s->holds);
    server_recall(s);
    code = server_make_owner(s);
    if (code)
        return code;
    make_workers(s);
    code = server_listen(s);
    if (code == 0)
        code = activation_check(s);
    if (code)
        return code;
    backend_on_change(server_on_verdict, s);
    s->up = upstream_new(s->loop, s->metrics, s->fleet, (uint64_t)clock_mono_us());
    s->prober = prober_new(s->up, on_findings, s);
    prober_follow(s->prober, s->fleet);
    server_watch_files(s);
    return begin_serving_when_warm(s);
}

static void
finish(struct server *s)
{
    for (unsigned i = 0; i < s->n_started; i++)
        worker_join(s->workers[i]);
    server_stop_owner(s);
    server_reload_fini(s);
    admin_free(s->admin);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_free(s->workers[i]);
    server_free_owner(s);
    backend_on_change(NULL, NULL);
    prober_free(s->prober);
    if (s->loop)
        loop_settle(s->loop);
    upstream_free(s->up);
    names_free(s->names);
    fleet_unref(s->fleet);
    registry_free(s->registry);
    metrics_free(s->metrics);
    access_log_close(s->log);
    for (unsigned i = 0; i < SIGNALS; i++)
        signal_watch_free(s->signals[i]);
    if (s->loop) {
        timer_fini(&s->drain);
        timer_fini(&s->warm_up);
        timer_fini(&s->save);
        timer_fini(&s->watchdog);
        timer_fini(&s->lag);
        handover_fini(s);
    }
    succession_fini(s);
    notify_free(s->notify);
    loop_free(s->loop);
    sockets_fini(&s->sockets);
    holds_free(s->holds);
    state_close(&s->state);
    world_unref(s->world);
    edge_shared_fini(&s->shared);
}

/* A container ends with its first process, whatever that says. */
bool
server_is_followed(const struct server *s)
{
    return s->notify && !s->is_kept && getpid() != 1;
}

bool
server_must_stay(const struct server *s)
{
    return s->handover.is_done && s->handover.child_group > 0 && !s->is_kept && !server_is_followed(s);
}

int
server_run(struct world *world, const struct server_start *how)
{
    struct server *s = MEM_NEW(struct server);
    pid_t group = 0;
    int code;

    s->environ = how->environ;
    s->program = how->program;
    s->is_kept = how->is_kept;
    s->predecessor_fd = how->predecessor_fd;
    s->handover.fd = s->handover.listen_fd = -1;
    edge_shared_init(&s->shared);
    s->world = world;
    s->generation = world->generation;
    s->reloaded_wall_us = clock_wall_us();
    log_set_level(world->conf->log_level);
    supervised_read(s->environ, getpid(), &s->supervised);
    s->notify = notify_new(s->supervised.notify);
    resources_read("", &s->resources);
    server_fit(s, world);
    s->code = start(s);
    if (s->code == 0) {
        loop_run(s->loop);
        log_info("ended");
    }
    keeper_block(); /* a signal that comes now changes nothing any more, the exit code neither */
    if (server_must_stay(s))
        group = s->handover.child_group;
    code = s->code;
    finish(s);
    mem_free(s);
    return group ? keeper_run(group) : code;
}
