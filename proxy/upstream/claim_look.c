/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/claim_look.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/group.h"

enum { ANSWER_BYTES = 64 << 10 };

struct claim_look {
    struct upstream *up;
    struct fleet *fleet; /* a reference */
    uint8_t cluster;
    struct group group; /* of one */
    struct arena arena;
    struct message head;
    struct operation op;
    struct body no_body;
    struct task release;
    claim_look_fn *on_done;
    void *arg;
};

static void
free_look(void *arg)
{
    struct claim_look *l = arg;

    group_fini(&l->group);
    arena_fini(&l->arena);
    fleet_unref(l->fleet);
    mem_free(l);
}

static void
on_try(void *arg, const struct leg_try *t)
{
}

static void
on_group(void *arg, struct group *group)
{
    struct claim_look *l = arg;
    const struct group_part *p = &group->parts[0];
    int status = p->head && p->head->status < 500 ? p->head->status : 0;

    task_schedule(l->up->loop, &l->release, free_look, l);
    l->on_done(l->arg, l->fleet, l->cluster, status, buf_str(&p->body));
}

struct claim_look *
claim_look_start(
    struct upstream *up, struct fleet *fleet, unsigned cluster, int64_t timeout_us, claim_look_fn *on_done, void *arg)
{
    struct claim_look *l = MEM_NEW(struct claim_look);

    l->up = up;
    l->fleet = fleet_ref(fleet);
    l->cluster = (uint8_t)cluster;
    l->on_done = on_done;
    l->arg = arg;
    l->no_body.is_complete = true;
    message_init(&l->head, &l->arena);
    l->head.method = METHOD_GET;
    l->head.method_text = STR("GET");
    l->head.target = STR(CLAIM_TARGET);
    message_add(&l->head, STR("user-agent"), STR("sextant-probe"));
    operation_parse(METHOD_GET, l->head.target, &l->arena, &l->op);
    group_init(&l->group, 1, ANSWER_BYTES, on_group, on_try, l);
    struct leg_spec spec = {
        .op = &l->op,
        .head = &l->head,
        .body = &l->no_body,
        .arena = &l->arena,
        .candidates = &l->cluster,
        .n_candidates = 1,
        .try_down = true,
        .deadline_us = loop_now_us(up->loop) + timeout_us,
        .deadline_is_clients = true,
        .policy = leg_never_again,
        .credential = leg_fleet_key,
        .credential_arg = fleet,
    };
    group_start(&l->group, 0, up, fleet, &spec);
    return l;
}

void
claim_look_cancel(struct claim_look **lp)
{
    struct claim_look *l = *lp;

    *lp = NULL;
    if (!l)
        return;
    group_cancel(&l->group);
    task_schedule(l->up->loop, &l->release, free_look, l);
}
