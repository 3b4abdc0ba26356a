/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema operations of lines that fan out: what makes or removes something waits for the owner's gate (sync/gate.h), so that no
 * earlier write and no ship comes after it.
 */
#include "proxy/flow/transaction_impl.h"
#include "proxy/sync/gate.h"

bool
transaction_needs_gate(const struct transaction *t)
{
    if (!t->edge->shared->owner || !t->plan.rule || t->plan.rule->fanout == FANOUT_NONE)
        return false;
    switch (t->op.id) {
    case OP_CREATE_COLLECTION:
    case OP_DELETE_COLLECTION:
    case OP_CREATE_VECTOR_NAME:
    case OP_DELETE_VECTOR_NAME:
    case OP_CREATE_SHARD_KEY:
    case OP_DELETE_SHARD_KEY:
        return true;
    default:
        return false;
    }
}

/* Its client may have left meanwhile: then nothing was changed. */
static void
on_open(struct gate *g)
{
    struct transaction *t = g->arg;

    if (!t) {
        owner_end_gate(g);
        return;
    }
    t->is_gate_open = true;
    if (g->fail == FAIL_NONE) {
        transaction_schema(t);
        return;
    }
    transaction_end_gate(t, GATE_UNCHANGED);
    transaction_fail(t, g->fail, STR_NONE);
}

void
transaction_gate(struct transaction *t)
{
    const struct topology *topology = t->fleet->world->topology;
    const struct rule *rule = t->plan.rule;
    struct gate *g = gate_new();

    t->phase = PHASE_RUN;
    g->loop = t->edge->loop;
    g->on_open = on_open;
    g->arg = t;
    g->collection = arena_str(&g->arena, t->op.collection);
    g->deadline_us = t->deadline_us;
    for (unsigned i = 0; i < rule->n_partitions && g->n_homes < GATE_HOMES_MAX; i++) {
        if (partition_fans_out(rule, &rule->partitions[i]))
            g->homes[g->n_homes++] = arena_str(&g->arena, topology->clusters[rule->partitions[i].clusters[0]].name);
    }
    t->gate = g;
    owner_open_gate(t->edge->shared->owner, g);
}

void
transaction_end_gate(struct transaction *t, enum gate_outcome outcome)
{
    struct gate *g = t->gate;

    if (!g) {
        if (t->edge->shared->owner && t->plan.shape == PLAN_SCHEMA)
            owner_forget(t->edge->shared->owner);
        return;
    }
    g->arg = NULL;
    g->outcome = outcome;
    if (t->is_gate_open)
        owner_end_gate(g);
    t->gate = NULL;
    t->is_gate_open = false;
}
