/* SPDX-License-Identifier: Apache-2.0
 *
 * Holds, from order to force:
 *
 *   order -> known target? -> new list -> overrides.json -> fleet published -> answer
 *   start -> overrides.json -> list -> first fleet
 *
 * An order takes effect even when the file cannot be written: whoever drains a cluster because of a full disk needs it most
 * then. The answer says that it will not outlive the process.
 */
#include <errno.h>
#include <string.h>

#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/route/hold_effect.h"
#include "proxy/server/server_impl.h"

#define HOLDS_FILE "overrides.json"

/* --- the file ---------------------------------------------------------------------------------------------------- */

void
server_warn_holds(const struct server *s)
{
    const struct topology *t = s->world->topology;

    for (unsigned i = 0; i < s->holds->n; i++) {
        const struct hold *h = &s->holds->items[i];
        int index = topology_find(t, h->cluster);
        bool is_known = index >= 0 && h->endpoint <= t->clusters[index].n_endpoints;
        struct buf target = { 0 };

        hold_target_print(h, &target);
        log_warning("override in force: " STR_FMT " %s by " STR_FMT " since " STR_FMT ": " STR_FMT "%s",
            STR_ARG(buf_str(&target)), hold_kind_name(h->kind), STR_ARG(h->by), STR_ARG(h->since), STR_ARG(h->reason),
            is_known ? "" : " (the configuration does not have it; kept)");
        buf_fini(&target);
    }
}

static const char *
read_holds(struct server *s, struct holds **ret_holds)
{
    struct buf text = { 0 };
    const char *why = NULL;
    int error = state_read(s->state, HOLDS_FILE, HOLDS_TEXT_MAX, &text);

    if (error == 0)
        *ret_holds = holds_parse(buf_str(&text), &why);
    else if (error != -ENOENT)
        why = strerrordesc_np(-error);
    buf_fini(&text);
    return why;
}

int
server_load_holds(struct server *s)
{
    struct holds *fresh = NULL;
    const char *why = s->state ? read_holds(s, &fresh) : NULL;

    if (why) {
        log_error(HOLDS_FILE " in SEXTANT_STATE_DIR " STR_FMT
                             " cannot be used: %s. Sextant does not start, as it cannot "
                             "know which clusters operators took out of use: restore the file, or remove it to start "
                             "without overrides",
            STR_ARG(s->world->conf->state_dir), why);
        return 1;
    }
    holds_free(s->holds);
    s->holds = fresh ? fresh : holds_new();
    server_warn_holds(s);
    return 0;
}

