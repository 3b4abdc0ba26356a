/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/walk_page.h"

#include "proxy/base/json_text.h"

enum { MUCH_PERCENT = 20 };

/* --- asking ------------------------------------------------------------------------------------------------------ */

void
walk_put_scroll(unsigned limit, const struct point_id *from, struct str shard_key, struct buf *out)
{
    buf_printf(out, "{\"limit\":%u,\"with_payload\":true,\"with_vector\":true", limit);
    if (from) {
        buf_add(out, STR(",\"offset\":"));
        point_put_json(from, out);
    }
    if (shard_key.len) {
        buf_add(out, STR(",\"shard_key\":"));
        buf_add(out, shard_key);
    }
    buf_putc(out, '}');
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static bool
complain(struct buf *error, const char *what)
{
    if (buf_len(error) == 0)
        buf_printf(error, "the answer to a scroll %s", what);
    return false;
}

/* What Qdrant prints for nothing. */
static struct str
or_nothing(struct str text)
{
    return text.len == 0 || str_eq(text, STR("null")) ? STR("{}") : text;
}

static bool
read_row(struct json_text *t, struct walk_row *ret, struct buf *error)
{
    struct str key, value, id = STR_NONE, vector = STR_NONE, payload = STR_NONE;

    if (!json_text_enter(t, '{'))
        return complain(error, "has a point that is none");
    while (json_text_member(t, &key)) {
        value = json_text_value(t);
        if (str_eq(key, STR("id")))
            id = value;
        else if (str_eq(key, STR("vector")))
            vector = value;
        else if (str_eq(key, STR("payload")))
            payload = value;
        else if (!str_eq(key, STR("shard_key")) && !str_eq(key, STR("order_value")))
            return complain(error, "has a field that is not known here");
    }
    if (t->is_wrong || !point_of_text(id, &ret->id))
        return complain(error, "has a point without an id");
    ret->vector = or_nothing(vector);
    ret->payload = or_nothing(payload);
    return true;
}

static bool
is_before(const struct walk_page *p, const struct point_id *from, const struct point_id *id)
{
    if (p->n)
        return point_compare(&p->rows[p->n - 1].id, id) < 0;
    return !from || point_compare(from, id) <= 0;
}

static bool
read_points(struct json_text *t, const struct point_id *from, struct walk_page *p, struct buf *error)
{
    struct walk_row row;

    if (!json_text_enter(t, '['))
        return complain(error, "has no list of points");
    while (json_text_element(t)) {
        if (p->n == WALK_ROWS_MAX)
            return complain(error, "has more points than were asked for");
        if (!read_row(t, &row, error))
            return false;
        if (!is_before(p, from, &row.id))
            return complain(error, "has points out of order");
        p->rows[p->n++] = row;
    }
    return true;
}

static bool
read_result(struct json_text *t, const struct point_id *from, struct walk_page *p, struct buf *error)
{
    struct str key, next = STR_NONE;
    bool has_points = false;

    if (!json_text_enter(t, '{'))
        return complain(error, "has no result");
    while (json_text_member(t, &key)) {
        if (str_eq(key, STR("points")) && !has_points) {
            has_points = true;
            if (!read_points(t, from, p, error))
                return false;
        } else if (str_eq(key, STR("next_page_offset"))) {
            next = json_text_value(t);
        } else {
            json_text_value(t);
        }
    }
    p->is_last = next.len == 0 || str_eq(next, STR("null"));
    if (!has_points || t->is_wrong)
        return complain(error, "has no list of points");
    if (!p->is_last && (p->n == 0 || !point_of_text(next, &p->next) || !is_before(p, from, &p->next)))
        return complain(error, "does not say where it goes on");
    return true;
}

bool
walk_read_page(struct str body, const struct point_id *from, struct walk_page *ret_page, struct buf *ret_error)
{
    struct json_text t = json_text(body);
    struct str key, status = STR_NONE;
    unsigned n_results = 0;

    ret_page->n = 0;
    json_text_enter(&t, '{');
    while (json_text_member(&t, &key)) {
        if (str_eq(key, STR("result"))) {
            n_results++;
            if (!read_result(&t, from, ret_page, ret_error))
                return false;
        } else if (str_eq(key, STR("status"))) {
            status = json_text_value(&t);
        } else {
            json_text_value(&t);
        }
    }
    if (!json_text_end(&t) || n_results != 1 || !str_eq(status, STR("\"ok\"")))
        return complain(ret_error, "is not one");
    return true;
}

/* --- comparing --------------------------------------------------------------------------------------------------- */

bool
walk_is_alike(const struct walk_row *a, const struct walk_row *b)
{
    return json_texts_equal(a->vector, b->vector) && json_texts_equal(a->payload, b->payload);
}

static void
differ(struct walk_comparison *c, enum walk_kind kind, const struct walk_row *source, const struct walk_row *target)
{
    c->differences[c->n++] = (struct walk_difference){ kind, source, target };
}

/* How many of its rows lie in the range. */
static unsigned
count_rows(const struct walk_page *p, const struct walk_comparison *c)
{
    unsigned n = 0;

    while (n < p->n && (c->is_last || point_compare(&p->rows[n].id, &c->next) < 0))
        n++;
    return n;
}

/* As far as both pages reach. */
static void
find_end(const struct walk_page *source, const struct walk_page *target, struct walk_comparison *c)
{
    bool is_source = target->is_last || (!source->is_last && point_compare(&source->next, &target->next) < 0);

    c->is_last = source->is_last && target->is_last;
    c->next = is_source ? source->next : target->next;
    c->n_source = count_rows(source, c);
    c->n_target = count_rows(target, c);
}

void
walk_compare(const struct walk_page *source, const struct walk_page *target, struct walk_comparison *ret)
{
    unsigned i = 0, k = 0;

    ret->n = 0;
    find_end(source, target, ret);
    while (i < ret->n_source || k < ret->n_target) {
        const struct walk_row *s = &source->rows[i], *t = &target->rows[k];
        int order = i == ret->n_source ? 1 : k == ret->n_target ? -1 : point_compare(&s->id, &t->id);

        if (order < 0)
            differ(ret, WALK_MISSING, s, NULL);
        else if (order > 0)
            differ(ret, WALK_EXTRA, NULL, t);
        else if (!walk_is_alike(s, t))
            differ(ret, WALK_UNLIKE, s, t);
        i += order <= 0;
        k += order >= 0;
    }
}

bool
walk_is_too_much(uint64_t to_delete, uint64_t there)
{
    return to_delete > there / 100 * MUCH_PERCENT + there % 100 * MUCH_PERCENT / 100;
}
