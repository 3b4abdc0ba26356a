/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_ADMIN_H
#define SEXTANT_ADMIN_ADMIN_H

/* The admin listener: pages for operators and scrapers, and orders, on the control thread. Routes stand in
 * admin_routes.def, who may use them in access.h. */

#include <sys/queue.h>

#include "proxy/base/json.h"
#include "proxy/flow/edge.h"
#include "proxy/net/listener.h"
#include "proxy/obs/rates.h"
#include "proxy/sync/errand.h"
#include "proxy/upstream/names.h"

/* How a reload ended. */
struct admin_reload {
    bool is_accepted;
    uint64_t generation; /* in use now */
    struct str issues;   /* a line each; warnings of an accepted one too */
};

/* Somebody who waits for that. Lives inside its owner, who cancels before it goes. */
struct admin_wait {
    LIST_ENTRY(admin_wait) entry;
    bool is_waiting;
    void (*fn)(void *arg, const struct admin_reload *outcome);
    void *arg;
    struct loop *loop;
    struct errand *errand; /* the owner has it; NULL: none, or it was answered */
    void (*on_errand)(struct errand *e);
};
LIST_HEAD(admin_waits, admin_wait);

static inline void
admin_wait_cancel(struct admin_wait *w)
{
    if (w->is_waiting && !w->errand)
        LIST_REMOVE(w, entry);
    if (w->errand)
        w->errand->arg = NULL;
    w->errand = NULL;
    w->is_waiting = false;
}

/* What came of an order about a cluster or an endpoint. */
struct admin_hold_answer {
    enum hold_kind was;
    bool survives_restart;
    struct buf warnings; /* a line each; the caller's to release */
};

/* What orders make the server do. */
struct admin_ops {
    /* Hold a target, or let it go. 0; -ENOENT: there is no such target; -ENOSPC: too many; -EPERM: another process has the
     * state now. Then warnings says more. */
    int (*hold)(void *arg, const struct hold *wish, struct admin_hold_answer *ret_answer);
    /* Read the configuration again, and tell `wait` once, from the loop, unless it was cancelled. */
    void (*reload)(void *arg, struct admin_wait *wait, const char *why);
};

/* What the pages show; owned by the server, read on the control thread. */
struct admin_view {
    struct fleet **fleet;                    /* the current one */
    struct metrics **metrics;                /* all sets */
    struct residency **residency;            /* all tables */
    const unsigned *n_metrics, *n_residency; /* the owner's are among them once there is one */
    unsigned n_workers;
    const struct names *names;
    struct edge_shared *shared;
    uint64_t *reloads_failed;
    struct str *last_reload_error; /* may be empty */
    int64_t *reloaded_wall_us;     /* when the configuration in use was loaded */
    int64_t started_wall_us;
    struct rates *rates;  /* of traffic.h; NULL: none yet. admin_new() makes its own */
    bool is_private;      /* only this machine reaches the listener */
    bool has_state;       /* there is a directory that keeps holds */
    struct holds **holds; /* in force; NULL: there never were any */
    const struct admin_ops *ops;
    void *ops_arg;
};

struct admin;

struct admin *admin_new(struct loop *loop, int listen_fd, const struct admin_view *view);
void admin_stop_accepting(struct admin *a); /* visits that are there are served; NULL is fine */
void admin_free(struct admin *a);

/* Pages; also for tests. False: the route's refusal, `out` says why. */
typedef bool admin_page_fn(const struct admin_view *view, struct str query, struct buf *out);
admin_page_fn admin_page_metrics, admin_page_status, admin_page_config, admin_page_explain, admin_page_residency,
    admin_page_overrides, admin_page_lanes, admin_page_freeze, admin_page_log_level, admin_page_health,
    admin_page_index;

/* Orders: a status, and a JSON object in `out`. 0: the answer is not there yet, and will be given through `wait`. */
struct admin_order {
    struct json body;        /* an object */
    const char *by;          /* who gave it, for the log */
    struct admin_wait *wait; /* for orders that take time */
};
typedef int admin_order_fn(const struct admin_view *view, const struct admin_order *order, struct buf *out);
admin_order_fn admin_order_drain, admin_order_down, admin_order_up, admin_order_log_level, admin_order_reload,
    admin_order_held, admin_order_retry, admin_order_freeze, admin_order_unfreeze, admin_order_release,
    admin_order_resync, admin_order_compare, admin_order_adopt, admin_order_restore;
/* An order that the owner of homes carries out and answers; refused where there is none. */
int admin_ask_owner(const struct admin_view *view, const struct admin_order *order, errand_fn *run, struct buf *out);
void admin_put_error(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
int admin_reload_answer(const struct admin_reload *outcome, struct buf *out); /* what admin_order_reload() waited for */

/* Names of labels; those of clusters only with a fleet. */
struct metrics_labels admin_metrics_labels(const struct fleet *f);

/* The decoded value of a query parameter; empty when absent. */
struct str admin_param(struct str query, const char *name, struct arena *arena);

#endif
