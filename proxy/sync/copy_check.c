/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/copy_check.h"

#include <string.h>

#include "proxy/base/fail.h"
#include "proxy/base/mem.h"
#include "proxy/sync/ask.h"

enum { ROUNDS_MAX = 4, SHOWN = 200 };

const char *
copy_verdict_name(enum copy_verdict verdict)
{
    static const char *const names[] = { "fresh", "known", "walk", "foreign" };

    return names[verdict];
}

static void
conclude(struct copy_result *r, enum copy_verdict verdict, bool lacks, const char *why)
{
    r->verdict = verdict;
    r->lacks = lacks;
    r->why = why;
}

void
copy_judge(const struct copy_spec *spec, const struct notes *notes, bool is_new, struct copy_result *ret_result)
{
    bool is_known = spec->identity[0] != '\0';

    *ret_result = (struct copy_result){ .trouble = STR_NONE, .position = notes->copy.position };
    memcpy(ret_result->identity, notes->identity, sizeof(ret_result->identity));
    if (strcmp(notes->identity, spec->home) == 0)
        conclude(ret_result, COPY_FOREIGN, false, "it is the home itself under another name");
    else if (is_new && is_known)
        conclude(ret_result, COPY_WALK, true, "it was emptied");
    else if (is_known && strcmp(notes->identity, spec->identity) != 0)
        conclude(ret_result, COPY_FOREIGN, true, "another cluster answers under this name than the journal knows");
    else if (!notes->has_copy && is_known)
        conclude(ret_result, COPY_WALK, true, "the note of how far it was shipped to is gone");
    else if (!notes->has_copy)
        conclude(ret_result, COPY_FRESH, true, "");
    else if (strcmp(notes->copy.journal, spec->journal) != 0)
        conclude(ret_result, COPY_WALK, false, "another journal shipped to it");
    else if (notes->copy.position > spec->lsn || !is_known)
        conclude(ret_result, COPY_WALK, false, "it is ahead of this journal, which was restored from an older copy");
    else
        conclude(ret_result, COPY_KNOWN, false, "");
}

static void
put_trouble(const struct ask_answer *answer, struct buf *out)
{
    struct str body = answer->body;

    if (answer->fail != FAIL_NONE)
        buf_printf(out, "%s", fail_info(answer->fail)->sentence);
    else
        buf_printf(out, "%d " STR_FMT, answer->status, STR_ARG(str_make(body.p, body.len < SHOWN ? body.len : SHOWN)));
}

/* --- checking ---------------------------------------------------------------------------------------------------- */

enum step { STEP_VERSION, STEP_READ, STEP_CREATE, STEP_IDENTIFY };

struct copy_check {
    struct upstream *up;
    struct arena arena;
    struct copy_spec spec;
    enum step step;
    unsigned n_rounds;
    bool is_new;
    notes_uuid fresh_identity;
    int64_t timeout_us;
    struct ask *ask;
    copy_check_fn *on_done;
    void *arg;
};

static void on_answer(void *arg, const struct ask_answer *answer);

static void
release(struct copy_check *c)
{
    ask_cancel(&c->ask);
    arena_fini(&c->arena);
    mem_free(c);
}

static void
finish(struct copy_check *c, const struct copy_result *result)
{
    copy_check_fn *fn = c->on_done;
    void *arg = c->arg;

    release(c);
    fn(arg, result);
}

static void
finish_trouble(struct copy_check *c, struct buf *trouble)
{
    struct copy_result result = { .trouble = buf_str(trouble) };

    finish(c, &result);
    buf_fini(trouble);
}

/* Each may go out twice: no condition holds a second time, and reading tells what came of it. */
static void
act(struct copy_check *c, enum step step)
{
    static const struct {
        enum method method;
        struct str target;
    } requests[] = {
        [STEP_VERSION] = { METHOD_GET, { "/", 1 } },
        [STEP_READ] = { METHOD_POST, { NOTES_READ, sizeof(NOTES_READ) - 1 } },
        [STEP_CREATE] = { METHOD_PUT, { NOTES_TARGET, sizeof(NOTES_TARGET) - 1 } },
        [STEP_IDENTIFY] = { METHOD_PUT, { NOTES_WRITE, sizeof(NOTES_WRITE) - 1 } },
    };
    struct buf body = { 0 };
    struct ask_spec spec = { .cluster = c->spec.cluster,
        .method = requests[step].method,
        .target = requests[step].target,
        .timeout_us = c->timeout_us,
        .may_repeat = true };

    c->step = step;
    if (step == STEP_READ)
        notes_put_question(c->spec.home, &body);
    else if (step == STEP_CREATE)
        notes_put_collection(&body);
    else if (step == STEP_IDENTIFY)
        notes_put_identity(c->fresh_identity, &body);
    spec.body = step == STEP_VERSION ? NULL : &body;
    c->ask = ask_start(c->up, &spec, on_answer, c);
    buf_fini(&body);
}

