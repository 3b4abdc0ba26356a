/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that several clusters answer together: lists, merged; schema operations, compared.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/mem.h"
#include "proxy/flow/retry.h"
#include "proxy/http/coding.h"

enum { PART_BYTES = 32 << 20 };

static void
on_try(void *arg, const struct leg_try *try)
{
    transaction_note_try(arg, try);
}

/* Parts are read here, so they come uncoded. */
static void
drop_field(struct message *m, enum field_id id)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < m->n_fields; i++) {
        if (m->fields[i].id != id)
            m->fields[kept++] = m->fields[i];
    }
    m->n_fields = kept;
}

/* Answers as merging wants them. A coded one, though none was asked for, is decoded. */
static struct part *
parts_of(struct transaction *t, struct group *g)
{
    struct part *parts = ARENA_ARRAY(&t->arena, g->n, struct part);

    for (unsigned i = 0; i < g->n; i++) {
        struct group_part *p = &g->parts[i];
        unsigned cluster = leg_cluster(&p->leg);
        struct buf decoded = { 0 };

        parts[i].cluster = str_from(t->fleet->clusters[cluster].cluster->name);
        parts[i].fail = p->fail;
        if (!p->head)
            continue;
        parts[i].status = p->head->status;
        parts[i].content_type = message_value(p->head, FIELD_CONTENT_TYPE);
        if (message_find(p->head, FIELD_CONTENT_ENCODING)) {
            if (coding_decode(message_value(p->head, FIELD_CONTENT_ENCODING), buf_str(&p->body), PART_BYTES, &decoded))
                parts[i].fail = FAIL_UPSTREAM_PROTOCOL;
            drop_field(p->head, FIELD_CONTENT_ENCODING);
            buf_clear(&p->body);
            buf_add(&p->body, buf_str(&decoded));
            buf_fini(&decoded);
        }
        parts[i].body = buf_str(&p->body);
    }
    return parts;
}

static void
start_part(
    struct transaction *t, struct group *g, unsigned i, struct leg_spec spec, const uint8_t *candidates, unsigned n)
{
    spec.candidates = candidates;
    spec.n_candidates = n;
    group_start(g, i, t->edge->up, t->fleet, &spec);
}

/* --- lists ------------------------------------------------------------------------------------------------------- */

static bool
keeps(void *arg, struct str collection, unsigned part)
{
    const struct transaction *t = arg;

    return plan_list_keeps(t->fleet->world, &t->caller, &t->plan, part, collection) &&
           !fleet_alias_crosses(t->fleet, collection);
}

/* A part that failed, or said something else than a list: its answer if it is one for the client, else 503. */
static void
fail_list(struct transaction *t, const struct part *parts, unsigned bad)
{
    struct message *head = t->group.parts[bad].head;

    if (parts[bad].fail == FAIL_NONE && head && head->status >= 400 && head->status < 500) {
        t->answering_cluster = (int)leg_cluster(&t->group.parts[bad].leg);
        transaction_pass_whole(t, head, parts[bad].body);
        return;
    }
    transaction_fail(t, FAIL_LIST_INCOMPLETE, arena_printf(&t->arena, "cluster " STR_FMT, STR_ARG(parts[bad].cluster)));
}

static void
on_lists(void *arg, struct group *g)
{
    struct transaction *t = arg;
    struct part *parts = parts_of(t, g);
    struct buf body = { 0 };
    unsigned bad = 0;
    double seconds = (double)(loop_now_us(t->edge->loop) - t->started_us) / 1e6;

    if (merge_lists(t->op.id, parts, g->n, keeps, t, seconds, &body, &bad)) {
        if (g->n == 1)
            t->answering_cluster = (int)leg_cluster(&g->parts[0].leg);
        transaction_answer(t, 200, STR("application/json"), buf_str(&body));
    } else {
        fail_list(t, parts, bad);
    }
    buf_fini(&body);
}

