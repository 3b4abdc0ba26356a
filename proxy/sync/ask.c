/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/ask.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/group.h"

enum { TRIES_MAX = 3 };

struct ask {
    struct upstream *up;
    struct group group; /* of one */
    struct arena arena;
    struct message head;
    struct operation op;
    struct body body;
    struct str key;
    uint8_t candidate;
    int64_t connection_us;
    enum fail start_fail; /* failed inside ask_start(): told from the loop */
    struct task task;     /* tells start_fail, then frees */
    ask_done_fn *on_done;
    void *arg;
};

static struct leg_decision
decide(const struct leg_facts *f, bool may_repeat)
{
    bool is_harmless = f->sent_nothing && !f->sent_before;
    bool is_full = f->fail == FAIL_CLUSTER_BUSY || f->fail == FAIL_QUEUE_TIMEOUT;
    struct leg_decision d = { LEG_GIVE_UP, true };

    if (f->answer_began || !f->has_time || f->tries >= TRIES_MAX || is_full || !(may_repeat || is_harmless))
        return d;
    if (f->fail == FAIL_UPSTREAM_STALE)
        d.move = LEG_SAME_FRESH;
    else if (f->has_endpoint && f->fail != FAIL_UPSTREAM_UNAVAILABLE)
        d.move = LEG_NEXT_ENDPOINT;
    return d;
}

static struct leg_decision
decide_once(const struct leg_facts *f)
{
    return decide(f, false);
}

static struct leg_decision
decide_again(const struct leg_facts *f)
{
    return decide(f, true);
}

static void
release(void *arg)
{
    struct ask *ask = arg;

    group_fini(&ask->group);
    buf_fini(&ask->body.bytes);
    arena_fini(&ask->arena);
    mem_free(ask);
}

static void
tell(struct ask *ask, const struct ask_answer *answer)
{
    task_schedule(ask->up->loop, &ask->task, release, ask);
    ask->on_done(ask->arg, answer);
}

static void
on_group(void *arg, struct group *group)
{
    struct ask *ask = arg;
    struct group_part *part = &group->parts[0];
    struct ask_answer answer = {
        .fail = part->fail,
        .sent_nothing = !part->leg.sent_something,
        .is_too_long = part->is_too_long,
        .connection_us = ask->connection_us,
    };

    if (part->fail == FAIL_NONE) {
        answer.status = part->head->status;
        answer.head = part->head;
        answer.body = buf_str(&part->body);
        answer.bytes = &part->body;
        answer.request = &ask->body.bytes;
    }
    tell(ask, &answer);
}

static void
on_try(void *arg, const struct leg_try *t)
{
    struct ask *ask = arg;

    ask->connection_us = t->timing.connection_us;
}

static void
on_start_fail(void *arg)
{
    struct ask *ask = arg;
    struct ask_answer answer = { .fail = ask->start_fail, .sent_nothing = true };

    tell(ask, &answer);
}

static struct str
key_of(void *arg, unsigned cluster)
{
    const struct ask *ask = arg;

    return ask->key;
}

/* Of somebody else's request. What tells how its body was coded does not hold for this one. */
static void
add_fields(struct ask *ask, const struct message *from)
{
    for (unsigned i = 0; from && i < from->n_fields; i++) {
        struct field f = from->fields[i];
        bool is_of_body = f.id == FIELD_CONTENT_TYPE || f.id == FIELD_CONTENT_ENCODING || f.id == FIELD_ACCEPT_ENCODING;

        if (is_of_body || f.flags & (FIELD_FLAG_HOP | FIELD_FLAG_FRAME))
            continue;
        f.name = arena_str(&ask->arena, f.name);
        f.value = arena_str(&ask->arena, f.value);
        message_add_field(&ask->head, &f);
    }
}

static enum fail
prepare(struct ask *ask, const struct ask_spec *spec)
{
    int cluster = topology_find(ask->up->fleet->world->topology, spec->cluster);
    struct str target = arena_str(&ask->arena, spec->target);

    if (spec->body) {
        ask->body.bytes = *spec->body;
        *spec->body = (struct buf){ 0 };
    }
    ask->body.is_complete = true;
    if (cluster < 0)
        return FAIL_NO_HEALTHY_CLUSTER;
    ask->candidate = (uint8_t)cluster;
    ask->key = arena_str(&ask->arena, ask->up->fleet->world->topology->clusters[cluster].options.api_key);
    message_init(&ask->head, &ask->arena);
    ask->head.method = spec->method;
    ask->head.method_text = method_name(spec->method);
    ask->head.target = target;
    add_fields(ask, spec->fields);
    if (!message_find(&ask->head, FIELD_USER_AGENT))
        message_add_id(&ask->head, FIELD_USER_AGENT, STR("sextant-sync"));
    if (spec->body) {
        message_add_id(&ask->head, FIELD_CONTENT_TYPE, STR("application/json"));
        ask->head.framing = FRAMING_LENGTH;
        ask->head.content_length = buf_len(&ask->body.bytes);
    }
    return operation_parse(spec->method, target, &ask->arena, &ask->op);
}

static void
start_leg(struct ask *ask, const struct ask_spec *spec)
{
    struct leg_spec leg = {
        .op = &ask->op,
        .head = &ask->head,
        .body = &ask->body,
        .arena = &ask->arena,
        .candidates = &ask->candidate,
        .n_candidates = 1,
        .try_down = true,
        .is_pinned = spec->endpoint != 0,
        .endpoint = spec->endpoint,
        .deadline_us = loop_now_us(ask->up->loop) + spec->timeout_us,
        .policy = spec->may_repeat ? decide_again : decide_once,
        .credential = key_of,
        .credential_arg = ask,
    };

    group_start(&ask->group, 0, ask->up, ask->up->fleet, &leg);
}

struct ask *
ask_start(struct upstream *up, const struct ask_spec *spec, ask_done_fn *on_done, void *arg)
{
    struct ask *ask = MEM_NEW(struct ask);

    ask->up = up;
    ask->on_done = on_done;
    ask->arg = arg;
    group_init(&ask->group, 1, spec->limit ? spec->limit : ASK_LIMIT, on_group, on_try, ask);
    ask->start_fail = prepare(ask, spec);
    if (ask->start_fail == FAIL_NONE)
        start_leg(ask, spec);
    else
        task_schedule(up->loop, &ask->task, on_start_fail, ask);
    return ask;
}

void
ask_cancel(struct ask **ap)
{
    struct ask *ask = *ap;

    *ap = NULL;
    if (!ask)
        return;
    group_cancel(&ask->group);
    task_cancel(&ask->task);
    task_schedule(ask->up->loop, &ask->task, release, ask);
}
