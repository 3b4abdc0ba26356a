/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/redo.h"

#include "proxy/base/json_text.h"
#include "proxy/base/mem.h"
#include "proxy/route/write_rule.h"

struct pieces {
    struct arena *arena;
    struct buf list; /* of struct redo_piece */
};

static void
add(struct pieces *p, enum op_id op, struct str body)
{
    struct redo_piece piece = { op, body };

    buf_append(&p->list, &piece, sizeof(piece));
}

/* Everything of a body but its points, as ",name:value" each. */
static void
put_others(struct str body, struct buf *out)
{
    struct json_text text = json_text(body);
    struct str key;

    json_text_enter(&text, '{');
    while (json_text_member(&text, &key)) {
        struct str value = json_text_value(&text);

        if (!str_eq(key, STR("points")))
            buf_printf(out, ",\"" STR_FMT "\":" STR_FMT, STR_ARG(key), STR_ARG(value));
    }
}

/* There is no form of it that skips missing points: one at a time, so that the others do not suffer. */
static void
add_by_point(struct pieces *p, enum op_id op, struct str body)
{
    struct json_text text = json_text(body);
    struct buf others = { 0 };
    struct str key;

    put_others(body, &others);
    json_text_enter(&text, '{');
    while (json_text_member(&text, &key)) {
        if (!str_eq(key, STR("points"))) {
            json_text_value(&text);
            continue;
        }
        json_text_enter(&text, '[');
        while (json_text_element(&text)) {
            struct str point = json_text_value(&text);

            add(p, op,
                arena_printf(
                    p->arena, "{\"points\":[" STR_FMT "]" STR_FMT "}", STR_ARG(point), STR_ARG(buf_str(&others))));
        }
    }
    buf_fini(&others);
}

static bool
add_existing(struct pieces *p, enum op_id op, struct str body, const struct touch *touch)
{
    struct buf out = { 0 };
    struct point_id *ids = mem_array(touch->n_points ? touch->n_points : 1, sizeof(*ids));
    bool is_done;

    for (unsigned i = 0; i < touch->n_points; i++)
        ids[i] = touch->points[i].id;
    is_done = touch_with_ids(op, body, TOUCH_FORM_EXISTING, ids, touch->n_points, &out);
    if (is_done)
        add(p, op, arena_str(p->arena, buf_str(&out)));
    mem_free(ids);
    buf_fini(&out);
    return is_done;
}

static bool
add_single(struct pieces *p, enum op_id op, struct str body)
{
    const struct write_rule *rule = write_rule_of(op);
    struct touch touch;
    struct str error;

    if (!rule || touch_of(op, body, p->arena, &touch, &error) != FAIL_NONE)
        return false;
    if (op == OP_UPDATE_VECTORS)
        add_by_point(p, op, body);
    else if (rule->flags & WRITE_PATCHES && touch.kind == TOUCH_POINTS && !(touch.flags & TOUCH_STATE))
        return add_existing(p, op, body, &touch);
    else
        add(p, op, body);
    return true;
}

static bool
add_batch(struct pieces *p, struct str body)
{
    struct json_text text = json_text(body);
    struct str key;
    bool is_good = json_text_enter(&text, '{') && json_text_member(&text, &key) && json_text_enter(&text, '[');

    while (is_good && json_text_element(&text)) {
        struct json_text operation = json_text(json_text_value(&text));
        const struct write_rule *rule = NULL;

        if (json_text_enter(&operation, '{') && json_text_member(&operation, &key))
            rule = write_rule_named(key);
        is_good = rule && add_single(p, rule->id, json_text_value(&operation));
    }
    return is_good;
}

bool
redo_pieces(enum op_id op, struct str body, struct arena *arena, struct redo_piece **ret_pieces, unsigned *ret_n_pieces)
{
    struct pieces p = { .arena = arena };
    bool is_good = op == OP_BATCH_UPDATE ? add_batch(&p, body) : add_single(&p, op, body);

    if (is_good) {
        *ret_n_pieces = (unsigned)(buf_len(&p.list) / sizeof(struct redo_piece));
        *ret_pieces = (struct redo_piece *)(uintptr_t)arena_str(arena, buf_str(&p.list)).p;
    }
    buf_fini(&p.list);
    return is_good;
}
