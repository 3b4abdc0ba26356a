/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/json.h"
#include "proxy/flow/session.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

static int
say_no(const struct listen_conf *l, const char *variable, int error)
{
    if (error == -EADDRINUSE)
        log_error("%.*s is in use by another program: stop that, or set %s to a free address, such as %s=127.0.0.1:%u",
            (int)l->text.len, l->text.p, variable, variable, l->port + 1U);
    else if (error == -EACCES)
        log_error("may not listen on %.*s: ports below 1024 need the right to (CAP_NET_BIND_SERVICE); or set %s",
            (int)l->text.len, l->text.p, variable);
    else
        log_error("cannot listen on %.*s (%s): %s", (int)l->text.len, l->text.p, variable, strerrordesc_np(-error));
    return 1;
}

/* With SO_REUSEPORT a second program of the same user would share the port unnoticed: a plain bind finds it. */
static int
is_free(const struct listen_conf *l)
{
    int fd = l->port ? listen_open(&l->addr, l->port, false) : -1;

    if (l->port == 0)
        return 0;
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* A socket for each worker at least. Where no more can be bound beside those of others (the service manager's are without
 * SO_REUSEPORT), workers share them. */
static int
fill_group(struct socket_group *g, const struct listen_conf *l, unsigned want)
{
    unsigned n_given = g->n;

    while (g->n < want) {
        int fd = listen_open(&l->addr, g->port, true);

        if (fd < 0 && n_given)
            fd = fcntl(g->fds[g->n % n_given], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return fd;
        g->fds[g->n++] = fd;
        if (g->port == 0)
            g->port = listen_port(fd);
    }
    return 0;
}

/* The group that was handed over for this address, or a new one; among the sockets of this process. */
static struct socket_group *
find_group(struct server *s, const struct listen_conf *l, bool is_admin)
{
    struct socket_group *g = sockets_take(&s->inherited, l, is_admin);

    if (g)
        s->sockets.groups[s->sockets.n++] = g;
    else
        g = sockets_add(&s->sockets, &l->addr, l->port);
    g->is_admin = is_admin;
    g->text[0] = '\0';
    if (l->text.len < sizeof(g->text))
        snprintf(g->text, sizeof(g->text), STR_FMT, STR_ARG(l->text));
    return g;
}

static unsigned
flags_of(const struct listen_conf *l)
{
    return (l->proxy_protocol ? (unsigned)DOOR_PROXY : 0) | (l->tls ? (unsigned)DOOR_TLS : 0);
}

static int
open_listener(struct server *s, const struct listen_conf *l)
{
    struct socket_group *g = find_group(s, l, false);
    unsigned n_given = g->n;
    int error = n_given ? 0 : is_free(l);

    if (error == 0)
        error = fill_group(g, l, s->n_workers);
    if (error)
        return say_no(l, "SEXTANT_LISTEN", error);
    for (unsigned i = 0; i < g->n; i++)
        worker_add_listener(s->workers[i % s->n_workers], g->fds[i], flags_of(l));
    addr_print(&l->addr, g->port, s->bound[s->n_bound].text);
    log_info("listening on %s%s%s%s", s->bound[s->n_bound].text, l->tls ? " (TLS)" : "",
        l->proxy_protocol ? " (PROXY protocol required)" : "", n_given ? ", sockets taken over" : "");
    s->n_bound++;
    return 0;
}

static int
open_admin(struct server *s, const struct listen_conf *l, struct admin_view *view)
{
    struct socket_group *g = find_group(s, l, true);

    if (g->n == 0) {
        int fd = listen_open(&l->addr, l->port, false);

        if (fd < 0)
            return say_no(l, "SEXTANT_ADMIN_LISTEN", fd);
        g->fds[g->n++] = fd;
        g->port = listen_port(fd);
    }
    /* The service manager's socket may be elsewhere than the configuration says. */
    view->is_private = addr_is_loopback(&g->addr);
    addr_print(&g->addr, g->port, s->admin_bound);
    if (!view->is_private && s->world->conf->admin_token.len == 0) {
        log_error("the admin listener is on %s, as the service manager says: beyond loopback it needs "
                  "SEXTANT_ADMIN_TOKEN",
            s->admin_bound);
        return 2;
    }
    s->admin = admin_new(s->loop, g->fds[0], view);
    log_info("admin pages on http://%s/", s->admin_bound);
    return 0;
}

/* Where this edge listens, for programs that let it choose a port. */
void
server_write_ports(struct server *s)
{
    struct buf text = { 0 };
    struct json_writer w = json_writer(&text);
    int error;

    if (!s->state)
        return;
    json_begin_object(&w);
    json_key(&w, "listen");
    json_begin_array(&w);
    for (unsigned i = 0; i < s->n_bound; i++)
        json_put_text(&w, s->bound[i].text);
    json_end_array(&w);
    json_key(&w, "admin");
    json_put_text(&w, s->admin_bound);
    json_end_object(&w);
    buf_putc(&text, '\n');
    error = state_write(s->state, "ports.json", buf_str(&text));
    if (error)
        log_warning(
            "cannot write ports.json in " STR_FMT ": %s", STR_ARG(s->world->conf->state_dir), strerrordesc_np(-error));
    buf_fini(&text);
}

int
server_listen(struct server *s)
{
    const struct listeners *l = s->world->listeners;
    static const struct admin_ops ops = { .hold = server_order_hold, .reload = server_order_reload };
    struct admin_view view = {
        .fleet = &s->fleet,
        .metrics = s->metric_sets,
        .residency = s->residencies,
        .n_metrics = &s->n_metric_sets,
        .n_residency = &s->n_residencies,
        .n_workers = s->n_workers,
        .shared = &s->shared,
        .names = s->names,
        .reloads_failed = &s->reloads_failed,
        .reloaded_wall_us = &s->reloaded_wall_us,
        .last_reload_error = &s->last_reload_error,
        .started_wall_us = clock_wall_us(),
        .holds = &s->holds,
        .has_state = s->state != NULL,
        .ops = &ops,
        .ops_arg = s,
    };
    int code = 0;

    if (l->n > LISTENERS_MAX) {
        log_error("SEXTANT_LISTEN may name %d addresses at most", LISTENERS_MAX);
        return 2;
    }
    for (unsigned i = 0; i < l->n && code == 0; i++)
        code = open_listener(s, &l->items[i]);
    if (code == 0 && l->n_admin)
        code = open_admin(s, &l->admin[0], &view);
    return code;
}
