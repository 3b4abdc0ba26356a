/* SPDX-License-Identifier: Apache-2.0
 *
 * One request at a time: what tenure_next() says, its outcome told, and again.
 */
#include "proxy/sync/claim.h"

#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/fail.h"
#include "proxy/base/mem.h"
#include "proxy/base/random.h"
#include "proxy/sync/ask.h"

#define CREATE_TIMEOUT_US (30 * USEC_PER_SEC)

struct claim {
    struct upstream *up;
    struct str home; /* owned */
    struct tenure tenure;
    bool is_recent; /* its Qdrant knows conditions */
    enum tenure_do doing;
    struct ask *ask;
    struct timer timer;
    struct buf trouble;
    claim_change_fn *on_change;
    void *arg;
};

static void step(void *arg);

/* --- troubles ---------------------------------------------------------------------------------------------------- */

static void
set_trouble(struct claim *c, const struct ask_answer *answer, const char *what)
{
    enum { SHOWN = 200 };
    struct str body = answer->body;

    buf_clear(&c->trouble);
    if (answer->fail != FAIL_NONE)
        buf_printf(&c->trouble, "%s: %s", what, fail_info(answer->fail)->sentence);
    else
        buf_printf(&c->trouble, "%s: %d " STR_FMT, what, answer->status,
            STR_ARG(str_make(body.p, body.len < SHOWN ? body.len : SHOWN)));
}

/* --- outcomes ---------------------------------------------------------------------------------------------------- */

static void
take_version(struct claim *c, const struct ask_answer *answer)
{
    char version[32];

    c->is_recent = answer->fail == FAIL_NONE && answer->status == 200 && notes_read_version(answer->body, version);
    if (c->is_recent) {
        buf_clear(&c->trouble);
    } else if (answer->fail == FAIL_NONE && answer->status == 200 && version[0]) {
        buf_clear(&c->trouble);
        buf_printf(&c->trouble, "it runs Qdrant %s: fan-out needs 1.17 or newer", version);
    } else {
        set_trouble(c, answer, "its version cannot be read");
    }
}

static void
take_notes(struct claim *c, const struct ask_answer *answer)
{
    int64_t confirmed_us = c->tenure.confirmed_us;
    struct notes notes;

    if (answer->fail != FAIL_NONE || !notes_read(answer->status, answer->body, NULL, &notes)) {
        set_trouble(c, answer, "its claim cannot be read");
        tenure_failed(&c->tenure, clock_boot_us());
        return;
    }
    tenure_read(&c->tenure, &notes, clock_boot_us());
    if (c->tenure.confirmed_us != confirmed_us)
        crash_point(CRASH_AT_CLAIM_CONFIRMED);
    if (c->tenure.confirmed_us != confirmed_us || c->tenure.state == TENURE_WATCHING)
        buf_clear(&c->trouble);
    if (c->tenure.state == TENURE_FROZEN) {
        buf_clear(&c->trouble);
        buf_add(&c->trouble, str_from(tenure_sentence(c->tenure.why)));
    }
}

static void
take_written(struct claim *c, const struct ask_answer *answer)
{
    bool is_done = answer->fail == FAIL_NONE && (answer->status / 100 == 2 || answer->status == 409);

    if (c->doing == TENURE_CLAIM)
        crash_point(CRASH_AT_CLAIM_AFTER_WRITE);
    if (!is_done)
        set_trouble(c, answer, "its claim cannot be written");
    tenure_wrote(&c->tenure, is_done, clock_boot_us());
}

