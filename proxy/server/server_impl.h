/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_SERVER_IMPL_H
#define SEXTANT_SERVER_SERVER_IMPL_H

/* Shared by the server's files only. Everything here belongs to the control thread. */

#include "conf/supervised.h"
#include "proxy/admin/admin.h"
#include "proxy/net/file_watch.h"
#include "proxy/server/handover.h"
#include "proxy/server/keeper.h"
#include "proxy/server/notify.h"
#include "proxy/server/resources.h"
#include "proxy/server/server.h"
#include "proxy/server/sockets.h"
#include "proxy/server/state.h"
#include "proxy/server/worker.h"
#include "proxy/upstream/names.h"
#include "proxy/upstream/probe.h"

enum { WORKERS_MAX = 256, SIGNALS = 6 };

struct server {
    char **environ;
    const char *program;
    bool is_kept;
    struct resources resources;
    struct supervised supervised;
    struct notify *notify; /* NULL: nobody asks */
    bool is_activated;     /* sockets of the service manager's */
    bool was_silent, has_save_failed;
    atomic_bool has_answered[WORKERS_MAX]; /* the watchdog's question */
    int code;                              /* to exit with */
    struct loop *loop;
    struct world *world; /* a reference */
    struct fleet *fleet; /* a reference; the current one */
    struct registry *registry;
    struct holds *holds; /* in force; never NULL once started */
    struct state *state; /* NULL without a SEXTANT_STATE_DIR */
    struct names *names;
    struct upstream *up; /* for probes */
    struct metrics *metrics;
    struct prober *prober;
    struct edge_shared shared;
    struct access_log *log;
    struct worker *workers[WORKERS_MAX];
    unsigned n_workers, n_started;
    struct admin *admin;
    struct metrics *metric_sets[WORKERS_MAX + 2];   /* of the workers, of this thread, of the owner */
    struct residency *residencies[WORKERS_MAX + 1]; /* of the workers, of the owner */
    unsigned n_metric_sets, n_residencies;
    uint64_t generation, reloads_failed;
    int64_t reloaded_wall_us;
    struct str last_reload_error;
    struct buf reload_error_text;
    struct file_watch *watch;
    bool is_loading, must_reload, is_ending;
    struct admin_waits waits, waits_next; /* for the load under way, and for the one after it */
    pthread_t loader;
    struct signal_watch *signals[SIGNALS];
    struct sockets sockets;   /* served by this process; the workers own the descriptors */
    struct sockets inherited; /* not yet served; empty once it is ready */
    struct handover handover; /* to the next process */
    int predecessor_fd;       /* -1: none */
    struct fd_watch *predecessor_watch;
    bool has_lost_predecessor; /* it was there, and went away before it had given anything */
    struct timer warm_up, claim, watchdog, save, drain, lag;
    bool was_late, is_keeping, is_sealed;
    int64_t drain_until_us;
    int64_t retire_at_us; /* the owner, after a hand-over */
    bool is_retiring;
    unsigned n_stops;
    struct { /* bound addresses, for ports.json and the log */
        char text[ADDR_TEXT_MAX];
    } bound[LISTENERS_MAX];
    unsigned n_bound;
    char admin_bound[ADDR_TEXT_MAX];
};

/* listen.c: open all listeners, give them to the workers; 0 or an exit code after saying what is in the way. */
int server_listen(struct server *s);
void server_write_ports(struct server *s);
/* own_state.c */
int server_find_place(struct server *s); /* alone, or after another process: 0, or an exit code */
void server_state_init(struct server *s);
void server_recall(struct server *s); /* round trips of former times, into a fleet that has none yet */
/* The state directory is this process's own, or there is none: read what the process before may have written last. */
void server_on_state(struct server *s);
void server_seal_state(struct server *s); /* the last write is made */
/* drain.c */
void server_drain_init(struct server *s);
void server_stop(struct server *s, int signal);
bool server_is_followed(const struct server *s); /* by a service manager that can be told of another main process */
bool server_must_stay(const struct server *s);   /* somebody waits for this very process, and another one serves */
void server_hand_over(struct server *s, struct str pid); /* another process serves: stop accepting, drain, end */
/* activation.c: sockets of the service manager's join the inherited ones; 0 or an exit code. */
int activation_take(struct server *s);
int activation_check(const struct server *s); /* each has found its place */
/* supervision.c */
void supervision_init(struct server *s);
void supervision_ready(struct server *s);
void supervision_reload(struct server *s, bool is_begin, bool is_refused);
void supervision_stop(struct server *s);
void supervision_hand_over(struct server *s, struct str pid);
/* reload.c */
void server_begin_reload(struct server *s, const char *why);
void server_order_reload(void *server, struct admin_wait *wait, const char *why);
void server_watch_files(struct server *s);
void server_reload_fini(struct server *s);
/* holds.c */
int server_load_holds(struct server *s); /* at start: 0 or an exit code */
void server_refresh_holds(
    struct server *s); /* the state directory has changed hands: what the old process wrote last */
void server_warn_holds(const struct server *s);
int server_order_hold(void *server, const struct hold *wish, struct admin_hold_answer *ret_answer);
/* owning.c: the owner of homes, if there are any here; 0 or an exit code after saying what is in the way. */
int server_make_owner(struct server *s);
/* A reload brings the first homes: must a journal be opened? Then it is done aside, by any thread, and taken into use. */
bool server_needs_owner(const struct server *s, const struct world *fresh);
struct owner *server_open_owner(struct fleet *fleet, struct conf_issues *issues); /* NULL after saying why not */
bool server_take_owner(struct server *s, struct owner *owner, struct conf_issues *issues);
void server_show_owner(struct server *s); /* its metrics */
/* May `fresh` take the place of `old` as things are now? Any thread. */
bool server_may_follow(
    const struct server *s, const struct world *old, const struct world *fresh, struct conf_issues *issues);
int server_start_owner(struct server *s);
void server_tell_owner(struct server *s, struct fleet *fleet, struct backend *fallen); /* either may be NULL */
void server_stop_owner(struct server *s);
void server_free_owner(struct server *s);
void server_retire_owner(struct server *s, bool is_alone); /* is_alone: nobody is connected any more */
bool server_is_retiring(const struct server *s);
/* news.c; a backend_change_fn */
void server_on_verdict(void *server, struct backend *b, enum health_state from, enum health_state to);
/* server.c: build a fleet from the current world and hand it to everybody. */
void server_publish(struct server *s);
void server_fit(struct server *s, struct world *world); /* to what this process may use; before it is published */

#endif
