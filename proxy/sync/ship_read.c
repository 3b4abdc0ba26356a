/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/ship.h"

#include <assert.h>

#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/ask.h"

struct ship_read {
    struct upstream *up;
    struct state *state;
    struct str cluster, target;
    int64_t timeout_us;
    unsigned order[STATE_POINTS_MAX]; /* rows to be read, those of one shard key together */
    unsigned n;
    unsigned at;    /* what comes before was read */
    unsigned asked; /* how many are asked for now */
    unsigned chunk; /* how many may be, as answers have been too long */
    struct ask *ask;
    struct arena arena;
    struct task release;
    ship_read_done_fn *on_done;
    void *arg;
};

static struct str
key_at(const struct ship_read *r, unsigned at)
{
    return r->state->rows[r->order[at]].point.shard_key;
}

/* In the order given but for shard keys, of which there is one, mostly. */
static void
order_rows(struct ship_read *r)
{
    unsigned n = 0;
    bool is_taken[STATE_POINTS_MAX] = { false };

    for (unsigned i = 0; i < r->state->n; i++)
        is_taken[i] = r->state->rows[i].kind != STATE_UNREAD;
    for (unsigned i = 0; i < r->state->n; i++) {
        for (unsigned j = i; j < r->state->n && !is_taken[i]; j++) {
            if (is_taken[j] || !str_eq(r->state->rows[j].point.shard_key, r->state->rows[i].point.shard_key))
                continue;
            is_taken[j] = j != i;
            r->order[n++] = j;
        }
        is_taken[i] = true;
    }
    assert(n > 0);
    r->n = n;
}

static void
release(void *arg)
{
    struct ship_read *r = arg;

    ask_cancel(&r->ask);
    state_unref(r->state);
    arena_fini(&r->arena);
    mem_free(r);
}

static void
finish(struct ship_read *r, struct outcome *why)
{
    struct state *state = r->state;

    r->state = NULL;
    task_schedule(r->up->loop, &r->release, release, r);
    r->on_done(r->arg, state, why);
    outcome_fini(why);
}

static void on_answer(void *arg, const struct ask_answer *answer);

static void
ask_next(struct ship_read *r)
{
    struct buf body = { 0 };
    struct ask_spec spec = {
        .cluster = r->cluster,
        .method = METHOD_POST,
        .target = r->target,
        .body = &body,
        .timeout_us = r->timeout_us,
        .may_repeat = true,
    };

    for (r->asked = 1; r->asked < r->chunk && r->at + r->asked < r->n; r->asked++) {
        if (!str_eq(key_at(r, r->at + r->asked), key_at(r, r->at)))
            break;
    }
    spec.limit = r->asked == 1 ? SHIP_READ_ONE_BYTES : SHIP_READ_BYTES;
    state_put_read(r->state, &r->order[r->at], r->asked, &body);
    r->ask = ask_start(r->up, &spec, on_answer, r);
}

static void
on_too_long(struct ship_read *r)
{
    struct outcome why = { .kind = OUTCOME_REFUSED };

    if (r->asked > 1) {
        r->chunk = r->asked / 2;
        ask_next(r);
        return;
    }
    buf_printf(&why.text, "the point ");
    point_put_json(&r->state->rows[r->order[r->at]].point.id, &why.text);
    buf_printf(&why.text, " is larger than %d MiB", SHIP_READ_ONE_BYTES >> 20);
    finish(r, &why);
}

static void
take_body(struct ship_read *r, struct buf *body, struct outcome *why)
{
    struct buf error = { 0 };

    if (!state_take_answer(r->state, &r->order[r->at], r->asked, body, &error))
        outcome_distrust(why, buf_str(&error));
    buf_fini(&error);
}

static void
on_answer(void *arg, const struct ask_answer *answer)
{
    struct ship_read *r = arg;
    struct outcome_facts facts = {
        .fail = answer->fail, .sent_nothing = answer->sent_nothing, .status = answer->status
    };
    struct outcome why;

    r->ask = NULL;
    if (answer->is_too_long) {
        on_too_long(r);
        return;
    }
    if (answer->fail == FAIL_NONE) {
        facts.body = answer->body;
        facts.retry_after = message_value(answer->head, FIELD_RETRY_AFTER);
    }
    if (answer->connection_us > r->state->connection_us)
        r->state->connection_us = answer->connection_us;
    outcome_of_read(&facts, &why);
    if (why.kind == OUTCOME_OK)
        take_body(r, answer->bytes, &why);
    r->at += why.kind == OUTCOME_OK ? r->asked : 0;
    if (why.kind != OUTCOME_OK || r->at == r->n || r->state->bytes >= SHIP_READ_BYTES)
        finish(r, &why);
    else
        ask_next(r);
}

struct ship_read *
ship_read_start(struct upstream *up, const struct ship_read_spec *spec, ship_read_done_fn *on_done, void *arg)
{
    struct ship_read *r = MEM_NEW(struct ship_read);

    assert(spec->n > 0);
    r->up = up;
    r->state = spec->state ? spec->state : state_new(spec->points, spec->n);
    r->cluster = arena_str(&r->arena, spec->cluster);
    r->target = arena_printf(
        &r->arena, "/collections/" STR_FMT "/points", STR_ARG(path_encode(spec->collection, &r->arena)));
    r->timeout_us = spec->timeout_us;
    r->chunk = spec->n;
    r->on_done = on_done;
    r->arg = arg;
    order_rows(r);
    ask_next(r);
    return r;
}

void
ship_read_cancel(struct ship_read **rp)
{
    struct ship_read *r = *rp;

    *rp = NULL;
    if (!r)
        return;
    ask_cancel(&r->ask);
    task_schedule(r->up->loop, &r->release, release, r);
}
