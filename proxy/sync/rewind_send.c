/* SPDX-License-Identifier: Apache-2.0
 *
 * What is sent again: every write of the span that was not refused and not recorded before its collection was deleted; those that
 * still wait to be sent go out afterwards by themselves. A write whose points were read back is replaced by what they were then.
 * Of one point one record is at home at a time, in the order of LSNs (a ledger of its own).
 */
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/route/path.h"
#include "proxy/sync/ask.h"
#include "proxy/sync/redo.h"
#include "proxy/sync/rewind_impl.h"

enum { REDOS_MAX = 16, PAUSE_US = 250 * 1000 };

struct redo { /* one write on its way */
    TAILQ_ENTRY(redo) entry;
    struct rewind *rewind;
    struct arena arena;
    struct redo_piece *pieces;
    unsigned n_pieces, at;
    struct str target_of, query; /* the collection; what is asked besides */
    struct mark_key *points;
    struct ledger_write write;
    struct ask *ask;
    struct timer again;
    bool is_spread, is_done, may_land; /* the last: what was sent may come later */
};

static void send_piece(struct redo *d);

/* --- one write --------------------------------------------------------------------------------------------------- */

static void
redo_free(struct redo *d)
{
    struct rewind *r = d->rewind;

    TAILQ_REMOVE(&r->redos, d, entry);
    r->n_redos--;
    ask_cancel(&d->ask);
    timer_fini(&d->again);
    ledger_leave(r->ledger, &d->write);
    mem_free(d->points);
    arena_fini(&d->arena);
    mem_free(d);
}

static void
on_again(void *arg)
{
    send_piece(arg);
}

/* Home refuses it now: what it names is not there any more, as a later change took it away. Or it is lost. */
static void
note_refusal(struct redo *d, const struct outcome *why)
{
    struct rewind *r = d->rewind;
    bool is_expected = why->status == 404 && d->pieces[d->at].op == OP_UPDATE_VECTORS;

    if (is_expected || !d->is_done)
        return;
    if (r->n_refused++ == 0)
        log_error("home %s: record %llu cannot be sent again, home says: %d " STR_FMT, r->home->name,
            (unsigned long long)d->write.age.lsn, why->status, STR_ARG(buf_str(&why->text)));
}

static void
on_sent(void *arg, const struct ask_answer *answer)
{
    struct redo *d = arg;
    struct rewind *r = d->rewind;
    struct outcome_facts facts = {
        .fail = answer->fail, .sent_nothing = answer->sent_nothing, .status = answer->status, .body = answer->body
    };
    struct owner *o = r->home->owner;
    int64_t pause_us = PAUSE_US;
    struct outcome why;

    d->ask = NULL;
    if (answer->fail == FAIL_NONE)
        facts.retry_after = message_value(answer->head, FIELD_RETRY_AFTER);
    outcome_of_write(&facts, 0, d->is_spread, &why);
    if (why.may_land_later) /* until it cannot come any more, or another process is seen */
        pause_us = owner_quarantine_us(o);
    if (why.retry_after_us > pause_us)
        pause_us = why.retry_after_us;
    if (!why.may_land_later && (why.kind == OUTCOME_OK || why.kind == OUTCOME_REFUSED)) {
        if (why.kind == OUTCOME_REFUSED)
            note_refusal(d, &why);
        crash_point(CRASH_AT_REWIND_SENT);
        r->is_told = false;
        d->at++;
        send_piece(d);
    } else {
        if (!r->is_told)
            log_warning(
                "home %s: a write of its last minute waits: " STR_FMT, r->home->name, STR_ARG(buf_str(&why.text)));
        r->is_told = true;
        d->may_land = why.may_land_later;
        watch_doubt(r->home);
        timer_set(&d->again, pause_us);
    }
    outcome_fini(&why);
}

static int64_t
timeout_us(const struct rewind *r)
{
    return r->home->owner->up->fleet->world->conf->default_timeout * USEC_PER_MSEC;
}

static void
send_piece(struct redo *d)
{
    struct rewind *r = d->rewind;
    struct ask_spec spec = { .cluster = str_from(r->home->name), .timeout_us = timeout_us(r) };
    struct buf body = { 0 };
    struct str pattern;

    if (d->at == d->n_pieces) {
        redo_free(d);
        r->n_sent++;
        timer_set(&r->step, 0);
        return;
    }
    if (!home_has_claim(r->home)) {
        timer_set(&d->again, PAUSE_US);
        return;
    }
    d->may_land = false;
    pattern = str_skip(str_from(op_info(d->pieces[d->at].op)->pattern), STR("/collections/{c}").len);
    buf_add(&body, d->pieces[d->at].body);
    spec.body = &body;
    spec.method = op_info(d->pieces[d->at].op)->method;
    spec.target = arena_printf(&d->arena, "/collections/" STR_FMT STR_FMT "?" STR_FMT, STR_ARG(d->target_of),
        STR_ARG(pattern), STR_ARG(d->query));
    d->ask = ask_start(r->home->owner->up, &spec, on_sent, d);
    buf_fini(&body);
}

