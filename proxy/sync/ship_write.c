/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/ship.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/ask.h"

/* SLACK_US: an answer that is late by so much more than the time that Qdrant was given does not come. */
enum { SLACK_US = 3 * 1000 * 1000 };

struct step { /* a part under way */
    struct ship_write *write;
    enum state_write kind;
    unsigned at, n;      /* rows of it in `order` */
    bool may_land_later; /* of what was sent for it before */
    struct ask *ask;
    size_t body_bytes, bytes; /* of the request under way; of all that may have reached the target */
    struct outcome outcome;
};

struct ordered {
    enum state_write kind;
    struct str key;
    unsigned given, row;
};

struct ship_write {
    struct upstream *up;
    struct state *state;
    struct str cluster, path;
    unsigned max_points;
    uint64_t timeout_s;
    bool is_spread;
    unsigned order[STATE_POINTS_MAX], n; /* rows, those of one part together */
    struct step steps[STATE_POINTS_MAX];
    unsigned n_steps, pending;
    struct arena arena;
    struct task release;
    ship_write_done_fn *on_done;
    void *arg;
};

static void
release(void *arg)
{
    struct ship_write *w = arg;

    for (unsigned i = 0; i < w->n_steps; i++) {
        ask_cancel(&w->steps[i].ask);
        outcome_fini(&w->steps[i].outcome);
    }
    state_unref(w->state);
    arena_fini(&w->arena);
    mem_free(w);
}

static void
finish(struct ship_write *w)
{
    struct ship_part parts[STATE_POINTS_MAX];

    for (unsigned i = 0; i < w->n_steps; i++) {
        const struct step *s = &w->steps[i];

        parts[i] = (struct ship_part){ .outcome = s->outcome, .rows = &w->order[s->at], .n = s->n, .bytes = s->bytes };
        parts[i].outcome.may_land_later |= s->may_land_later;
    }
    task_schedule(w->up->loop, &w->release, release, w);
    w->on_done(w->arg, parts, w->n_steps);
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct ask_answer *answer);

static void
send_step(struct step *s)
{
    static const struct {
        enum method method;
        const char *path;
    } routes[] = {
        [STATE_UPSERT] = { METHOD_PUT, "" },
        [STATE_PAYLOAD] = { METHOD_POST, "/batch" },
        [STATE_DELETE] = { METHOD_POST, "/delete" },
    };
    struct ship_write *w = s->write;
    struct buf body = { 0 };
    struct ask_spec spec = {
        .cluster = w->cluster,
        .method = routes[s->kind].method,
        .target = arena_printf(&w->arena, STR_FMT "%s?wait=true&timeout=%llu", STR_ARG(w->path), routes[s->kind].path,
            (unsigned long long)w->timeout_s),
        .body = &body,
        .timeout_us = (int64_t)w->timeout_s * USEC_PER_SEC + SLACK_US,
    };

    state_put_write(w->state, s->kind, &w->order[s->at], s->n, &body);
    s->body_bytes = buf_len(&body);
    s->ask = ask_start(w->up, &spec, on_answer, s);
    w->pending++;
}

/* How many of the n rows from `at` on, all of one kind and shard key, go in one request. */
static unsigned
fitting(const struct ship_write *w, enum state_write kind, unsigned at, unsigned n)
{
    size_t bytes = state_write_bytes(w->state, kind, w->order[at]);
    unsigned fits = 1;

    for (; fits < n && fits < w->max_points; fits++) {
        bytes += state_write_bytes(w->state, kind, w->order[at + fits]);
        if (bytes > SHIP_WRITE_BYTES)
            break;
    }
    return fits;
}

static void
send_rows(struct ship_write *w, enum state_write kind, unsigned at, unsigned n, bool may_land_later)
{
    while (n) {
        struct step *s = &w->steps[w->n_steps++];

        *s = (struct step){ .write = w, .kind = kind, .at = at, .may_land_later = may_land_later };
        s->n = fitting(w, kind, at, n);
        send_step(s);
        at += s->n;
        n -= s->n;
    }
}

/* The target lacks a point of which only the payload was to be written: all of these go whole. The step itself becomes the
 * first of those that it takes. */
