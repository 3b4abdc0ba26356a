/* SPDX-License-Identifier: Apache-2.0 *
 * What a cluster answers to a read of points. The first byte picks the shard key. Nothing is taken of an answer that isn't
 * sound; of one that is, every text is JSON of its own, and the points written down and read again are the same.
 */
#include <assert.h>

#include "proxy/base/json_text.h"
#include "proxy/sync/state.h"

enum { POINTS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned rows[POINTS] = { 0, 1, 2, 3 };

static struct state *
fresh(struct str key)
{
    struct state_point points[POINTS] = { { .id = { .lo = 1 } }, { .id = { .lo = UINT64_MAX } },
        { .id = { .lo = 0 } } };

    assert(point_of_uuid(STR("550e8400-e29b-41d4-a716-446655440000"), &points[3].id));
    for (unsigned i = 0; i < POINTS; i++)
        points[i].shard_key = key;
    return state_new(points, POINTS);
}

static bool
is_json(struct str text)
{
    struct json_text t = json_text(text);

    return str_eq(json_text_value(&t), text) && json_text_end(&t);
}

/* \ud800 alone: the parser refuses it, the grammar does not. */
static bool
has_surrogates(struct str text)
{
    for (size_t i = 0; i + 3 < text.len; i++) {
        if (text.p[i] == '\\' && text.p[i + 1] == 'u' && (text.p[i + 2] | 32) == 'd')
            return true;
    }
    return false;
}

static void
check_opinion(struct str text)
{
    struct json_text t = json_text(text);
    struct json_doc *doc = json_parse(text, NULL, NULL);
    bool is_text;

    json_text_value(&t);
    is_text = json_text_end(&t);
    assert(!doc || is_text);
    assert(doc || !is_text || has_surrogates(text));
    json_free(doc);
}

static void
put_answer(const struct state *s, struct str key, struct buf *out)
{
    bool is_first = true;

    buf_add(out, STR("{\"status\":\"ok\",\"result\":["));
    for (unsigned i = 0; i < POINTS; i++) {
        const struct state_row *row = &s->rows[i];

        if (row->kind != STATE_PRESENT)
            continue;
        buf_add(out, is_first ? STR("{\"id\":") : STR(",{\"id\":"));
        point_put_json(&row->point.id, out);
        buf_add(out, STR(",\"payload\":"));
        buf_add(out, row->payload);
        buf_add(out, STR(",\"vector\":"));
        buf_add(out, row->vector);
        buf_add(out, key.len ? STR(",\"shard_key\":") : STR(""));
        buf_add(out, key);
        buf_putc(out, '}');
        is_first = false;
    }
    buf_add(out, STR("]}"));
}

static void
check_taken(struct state *s, struct str key)
{
    struct state *again = fresh(key);
    struct buf text = { 0 }, error = { 0 };
    unsigned present[POINTS], n = 0;

    for (unsigned i = 0; i < POINTS; i++) {
        assert(s->rows[i].kind != STATE_UNREAD);
        if (s->rows[i].kind == STATE_PRESENT)
            present[n++] = i;
    }
    put_answer(s, key, &text);
    assert(state_take_answer(again, rows, POINTS, &text, &error));
    for (unsigned i = 0; i < POINTS; i++) {
        assert(again->rows[i].kind == s->rows[i].kind);
        assert(str_eq(again->rows[i].vector, s->rows[i].vector) && str_eq(again->rows[i].payload, s->rows[i].payload));
    }
    for (unsigned write = STATE_UPSERT; n && write <= STATE_DELETE; write++) {
        buf_clear(&text);
        state_put_write(s, (enum state_write)write, present, n, &text);
        assert(is_json(buf_str(&text)));
    }
    buf_fini(&text);
    state_unref(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str keys[] = { { "", 0 }, { "\"a\"", 3 }, { "7", 1 } };
    struct str text = str_make((const char *)data + 1, size ? size - 1 : 0), key;
    struct buf answer = { 0 }, error = { 0 };
    struct state *s;

    if (size == 0)
        return 0;
    key = keys[data[0] % 3];
    check_opinion(text);
    s = fresh(key);
    buf_add(&answer, text);
    if (state_take_answer(s, rows, POINTS, &answer, &error)) {
        check_taken(s, key);
    } else {
        assert(buf_len(&error) && buf_len(&answer) == text.len);
        for (unsigned i = 0; i < POINTS; i++)
            assert(s->rows[i].kind == STATE_UNREAD);
    }
    buf_fini(&answer);
    buf_fini(&error);
    state_unref(s);
    return 0;
}
