/* SPDX-License-Identifier: Apache-2.0
 *
 * A write of a partition that fans out: its points are found here, in the worker; then the owner of its home has it, and
 * brings it back with the answer in it. A client that leaves changes nothing but that nobody hears of that.
 */
#include <assert.h>

#include "proxy/flow/transaction_impl.h"
#include "proxy/http/coding.h"

#define UNBOUNDED_US (INT64_C(24) * 3600 * 1000 * 1000) /* the building of an index */

bool
transaction_fans_out(const struct transaction *t)
{
    return t->plan.shape == PLAN_FORWARD && t->op.info->kind == OP_WRITE && t->plan.rule &&
           partition_fans_out(t->plan.rule, t->plan.partition);
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

static void
answer(struct transaction *t, struct order *o)
{
    int home = topology_find(t->fleet->world->topology, o->home);

    t->answering_cluster = home;
    t->record.n_tries = o->tries;
    if (o->sent_us)
        t->record.sent_us = o->sent_us - t->started_us;
    if (o->first_byte_us)
        t->record.first_byte_us = o->first_byte_us - t->started_us;
    t->record.outcome = str_from(verdict_name(o->verdict));
    t->record.done = arena_str(&t->arena, o->done);
    t->record.lsn = o->lsn;
    transaction_give_token(t, o);
    if (o->fail == FAIL_NONE) {
        transaction_pass_whole(t, &o->answer, buf_str(&o->answer_body));
        return;
    }
    t->retry_after_s = o->retry_after_s;
    transaction_fail(t, o->fail, o->detail);
}

/* The transaction's arena holds no copy of what the order's does: it is over when this returns, and so is the answer's
 * writing, which copies. */
static void
on_done(struct order *o)
{
    struct transaction *t = o->arg;

    if (t) {
        t->order = NULL;
        answer(t, o);
    }
    order_free(o);
}

/* --- the order --------------------------------------------------------------------------------------------------- */

static unsigned
needed_copies(const struct rule *rule, unsigned n_copies)
{
    switch (rule->fanout) {
    case FANOUT_NONE:
    case FANOUT_ASYNC:
        return 0;
    case FANOUT_QUORUM: /* a majority of home and copies has it: home, and so many copies */
        return (n_copies + 1) / 2;
    case FANOUT_ALL:
        return n_copies;
    }
    return n_copies;
}

static void
copy_fields(struct order *o, const struct message *from)
{
    for (unsigned i = 0; i < from->n_fields; i++) {
        struct field f = from->fields[i];

        f.name = arena_str(&o->arena, f.name);
        f.value = arena_str(&o->arena, f.value);
        message_add_field(&o->fields, &f);
    }
}

static void
copy_operation(struct order *o, const struct operation *op)
{
    o->op = *op;
    o->op.path = arena_str(&o->arena, op->path);
    o->op.query = arena_str(&o->arena, op->query);
    o->op.collection = arena_str(&o->arena, op->collection);
}

static void
name_clusters(const struct transaction *t, const struct partition *part, struct order *o)
{
    const struct topology *topology = t->fleet->world->topology;

    o->partition = arena_str(&o->arena, part->name);
    o->home = arena_str(&o->arena, topology->clusters[part->clusters[0]].name);
    for (unsigned i = 1; i < part->n_clusters; i++)
        o->copies[o->n_copies++] = arena_str(&o->arena, topology->clusters[part->clusters[i]].name);
    o->n_needed = needed_copies(t->plan.rule, o->n_copies);
}

/* As Qdrant will read it. A write of points has one order, which may have the transaction's own. */
static enum fail
take_body(struct transaction *t, struct order *o)
{
    struct str coding = message_value(&t->request, FIELD_CONTENT_ENCODING);
    size_t limit = t->body_limit ? t->body_limit : SIZE_MAX;

    if (coding.len || o->op.info->kind == OP_SCHEMA || buf_len(&t->body.bytes) > limit)
        return coding_decode(coding, buf_str(&t->body.bytes), limit, &o->body);
    o->body = t->body.bytes;
    t->body.bytes = (struct buf){ 0 };
    return FAIL_NONE;
}

/* The body, and the points in it. */
static enum fail
read_body(struct transaction *t, struct order *o, struct str *ret_error)
{
    enum fail fail = take_body(t, o);

    if (o->op.info->kind == OP_SCHEMA) { /* home judges what it is asked */
        struct str ignored;

        if (touch_query_of(o->op.query, &o->arena, &o->query, &ignored) != FAIL_NONE)
            o->query.waiting = STR("wait=true");
        return fail;
    }
    if (fail == FAIL_NONE)
        fail = touch_query_of(o->op.query, &o->arena, &o->query, ret_error);
    if (fail == FAIL_NONE)
        fail = touch_of(o->op.id, buf_str(&o->body), &o->arena, &o->touch, ret_error);
    return fail;
}

enum fail
transaction_order(struct transaction *t, const struct partition *part, struct order **at,
    void (*on_over)(struct order *o), void *arg, struct str *ret_error)
{
    struct order *o = order_new();
    struct str error = STR_NONE;
    struct leg_spec spec;
    enum fail fail;

    assert(t->body.is_complete && !*at);
    t->phase = PHASE_RUN;
    copy_operation(o, &t->op);
    fail = t->edge->shared->owner ? read_body(t, o, &error) : FAIL_NOT_OWNER;
    if (fail != FAIL_NONE) {
        *ret_error = arena_str(&t->arena, error);
        order_free(o);
        return fail;
    }
    transaction_spec(t, &spec);
    copy_fields(o, &t->upstream_head);
    name_clusters(t, part, o);
    o->loop = t->edge->loop;
    o->on_done = on_over;
    o->arg = arg;
    o->began_us = t->started_us;
    o->deadline_us = spec.deadline_us ? spec.deadline_us : t->started_us + UNBOUNDED_US;
    *at = o;
    owner_submit(t->edge->shared->owner, o);
    return FAIL_NONE;
}

static void
order_one(struct transaction *t, const struct partition *part)
{
    struct str error = STR_NONE;
    enum fail fail = transaction_order(t, part, &t->order, on_done, t, &error);

    if (fail != FAIL_NONE)
        transaction_fail(t, fail, error);
}

void
transaction_fanout(struct transaction *t)
{
    order_one(t, t->plan.partition);
}

/* --- changes of schema ------------------------------------------------------------------------------------------- */

const struct partition *
transaction_home(const struct transaction *t, unsigned cluster)
{
    const struct rule *rule = t->plan.rule;

    for (unsigned i = 0; rule && i < rule->n_partitions; i++) {
        if (partition_fans_out(rule, &rule->partitions[i]) && rule->partitions[i].clusters[0] == cluster)
            return &rule->partitions[i];
    }
    return NULL;
}

bool
transaction_changes_homes(const struct transaction *t)
{
    for (unsigned i = 0; t->plan.shape == PLAN_SCHEMA && i < t->plan.n_candidates; i++) {
        if (transaction_home(t, t->plan.candidates[i]))
            return true;
    }
    return false;
}

void
transaction_change(struct transaction *t)
{
    order_one(t, transaction_home(t, t->plan.candidates[0]));
}

void
transaction_fanout_detach(struct transaction *t)
{
    if (t->order)
        t->order->arg = NULL;
    t->order = NULL;
    for (unsigned i = 0; t->order_parts && i < t->plan.n_candidates; i++) {
        if (t->order_parts[i].order)
            t->order_parts[i].order->arg = NULL;
        t->order_parts[i].order = NULL;
    }
}
