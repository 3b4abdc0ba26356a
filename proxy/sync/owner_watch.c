/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process is the home? A loss of power shows as a process that the journal does not know. See rewind.h.
 */
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/base/varint.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/owner_reach.h"
#include "proxy/sync/record.h"

enum { EVERY_US = 2 * 1000 * 1000, SOON_US = 200 * 1000, ASK_US = 2 * 1000 * 1000 };

bool
watch_knows(const struct home *h, const char *id)
{
    const struct watch *w = &h->watch;

    for (unsigned i = 0; i < WATCH_PROCESSES && i < w->n_processes; i++) {
        if (strcmp(w->processes[i], id) == 0)
            return true;
    }
    return false;
}

void
watch_learn(struct home *h, struct str id)
{
    struct watch *w = &h->watch;
    char text[QUIET_ID_MAX + 1];

    if (id.len > QUIET_ID_MAX)
        return;
    memcpy(text, id.p, id.len);
    text[id.len] = '\0';
    if (!watch_knows(h, text))
        memcpy(w->processes[w->n_processes++ % WATCH_PROCESSES], text, sizeof(text));
}

/* --- recording --------------------------------------------------------------------------------------------------- */

struct news { /* on its way to the disk */
    struct home *home;
    char id[QUIET_ID_MAX + 1];
};

static void
on_recorded(uint64_t lsn, int error, void *arg)
{
    struct news *n = arg;
    struct home *h = n->home;

    h->watch.is_recording = false;
    if (!error)
        watch_learn(h, str_from(n->id));
    mem_free(n);
    watch_soon(h); /* it may have ended meanwhile */
}

