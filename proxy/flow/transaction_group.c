/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that several clusters answer together: lists, merged; schema operations, compared.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/mem.h"
#include "proxy/flow/retry.h"
#include "proxy/http/coding.h"
#include "proxy/sync/schema.h"

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
        unsigned cluster = p->is_given ? t->plan.candidates[i] : leg_cluster(&p->leg);
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
    t->answering_cluster = (int)t->plan.candidates[first];
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
    if (verdict == SCHEMA_FAILED) {
        fail_schema(t, parts, g->n, index);
        return;
    }
    t->answering_cluster = (int)t->plan.candidates[index];
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

/* What is told of all homes together. */
static void
note_order(struct transaction *t, const struct order *o)
{
    struct str verdict = str_from(verdict_name(o->verdict));

    if (t->record.outcome.len == 0 || o->verdict == VERDICT_INDEFINITE ||
        (o->verdict == VERDICT_REJECTED && str_eq(t->record.outcome, STR("committed"))))
        t->record.outcome = verdict;
    if (o->done.len)
        t->record.done = arena_join(&t->arena, t->record.done, t->record.done.len ? STR(",") : STR_NONE, o->done);
    transaction_give_token(t, o);
}

static struct message *
copy_head(struct transaction *t, const struct message *from)
{
    struct message *m = ARENA_NEW(&t->arena, struct message);

    message_init(m, &t->arena);
    m->status = from->status;
    m->reason = from->reason;
    for (unsigned i = 0; i < from->n_fields; i++) {
        struct field f = from->fields[i];

        f.name = arena_str(&t->arena, f.name);
        f.value = arena_str(&t->arena, f.value);
        message_add_field(m, &f);
    }
    return m;
}

static void
on_order(struct order *o)
{
    struct order_part *part = o->arg;
    struct transaction *t = part ? part->transaction : NULL;
    struct message *head;

    if (t) {
        part->order = NULL;
        note_order(t, o);
        head = o->fail == FAIL_NONE ? copy_head(t, &o->answer) : NULL;
        group_give(&t->group, part->index, o->fail, head, buf_str(&o->answer_body));
    }
    order_free(o);
}

/* Part i of it: through the owner, where it is a home that fans out. */
static void
start_home(struct transaction *t, unsigned i, const struct leg_spec *spec)
{
    const struct partition *home = transaction_home(t, t->plan.candidates[i]);
    struct order_part *part = &t->order_parts[i];
    struct str error;
    enum fail fail;

    *part = (struct order_part){ .transaction = t, .index = i };
    if (!home) {
        start_part(t, &t->group, i, *spec, &t->plan.candidates[i], 1);
        return;
    }
    fail = transaction_order(t, home, &part->order, on_order, part, &error);
    if (fail != FAIL_NONE)
        group_give(&t->group, i, fail, NULL, STR_NONE);
}

/* --- one collection ---------------------------------------------------------------------------------------------- */

/* What is Sextant's in it is not shown. */
static void
on_info(void *arg, struct group *g)
{
    struct transaction *t = arg;
    struct part *parts = parts_of(t, g);
    struct buf body = { 0 };

    if (parts[0].fail != FAIL_NONE) {
        transaction_leg_failed(t, &g->parts[0].leg, parts[0].fail);
        return;
    }
    t->answering_cluster = (int)leg_cluster(&g->parts[0].leg);
    schema_put_shown(parts[0].body, &body);
    transaction_pass_whole(t, g->parts[0].head, buf_str(&body));
    buf_fini(&body);
}

void
transaction_info(struct transaction *t)
{
    struct leg_spec spec;

    t->phase = PHASE_RUN;
    if (t->plan.n_candidates == 0) {
        transaction_fail(t, FAIL_NO_HEALTHY_CLUSTER, t->plan.detail);
        return;
    }
    transaction_spec(t, &spec);
    drop_field(&t->upstream_head, FIELD_ACCEPT_ENCODING);
    t->upstream_head.framing = FRAMING_NONE;
    spec.body = &t->no_body;
    group_init(&t->group, 1, PART_BYTES, on_info, on_try, t);
    start_part(t, &t->group, 0, spec, spec.candidates, spec.n_candidates);
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
    t->order_parts = ARENA_ARRAY(&t->arena, n, struct order_part);
    for (unsigned i = 0; i < n; i++)
        start_home(t, i, &spec);
}
