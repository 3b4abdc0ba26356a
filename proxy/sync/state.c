/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/state.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/base/json_text.h"
#include "proxy/base/mem.h"

enum { ROW_BYTES = 128, SHOWN_BYTES = 80 };

/* --- rows -------------------------------------------------------------------------------------------------------- */

static int
compare_points(const struct state_point *a, const struct state_point *b)
{
    int by_id = point_compare(&a->id, &b->id);

    return by_id ? by_id : str_compare(&a->shard_key, &b->shard_key);
}

static int
compare_rows(const void *a, const void *b)
{
    const struct state_row *const *x = a, *const *y = b;

    return compare_points(&(*x)->point, &(*y)->point);
}

struct state *
state_new(const struct state_point *points, unsigned n)
{
    struct state *s = MEM_NEW(struct state);

    assert(n <= STATE_POINTS_MAX);
    s->refs = 1;
    s->n = n;
    s->rows = ARENA_ARRAY(&s->arena, n, struct state_row);
    s->by_point = ARENA_ARRAY(&s->arena, n, struct state_row *);
    for (unsigned i = 0; i < n; i++) {
        s->rows[i].point.id = points[i].id;
        s->rows[i].point.shard_key = arena_str(&s->arena, points[i].shard_key);
        s->by_point[i] = &s->rows[i];
    }
    return s;
}

struct state *
state_ref(struct state *s)
{
    s->refs++;
    return s;
}

void
state_unref(struct state *s)
{
    if (!s || --s->refs)
        return;
    for (unsigned i = 0; i < s->n_texts; i++)
        state_text_unref(s->texts[i]);
    mem_free(s->texts);
    arena_fini(&s->arena);
    mem_free(s);
}

/* --- texts ------------------------------------------------------------------------------------------------------- */

struct state_text *
state_text_new(struct buf *bytes)
{
    struct state_text *text = MEM_NEW(struct state_text);

    text->refs = 1;
    text->bytes = *bytes;
    *bytes = (struct buf){ 0 };
    return text;
}

void
state_text_unref(struct state_text *text)
{
    if (--text->refs)
        return;
    buf_fini(&text->bytes);
    mem_free(text);
}

static void
add_text(struct state *s, struct state_text *text)
{
    s->texts = mem_grow(s->texts, (s->n_texts + 1) * sizeof(struct state_text *));
    s->texts[s->n_texts++] = text;
}

