/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/errand.h"
#include "proxy/sync/owner_impl.h"

enum { ROWS_MAX = 200, POINTS_MAX = 20 };

/* One answer under way. */
struct held {
    struct owner *o;
    struct json_writer w;
    struct str target; /* empty: all */
    unsigned n_rows;
};

static bool
is_asked(const struct held *x, const struct home *h, const struct lane *l)
{
    struct str rest = x->target;

    if (!rest.len)
        return true;
    if (!str_starts(rest, str_from(h->name)))
        return false;
    rest = str_skip(rest, strlen(h->name));
    return !rest.len || (l && rest.p[0] == '/' && str_eq(str_skip(rest, 1), str_from(l->copy)));
}

static void
put_point(struct held *x, const struct mark_key *point)
{
    struct buf id = { 0 };

    json_begin_object(&x->w);
    point_put_json(&point->point, &id);
    json_key(&x->w, "id");
    json_put_raw(&x->w, buf_str(&id));
    if (point->shard_key) {
        json_key(&x->w, "shard_key");
        json_put_raw(&x->w, lexicon_name(x->o->shard_keys, point->shard_key));
    }
    json_end_object(&x->w);
    buf_fini(&id);
}

static void
put_points(struct held *x, const struct mark_key *points, unsigned n)
{
    json_member_u64(&x->w, "points_count", n);
    json_key(&x->w, "points");
    json_begin_array(&x->w);
    for (unsigned i = 0; i < n && i < POINTS_MAX; i++)
        put_point(x, &points[i]);
    json_end_array(&x->w);
}

static void
put_head(struct held *x, const struct home *h, const struct lane *l, uint32_t collection)
{
    x->n_rows++;
    json_begin_object(&x->w);
    json_member_str(&x->w, "home", str_from(h->name));
    if (l)
        json_member_str(&x->w, "copy", str_from(l->copy));
    json_member_str(&x->w, "collection", lexicon_name(x->o->collections, collection));
}

static void
put_quarantine(struct held *x, const struct quarantine *q)
{
    int64_t left_us = q->until_us - owner_now_us(x->o);

    put_head(x, q->home, q->lane, q->collection);
    if (q->hold)
        json_member_u64(&x->w, "lsn", q->hold->age.lsn);
    json_member_double(&x->w, "seconds_left", left_us > 0 ? (double)left_us / USEC_PER_SEC : 0, 1);
    put_points(x, q->hold ? q->hold->points : q->points, q->hold ? q->hold->n_points : q->n_points);
    json_end_object(&x->w);
}

static void
put_refused(struct held *x, struct lane *l)
{
    struct mark_view mark;
    uint32_t at = 0, left = marks_count(l->marks, MARK_PARKED);

    while (left && x->n_rows < ROWS_MAX && marks_next(l->marks, &at, &mark)) {
        if (mark.state != MARK_PARKED)
            continue;
        left--;
        put_head(x, l->home, l, mark.key.collection);
        json_member_u64(&x->w, "lsn", mark.age.lsn);
        put_points(x, &mark.key, 1);
        json_end_object(&x->w);
    }
}

static void
put_list(struct held *x, const char *name, void (*put)(struct held *x, struct home *h))
{
    struct home *h;

    x->n_rows = 0;
    json_key(&x->w, name);
    json_begin_array(&x->w);
    LIST_FOREACH (h, &x->o->homes, entry)
        put(x, h);
    json_end_array(&x->w);
}

static void
put_held(struct held *x, struct home *h)
{
    struct quarantine *q;

    TAILQ_FOREACH (q, &h->quarantines, entry) {
        if (x->n_rows < ROWS_MAX && is_asked(x, h, q->lane))
            put_quarantine(x, q);
    }
}

static void
put_all_refused(struct held *x, struct home *h)
{
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (is_asked(x, h, l))
            put_refused(x, l);
    }
}

void
owner_held(struct owner *o, struct errand *e)
{
    struct held x = { .o = o, .w = json_writer(&e->answer), .target = json_string(json_get(e->body, "target")) };

    json_begin_object(&x.w);
    put_list(&x, "held", put_held);
    put_list(&x, "refused", put_all_refused);
    json_end_object(&x.w);
    buf_putc(&e->answer, '\n');
    errand_answer(e, 200);
}