static void
send_whole(struct step *s)
{
    struct ship_write *w = s->write;
    unsigned at = s->at, n = s->n;
    bool may_land_later = s->may_land_later || s->outcome.may_land_later;

    outcome_fini(&s->outcome);
    *s = (struct step){
        .write = w, .kind = STATE_UPSERT, .at = at, .may_land_later = may_land_later, .bytes = s->bytes
    };
    s->n = fitting(w, STATE_UPSERT, at, n);
    send_step(s);
    send_rows(w, STATE_UPSERT, at + s->n, n - s->n, may_land_later);
}

static void
on_answer(void *arg, const struct ask_answer *answer)
{
    struct step *s = arg;
    struct ship_write *w = s->write;
    struct outcome_facts facts = {
        .fail = answer->fail, .sent_nothing = answer->sent_nothing, .status = answer->status
    };

    s->ask = NULL;
    if (!answer->sent_nothing)
        s->bytes += s->body_bytes;
    if (answer->fail == FAIL_NONE) {
        facts.body = answer->body;
        facts.retry_after = message_value(answer->head, FIELD_RETRY_AFTER);
    }
    outcome_of_write(&facts, s->kind == STATE_PAYLOAD ? s->n : 0, w->is_spread, &s->outcome);
    if (s->kind == STATE_PAYLOAD && s->outcome.kind == OUTCOME_REFUSED && s->outcome.status == 404)
        send_whole(s);
    if (--w->pending == 0)
        finish(w);
}

/* --- dividing ---------------------------------------------------------------------------------------------------- */

static int
compare_ordered(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    int by_key;

    if (x->kind != y->kind)
        return (int)x->kind - (int)y->kind;
    by_key = str_compare(&x->key, &y->key);
    if (by_key)
        return by_key;
    return x->given < y->given ? -1 : x->given > y->given;
}

static struct ordered
ordered_of(const struct ship_write_spec *spec, unsigned i)
{
    const struct state_row *row = &spec->state->rows[spec->rows[i]];
    struct ordered o = { .kind = STATE_UPSERT, .key = row->point.shard_key, .given = i, .row = spec->rows[i] };

    assert(spec->rows[i] < spec->state->n && row->kind != STATE_UNREAD);
    if (row->kind == STATE_ABSENT)
        o.kind = STATE_DELETE;
    else if (spec->payload_only && spec->payload_only[i])
        o.kind = STATE_PAYLOAD;
    return o;
}

static void
start_steps(struct ship_write *w, const struct ship_write_spec *spec)
{
    struct ordered all[STATE_POINTS_MAX] = { { .given = 0 } };

    for (unsigned i = 0; i < w->n; i++)
        all[i] = ordered_of(spec, i);
    qsort(all, w->n, sizeof(all[0]), compare_ordered);
    for (unsigned i = 0; i < w->n; i++)
        w->order[i] = all[i].row;
    for (unsigned i = 0, n; i < w->n; i += n) {
        for (n = 1; i + n < w->n && all[i + n].kind == all[i].kind && str_eq(all[i + n].key, all[i].key);)
            n++;
        send_rows(w, all[i].kind, i, n, false);
    }
}

struct ship_write *
ship_write_start(struct upstream *up, const struct ship_write_spec *spec, ship_write_done_fn *on_done, void *arg)
{
    struct ship_write *w = MEM_NEW(struct ship_write);
    int64_t seconds = spec->timeout_us / USEC_PER_SEC;

    assert(spec->n > 0 && spec->n <= STATE_POINTS_MAX);
    w->up = up;
    w->state = state_ref(spec->state);
    w->cluster = arena_str(&w->arena, spec->cluster);
    w->path = arena_printf(
        &w->arena, "/collections/" STR_FMT "/points", STR_ARG(path_encode(spec->collection, &w->arena)));
    w->max_points = spec->max_points && spec->max_points < STATE_POINTS_MAX ? spec->max_points : STATE_POINTS_MAX;
    w->timeout_s = seconds > 1 ? (uint64_t)seconds : 1;
    w->is_spread = spec->is_spread;
    w->n = spec->n;
    w->on_done = on_done;
    w->arg = arg;
    start_steps(w, spec);
    return w;
}

void
ship_write_cancel(struct ship_write **wp)
{
    struct ship_write *w = *wp;

    *wp = NULL;
    if (!w)
        return;
    for (unsigned i = 0; i < w->n_steps; i++)
        ask_cancel(&w->steps[i].ask);
    task_schedule(w->up->loop, &w->release, release, w);
}
