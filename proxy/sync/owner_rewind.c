/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewind of one home: see rewind.h.
 */
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_job.h"
#include "proxy/sync/rewind_impl.h"

enum { READS_AT_ONCE = 512, PAUSE_US = 250 * 1000 };

static void go_on(void *arg);

/* --- the span ---------------------------------------------------------------------------------------------------- */

static struct span_write *
find_write(struct rewind *r, uint64_t lsn)
{
    unsigned low = 0, high = r->n_writes;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (r->writes[mid].lsn < lsn)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->n_writes && r->writes[low].lsn == lsn ? &r->writes[low] : NULL;
}

/* It has not been sent, and will be when this is over. */
static bool
is_unsent(const struct home *h, uint64_t lsn)
{
    for (const struct ledger_write *w = ledger_writes(h->ledger); w; w = TAILQ_NEXT(w, entry)) {
        if (w->age.lsn == lsn)
            return true;
    }
    return false;
}

struct mark_key *
rewind_points(struct owner *o, const struct record_write *w)
{
    struct mark_key *points = mem_array(w->n_points ? w->n_points : 1, sizeof(*points));

    for (unsigned i = 0; i < w->n_points; i++) {
        points[i].collection = lexicon_number(o->collections, w->collection);
        points[i].shard_key = lexicon_number(o->shard_keys, w->shard_keys[w->points[i].shard_key]);
        points[i].point = w->points[i].id;
    }
    return points;
}

static void
read_write(struct rewind *r, const struct journal_record *record)
{
    struct home *h = r->home;
    struct arena arena = { 0 };
    struct record_write w;
    struct lane *l;

    if (record_take_write(record->payload, &arena, &w) && str_eq(w.home, str_from(h->name))) {
        struct mark_key *points = rewind_points(h->owner, &w);
        struct mark_age age = { record->lsn, record->wall_us };

        for (unsigned i = 0; i < w.n_copies; i++)
            lane_mark(home_lane(h, w.copies[i]), points, w.n_points, age, false);
        LIST_FOREACH (l, &h->lanes, entry) { /* those that have joined since, too */
            if (lane_takes(l, w.collection))
                lane_mark(l, points, w.n_points, age, false);
        }
        mem_free(points);
        if (r->n_writes == r->room_writes) {
            r->room_writes = r->room_writes ? 2 * r->room_writes : READS_AT_ONCE;
            r->writes = mem_grow(r->writes, r->room_writes * sizeof(*r->writes));
        }
        r->writes[r->n_writes++] = (struct span_write){ .lsn = record->lsn, .is_left_out = is_unsent(h, record->lsn) };
    }
    arena_fini(&arena);
}

static void
read_outcome(struct rewind *r, const struct journal_record *record)
{
    struct span_write *w = find_write(r, record->ref);
    struct record_outcome outcome;

    if (!w || !record_take_outcome(record->payload, &outcome))
        return;
    w->is_left_out |= outcome.result == RECORD_REJECTED;
    w->is_done |= outcome.result == RECORD_DONE;
}

static void
read_state(struct rewind *r, const struct journal_record *record)
{
    if (!find_write(r, record->ref))
        return;
    if (r->n_states == r->room_states) {
        r->room_states = r->room_states ? 2 * r->room_states : READS_AT_ONCE;
        r->states = mem_grow(r->states, r->room_states * sizeof(*r->states));
    }
    r->states[r->n_states++] = (struct span_state){ record->ref, record->lsn };
}

static void
read_void(struct rewind *r, const struct journal_record *record)
{
    struct record_process gone;

    if (!record_take_process(record->payload, &gone) || !str_eq(gone.home, str_from(r->home->name)))
        return;
    r->voids = mem_grow(r->voids, (r->n_voids + 1) * sizeof(*r->voids));
    r->voids[r->n_voids++] = (struct span_void){ record->lsn, mem_dup(gone.text.p, gone.text.len) };
}

static void
read_process(struct rewind *r, const struct journal_record *record)
{
    struct record_process process;

    if (record->lsn != r->beginning && record_take_process(record->payload, &process) &&
        str_eq(process.home, str_from(r->home->name)))
        r->is_second = process.text.len == 0;
}

/* What was recorded before it was given up is of another time: others may have written there since. */
static void
read_home(struct rewind *r, const struct journal_record *record)
{
    struct record_home home;

    if (!record_take_home(record->payload, &home) || !home.is_given_up || !str_eq(home.home, str_from(r->home->name)))
        return;
    r->n_writes = r->n_states = 0;
}

