/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/errand.h"

#include <stdarg.h>
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/sync/owner_impl.h"

struct errand *
errand_new(struct json body, const char *by)
{
    struct errand *e = MEM_NEW(struct errand);
    struct buf text = { 0 };
    struct json_writer w = json_writer(&text);

    json_put_value(&w, body);
    e->doc = json_parse(buf_str(&text), NULL, NULL);
    e->body = e->doc ? json_root(e->doc) : (struct json){ NULL };
    e->by = str_make(mem_dup(by, strlen(by)), strlen(by));
    buf_fini(&text);
    return e;
}

void
errand_free(struct errand *e)
{
    json_free(e->doc);
    mem_free((char *)(uintptr_t)e->by.p);
    buf_fini(&e->answer);
    mem_free(e);
}

static void
deliver(void *arg)
{
    struct errand *e = arg;

    e->on_done(e);
}

void
errand_answer(struct errand *e, int status)
{
    LIST_REMOVE(e, entry);
    e->status = status;
    loop_post(e->loop, deliver, e);
}

void
errand_refuse(struct errand *e, int status, const char *format, ...)
{
    struct json_writer w = json_writer(&e->answer);
    struct buf text = { 0 };
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    buf_clear(&e->answer);
    json_begin_object(&w);
    json_member_str(&w, "error", buf_str(&text));
    json_end_object(&w);
    buf_putc(&e->answer, '\n');
    buf_fini(&text);
    errand_answer(e, status);
}

/* One that is on its way may have begun before the order. */
void
errand_answer_saved(struct errand *e)
{
    struct owner *o = e->owner;

    e->saves = o->n_saves + (o->is_saving ? 2 : 1);
    o->is_save_due = true;
    owner_save(o);
}

void
owner_saved_errands(struct owner *o, int error)
{
    struct errand *e, *next;

    for (e = LIST_FIRST(&o->errands); e; e = next) {
        next = LIST_NEXT(e, entry);
        if (e->saves && error)
            errand_refuse(e, 503, "it is begun, but cannot be kept over a restart: no checkpoint could be written: %s",
                strerrordesc_np(-error));
        else if (e->saves && o->n_saves >= e->saves)
            errand_answer(e, 200);
    }
}

static void
take(void *arg)
{
    struct errand *e = arg;
    struct owner *o = e->owner;

    LIST_INSERT_HEAD(&o->errands, e, entry);
    if (o->is_ending)
        errand_refuse(e, 503, "the edge is ending");
    else
        e->run(o, e);
}

void
owner_send(struct owner *o, struct errand *e)
{
    e->owner = o;
    loop_post(o->loop, take, e);
}

void
owner_recorded_errands(struct owner *o, errand_fn *run, const void *held, int error)
{
    struct errand *e, *next;

    for (e = LIST_FIRST(&o->errands); e; e = next) {
        next = LIST_NEXT(e, entry);
        if (e->run != run || e->held != held)
            continue;
        if (error)
            errand_refuse(e, 503, "the journal could not be written: %s", strerrordesc_np(-error));
        else
            errand_answer(e, 200);
    }
}

void
owner_end_errands(struct owner *o)
{
    struct errand *e;

    while ((e = LIST_FIRST(&o->errands)))
        errand_refuse(e, 503, "the edge is ending");
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

/* HOME/COPY, or NULL after refusing. */
struct lane *
errand_lane(struct owner *o, struct errand *e)
{
    struct str target = json_string(json_get(e->body, "target")), home, copy;
    struct home *h;
    struct lane *l;

    str_cut(target, '/', &home, &copy);
    h = owner_home(o, home);
    if (h) {
        LIST_FOREACH (l, &h->lanes, entry) {
            if (str_eq(str_from(l->copy), copy))
                return l;
        }
    }
    errand_refuse(
        e, 404, "there is no lane " STR_FMT ": `sextant ctl lanes` shows those of this edge", STR_ARG(target));
    return NULL;
}

void
owner_retry(struct owner *o, struct errand *e)
{
    struct lane *l = errand_lane(o, e);
    struct json_writer w = json_writer(&e->answer);

    if (!l)
        return;
    json_begin_object(&w);
    json_member_u64(&w, "points_refused", marks_count(l->marks, MARK_PARKED));
    json_end_object(&w);
    buf_putc(&e->answer, '\n');
    log_info("lane %s to %s: tried again, ordered by " STR_FMT, l->home->name, l->copy, STR_ARG(e->by));
    lane_retry(l);
    errand_answer(e, 200);
}