static bool
is_void(const struct rewind *r, uint64_t lsn, struct str collection)
{
    for (unsigned i = 0; i < r->n_voids; i++) {
        if (r->voids[i].lsn > lsn && str_eq(str_from(r->voids[i].collection), collection))
            return true;
    }
    return false;
}

/* What its points were after it, as far as that was read back. */
static void
add_states(struct rewind *r, struct redo *d, uint64_t lsn)
{
    struct buf list = { 0 };

    for (unsigned i = 0; i < r->n_states; i++) {
        struct journal_record record;
        struct redo_piece piece;
        struct str rest;

        if (r->states[i].ref != lsn || journal_read(r->home->owner->journal, r->states[i].lsn, &record, &r->bytes) != 0)
            continue;
        rest = record.payload;
        if (!record_enter_state(&rest))
            continue;
        while (rest.len && record_take_state(&rest, &piece.op, &piece.body)) {
            piece.body = arena_str(&d->arena, piece.body);
            buf_append(&list, &piece, sizeof(piece));
        }
    }
    if (buf_len(&list)) {
        d->n_pieces = (unsigned)(buf_len(&list) / sizeof(struct redo_piece));
        d->pieces = (struct redo_piece *)(uintptr_t)arena_str(&d->arena, buf_str(&list)).p;
    }
    buf_fini(&list);
}

static struct str
query_of(struct redo *d, struct str query)
{
    static const char *const orderings[] = { "weak", "medium", "strong" };
    struct touch_query q = { .ordering = TOUCH_WEAK };
    struct str error;

    if (touch_query_of(query, &d->arena, &q, &error) != FAIL_NONE)
        q.ordering = TOUCH_STRONG;
    return arena_printf(&d->arena, "wait=true&ordering=%s", orderings[q.ordering]);
}

/* False: there is nothing of it to be sent. */
static bool
make_redo(struct rewind *r, struct redo *d, const struct journal_record *record)
{
    struct owner *o = r->home->owner;
    struct record_write w;
    struct str body;

    if (!record_take_write(record->payload, &d->arena, &w) || is_void(r, record->lsn, w.collection))
        return false;
    body = arena_str(&d->arena, w.body);
    d->target_of = arena_str(&d->arena, path_encode(w.collection, &d->arena));
    d->query = query_of(d, w.query);
    d->points = rewind_points(o, &w);
    d->write = (struct ledger_write){
        .points = d->points, .n_points = w.n_points, .age = { record->lsn, record->wall_us }
    };
    if (w.op != OP_UNKNOWN && !redo_pieces(w.op, body, &d->arena, &d->pieces, &d->n_pieces))
        log_error("home %s: record %llu cannot be sent again", r->home->name, (unsigned long long)record->lsn);
    add_states(r, d, record->lsn);
    return d->n_pieces > 0 && w.n_points > 0;
}

static bool
start_redo(struct rewind *r, const struct span_write *w)
{
    struct redo *d = MEM_NEW(struct redo);
    struct journal_record record;

    d->rewind = r;
    d->is_done = w->is_done;
    timer_init(&d->again, r->home->owner->loop, on_again, d);
    TAILQ_INSERT_TAIL(&r->redos, d, entry);
    r->n_redos++;
    if (journal_read(r->home->owner->journal, w->lsn, &record, &r->bytes) == 0 && make_redo(r, d, &record)) {
        ledger_enter(r->ledger, &d->write);
        ledger_durable(r->ledger, &d->write);
        return true;
    }
    redo_free(d);
    return false;
}

bool
rewind_send(struct rewind *r)
{
    struct ledger_write *ready;

    while (r->n_redos < REDOS_MAX && r->next < r->n_writes) {
        const struct span_write *w = &r->writes[r->next++];

        if (!w->is_left_out)
            start_redo(r, w);
    }
    while ((ready = ledger_take_ready(r->ledger)))
        send_piece((struct redo *)((uintptr_t)ready - offsetof(struct redo, write)));
    return r->n_redos == 0 && r->next == r->n_writes;
}

void
rewind_stop_sending(struct rewind *r)
{
    struct owner *o = r->home->owner;
    struct redo *d;

    while ((d = TAILQ_FIRST(&r->redos))) {
        if (d->ask || d->may_land)
            r->home->watch.late_us = owner_now_us(o) + owner_quarantine_us(o);
        redo_free(d);
    }
}