/* False: it cannot be read, which is told; it is tried again. */
static bool
read_record(struct rewind *r, uint64_t lsn)
{
    struct journal_record record;
    int error = journal_read(r->home->owner->journal, lsn, &record, &r->bytes);

    if (error) {
        log_error("home %s: record %llu cannot be read again: %s", r->home->name, (unsigned long long)lsn,
            strerrordesc_np(-error));
        return false;
    }
    if (record.kind == RECORD_WRITE)
        read_write(r, &record);
    else if (record.kind == RECORD_OUTCOME)
        read_outcome(r, &record);
    else if (record.kind == RECORD_STATE)
        read_state(r, &record);
    else if (record.kind == RECORD_VOID)
        read_void(r, &record);
    else if (record.kind == RECORD_HOME)
        read_home(r, &record);
    else if (record.kind == RECORD_PROCESS)
        read_process(r, &record);
    return true;
}

static void
read_span(struct rewind *r)
{
    for (unsigned i = 0; i < READS_AT_ONCE && r->at <= r->upto; i++, r->at++) {
        if (!read_record(r, r->at)) {
            timer_set(&r->step, PAUSE_US * 8);
            return;
        }
    }
    if (r->at > r->upto) {
        crash_point(CRASH_AT_REWIND_READ);
        r->stage = SENDING;
        log_info("home %s: %u writes of its last minute are sent again", r->home->name, r->n_writes);
    }
    timer_set(&r->step, 0);
}

/* --- its end ----------------------------------------------------------------------------------------------------- */

/* The marks of the span must outlive a crash before the process counts as known. */
static void
save(struct rewind *r)
{
    struct owner *o = r->home->owner;

    if (r->saves && o->n_saves >= r->saves) {
        crash_point(CRASH_AT_REWIND_SAVED);
        r->stage = NOTING;
        timer_set(&r->step, 0);
        return;
    }
    if (!o->is_saving) {
        o->is_save_due = true;
        r->saves = o->n_saves + 1;
        owner_save(o);
    }
    timer_set(&r->step, PAUSE_US / 50);
}

/* False: one is on its way to the disk, or the disk did not take it. */
static bool
note_next(struct rewind *r)
{
    struct home *h = r->home;
    unsigned i = 0;

    while (i < r->n_processes && watch_knows(h, r->processes[i]))
        i++;
    if (i == r->n_processes)
        return true;
    if (!h->watch.is_recording)
        watch_record(h, r->processes[i]);
    timer_set(&r->step, h->watch.is_recording ? PAUSE_US / 50 : PAUSE_US * 4);
    return false;
}

static void
finish(struct rewind *r)
{
    struct home *h = r->home;
    long long ms = (long long)((owner_now_us(h->owner) - r->began_us) / USEC_PER_MSEC);
    const struct fleet *f = h->owner->up->fleet;
    int at = topology_find(f->world->topology, str_from(h->name));

    if (!note_next(r))
        return;
    if (at >= 0) {
        metrics_add(h->owner->metrics, METRIC_REWINDS, f->clusters[at].cluster->slot, 1);
        metrics_add(h->owner->metrics, METRIC_REWIND_WRITES, f->clusters[at].cluster->slot, r->n_sent);
        metrics_add(h->owner->metrics, METRIC_REWIND_REFUSED, f->clusters[at].cluster->slot, r->n_refused);
    }
    log_info("home %s: %u writes were sent again in %lld ms, %u were refused", h->name, r->n_sent, ms, r->n_refused);
    events_add(EVENT_HOME_REWOUND, str_from(h->name),
        "%u writes of its last minute were sent again in %lld ms, %u were refused", r->n_sent, ms, r->n_refused);
    crash_point(CRASH_AT_REWIND_OVER);
    rewind_free(h);
    watch_soon(h);
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

/* What is recorded and was not sent is refused before the span ends, or it would be sent again with the span, and refused later. */
static void
withdraw_unsent(struct home *h)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&h->running); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->state == JOB_QUEUE)
            job_withdraw(job, FAIL_HOME_REWINDS);
    }
}

static bool
is_home_at_rest(const struct home *h)
{
    const struct job *job;

    TAILQ_FOREACH (job, &h->running, entry) {
        if (job->ask || job->readback || job->is_unverified || job->state == JOB_JOURNAL)
            return false;
    }
    return true;
}

static void
on_recorded(uint64_t lsn, int error, void *arg)
{
    struct home *h = arg;
    struct rewind *r = h->rewind;

    if (!r || r->stage != RECORDING || lsn != r->beginning || error)
        return;
    crash_point(CRASH_AT_REWIND_BEGUN);
    r->upto = lsn;
    r->stage = READING;
    timer_set(&r->step, 0);
}

/* Everything before it is durable once it is. */
static void
record_beginning(struct rewind *r)
{
    struct record_process record = { str_from(r->home->name), STR_NONE };
    struct journal *journal = r->home->owner->journal;
    struct journal_stats stats;
    struct buf bytes = { 0 };
    struct str part;

    record_put_process(&record, &bytes);
    part = buf_str(&bytes);
    journal_stats(journal, &stats);
    r->from = r->home->floor_lsn + 1;
    if (r->from < stats.first_lsn)
        r->from = stats.first_lsn;
    r->at = r->from;
    r->stage = RECORDING;
    r->beginning = journal_append(journal, RECORD_PROCESS, 0, false, &part, 1, on_recorded, r->home);
    buf_fini(&bytes);
}

