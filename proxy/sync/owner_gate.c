/* SPDX-License-Identifier: Apache-2.0
 *
 * Gates (gate.h). At each home the gate has its turn in the ledger when no write of the collection is without its outcome; from
 * then on the home's lanes start nothing. It is ready there when they have landed, and when nothing of the collection is in
 * quarantine: what may come late would come into another collection of the same name.
 */
#include "proxy/sync/gate.h"

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"

struct gate_part {               /* of one home */
    LIST_ENTRY(gate_part) entry; /* while it has had its turn and is not ready */
    struct gate *gate;
    struct home *home;
    struct ledger_gate turn;
    bool has_turn, is_ready;
};

struct gate *
gate_new(void)
{
    return MEM_NEW(struct gate);
}

static void
deliver(void *arg)
{
    struct gate *g = arg;

    g->on_open(g);
}

static void
tell(struct gate *g, enum fail fail)
{
    if (g->is_told)
        return;
    g->is_told = true;
    g->fail = fail;
    timer_clear(&g->deadline);
    loop_post(g->loop, deliver, g);
}

static void
on_deadline(void *arg)
{
    tell(arg, FAIL_POINT_HELD);
}

/* --- one home ---------------------------------------------------------------------------------------------------- */

static bool
is_at_rest(const struct home *h, uint32_t collection)
{
    const struct quarantine *q;
    const struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (l->n_flights)
            return false;
    }
    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (q->collection == collection)
            return false;
    }
    return true;
}

void
home_look_at_gates(struct home *h)
{
    struct gate_part *p, *next;

    for (p = LIST_FIRST(&h->gates); p; p = next) {
        next = LIST_NEXT(p, entry);
        if (p->is_ready || !is_at_rest(h, p->turn.collection))
            continue;
        p->is_ready = true;
        crash_point(CRASH_AT_OWNER_GATE_OPEN);
        if (++p->gate->n_ready == p->gate->n_parts)
            tell(p->gate, FAIL_NONE);
    }
}

void
gate_has_turn(struct ledger_gate *turn)
{
    struct gate_part *p = (struct gate_part *)((uintptr_t)turn - offsetof(struct gate_part, turn));

    struct lane *l;

    p->has_turn = true;
    LIST_FOREACH (l, &p->home->lanes, entry)
        lane_walk_interrupt(l);
    LIST_INSERT_HEAD(&p->home->gates, p, entry);
    crash_point(CRASH_AT_OWNER_GATE_HAS_TURN);
    home_look_at_gates(p->home);
}

static void
end_part(struct gate_part *p)
{
    struct home *h = p->home;
    struct lane *l;

    if (p->gate->outcome == GATE_GONE)
        rewind_void(h, p->gate->collection);
    if (p->has_turn)
        LIST_REMOVE(p, entry);
    ledger_gate_end(h->ledger, &p->turn);
    catalog_forget(h->catalog);
    LIST_FOREACH (l, &h->lanes, entry) {
        catalog_forget(l->catalog);
        if (p->gate->outcome != GATE_GONE)
            continue;
        marks_drop(l->marks, p->turn.collection);
        lane_walk_forget(l, p->turn.collection);
    }
}

/* --- posts ------------------------------------------------------------------------------------------------------- */

void
gate_refuse(struct gate *g, enum fail fail)
{
    timer_init(&g->deadline, g->owner->loop, on_deadline, g);
    tell(g, fail);
}

void
owner_take_gate(void *arg)
{
    struct gate *g = arg;
    struct owner *o = g->owner;
    bool is_ending = o->is_ending || o->succession.is_retiring;

    if (owner_keep(o, NULL, g))
        return;
    timer_init(&g->deadline, o->loop, on_deadline, g);
    timer_set(&g->deadline, g->deadline_us - owner_now_us(o));
    g->parts = mem_array(g->n_homes ? g->n_homes : 1, sizeof(*g->parts));
    for (unsigned i = 0; i < g->n_homes; i++) {
        struct gate_part *p = &g->parts[g->n_parts];

        p->home = owner_home(o, g->homes[i]);
        if (!p->home)
            continue;
        g->n_parts++;
        p->gate = g;
        p->turn.collection = lexicon_number(o->collections, g->collection);
        p->turn.is_schema = true;
        ledger_gate(p->home->ledger, &p->turn);
    }
    crash_point(CRASH_AT_OWNER_GATE_BEGUN);
    if (is_ending || g->n_parts == 0 || rule_is_off(RULE_SCHEMA))
        tell(g, is_ending ? FAIL_OWNER_ENDING : FAIL_NONE);
    for (unsigned i = 0; i < g->n_parts; i++)
        home_run(g->parts[i].home);
}

static void
end_gate(void *arg)
{
    struct gate *g = arg;
    struct owner *o = g->owner;
    struct home *h;

    crash_point(CRASH_AT_OWNER_GATE_ENDS);
    timer_fini(&g->deadline);
    for (unsigned i = 0; i < g->n_parts; i++)
        end_part(&g->parts[i]);
    if (g->outcome == GATE_GONE)
        lexicon_forget(o->collections, g->collection);
    mem_free(g->parts);
    arena_fini(&g->arena);
    mem_free(g);
    crash_point(CRASH_AT_OWNER_GATE_ENDED);
    LIST_FOREACH (h, &o->homes, entry)
        home_run(h);
}

static void
take_end(void *arg)
{
    struct gate *g = arg;
    struct owner *o = g->owner;

    if (g->outcome != GATE_UNKNOWN || o->is_ending) {
        end_gate(g);
        return;
    }
    timer_fini(&g->deadline);
    timer_init(&g->deadline, o->loop, end_gate, g);
    timer_set(&g->deadline, o->up->fleet->world->conf->quarantine * USEC_PER_MSEC);
}

static void
take_forget(void *arg)
{
    struct owner *o = arg;
    struct home *h;
    struct lane *l;

    LIST_FOREACH (h, &o->homes, entry) {
        catalog_forget(h->catalog);
        LIST_FOREACH (l, &h->lanes, entry)
            catalog_forget(l->catalog);
    }
}

void
owner_open_gate(struct owner *o, struct gate *g)
{
    g->owner = o;
    loop_post(o->loop, owner_take_gate, g);
}

void
owner_end_gate(struct gate *g)
{
    loop_post(g->owner->loop, take_end, g);
}

void
owner_forget(struct owner *o)
{
    loop_post(o->loop, take_forget, o);
}

/* The owner ends: whoever waits is told so. */
void
home_end_gates(struct home *h)
{
    struct ledger_gate *turn;
    struct gate_part *p;

    while ((turn = ledger_take_gate(h->ledger))) {
        if (turn->is_schema)
            gate_has_turn(turn);
    }
    LIST_FOREACH (p, &h->gates, entry)
        tell(p->gate, FAIL_OWNER_ENDING);
}
