/* SPDX-License-Identifier: Apache-2.0
 *
 * Has a copy been started anew? A loss of power may have taken its last seconds: what it confirmed in the last minute is shipped
 * again (fanout.md §5, rule 7). Each endpoint is asked in turn for the identity of its process, which is another after each
 * start. A name may stand for several nodes, so what counts is an identity that was not seen before; the first of all says nothing.
 */
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/rule_off.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/lane_walk.h"

enum { EVERY_US = 2 * 1000 * 1000, ASK_US = 2 * 1000 * 1000 };

static unsigned
count_endpoints(const struct lane *l)
{
    const struct topology *t = l->home->owner->up->fleet->world->topology;
    int at = topology_find(t, str_from(l->copy));
    unsigned n = at < 0 ? 0 : t->clusters[at].n_endpoints;

    return n;
}

static bool
is_seen(const struct lane *l, const char *id)
{
    for (unsigned i = 0; i < LANE_PROCESSES && i < l->n_processes; i++) {
        if (strcmp(l->processes[i], id) == 0)
            return true;
    }
    return false;
}

/* One that is away may have lost its power: until it answered as the process that it was, its last minute is not over. */
static void
note_round(struct lane *l)
{
    bool has_answered = l->known_us == l->asked_us;

    if (l->asked_endpoint == 0 || !has_answered)
        l->round_us = has_answered ? l->asked_us : 0;
    if (l->round_us && l->asked_endpoint + 1 >= count_endpoints(l))
        l->alive_us = l->round_us;
}

static void
on_node(void *arg, const struct outcome *why, const struct quiet_node *node)
{
    struct lane *l = arg;

    l->asking = NULL;
    if (why->kind == OUTCOME_OK)
        l->sure_us = l->asked_us;
    if (why->kind == OUTCOME_OK || why->kind == OUTCOME_REFUSED ||
        why->kind == OUTCOME_DENIED) /* one that does not tell */
        l->known_us = l->asked_us;
    note_round(l);
    if (why->kind != OUTCOME_OK || is_seen(l, node->id))
        return;
    if (l->n_processes > 0 && !rule_is_off(RULE_SETTLE)) {
        log_info("lane %s to %s: the copy was started anew, the last minute is shipped again", l->home->name, l->copy);
        marks_revive(l->marks);
        lane_walk_revived(l);
        crash_point(CRASH_AT_LANE_REVIVED);
    }
    memcpy(l->processes[l->n_processes++ % LANE_PROCESSES], node->id, sizeof(node->id));
    lane_run(l);
}

void
lane_ask_process(struct lane *l)
{
    struct owner *o = l->home->owner;
    unsigned n = count_endpoints(l);

    if (l->asking || n == 0 || l->check != LANE_SHIPS || owner_now_us(o) - l->asked_us < EVERY_US)
        return;
    l->asked_us = owner_now_us(o);
    l->asked_endpoint = (l->asked_endpoint + 1) % n;
    l->asking = quiet_ask_node(o->up, str_from(l->copy), l->asked_endpoint + 1, ASK_US, on_node, l);
}

void
lane_restart_fini(struct lane *l)
{
    quiet_cancel(&l->asking);
}
