/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/json.h"
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

static int
open_listener(struct server *s, const struct listen_conf *l)
{
    uint16_t port = l->port;
    int error = is_free(l);

    for (unsigned i = 0; i < s->n_workers && error == 0; i++) {
        int fd = listen_open(&l->addr, port, true);

        if (fd < 0) {
            error = fd;
            break;
        }
        port = listen_port(fd);
        worker_add_listener(s->workers[i], fd, l->proxy_protocol);
    }
    if (error)
        return say_no(l, "SEXTANT_LISTEN", error);
    addr_print(&l->addr, port, s->bound[s->n_bound].text);
    log_info("listening on %s%s", s->bound[s->n_bound].text, l->proxy_protocol ? " (PROXY protocol required)" : "");
    s->n_bound++;
    return 0;
}

static int
open_admin(struct server *s, const struct listen_conf *l, const struct admin_view *view)
{
    int fd = listen_open(&l->addr, l->port, false);

    if (fd < 0)
        return say_no(l, "SEXTANT_ADMIN_LISTEN", fd);
    addr_print(&l->addr, listen_port(fd), s->admin_bound);
    s->admin = admin_new(s->loop, fd, view);
    log_info("admin pages on http://%s/", s->admin_bound);
    return 0;
}

/* Where this edge listens, for programs that let it choose a port. */
static void
write_ports(struct server *s)
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
    static const struct admin_ops ops = { .reload = server_order_reload };
    struct admin_view view = {
        .fleet = &s->fleet,
        .metrics = s->metric_sets,
        .residency = s->residencies,
        .n_metrics = s->n_workers + 1,
        .n_residency = s->n_workers,
        .shared = &s->shared,
        .names = s->names,
        .reloads_failed = &s->reloads_failed,
        .reloaded_wall_us = &s->reloaded_wall_us,
        .last_reload_error = &s->last_reload_error,
        .started_wall_us = clock_wall_us(),
        .is_private = l->n_admin && l->admin[0].is_private,
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
    if (code == 0)
        write_ports(s);
    return code;
}