void
watch_record(struct home *h, const char *id)
{
    struct record_process record = { str_from(h->name), str_from(id) };
    struct journal *journal = h->owner->journal;
    struct news *n = MEM_NEW(struct news);
    struct buf bytes = { 0 };
    struct str part;

    n->home = h;
    memcpy(n->id, id, strlen(id) + 1);
    record_put_process(&record, &bytes);
    part = buf_str(&bytes);
    h->watch.is_recording = journal && journal_append(journal, RECORD_PROCESS, 0, false, &part, 1, on_recorded, n) != 0;
    if (!h->watch.is_recording)
        mem_free(n);
    buf_fini(&bytes);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* What fans out is read elsewhere, if it can be. */
static void
tell_readers(struct home *h, bool is_behind)
{
    const struct fleet *f = h->owner->up->fleet;
    int at = topology_find(f->world->topology, str_from(h->name));

    if (at >= 0)
        atomic_store_explicit(&f->clusters[at].cluster->shared.is_behind, is_behind, memory_order_relaxed);
    home_tell_reach(h);
}

static unsigned
count_endpoints(const struct home *h)
{
    const struct topology *t = h->owner->up->fleet->world->topology;
    int at = topology_find(t, str_from(h->name));

    return at < 0 ? 0 : t->clusters[at].n_endpoints;
}

/* Those that are away are asked in their turn, and nobody waits for them; all, if no other is left. */
static uint64_t
nodes_to_ask(const struct home *h)
{
    unsigned n = count_endpoints(h);
    uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX, up = all;

    for (unsigned i = 0; i < n; i++)
        up &= ~((uint64_t)h->watch.nodes[i].is_away << i);
    return up ? up : all;
}

/* The node that was asked is known, or away and the others are not. */
static void
go_on(struct home *h)
{
    struct watch *w = &h->watch;
    int64_t sure_us = INT64_MAX, known_us = INT64_MAX;

    for (unsigned i = 0; i < count_endpoints(h); i++) {
        if (!w->nodes[i].is_away && w->nodes[i].known_us < sure_us)
            sure_us = w->nodes[i].known_us;
        known_us = w->nodes[i].known_us < known_us ? w->nodes[i].known_us : known_us;
    }
    w->sure_us = sure_us;
    if (!home_is_frozen(h)) /* else it may have lost what the journal keeps for it */
        h->answered_us = known_us;
    if (!w->is_doubted)
        w->pending &= ~(UINT64_C(1) << w->endpoint);
    if (w->is_doubted || w->pending)
        watch_soon(h);
    if (w->is_doubted || w->pending || home_is_rewinding(h))
        return;
    w->is_sure = true;
    tell_readers(h, false);
    home_run(h);
}

static void
take_known(struct home *h)
{
    struct watch *w = &h->watch;

    w->nodes[w->endpoint] = (struct watch_node){ .known_us = w->asked_us };
    go_on(h);
}

static bool
has_other(const struct home *h)
{
    for (unsigned i = 0; i < count_endpoints(h); i++) {
        if (i != h->watch.endpoint && !h->watch.nodes[i].is_away)
            return true;
    }
    return false;
}

static void
take_absence(struct home *h)
{
    struct watch *w = &h->watch;

    w->nodes[w->endpoint].is_away = true;
    if (has_other(h)) {
        go_on(h);
        return;
    }
    w->is_away = true;
    w->is_sure = false;
    tell_readers(h, true);
    home_run(h);
}

/* Too slow an answer says nothing. */
static bool
is_gone(enum fail fail)
{
    return fail == FAIL_CONNECT_REFUSED || fail == FAIL_CONNECT_FAILED || fail == FAIL_CONNECT_TIMEOUT ||
           fail == FAIL_ENDPOINT_DOWN || fail == FAIL_NO_HEALTHY_CLUSTER;
}

/* One that answers, but does not tell its process, is taken for the one that it was. */
static void
take_silence(struct home *h, const struct outcome *why)
{
    struct watch *w = &h->watch;

    if ((why->kind != OUTCOME_REFUSED && why->kind != OUTCOME_DENIED) || home_is_rewinding(h))
        return;
    if (!w->is_blind)
        log_warning(
            "home %s: it does not tell which process it is (/telemetry: %d): a loss of power will not be noticed",
            h->name, why->status);
    w->is_blind = true;
    take_known(h);
}

static void
on_node(void *arg, const struct outcome *why, const struct quiet_node *node)
{
    struct home *h = arg;
    struct watch *w = &h->watch;
    bool is_slow = why->kind != OUTCOME_OK && why->kind != OUTCOME_REFUSED && why->kind != OUTCOME_DENIED;

    w->asking = NULL;
    if (is_gone(why->fail) || (is_slow && has_other(h))) {
        take_absence(h);
        return;
    }
    w->is_away = false;
    if (why->kind != OUTCOME_OK) {
        take_silence(h, why);
    } else if (watch_knows(h, node->id)) {
        take_known(h);
    } else if (w->n_processes == 0 && !w->is_recording) {
        watch_record(h, node->id); /* the first of all: nothing was written before */
    } else if (!w->is_recording) {
        w->is_sure = false;
        w->pending &= ~(UINT64_C(1) << w->endpoint);
        tell_readers(h, true);
        rewind_begin(h, node->id);
    }
}

/* Those first that are to be asked before home is sure. */
static unsigned
next_endpoint(const struct watch *w, unsigned n)
{
    unsigned next = (w->endpoint + 1) % n;

    while (w->pending && !(w->pending >> next & 1))
        next = (next + 1) % n;
    return next;
}

void
watch_tick(struct home *h)
{
    struct watch *w = &h->watch;
    struct owner *o = h->owner;
    int64_t now_us = owner_now_us(o);
    unsigned n = count_endpoints(h);

    if (w->asking || n == 0 || !h->claim || now_us < w->due_us)
        return;
    w->asked_us = now_us;
    w->due_us = now_us + (w->is_sure && EVERY_US / n > SOON_US ? EVERY_US / n : SOON_US);
    w->is_doubted = false;
    w->pending = w->pending & nodes_to_ask(h) || w->is_sure ? w->pending & nodes_to_ask(h) : nodes_to_ask(h);
    w->endpoint = next_endpoint(w, n);
    w->asking = quiet_ask_node(o->up, str_from(h->name), w->endpoint + 1, ASK_US, on_node, h);
}

void
watch_soon(struct home *h)
{
    h->watch.due_us = 0;
    watch_tick(h);
}

void
watch_verify(struct home *h)
{
    h->watch.pending |= nodes_to_ask(h);
    watch_soon(h);
}

bool
watch_trusts(const struct home *h, int64_t connection_us)
{
    return connection_us < h->watch.sure_us && h->watch.is_sure && !h->rewind;
}

void
watch_doubt(struct home *h)
{
    h->watch.is_doubted = true;
    h->watch.is_sure = false;
    h->watch.pending = nodes_to_ask(h);
    home_tell_reach(h);
    watch_soon(h);
}

void
watch_fini(struct home *h)
{
    quiet_cancel(&h->watch.asking);
    tell_readers(h, false);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------- */

void
watch_put(const struct home *h, struct buf *out)
{
    const struct watch *w = &h->watch;
    unsigned n = w->n_processes < WATCH_PROCESSES ? w->n_processes : WATCH_PROCESSES;

    varint_put(out, n);
    for (unsigned i = 0; i < n; i++)
        varint_put_str(out, str_from(w->processes[i]));
}

bool
watch_take(struct home *h, struct str *in)
{
    struct str id;
    uint64_t n;

    if (!varint_take(in, WATCH_PROCESSES, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!varint_take_str(in, &id))
            return false;
        watch_learn(h, id);
    }
    return true;
}

/* Up to here records are of no more use: they are in the checkpoint, and no home can have lost them. */
uint64_t
owner_needed_lsn(const struct owner *o)
{
    uint64_t lsn = o->saved_lsn;
    const struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        if (h->claim && h->floor_lsn < lsn)
            lsn = h->floor_lsn;
    }
    return lsn;
}
