/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/readback.h"

#include "proxy/base/mem.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/record.h"
#include "proxy/sync/ship.h"

enum { READ_US = 5 * 1000 * 1000, AGAIN_US = 20 * 1000, TRIES_MAX = 100 };

struct readback {
    struct home *home;
    uint64_t lsn;
    struct mark_key *points;
    unsigned n, at, asked;
    struct ship_read *read;
    bool is_waiting; /* for the disk */
    unsigned n_tries;
    struct timer again;
    bool is_over; /* nobody waits for it any more */
    struct task release;
    readback_done_fn *on_done;
    void *arg;
};

static void read_next(void *arg);

static void
release(void *arg)
{
    struct readback *r = arg;

    timer_fini(&r->again);
    mem_free(r->points);
    mem_free(r);
}

static void
finish(struct readback *r, bool is_done)
{
    bool is_over = r->is_over;

    r->is_over = true;
    task_schedule(r->home->owner->loop, &r->release, release, r);
    if (!is_over)
        r->on_done(r->arg, is_done);
}

static void
on_durable(uint64_t lsn, int error, void *arg)
{
    struct readback *r = arg;

    r->is_waiting = false;
    if (r->is_over || error)
        finish(r, false);
    else if (r->at < r->n)
        read_next(r);
    else
        finish(r, true);
}

/* Bodies for those rows of one kind, by shard key. */
static void
put_rows(const struct state *s, enum state_kind kind, struct buf *out)
{
    enum state_write write = kind == STATE_PRESENT ? STATE_UPSERT : STATE_DELETE;
    bool is_taken[STATE_POINTS_MAX] = { false };
    unsigned rows[STATE_POINTS_MAX];

    for (unsigned i = 0; i < s->n; i++) {
        struct buf body = { 0 };
        unsigned n = 0;

        for (unsigned j = i; j < s->n; j++) {
            if (is_taken[j] || s->rows[j].kind != kind ||
                !str_eq(s->rows[j].point.shard_key, s->rows[i].point.shard_key))
                continue;
            is_taken[j] = true;
            rows[n++] = j;
        }
        if (n == 0)
            continue;
        state_put_write(s, write, rows, n, &body);
        record_put_state(write == STATE_UPSERT ? OP_UPSERT_POINTS : OP_DELETE_POINTS, buf_str(&body), out);
        buf_fini(&body);
    }
}

static void
on_read(void *arg, struct state *state, const struct outcome *why)
{
    struct readback *r = arg;
    struct journal *journal = r->home->owner->journal;
    struct buf bytes = { 0 };
    struct str part;
    unsigned n_read = 0;

    r->read = NULL;
    if (why->kind == OUTCOME_OK && !watch_trusts(r->home, state->connection_us) && r->n_tries++ < TRIES_MAX) {
        watch_soon(r->home); /* it may be another process, which lacks what is to be read */
        timer_set(&r->again, AGAIN_US);
        state_unref(state);
        return;
    }
    while (n_read < state->n && state->rows[n_read].kind != STATE_UNREAD)
        n_read++;
    if (why->kind == OUTCOME_OK && n_read == state->n && watch_trusts(r->home, state->connection_us)) {
        record_begin_state(&bytes);
        put_rows(state, STATE_PRESENT, &bytes);
        put_rows(state, STATE_ABSENT, &bytes);
        part = buf_str(&bytes);
        r->at += n_read;
        r->is_waiting = journal && journal_append(journal, RECORD_STATE, r->lsn, false, &part, 1, on_durable, r) != 0;
    }
    if (why->kind == OUTCOME_OK && n_read < state->n && r->asked > 1) {
        r->asked = r->asked / 2;
        read_next(r);
    } else if (!r->is_waiting) {
        finish(r, false);
    }
    buf_fini(&bytes);
    state_unref(state);
}

static void
read_next(void *arg)
{
    struct readback *r = arg;
    struct owner *o = r->home->owner;
    struct state_point points[STATE_POINTS_MAX];
    struct ship_read_spec spec = {
        .cluster = str_from(r->home->name),
        .collection = lexicon_name(o->collections, r->points[0].collection),
        .points = points,
        .n = r->n - r->at < r->asked ? r->n - r->at : r->asked,
        .timeout_us = READ_US,
    };

    for (unsigned i = 0; i < spec.n; i++) {
        points[i].id = r->points[r->at + i].point;
        points[i].shard_key = lexicon_name(o->shard_keys, r->points[r->at + i].shard_key);
    }
    r->read = ship_read_start(o->up, &spec, on_read, r);
}

struct readback *
readback_start(
    struct home *h, uint64_t lsn, const struct mark_key *points, unsigned n, readback_done_fn *on_done, void *arg)
{
    struct readback *r = MEM_NEW(struct readback);

    r->home = h;
    r->lsn = lsn;
    r->points = mem_array(n, sizeof(*points));
    memcpy(r->points, points, n * sizeof(*points));
    r->n = n;
    r->asked = STATE_POINTS_MAX;
    timer_init(&r->again, h->owner->loop, read_next, r);
    r->on_done = on_done;
    r->arg = arg;
    read_next(r);
    return r;
}

/* What waits for the disk is released when it answers. */
void
readback_cancel(struct readback **rp)
{
    struct readback *r = *rp;

    *rp = NULL;
    if (!r || r->is_over)
        return;
    ship_read_cancel(&r->read);
    timer_clear(&r->again);
    r->is_over = true;
    if (!r->is_waiting)
        task_schedule(r->home->owner->loop, &r->release, release, r);
}