void
transaction_lists(struct transaction *t)
{
    struct leg_spec spec;

    t->phase = PHASE_RUN;
    if (t->plan.n_parts == 0) {
        struct buf body = { 0 };
        unsigned bad;

        merge_lists(t->op.id, NULL, 0, keeps, t, 0, &body, &bad);
        transaction_answer(t, 200, STR("application/json"), buf_str(&body));
        buf_fini(&body);
        return;
    }
    transaction_spec(t, &spec);
    drop_field(&t->upstream_head, FIELD_ACCEPT_ENCODING);
    /* A list is asked for without a body. One that a client sends all the same is dropped. */
    t->upstream_head.framing = FRAMING_NONE;
    spec.body = &t->no_body;
    spec.may_move = true;
    spec.is_pinned = false;
    spec.try_down = true;
    group_init(&t->group, t->plan.n_parts, PART_BYTES, on_lists, on_try, t);
    for (unsigned i = 0; i < t->plan.n_parts; i++)
        start_part(t, &t->group, i, spec, t->plan.parts[i].candidates, t->plan.parts[i].n_candidates);
}

/* --- schema ------------------------------------------------------------------------------------------------------ */

static void
fail_schema(struct transaction *t, const struct part *parts, unsigned n, unsigned first)
{
    struct buf outcomes = { 0 };
    struct str detail;

    merge_outcomes(parts, n, &outcomes);
    detail = arena_str(&t->arena, buf_str(&outcomes));
    buf_fini(&outcomes);
    t->answering_cluster = (int)leg_cluster(&t->group.parts[first].leg);
    transaction_fail(t, FAIL_SCHEMA_INCOMPLETE, detail);
}

static void on_configs(void *arg, struct group *g);

static void
fetch_configs(struct transaction *t)
{
    struct leg_spec spec;
    unsigned n = t->plan.n_candidates;

    transaction_spec(t, &spec);
    t->configs_head = t->upstream_head;
    t->configs_head.method = METHOD_GET;
    t->configs_head.method_text = STR("GET");
    t->configs_head.target = t->op.path;
    t->configs_head.framing = FRAMING_NONE;
    drop_field(&t->configs_head, FIELD_ACCEPT_ENCODING);
    drop_field(&t->configs_head, FIELD_CONTENT_ENCODING);
    operation_parse(METHOD_GET, t->op.path, &t->arena, &t->configs_op);
    spec.head = &t->configs_head;
    spec.op = &t->configs_op;
    spec.body = &t->no_body;
    spec.may_move = false;
    group_init(&t->configs, n, PART_BYTES, on_configs, on_try, t);
    for (unsigned i = 0; i < n; i++)
        start_part(t, &t->configs, i, spec, &t->plan.candidates[i], 1);
}

/* Did every cluster say what it did? */
static enum gate_outcome
gate_outcome(const struct transaction *t, const struct part *parts, unsigned n, enum schema_verdict verdict)
{
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].fail != FAIL_NONE || parts[i].status >= 500 || parts[i].status == 408)
            return GATE_UNKNOWN;
    }
    return t->op.id == OP_DELETE_COLLECTION && verdict != SCHEMA_FAILED ? GATE_GONE : GATE_UNCHANGED;
}

static void
conclude_schema(struct transaction *t, const struct part *configs)
{
    struct group *g = &t->group;
    struct part *parts = parts_of(t, g);
    unsigned index = 0;
    bool needs_configs = false;
    enum schema_verdict verdict = merge_schema(&t->op, parts, g->n, configs, &index, &needs_configs);

    if (needs_configs && !configs) {
        fetch_configs(t);
        return;
    }
    transaction_end_gate(t, gate_outcome(t, parts, g->n, verdict));
    if (verdict == SCHEMA_FAILED) {
        fail_schema(t, parts, g->n, index);
        return;
    }
    t->answering_cluster = (int)leg_cluster(&g->parts[index].leg);
    transaction_pass_whole(t, g->parts[index].head, parts[index].body);
}

static void
on_configs(void *arg, struct group *g)
{
    struct transaction *t = arg;

    conclude_schema(t, parts_of(t, g));
}

static void
on_schema(void *arg, struct group *g)
{
    conclude_schema(arg, NULL);
}

void
transaction_schema(struct transaction *t)
{
    struct leg_spec spec;
    unsigned n = t->plan.n_candidates;

    t->phase = PHASE_RUN;
    if (n == 0) {
        transaction_fail(t, FAIL_NO_HEALTHY_CLUSTER, t->plan.detail);
        return;
    }
    transaction_spec(t, &spec);
    drop_field(&t->upstream_head, FIELD_ACCEPT_ENCODING);
    spec.may_move = false;
    spec.try_down = true;
    group_init(&t->group, n, PART_BYTES, on_schema, on_try, t);
    for (unsigned i = 0; i < n; i++)
        start_part(t, &t->group, i, spec, &t->plan.candidates[i], 1);
}