static bool
is_same(const struct holds *a, const struct holds *b)
{
    struct buf x = { 0 }, y = { 0 };
    bool same;

    holds_print(a, &x);
    holds_print(b, &y);
    same = str_eq(buf_str(&x), buf_str(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

void
server_refresh_holds(struct server *s)
{
    struct holds *fresh = NULL;
    const char *why = s->state ? read_holds(s, &fresh) : NULL;

    if (why)
        log_error(HOLDS_FILE " cannot be used: %s; the overrides known so far stay in force", why);
    if (!fresh || is_same(fresh, s->holds)) {
        holds_free(fresh);
        return;
    }
    holds_free(s->holds);
    s->holds = fresh;
    server_warn_holds(s);
    server_publish(s);
}

/* True when what is in force would be found again by the next process. */
static bool
keep(struct server *s, struct buf *warnings)
{
    struct buf text = { 0 };
    int error;

    if (!s->state) {
        buf_add(warnings, STR("this will not survive a restart: there is no SEXTANT_STATE_DIR\n"));
        return false;
    }
    holds_print(s->holds, &text);
    error = state_write(s->state, HOLDS_FILE, buf_str(&text));
    buf_fini(&text);
    if (error == 0)
        return true;
    log_error("cannot write " HOLDS_FILE ": %s", strerrordesc_np(-error));
    buf_printf(
        warnings, "this will not survive a restart: " HOLDS_FILE " cannot be written: %s\n", strerrordesc_np(-error));
    return false;
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static int
check_target(const struct server *s, const struct hold *wish, struct buf *error)
{
    const struct topology *t = s->world->topology;
    int index = topology_find(t, wish->cluster);
    struct arena arena = { 0 };

    if (index >= 0 && wish->endpoint <= t->clusters[index].n_endpoints)
        return 0;
    /* What the configuration has lost can still be let go. */
    if (wish->kind == HOLD_NONE && holds_find(s->holds, wish->cluster, wish->endpoint))
        return 0;
    if (index < 0)
        buf_printf(error, "no cluster is called \"" STR_FMT "\"" STR_FMT, STR_ARG(wish->cluster),
            STR_ARG(topology_suggest(t, wish->cluster, &arena)));
    else
        buf_printf(error, "cluster " STR_FMT " has %u endpoint%s", STR_ARG(wish->cluster),
            t->clusters[index].n_endpoints, t->clusters[index].n_endpoints == 1 ? "" : "s");
    arena_fini(&arena);
    return -ENOENT;
}

/* Requests on endpoints that were taken down are treated as when probes fail. */
static void
drop_running(struct server *s, unsigned index)
{
    const struct fleet_cluster *fc = &s->fleet->clusters[index];
    uint64_t down = atomic_load(&fc->cluster->shared.held_down);

    for (unsigned i = 0; i < fc->n_backends; i++) {
        for (unsigned k = 0; k < s->n_workers && down >> (fc->backends[i].endpoint - 1) & 1; k++)
            worker_post_fallen(s->workers[k], fc->backends[i].backend);
    }
}

static void
tell(const struct hold *wish, enum hold_kind was)
{
    static const char *const verbs[] = { "left to the probes again", "drained", "taken down" };
    enum event_kind event = wish->kind == HOLD_NONE ? EVENT_OVERRIDE_LIFTED : EVENT_OVERRIDE;
    const char *colon = wish->reason.len ? ": " : "";
    struct buf target = { 0 };

    hold_target_print(wish, &target);
    log_warning("override: " STR_FMT " %s (was %s) by " STR_FMT "%s" STR_FMT, STR_ARG(buf_str(&target)),
        verbs[wish->kind], hold_kind_name(was), STR_ARG(wish->by), colon, STR_ARG(wish->reason));
    events_add(event, buf_str(&target), "%s by an operator%s" STR_FMT, verbs[wish->kind], colon, STR_ARG(wish->reason));
    buf_fini(&target);
}

static void
put_effects(const struct server *s, unsigned index, struct buf *warnings)
{
    struct cluster_view views[CLUSTERS_MAX];
    uint64_t held = 0;

    fleet_views(s->fleet, views);
    for (unsigned i = 0; i < s->fleet->n_clusters; i++)
        held |= (uint64_t)(views[i].hold != HOLD_NONE) << i;
    if (held >> index & 1)
        hold_effects(s->world, held, index, warnings);
}

/* With the target found and this process the writer. */
static int
put_in_force(struct server *s, const struct hold *wish, struct admin_hold_answer *ret_answer)
{
    const struct hold *before = holds_find(s->holds, wish->cluster, wish->endpoint);
    int index = topology_find(s->world->topology, wish->cluster);
    struct holds *fresh = holds_change(s->holds, wish);

    if (!fresh) {
        buf_printf(&ret_answer->warnings, "there are %d overrides already", HOLDS_MAX);
        return -ENOSPC;
    }
    ret_answer->was = before ? before->kind : HOLD_NONE;
    holds_free(s->holds);
    s->holds = fresh;
    ret_answer->survives_restart = keep(s, &ret_answer->warnings);
    server_publish(s);
    tell(wish, ret_answer->was);
    if (index >= 0 && wish->kind != HOLD_NONE) {
        drop_running(s, (unsigned)index);
        put_effects(s, (unsigned)index, &ret_answer->warnings);
    }
    return 0;
}

int
server_order_hold(void *server, const struct hold *wish, struct admin_hold_answer *ret_answer)
{
    struct server *s = server;
    int error = check_target(s, wish, &ret_answer->warnings);

    if (error)
        return error;
    if (!s->state || state_is_writer(s->state))
        return put_in_force(s, wish, ret_answer);
    buf_add(&ret_answer->warnings,
        STR("one process is taking over from another, and the state is not this one's: ask again"));
    return -EPERM;
}
