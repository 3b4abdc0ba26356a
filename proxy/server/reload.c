/* SPDX-License-Identifier: Apache-2.0
 *
 * A reload builds a whole new world aside, in a thread of its own, as reading a geo database takes a while. When it is
 * without error the control thread publishes it; otherwise the old one stays and the reasons are logged. One at a time; a
 * wish that comes meanwhile is fulfilled afterwards.
 *
 *   load (its thread) ─▶ may it follow? ─▶ in use, or refused
 *                               └─▶ first homes of this edge: their journal is opened (its thread) ─▶ in use, or refused
 */
#include <stdio.h>
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/base/thread.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"
#include "proxy/sync/owner.h"

struct load {
    struct server *server;
    uint64_t generation;
    struct arena arena;
    struct conf_issues issues;
    struct world *old;   /* stays in use while this is loaded */
    struct world *world; /* NULL: refused */
    struct fleet *fleet; /* of that, for an owner that it needs first; NULL: none is needed */
    struct owner *owner;
    char why[128]; /* cut when longer */
};

static void
log_issues(const struct conf_issues *issues, struct buf *out)
{
    struct str rest, line;

    conf_issues_print(issues, out);
    rest = buf_str(out);
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        if (line.len)
            log_warning("reload: " STR_FMT, STR_ARG(line));
    }
}

/* Options of the journal are in use from the first home on. */
static void
warn_restart(const struct server *s, const struct world *fresh, bool has_journal)
{
    struct buf names = { 0 };

    conf_print_restart_needed(s->world->conf, fresh->conf, has_journal, &names);
    if (buf_len(&names))
        log_warning("reload: a restart is needed for " STR_FMT, STR_ARG(buf_str(&names)));
    buf_fini(&names);
}

/* Were the databases replaced? Then say by what. */
static void
tell_geo(const struct world *old, const struct world *fresh)
{
    const struct geo_db_info *was = NULL, *is = NULL;
    unsigned n_was = old->geo ? geo_db_files(old->geo, &was) : 0, n = fresh->geo ? geo_db_files(fresh->geo, &is) : 0;

    for (unsigned i = 0; i < n; i++) {
        bool is_same = i < n_was && was[i].build_epoch == is[i].build_epoch && was[i].networks == is[i].networks &&
                       str_eq(was[i].path, is[i].path);

        if (!is_same)
            events_add(EVENT_GEO, STR_NONE, "geo database " STR_FMT " is in use, %llu networks", STR_ARG(is[i].path),
                (unsigned long long)is[i].networks);
    }
    if (n == 0 && n_was)
        events_add(EVENT_GEO, STR_NONE, "no geo database is in use any more");
}

/* The same of certificates: one that was renewed ends at another time. */
static void
tell_certificates(const struct tls_server *old, const struct tls_server *fresh)
{
    unsigned n_was = old ? tls_server_count(old) : 0, n = fresh ? tls_server_count(fresh) : 0;

    for (unsigned i = 0; i < n; i++) {
        int64_t was_until = 0, until;
        struct str was = i < n_was ? tls_server_certificate(old, i, &was_until) : STR_NONE;
        struct str file = tls_server_certificate(fresh, i, &until);

        if (until != was_until || !str_eq(file, was))
            events_add(EVENT_CERTIFICATE, STR_NONE, "certificate " STR_FMT " is in use, valid for %lld more days",
                STR_ARG(file), (long long)((until - clock_wall_us() / USEC_PER_SEC) / (24 * 3600)));
    }
}

static void
adopt(struct server *s, struct world *fresh, bool had_journal, const char *why)
{
    struct world *old = s->world;

    warn_restart(s, fresh, had_journal);
    server_fit(s, fresh);
    world_inherit(fresh, old);
    s->world = fresh;
    s->generation = fresh->generation;
    s->reloaded_wall_us = clock_wall_us();
    s->last_reload_error = STR_NONE;
    log_set_level(fresh->conf->log_level);
    names_follow(s->names, fresh->topology, fresh->conf->dns_refresh * USEC_PER_MSEC);
    server_publish(s);
    server_warn_holds(s);
    server_watch_files(s);
    log_info("reload: configuration %llu is in use", (unsigned long long)fresh->generation);
    events_add(EVENT_RELOAD, STR_NONE, "configuration %llu is in use (%s): %u clusters, %u lines in the partition map",
        (unsigned long long)fresh->generation, why, fresh->topology->n_clusters, fresh->map->n_rules);
    tell_geo(old, fresh);
    tell_certificates(old->tls, fresh->tls);
    world_unref(old);
}

/* The first mistake stands for all: the log has the others. */
static void
tell_refused(struct str issues, const char *why)
{
    struct str rest = issues, line;

    do
        str_cut(rest, '\n', &line, &rest);
    while (rest.len && !memmem(line.p, line.len, ": error: ", 9));
    events_add(EVENT_RELOAD_REFUSED, STR_NONE, "the old configuration stays in use (%s). " STR_FMT, why, STR_ARG(line));
}

/* --- those who wait ---------------------------------------------------------------------------------------------- */

static void
answer_waits(struct server *s, bool is_accepted, struct str issues)
{
    struct admin_reload outcome = { is_accepted, s->generation, issues };
    struct admin_wait *w;

    while ((w = LIST_FIRST(&s->waits))) {
        admin_wait_cancel(w);
        w->fn(w->arg, &outcome);
    }
}

/* Not answered by the load under way: it may have read the files before they were changed. */
void
server_order_reload(void *server, struct admin_wait *wait, const char *why)
{
    struct server *s = server;

    wait->is_waiting = true;
    if (s->is_loading)
        LIST_INSERT_HEAD(&s->waits_next, wait, entry);
    else
        LIST_INSERT_HEAD(&s->waits, wait, entry);
    server_begin_reload(s, why);
}

