/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal goes from one process to the next while clients are served. The directory has a lock: whoever is to have it tries
 * until the process before has closed it, and what comes in meanwhile waits.
 *
 *   new:  waiting (orders are kept) ─▶ open (they begin)
 *             └─▶ failed: writes are refused until the next start, reads go on
 *   old:  retiring (nothing new, what was begun is finished) ─▶ ending (as at a stop: claims are given back) ─▶ closed
 */
#include <errno.h>
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"

enum { TRY_US = 20 * 1000, TELL_US = 10 * 1000 * 1000, RETIRE_US = 5 * 1000 * 1000, RETIRE_POLL_US = 2 * 1000 };

static void retire_step(void *arg);

struct early { /* an order that came before the journal was open */
    TAILQ_ENTRY(early) entry;
    struct order *order;
};

/* --- what waits -------------------------------------------------------------------------------------------------- */

static void
let_go(struct owner *o, struct early *e)
{
    TAILQ_REMOVE(&o->succession.early, e, entry);
    mem_free(e);
}

/* Those whose time is over; all of them when there is nothing to wait for any more. */
static void
refuse_early(struct owner *o, bool is_hopeless, enum fail fail)
{
    struct early *e, *next;

    for (e = TAILQ_FIRST(&o->succession.early); e; e = next) {
        next = TAILQ_NEXT(e, entry);
        if (!is_hopeless && owner_now_us(o) < e->order->deadline_us)
            continue;
        order_refuse(e->order, fail, STR_NONE);
        let_go(o, e);
    }
}

static void
begin_early(struct owner *o)
{
    struct early *e;

    while ((e = TAILQ_FIRST(&o->succession.early))) {
        owner_take_order(e->order);
        let_go(o, e);
    }
}

bool
owner_keep(struct owner *o, struct order *order)
{
    struct early *e;

    if (o->journal || o->is_ending)
        return false;
    e = MEM_NEW(struct early);
    e->order = order;
    TAILQ_INSERT_TAIL(&o->succession.early, e, entry);
    if (o->succession.error || o->succession.is_retiring)
        refuse_early(o, true, o->succession.is_retiring ? FAIL_OWNER_ENDING : FAIL_JOURNAL_FAILED);
    return true;
}

/* --- the new process --------------------------------------------------------------------------------------------- */

static void
fail_opening(struct owner *o, int error, struct str why)
{
    o->succession.error = error;
    o->succession.is_waiting = false;
    log_error("journal: " STR_FMT "; writes that fan out are refused until this edge is started anew", STR_ARG(why));
    events_add(EVENT_JOURNAL_LOST, STR_NONE, STR_FMT, STR_ARG(why));
    refuse_early(o, true, FAIL_JOURNAL_FAILED);
}

static void
try_opening(void *arg)
{
    struct owner *o = arg;
    int64_t waited_us = owner_now_us(o) - o->succession.since_us;
    struct buf why = { 0 };
    int error = owner_open_journal(o, &why);

    if (error == -EWOULDBLOCK) {
        refuse_early(o, false, FAIL_JOURNAL_AWAY);
        if (waited_us >= TELL_US && !o->succession.is_told)
            log_warning("journal: the process before this one keeps it; writes that fan out wait");
        o->succession.is_told = waited_us >= TELL_US;
        timer_set(&o->succession.again, TRY_US);
    } else if (error || !owner_check_map(o, &why)) {
        fail_opening(o, error ? error : -EINVAL, buf_str(&why));
    } else {
        log_info("journal: taken over after %lld ms", (long long)(waited_us / USEC_PER_MSEC));
        o->succession.is_waiting = false;
        owner_add_homes(o);
        begin_early(o);
    }
    buf_fini(&why);
}

void
owner_init_succession(struct owner *o)
{
    TAILQ_INIT(&o->succession.early);
    timer_init(&o->succession.again, o->loop, try_opening, o);
    timer_init(&o->succession.retiring, o->loop, retire_step, o);
}

void
owner_fini_succession(struct owner *o)
{
    timer_fini(&o->succession.again);
    timer_fini(&o->succession.retiring);
}

void
owner_await_journal(struct owner *o)
{
    o->succession.is_waiting = true;
    o->succession.since_us = owner_now_us(o);
    timer_set(&o->succession.again, TRY_US);
}

void
owner_end_opening(struct owner *o)
{
    timer_clear(&o->succession.again);
    refuse_early(o, true, FAIL_OWNER_ENDING);
}

/* --- the old process --------------------------------------------------------------------------------------------- */

static bool
is_idle(const struct owner *o)
{
    const struct home *h;

    LIST_FOREACH (h, &o->homes, entry) {
        if (!TAILQ_EMPTY(&h->waiting) || !TAILQ_EMPTY(&h->running) || home_is_changing(h))
            return false;
    }
    return true;
}

/* A checkpoint only if nothing is without an outcome: what is given up afterwards must be read again by the next process. */
static void
retire_step(void *arg)
{
    struct owner *o = arg;
    bool is_late = owner_now_us(o) >= o->succession.retire_by_us;

    if (o->is_ending)
        return;
    if (!is_late && !is_idle(o)) {
        timer_set(&o->succession.retiring, RETIRE_POLL_US);
        return;
    }
    if (!is_late && !o->succession.has_last_save) {
        o->succession.has_last_save = !o->is_saving;
        owner_save(o);
    }
    if (!is_late && o->is_saving)
        timer_set(&o->succession.retiring, RETIRE_POLL_US);
    else
        owner_end(o);
}

static void
retire(void *arg)
{
    struct owner *o = arg;

    if (o->succession.is_retiring || o->is_ending)
        return;
    o->succession.is_retiring = true;
    o->succession.retire_by_us = owner_now_us(o) + RETIRE_US;
    owner_end_opening(o);
    retire_step(o);
}

void
owner_retire(struct owner *o)
{
    loop_post(o->loop, retire, o);
}

bool
owner_has_retired(const struct owner *o)
{
    return atomic_load(&o->succession.has_closed);
}

/* Its thread lives on, to refuse what still comes. */
void
owner_close_journal(struct owner *o)
{
    struct home *h;

    timer_clear(&o->tick);
    owner_each_lane(o, lane_halt);
    LIST_FOREACH (h, &o->homes, entry) {
        restore_free(h);
        home_settle_fini(h);
        home_drop_changes(h);
        home_drop_quarantines(h);
        rewind_free(h);
        watch_fini(h);
    }
    if (o->journal)
        log_info("journal: closed, the next process may have it");
    journal_close(&o->journal);
    atomic_store(&o->succession.has_closed, true);
}
