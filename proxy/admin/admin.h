/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_ADMIN_H
#define SEXTANT_ADMIN_ADMIN_H

/* The admin listener: a few pages for operators and scrapers, on the control thread. Routes stand in admin_routes.def. */

#include "proxy/flow/edge.h"
#include "proxy/net/listener.h"
#include "proxy/obs/rates.h"
#include "proxy/upstream/names.h"

/* What the pages show; owned by the server, read on the control thread. */
struct admin_view {
    struct fleet **fleet;         /* the current one */
    struct metrics **metrics;     /* all sets */
    struct residency **residency; /* all tables */
    unsigned n_metrics, n_residency;
    const struct names *names;
    struct edge_shared *shared;
    uint64_t *reloads_failed;
    struct str *last_reload_error; /* may be empty */
    int64_t *reloaded_wall_us;     /* when the configuration in use was loaded */
    int64_t started_wall_us;
    struct rates *rates; /* of traffic.h; NULL: none yet. admin_new() makes its own */
};

struct admin;

struct admin *admin_new(struct loop *loop, int listen_fd, const struct admin_view *view);
void admin_free(struct admin *a);

/* Pages; also for tests. False: the request made no sense, `out` says why. */
typedef bool admin_page_fn(const struct admin_view *view, struct str query, struct buf *out);
admin_page_fn admin_page_metrics, admin_page_status, admin_page_config, admin_page_explain, admin_page_residency,
    admin_page_index;

/* Names of labels; those of clusters only with a fleet. */
struct metrics_labels admin_metrics_labels(const struct fleet *f);

/* The decoded value of a query parameter; empty when absent. */
struct str admin_param(struct str query, const char *name, struct arena *arena);

#endif
