/* SPDX-License-Identifier: Apache-2.0
 *
 * The owner of homes whose writes fan out, if the map says that there are any here.
 */
#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"
#include "proxy/sync/owner.h"

enum { RETIRE_AFTER_US = 1000 * 1000, LANES_SEEN = 64 };

int
server_make_owner(struct server *s)
{
    struct owner *owner = NULL;
    struct buf error = { 0 };
    int code = 0;

    if (s->world->fanout->owns == 0)
        return 0;
    code = owner_new(s->fleet, (uint64_t)clock_wall_us(), s->predecessor_fd >= 0, &owner, &error);
    if (code)
        log_error("journal: " STR_FMT, STR_ARG(buf_str(&error)));
    s->shared.owner = owner;
    buf_fini(&error);
    return code ? 1 : 0;
}

void
server_show_owner(struct server *s)
{
    s->metric_sets[s->n_metric_sets++] = owner_metrics(s->shared.owner);
    s->residencies[s->n_residencies++] = owner_residency(s->shared.owner);
}

/* --- by a reload ------------------------------------------------------------------------------------------------- */

bool
server_needs_owner(const struct server *s, const struct world *fresh)
{
    return !s->shared.owner && fresh->fanout->owns;
}

struct owner *
server_open_owner(struct fleet *fleet, struct conf_issues *issues)
{
    struct owner *owner = NULL;
    struct buf error = { 0 };

    if (owner_new(fleet, (uint64_t)clock_wall_us(), false, &owner, &error))
        conf_option_issue(issues, true, fleet->world->conf, "journal_dir",
            "this edge is to take its first home, and its journal cannot be opened: " STR_FMT,
            STR_ARG(buf_str(&error)));
    buf_fini(&error);
    return owner;
}

bool
server_take_owner(struct server *s, struct owner *owner, struct conf_issues *issues)
{
    int error = s->n_started ? owner_start(owner) : 0; /* else it is started with the workers */

    if (error) {
        conf_issue(issues, true, STR("SEXTANT_OWNS"), 0, 0, "no thread can be started: %s", strerrordesc_np(-error));
        owner_free(owner);
        return false;
    }
    s->shared.owner = owner;
    server_show_owner(s);
    return true;
}

bool
server_may_follow(
    const struct server *s, const struct world *old, const struct world *fresh, struct conf_issues *issues)
{
    struct frozen_view *views = mem_array(FROZEN_MAX, sizeof(*views));
    struct lane_view *lanes = mem_array(LANES_SEEN, sizeof(*lanes));
    struct fanout_frozen frozen[FROZEN_MAX];
    struct fanout_waiting waiting[LANES_SEEN];
    struct fanout_progress progress = { .frozen = frozen, .waiting = waiting };
    struct owner *owner = s->shared.owner;
    unsigned n_lanes = owner ? owner_lanes(owner, lanes, LANES_SEEN) : 0;
    bool may;

    progress.n_frozen = owner ? owner_frozen(owner, views, FROZEN_MAX) : 0;
    progress.n_waiting = n_lanes < LANES_SEEN ? n_lanes : LANES_SEEN;
    for (unsigned i = 0; i < progress.n_frozen; i++)
        frozen[i] = (struct fanout_frozen){ str_from(views[i].line), str_from(views[i].home),
            str_from(views[i].without), str_from(views[i].left), views[i].is_drained, views[i].is_given_up };
    for (unsigned i = 0; i < progress.n_waiting; i++)
        waiting[i] = (struct fanout_waiting){ str_from(lanes[i].home), str_from(lanes[i].copy), lanes[i].marks };
    may = world_may_follow(old, fresh, &progress, issues);
    mem_free(views);
    mem_free(lanes);
    return may;
}

int
server_start_owner(struct server *s)
{
    int error = s->shared.owner ? owner_start(s->shared.owner) : 0;

    if (error)
        log_error("cannot start a thread: %s", strerrordesc_np(-error));
    return error ? 1 : 0;
}

void
server_tell_owner(struct server *s, struct fleet *fleet, struct backend *fallen)
{
    if (s->shared.owner && fleet)
        owner_post_fleet(s->shared.owner, fleet);
    if (s->shared.owner && fallen)
        owner_post_fallen(s->shared.owner, fallen);
}

/* The workers' threads have ended, but their loops are there: what the owner still has is delivered to them. */
void
server_stop_owner(struct server *s)
{
    if (s->shared.owner)
        owner_stop(s->shared.owner);
}

/* Another process serves, and waits for the journal. Those who still write here on kept connections are told to close them by
 * their next answer; those who have not written by then are refused. */
void
server_retire_owner(struct server *s, bool is_alone)
{
    int64_t now_us = loop_now_us(s->loop);

    if (!s->shared.owner || s->is_retiring)
        return;
    if (s->retire_at_us == 0)
        s->retire_at_us = now_us + RETIRE_AFTER_US;
    if (!is_alone && now_us < s->retire_at_us)
        return;
    s->is_retiring = true;
    owner_retire(s->shared.owner);
}

bool
server_is_retiring(const struct server *s)
{
    return s->is_retiring && !owner_has_retired(s->shared.owner);
}

void
server_free_owner(struct server *s)
{
    owner_free(s->shared.owner);
    s->shared.owner = NULL;
}