void
state_know(struct state *s, unsigned row, struct str vector, struct str payload, struct state_text *text)
{
    struct state_row *r = &s->rows[row];

    assert(r->kind == STATE_UNREAD);
    if (vector.len == 0) {
        r->kind = STATE_ABSENT;
        return;
    }
    *r = (struct state_row){ .point = r->point, .kind = STATE_PRESENT, .vector = vector, .payload = payload };
    if (s->n_texts && s->texts[s->n_texts - 1] == text)
        return;
    text->refs++;
    add_text(s, text);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void
put_ids(const struct state *s, const unsigned *rows, unsigned n, struct buf *out)
{
    buf_putc(out, '[');
    for (unsigned i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        point_put_json(&s->rows[rows[i]].point.id, out);
    }
    buf_putc(out, ']');
}

/* One shard key for the whole request. */
static void
put_key(const struct state *s, const unsigned *rows, unsigned n, struct buf *out)
{
    struct str key = s->rows[rows[0]].point.shard_key;

    for (unsigned i = 1; i < n; i++)
        assert(str_eq(s->rows[rows[i]].point.shard_key, key));
    if (key.len == 0)
        return;
    buf_add(out, STR(",\"shard_key\":"));
    buf_add(out, key);
}

void
state_put_read(const struct state *s, const unsigned *rows, unsigned n, struct buf *out)
{
    buf_add(out, STR("{\"ids\":"));
    put_ids(s, rows, n, out);
    buf_add(out, STR(",\"with_payload\":true,\"with_vector\":true"));
    put_key(s, rows, n, out);
    buf_putc(out, '}');
}

/* What stands in one point of an answer. */
struct found {
    struct str id, vector, payload, shard_key;
};

struct reading {
    const struct state *state;
    struct found *found; /* of each row */
    bool *is_asked;
    struct buf *error;
};

static bool
complain(struct reading *r, const char *what, struct str about)
{
    about.len = about.len < SHOWN_BYTES ? about.len : SHOWN_BYTES;
    if (buf_len(r->error))
        return false;
    buf_printf(r->error, "the answer to a read of points %s", what);
    buf_add(r->error, about);
    return false;
}

static struct str *
slot_of(struct found *f, struct str key)
{
    if (str_eq(key, STR("id")))
        return &f->id;
    if (str_eq(key, STR("vector")))
        return &f->vector;
    if (str_eq(key, STR("payload")))
        return &f->payload;
    return str_eq(key, STR("shard_key")) ? &f->shard_key : NULL;
}

static bool
take_point(struct reading *r, struct json_text *t, struct found *ret)
{
    struct str key;

    if (!json_text_enter(t, '{'))
        return complain(r, "has a point that is none", STR_NONE);
    while (json_text_member(t, &key)) {
        struct str *slot = slot_of(ret, key);

        if (!slot)
            return complain(r, "has a point with a field that is not known here: ", key);
        if (slot->p)
            return complain(r, "has a point with a field twice: ", key);
        *slot = json_text_value(t);
    }
    return true;
}

static bool
is_vector(struct str text)
{
    return str_starts(text, STR("{")) || str_starts(text, STR("["));
}

static bool
read_id(struct str text, struct point_id *ret_id)
{
    if (str_starts(text, STR("\"")))
        return point_of_uuid(str_make(text.p + 1, text.len - 2), ret_id);
    return point_of_number(text, ret_id);
}

/* The row of a point, or -1. */
static int
find(const struct reading *r, const struct state_point *point)
{
    const struct state *s = r->state;

    for (unsigned low = 0, high = s->n; low < high;) {
        unsigned middle = (low + high) / 2;
        int order = compare_points(point, &s->by_point[middle]->point);

        if (order == 0)
            return (int)(s->by_point[middle] - s->rows);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static bool
place_point(struct reading *r, const struct found *f, struct str key)
{
    struct state_point point = { .shard_key = key };
    int row;

    if (!read_id(f->id, &point.id))
        return complain(r, "has a point without an id: ", f->id);
    if (!is_vector(f->vector) || !str_starts(f->payload, STR("{")))
        return complain(r, "lacks vector or payload of point ", f->id);
    if (!json_texts_equal(f->shard_key, key)) /* written differently it is one: "a" is "\u0061" */
        return complain(r, "has a point of another shard key: ", f->id);
    row = find(r, &point);
    if (row < 0 || !r->is_asked[row])
        return complain(r, "has a point that was not asked for: ", f->id);
    if (r->found[row].id.p)
        return complain(r, "has a point twice: ", f->id);
    r->found[row] = *f;
    return true;
}

static bool
take_result(struct reading *r, struct json_text *t, struct str key)
{
    if (!json_text_enter(t, '['))
        return complain(r, "has a result that is no list", STR_NONE);
    while (json_text_element(t)) {
        struct found f = { STR_NONE, STR_NONE, STR_NONE, STR_NONE };

        if (!take_point(r, t, &f) || t->is_wrong || !place_point(r, &f, key))
            return false;
    }
    return true;
}

/* {"result":[…],"status":"ok",…}, of which others may have more. */
static bool
take_envelope(struct reading *r, struct str text, struct str key)
{
    struct json_text t = json_text(text);
    struct str name, status = STR_NONE;
    unsigned results = 0;

    json_text_enter(&t, '{');
    while (json_text_member(&t, &name)) {
        if (str_eq(name, STR("result"))) {
            results++;
            if (!take_result(r, &t, key))
                break;
            continue;
        }
        if (str_eq(name, STR("status")))
            status = json_text_value(&t);
        else
            json_text_value(&t);
    }
    if (t.is_wrong || buf_len(r->error))
        return complain(r, "is not JSON", STR_NONE);
    if (!json_text_end(&t))
        return complain(r, "is not one JSON object", STR_NONE);
    return results == 1 && str_eq(status, STR("\"ok\"")) ? true : complain(r, "has no result", STR_NONE);
}

static void
keep(struct state *s, struct buf *answer, const struct reading *r)
{
    s->bytes += buf_len(answer);
    add_text(s, state_text_new(answer));
    for (unsigned i = 0; i < s->n; i++) {
        if (!r->is_asked[i])
            continue;
        s->rows[i].kind = r->found[i].id.p ? STATE_PRESENT : STATE_ABSENT;
        s->rows[i].vector = r->found[i].vector;
        s->rows[i].payload = r->found[i].payload;
    }
}

static void
sort_rows(struct state *s)
{
    if (s->is_sorted)
        return;
    qsort(s->by_point, s->n, sizeof(struct state_row *), compare_rows);
    for (unsigned i = 1; i < s->n; i++)
        assert(compare_rows(&s->by_point[i - 1], &s->by_point[i]) < 0);
    s->is_sorted = true;
}

bool
state_take_answer(struct state *s, const unsigned *rows, unsigned n, struct buf *answer, struct buf *ret_error)
{
    struct found found[STATE_POINTS_MAX] = { { STR_NONE, STR_NONE, STR_NONE, STR_NONE } };
    bool is_asked[STATE_POINTS_MAX] = { false };
    struct reading r = { .state = s, .found = found, .is_asked = is_asked, .error = ret_error };

    sort_rows(s);
    for (unsigned i = 0; i < n; i++) {
        assert(s->rows[rows[i]].kind == STATE_UNREAD);
        is_asked[rows[i]] = true;
    }
    if (!take_envelope(&r, buf_str(answer), s->rows[rows[0]].point.shard_key))
        return false;
    keep(s, answer, &r);
    return true;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

size_t
state_write_bytes(const struct state *s, enum state_write write, unsigned row)
{
    const struct state_row *r = &s->rows[row];

    switch (write) {
    case STATE_UPSERT:
        return ROW_BYTES + r->vector.len + r->payload.len;
    case STATE_PAYLOAD:
        return ROW_BYTES + r->payload.len + r->point.shard_key.len;
    case STATE_DELETE:
        break;
    }
    return ROW_BYTES;
}

static void
put_upsert(const struct state *s, const unsigned *rows, unsigned n, struct buf *out)
{
    size_t bytes = ROW_BYTES;

    for (unsigned i = 0; i < n; i++)
        bytes += state_write_bytes(s, STATE_UPSERT, rows[i]);
    buf_reserve(out, bytes);
    buf_add(out, STR("{\"points\":["));
    for (unsigned i = 0; i < n; i++) {
        const struct state_row *r = &s->rows[rows[i]];

        assert(r->kind == STATE_PRESENT);
        buf_add(out, i ? STR(",{\"id\":") : STR("{\"id\":"));
        point_put_json(&r->point.id, out);
        buf_add(out, STR(",\"vector\":"));
        buf_add(out, r->vector);
        buf_add(out, STR(",\"payload\":"));
        buf_add(out, r->payload);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    put_key(s, rows, n, out);
    buf_putc(out, '}');
}

static void
put_payloads(const struct state *s, const unsigned *rows, unsigned n, struct buf *out)
{
    buf_add(out, STR("{\"operations\":["));
    for (unsigned i = 0; i < n; i++) {
        assert(s->rows[rows[i]].kind == STATE_PRESENT);
        buf_add(out, i ? STR(",{\"overwrite_payload\":{\"payload\":") : STR("{\"overwrite_payload\":{\"payload\":"));
        buf_add(out, s->rows[rows[i]].payload);
        buf_add(out, STR(",\"points\":"));
        put_ids(s, &rows[i], 1, out);
        put_key(s, &rows[i], 1, out);
        buf_add(out, STR("}}"));
    }
    buf_add(out, STR("]}"));
}

void
state_put_write(const struct state *s, enum state_write write, const unsigned *rows, unsigned n, struct buf *out)
{
    switch (write) {
    case STATE_UPSERT:
        put_upsert(s, rows, n, out);
        break;
    case STATE_PAYLOAD:
        put_payloads(s, rows, n, out);
        break;
    case STATE_DELETE:
        buf_add(out, STR("{\"points\":"));
        put_ids(s, rows, n, out);
        put_key(s, rows, n, out);
        buf_putc(out, '}');
        break;
    }
}
