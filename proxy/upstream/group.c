/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/group.h"

#include "proxy/base/mem.h"

static void
part_over(struct group_part *part, enum fail fail)
{
    struct group *g = part->group;

    part->fail = fail;
    if (fail != FAIL_NONE)
        part->head = NULL;
    if (--g->pending == 0)
        g->on_done(g->arg, g);
}

static void
on_head(void *arg, struct leg *leg, struct message *head)
{
    struct group_part *part = arg;

    part->head = head;
}

static void
on_body(void *arg, struct leg *leg, struct str piece)
{
    struct group_part *part = arg;

    if (buf_len(&part->body) + piece.len > part->group->limit) {
        leg_cancel(leg);
        part->is_too_long = true;
        part_over(part, FAIL_UPSTREAM_CUT);
        return;
    }
    buf_add(&part->body, piece);
}

static void
on_end(void *arg, struct leg *leg)
{
    part_over(arg, FAIL_NONE);
}

static void
on_fail(void *arg, struct leg *leg, enum fail fail)
{
    part_over(arg, fail);
}

static void
on_room(void *arg, struct leg *leg)
{
}

static void
on_try(void *arg, struct leg *leg, const struct leg_try *t)
{
    struct group_part *part = arg;

    part->group->on_try(part->group->arg, t);
}

static const struct leg_events events = { on_head, on_body, on_end, on_fail, on_fail, on_room, on_try };

void
group_init(struct group *g, unsigned n, size_t limit, group_done_fn *on_done, group_try_fn *on_try_fn, void *arg)
{
    *g = (struct group){ .n = n, .pending = n, .limit = limit, .on_done = on_done, .on_try = on_try_fn, .arg = arg };
    g->parts = mem_array(n, sizeof(*g->parts));
}

void
group_give(struct group *g, unsigned i, enum fail fail, struct message *head, struct str body)
{
    struct group_part *part = &g->parts[i];

    part->group = g;
    part->is_given = true;
    part->head = head;
    buf_add(&part->body, body);
    part_over(part, fail);
}

void
group_start(struct group *g, unsigned i, struct upstream *up, struct fleet *fleet, const struct leg_spec *spec)
{
    struct leg_spec own = *spec;

    own.hold_bytes = g->limit;
    g->parts[i].group = g;
    leg_start(&g->parts[i].leg, up, fleet, &own, &events, &g->parts[i]);
}

void
group_cancel(struct group *g)
{
    for (unsigned i = 0; i < g->n; i++)
        leg_cancel(&g->parts[i].leg);
}

void
group_fini(struct group *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        leg_fini(&g->parts[i].leg);
        buf_fini(&g->parts[i].body);
    }
    mem_free(g->parts);
    *g = (struct group){ 0 };
}