/* Nothing goes to a home that is not held. The claim was read at the very process that is to be sent the span: one that lacks it
 * was emptied or restored, and would refuse what would count as sent then. */
static bool
may_go_on(const struct rewind *r)
{
    const struct home *h = r->home;

    return home_has_claim(h) && !restore_holds_rewind(h) &&
           (claim_confirmed_us(h->claim) >= r->began_boot_us || rule_is_off(RULE_CLAIM));
}

/* Older than what this one sends, it would undo it. */
static bool
awaits_late(struct rewind *r)
{
    const struct home *h = r->home;
    int64_t quarantine_us = owner_quarantine_us(h->owner), until_us = h->watch.late_us;
    int64_t now_us = owner_now_us(h->owner);

    if (r->is_second && until_us < h->watch.born_us + quarantine_us)
        until_us = h->watch.born_us + quarantine_us;
    if (now_us >= until_us)
        return false;
    log_info("home %s: what was sent again before may still come, for %lld ms", h->name,
        (long long)(until_us - now_us) / USEC_PER_MSEC);
    timer_set(&r->step, until_us - now_us);
    return true;
}

static void
go_on(void *arg)
{
    struct rewind *r = arg;

    if (r->home->owner->is_ending || !r->home->owner->journal)
        return;
    if (!may_go_on(r)) {
        timer_set(&r->step, PAUSE_US / 10);
        return;
    }
    switch (r->stage) {
    case SETTLING:
        withdraw_unsent(r->home);
        if (is_home_at_rest(r->home))
            record_beginning(r);
        else
            timer_set(&r->step, PAUSE_US / 50);
        return;
    case RECORDING:
        return;
    case READING:
        read_span(r);
        return;
    case SENDING:
        if (!awaits_late(r) && rewind_send(r)) {
            r->stage = SAVING;
            r->saves = 0;
            timer_set(&r->step, 0);
        }
        return;
    case SAVING:
        save(r);
        return;
    case NOTING:
        finish(r);
        return;
    }
}

void
rewind_free(struct home *h)
{
    struct rewind *r = h->rewind;

    h->rewind = NULL;
    if (!r)
        return;
    rewind_stop_sending(r);
    for (unsigned i = 0; i < r->n_voids; i++)
        mem_free(r->voids[i].collection);
    timer_fini(&r->step);
    ledger_free(r->ledger);
    buf_fini(&r->bytes);
    mem_free(r->voids);
    mem_free(r->writes);
    mem_free(r->states);
    mem_free(r);
}

static bool
is_for(const struct rewind *r, const char *process)
{
    for (unsigned i = 0; i < r->n_processes; i++) {
        if (strcmp(r->processes[i], process) == 0)
            return true;
    }
    return false;
}

/* With those of another rewind that this one takes the place of; of too many the oldest, which have been followed by others. */
static void
set_processes(struct rewind *r, const struct rewind *other, const char *process)
{
    unsigned n = other ? other->n_processes : 0, first = n == WATCH_PROCESSES;

    for (unsigned i = first; i < n; i++)
        memcpy(r->processes[r->n_processes++], other->processes[i], sizeof(r->processes[0]));
    memcpy(r->processes[r->n_processes++], process, strlen(process) + 1);
}

void
rewind_begin(struct home *h, const char *process)
{
    struct rewind *r = h->rewind;

    if (h->owner->is_ending || (r && is_for(r, process)))
        return;
    ledger_forget(h->ledger, INT64_MAX); /* it may have lost some of that */
    r = MEM_NEW(struct rewind);
    set_processes(r, h->rewind, process);
    rewind_free(h);
    h->rewind = r;
    r->home = h;
    r->began_us = owner_now_us(h->owner);
    r->began_boot_us = clock_boot_us();
    if (h->claim)
        claim_hurry(h->claim);
    r->ledger = ledger_new();
    TAILQ_INIT(&r->redos);
    timer_init(&r->step, h->owner->loop, go_on, r);
    home_run(h); /* answers that are not believed */
    log_warning("home %s: it was started anew, and may have lost its last seconds: they are sent again", h->name);
    go_on(r);
}

bool
home_is_rewinding(const struct home *h)
{
    return h->rewind != NULL;
}

void
rewind_void(struct home *h, struct str collection)
{
    struct record_process record = { str_from(h->name), collection };
    struct buf bytes = { 0 };
    struct str part;

    if (!h->owner->journal)
        return;
    record_put_process(&record, &bytes);
    part = buf_str(&bytes);
    journal_append(h->owner->journal, RECORD_VOID, 0, false, &part, 1, NULL, NULL);
    buf_fini(&bytes);
}