static void
promote_waits(struct server *s)
{
    struct admin_wait *w;

    while ((w = LIST_FIRST(&s->waits_next))) {
        LIST_REMOVE(w, entry);
        LIST_INSERT_HEAD(&s->waits, w, entry);
    }
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

static void
free_load(struct load *l)
{
    fleet_unref(l->fleet);
    arena_fini(&l->arena);
    mem_free(l);
}

static void
refuse(struct load *l)
{
    world_unref(l->world);
    l->world = NULL;
}

static void
finish(struct load *l)
{
    struct server *s = l->server;

    s->is_loading = false;
    buf_clear(&s->reload_error_text);
    log_issues(&l->issues, &s->reload_error_text);
    if (l->world) {
        adopt(s, l->world, s->shared.owner && !l->owner, l->why);
    } else {
        if (l->fleet)
            server_publish(s); /* backends are configured as they were */
        s->reloads_failed++;
        s->last_reload_error = buf_str(&s->reload_error_text);
        log_error("reload: refused, the old configuration stays in use");
        tell_refused(s->last_reload_error, l->why);
    }
    answer_waits(s, l->world != NULL, buf_str(&s->reload_error_text));
    supervision_reload(s, false, !l->world);
    free_load(l);
    if (s->must_reload) {
        promote_waits(s);
        server_begin_reload(s, "asked for meanwhile");
    }
}

static void
on_opened(void *arg)
{
    struct load *l = arg;
    struct server *s = l->server;

    if (s->is_ending) {
        owner_free(l->owner);
        world_unref(l->world);
        free_load(l);
        return;
    }
    pthread_join(s->loader, NULL);
    if (!l->owner || !server_take_owner(s, l->owner, &l->issues))
        refuse(l);
    finish(l);
}

static void *
open_journal(void *arg)
{
    struct load *l = arg;

    l->owner = server_open_owner(l->fleet, &l->issues);
    loop_post(l->server->loop, on_opened, l);
    return NULL;
}

/* False after refusing: no thread can be had. */
static bool
begin_opening(struct load *l)
{
    struct server *s = l->server;
    int error;

    l->fleet = fleet_build(s->registry, l->world, names_get, s->names);
    fleet_set_holds(l->fleet, s->holds);
    error = thread_start(&s->loader, "loader", open_journal, l);
    if (error == 0)
        return true;
    conf_issue(&l->issues, true, STR("SEXTANT_OWNS"), 0, 0, "no thread can be started: %s", strerrordesc_np(-error));
    refuse(l);
    return false;
}

static void
on_loaded(void *arg)
{
    struct load *l = arg;
    struct server *s = l->server;

    if (s->is_ending) { /* joined already, and nobody is left to publish to */
        world_unref(l->world);
        free_load(l);
        return;
    }
    pthread_join(s->loader, NULL);
    if (l->world && !server_may_follow(s, l->old, l->world, &l->issues)) /* it may have been unfrozen meanwhile */
        refuse(l);
    if (!l->world || !server_needs_owner(s, l->world) || !begin_opening(l))
        finish(l);
}

static void *
load(void *arg)
{
    struct load *l = arg;

    l->world = world_load(l->server->environ, l->generation, &l->issues);
    if (l->world && !server_may_follow(l->server, l->old, l->world, &l->issues))
        refuse(l);
    loop_post(l->server->loop, on_loaded, l);
    return NULL;
}

static void
on_no_thread(void *arg)
{
    answer_waits(arg, false, STR("no thread could be had to read it"));
}

void
server_begin_reload(struct server *s, const char *why)
{
    struct load *l;
    int error;

    s->must_reload = s->is_loading;
    if (s->is_loading)
        return;
    log_info("reload: %s", why);
    l = MEM_NEW(struct load);
    l->server = s;
    l->old = s->world;
    l->generation = s->generation + 1;
    l->issues.arena = &l->arena;
    snprintf(l->why, sizeof(l->why), "%s", why);
    s->is_loading = true;
    supervision_reload(s, true, false);
    error = thread_start(&s->loader, "loader", load, l);
    if (error == 0)
        return;
    log_error("reload: no thread for it: %s", strerrordesc_np(-error));
    s->is_loading = false;
    supervision_reload(s, false, true);
    mem_free(l);
    loop_post(s->loop, on_no_thread, s);
}

static void
on_change(void *arg)
{
    server_begin_reload(arg, "a file has changed");
}

void
server_watch_files(struct server *s)
{
    const struct conf *conf = s->world->conf;
    const char **paths = mem_array(conf->n_files, sizeof(*paths));
    int error = 0;

    for (unsigned i = 0; i < conf->n_files; i++)
        paths[i] = conf->files[i].p;
    /* The one that runs has seen what changed while the files were read; a fresh one would not. */
    if (s->watch && file_watch_is_of(s->watch, paths, conf->n_files)) {
        mem_free(paths);
        return;
    }
    file_watch_free(s->watch);
    s->watch = NULL;
    if (conf->n_files) {
        error = file_watch_new(s->loop, paths, conf->n_files, on_change, s, &s->watch);
        if (error)
            log_warning("files are not watched (%s): send SIGHUP to reload", strerrordesc_np(-error));
    }
    mem_free(paths);
}

void
server_reload_fini(struct server *s)
{
    s->is_ending = true;
    if (s->is_loading)
        pthread_join(s->loader, NULL);
    file_watch_free(s->watch);
    buf_fini(&s->reload_error_text);
}