static void
take_notes(struct copy_check *c, const struct notes *notes)
{
    struct copy_result result;

    if (notes->identity[0]) {
        copy_judge(&c->spec, notes, c->is_new, &result);
        finish(c, &result);
    } else if (c->n_rounds++ == ROUNDS_MAX) {
        struct buf trouble = { 0 };

        buf_add(&trouble, STR("what is written there does not stay"));
        finish_trouble(c, &trouble);
    } else {
        c->is_new = true;
        act(c, notes->has_collection ? STEP_IDENTIFY : STEP_CREATE);
    }
}

static void
on_answer(void *arg, const struct ask_answer *answer)
{
    struct copy_check *c = arg;
    bool is_ok = answer->fail == FAIL_NONE && answer->status == 200;
    struct buf trouble = { 0 };
    char version[32] = "";
    struct notes notes;

    c->ask = NULL;
    if (c->step == STEP_VERSION && is_ok && notes_read_version(answer->body, version)) {
        act(c, STEP_READ);
    } else if (c->step == STEP_READ && answer->fail == FAIL_NONE &&
               notes_read(answer->status, answer->body, c->spec.home, &notes)) {
        take_notes(c, &notes);
    } else if (c->step > STEP_READ && (is_ok || (answer->fail == FAIL_NONE && answer->status == 409))) {
        act(c, STEP_READ);
    } else {
        if (version[0])
            buf_printf(&trouble, "it runs Qdrant %s: fan-out needs 1.17 or newer", version);
        else
            put_trouble(answer, &trouble);
        finish_trouble(c, &trouble);
    }
}

static const char *
keep(struct copy_check *c, const char *text)
{
    return arena_printf(&c->arena, "%s", text).p;
}

struct copy_check *
copy_check_start(
    struct upstream *up, const struct copy_spec *spec, int64_t timeout_us, copy_check_fn *on_done, void *arg)
{
    struct copy_check *c = MEM_NEW(struct copy_check);
    struct random random;

    random_init(&random);
    notes_make_uuid(&random, c->fresh_identity);
    c->up = up;
    c->spec = (struct copy_spec){ .cluster = arena_str(&c->arena, spec->cluster),
        .home = keep(c, spec->home),
        .journal = keep(c, spec->journal),
        .identity = keep(c, spec->identity),
        .lsn = spec->lsn };
    c->timeout_us = timeout_us;
    c->on_done = on_done;
    c->arg = arg;
    act(c, STEP_VERSION);
    return c;
}

void
copy_check_cancel(struct copy_check **cp)
{
    if (*cp)
        release(*cp);
    *cp = NULL;
}

/* --- marking ----------------------------------------------------------------------------------------------------- */

struct copy_mark {
    struct ask *ask;
    copy_mark_fn *on_done;
    void *arg;
};

static void
on_marked(void *arg, const struct ask_answer *answer)
{
    struct copy_mark m = *(struct copy_mark *)arg;
    struct buf trouble = { 0 };

    mem_free(arg);
    if (answer->fail != FAIL_NONE || answer->status != 200)
        put_trouble(answer, &trouble);
    m.on_done(m.arg, buf_str(&trouble));
    buf_fini(&trouble);
}

struct copy_mark *
copy_mark_start(struct upstream *up, struct str cluster, const char *home, const struct copy_note *note,
    int64_t timeout_us, copy_mark_fn *on_done, void *arg)
{
    struct copy_mark *m = MEM_NEW(struct copy_mark);
    struct buf body = { 0 };
    struct ask_spec spec = { .cluster = cluster,
        .method = METHOD_PUT,
        .target = STR(NOTES_WRITE),
        .body = &body,
        .timeout_us = timeout_us,
        .may_repeat = true };

    m->on_done = on_done;
    m->arg = arg;
    notes_put_copy(home, note, &body);
    m->ask = ask_start(up, &spec, on_marked, m);
    buf_fini(&body);
    return m;
}

void
copy_mark_cancel(struct copy_mark **mp)
{
    if (*mp) {
        ask_cancel(&(*mp)->ask);
        mem_free(*mp);
    }
    *mp = NULL;
}