static void
on_done(void *arg, const struct ask_answer *answer)
{
    struct claim *c = arg;
    enum tenure_state state = c->tenure.state;
    bool could_send = claim_may_send(c, clock_boot_us());
    size_t n_trouble = buf_len(&c->trouble);

    c->ask = NULL;
    if (!c->is_recent)
        take_version(c, answer);
    else if (c->doing == TENURE_READ)
        take_notes(c, answer);
    else
        take_written(c, answer);
    if (c->is_recent)
        step(c);
    else
        timer_set(&c->timer, TENURE_PERIOD_US);
    if (c->tenure.state != state || !n_trouble != !buf_len(&c->trouble) ||
        claim_may_send(c, clock_boot_us()) != could_send)
        c->on_change(c->arg);
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* Each may go out twice: no condition holds a second time, and reading tells what came of it. */
static void
ask(struct claim *c, enum method method, struct str target, struct buf *body, int64_t timeout_us)
{
    struct ask_spec spec = { .cluster = c->home,
        .method = method,
        .target = target,
        .body = body,
        .timeout_us = timeout_us,
        .may_repeat = true };

    c->ask = ask_start(c->up, &spec, on_done, c);
    if (body)
        buf_fini(body);
}

static void
act(struct claim *c)
{
    struct tenure *t = &c->tenure;
    struct buf body = { 0 };

    switch (c->doing) {
    case TENURE_READ:
        notes_put_question(NULL, &body);
        ask(c, METHOD_POST, STR(NOTES_READ), &body, TENURE_PERIOD_US);
        return;
    case TENURE_CREATE:
        notes_put_collection(&body);
        ask(c, METHOD_PUT, STR(NOTES_TARGET), &body, CREATE_TIMEOUT_US);
        return;
    case TENURE_IDENTIFY:
        notes_put_identity(t->fresh_identity, &body);
        ask(c, METHOD_PUT, STR(NOTES_WRITE), &body, TENURE_PERIOD_US);
        return;
    case TENURE_CLAIM:
        crash_point(CRASH_AT_CLAIM_BEFORE_WRITE);
        notes_put_claim(&t->draft, t->has_seen ? &t->seen : NULL, &body);
        ask(c, METHOD_PUT, STR(NOTES_WRITE), &body, TENURE_PERIOD_US);
        return;
    case TENURE_WAIT:
    case TENURE_NOTHING:
        return;
    }
}

static void
step(void *arg)
{
    struct claim *c = arg;
    int64_t wait_us;

    if (c->ask || c->tenure.state == TENURE_RELEASED)
        return;
    if (!c->is_recent) {
        ask(c, METHOD_GET, STR("/"), NULL, TENURE_PERIOD_US);
        return;
    }
    c->doing = tenure_next(&c->tenure, clock_boot_us(), &wait_us);
    if (c->doing == TENURE_WAIT)
        timer_set(&c->timer, wait_us);
    else
        act(c);
}

/* --- the claim --------------------------------------------------------------------------------------------------- */

static void
copy_uuid(notes_uuid to, const char *from)
{
    size_t n = strnlen(from, NOTES_UUID_LEN);

    memcpy(to, from, n);
    to[n] = '\0';
}

static void
make_start(struct random *r, char ret_start[NOTES_START_LEN + 1])
{
    uint64_t number = random_next(r);

    for (unsigned i = 0; i < NOTES_START_LEN; i++, number >>= 4)
        ret_start[i] = "0123456789abcdef"[number & 15];
    ret_start[NOTES_START_LEN] = '\0';
}

struct claim *
claim_new(struct upstream *up, const struct claim_spec *spec, claim_change_fn *on_change, void *arg)
{
    struct claim *c = MEM_NEW(struct claim);
    struct tenure_self self = {
        .starts = spec->starts, .has_claimed = spec->has_claimed, .may_replace = spec->may_replace
    };
    struct random random;
    notes_uuid fresh;

    random_init(&random);
    copy_uuid(self.journal, spec->journal);
    copy_uuid(self.identity, spec->identity);
    make_start(&random, self.start);
    notes_make_uuid(&random, fresh);
    c->up = up;
    c->home = str_make(mem_dup(spec->home.p, spec->home.len), spec->home.len);
    c->on_change = on_change;
    c->arg = arg;
    tenure_init(&c->tenure, &self, fresh, clock_boot_us());
    tenure_set_lsn(&c->tenure, spec->lsn, spec->floor_lsn);
    timer_init(&c->timer, up->loop, step, c);
    step(c);
    return c;
}

void
claim_free(struct claim *c)
{
    if (!c)
        return;
    ask_cancel(&c->ask);
    timer_fini(&c->timer);
    buf_fini(&c->trouble);
    mem_free((char *)(uintptr_t)c->home.p);
    mem_free(c);
}

void
claim_set_lsn(struct claim *c, uint64_t durable_lsn, uint64_t floor_lsn)
{
    tenure_set_lsn(&c->tenure, durable_lsn, floor_lsn);
}

bool
claim_may_send(const struct claim *c, int64_t boot_us)
{
    return tenure_may_send(&c->tenure, boot_us);
}

enum tenure_state
claim_state(const struct claim *c)
{
    return c->tenure.state;
}

enum tenure_why
claim_why(const struct claim *c)
{
    return c->tenure.why;
}

struct str
claim_trouble(const struct claim *c)
{
    return buf_str(&c->trouble);
}

const char *
claim_identity(const struct claim *c)
{
    return c->tenure.self.identity;
}

int64_t
claim_confirmed_us(const struct claim *c)
{
    return c->tenure.confirmed_us;
}

void
claim_hurry(struct claim *c)
{
    tenure_hurry(&c->tenure, clock_boot_us());
    if (timer_is_set(&c->timer)) {
        timer_clear(&c->timer);
        step(c);
    }
}

unsigned
claim_rewinds(const struct claim *c)
{
    return c->tenure.n_rewinds;
}

static void
let_go(struct claim *c)
{
    timer_clear(&c->timer);
    step(c);
}

void
claim_release(struct claim *c)
{
    tenure_release(&c->tenure, clock_boot_us());
    let_go(c);
}

void
claim_give_up(struct claim *c)
{
    tenure_give_up(&c->tenure, clock_boot_us());
    let_go(c);
}
