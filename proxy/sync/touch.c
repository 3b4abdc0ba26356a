/* SPDX-License-Identifier: Apache-2.0
 *
 * Single writes, batches, and the list of distinct points that comes out: see touch.h. Bodies are read by touch_read.c.
 */
#include "proxy/sync/touch_impl.h"

#include <stdarg.h>
#include <stdlib.h>

bool
touch_refuse(struct touch_read *r, const char *format, ...)
{
    struct buf text = { 0 };
    va_list args;

    if (r->fail)
        return false;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    r->fail = FAIL_BAD_BODY;
    r->error = arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    return false;
}

bool
touch_too_large(struct touch_read *r, const char *what, unsigned limit)
{
    touch_refuse(r, "more than %u %s in one request", limit, what);
    r->fail = FAIL_BODY_TOO_LARGE;
    return false;
}

static int
compare_points(const void *a, const void *b)
{
    const struct touch_point *x = a, *y = b;

    if (x->shard_key != y->shard_key)
        return x->shard_key < y->shard_key ? -1 : 1;
    return point_compare(&x->id, &y->id);
}

/* The points read so far become the touch's, each once. */
static void
take_points(struct touch_read *r, struct touch *touch)
{
    struct str bytes = buf_str(&r->points);
    unsigned n = (unsigned)(bytes.len / sizeof(struct touch_point)), kept = 0;
    struct touch_point *points = n ? ARENA_ARRAY(r->arena, n, struct touch_point) : NULL;

    if (n) {
        memcpy(points, bytes.p, bytes.len);
        qsort(points, n, sizeof(*points), compare_points);
    }
    for (unsigned i = 0; i < n; i++) {
        if (kept == 0 || compare_points(&points[kept - 1], &points[i]))
            points[kept++] = points[i];
    }
    touch->points = points;
    touch->n_points = kept;
    buf_clear(&r->points);
}

static void
take_keys(struct touch_read *r, struct touch *touch)
{
    struct str bytes = arena_str(r->arena, buf_str(&r->keys));

    touch->shard_keys = (struct str *)(uintptr_t)bytes.p;
    touch->n_shard_keys = (unsigned)(bytes.len / sizeof(struct str));
}

/* {"upsert": …}: from the operations of a batch. */
static bool
read_part(struct touch_read *r, struct touch_part *part)
{
    const struct write_rule *rule;
    const char *from;
    struct str name;

    if (!json_text_enter(&r->text, '{') || !json_text_member(&r->text, &name))
        return touch_refuse(r, "each operation of a batch must be an object with one member");
    rule = write_rule_named(name);
    if (!rule)
        return touch_refuse(r, "unknown operation `" STR_FMT "`", STR_ARG(name));
    from = r->text.at;
    if (!touch_read_write(r, rule, &part->touch))
        return false;
    part->op = rule->id;
    part->body = str_trim(str_make(from, (size_t)(r->text.at - from)));
    if (json_text_member(&r->text, &name))
        return touch_refuse(r, "an operation of a batch has a second member `" STR_FMT "`", STR_ARG(name));
    return true;
}

/* Each part keeps its own points; buf `parts` is of struct touch_part. */
static bool
read_parts(struct touch_read *r, struct buf *parts)
{
    unsigned n_points = 0;

    if (!json_text_enter(&r->text, '['))
        return touch_refuse(r, "`operations` must be an array");
    while (json_text_element(&r->text)) {
        struct touch_part part = { .op = OP_UNKNOWN };

        if (!read_part(r, &part))
            return false;
        take_points(r, &part.touch);
        n_points += part.touch.n_points;
        if (n_points > TOUCH_POINTS_MAX)
            return touch_too_large(r, "points", TOUCH_POINTS_MAX);
        buf_append(parts, &part, sizeof(part));
        if (buf_len(parts) / sizeof(part) > TOUCH_PARTS_MAX)
            return touch_too_large(r, "operations", TOUCH_PARTS_MAX);
    }
    return true;
}

/* One that a model makes, or that is named twice, is not what its text says. */
static void
take_texts(struct touch_read *r, struct touch *touch)
{
    struct str bytes = buf_str(&r->texts);
    const struct touch_text *texts = (const struct touch_text *)(const void *)bytes.p;
    unsigned n = (unsigned)(bytes.len / sizeof(*texts));

    if (n == 0 || n != touch->n_points || r->is_vague || touch->flags & TOUCH_STATE)
        return;
    touch->texts = ARENA_ARRAY(r->arena, n, struct touch_text);
    memcpy(touch->texts, texts, bytes.len);
    touch->leaves_none = true;
    for (unsigned i = 0; i < n; i++)
        touch->leaves_none = touch->leaves_none && texts[i].vector.len == 0;
}

/* Without a filter in any part, a batch is the union of them. */
static void
join_parts(struct touch_read *r, struct touch *touch, struct buf *parts)
{
    struct touch_part *part = (struct touch_part *)(uintptr_t)buf_str(parts).p;
    unsigned n = (unsigned)(buf_len(parts) / sizeof(*part));

    touch->kind = TOUCH_POINTS;
    touch->flags = n ? TOUCH_PAYLOAD_ONLY : 0;
    for (unsigned i = 0; i < n; i++) {
        touch->kind = part[i].touch.kind == TOUCH_SCAN ? TOUCH_PARTS : touch->kind;
        touch->flags = (touch->flags & part[i].touch.flags & TOUCH_PAYLOAD_ONLY) |
                       ((touch->flags | part[i].touch.flags) & TOUCH_STATE);
    }
    touch->n_operations = n;
    take_keys(r, touch);
    if (touch->kind == TOUCH_POINTS) {
        for (unsigned i = 0; i < n; i++)
            buf_append(&r->points, part[i].touch.points, part[i].touch.n_points * sizeof(struct touch_point));
        take_points(r, touch);
        take_texts(r, touch);
        return;
    }
    touch->parts = (struct touch_part *)(uintptr_t)arena_str(r->arena, buf_str(parts)).p;
    touch->n_parts = n;
    for (unsigned i = 0; i < n; i++) {
        touch->parts[i].touch.shard_keys = touch->shard_keys;
        touch->parts[i].touch.n_shard_keys = touch->n_shard_keys;
    }
}

static bool
read_batch(struct touch_read *r, struct touch *touch)
{
    struct buf parts = { 0 };
    struct str name;
    bool is_read = false;

    if (!json_text_enter(&r->text, '{') || !json_text_member(&r->text, &name))
        return touch_refuse(r, "it must be an object with `operations`");
    if (!str_eq(name, STR("operations")))
        return touch_refuse(r, "unknown field `" STR_FMT "`", STR_ARG(name));
    is_read = read_parts(r, &parts);
    if (is_read && json_text_member(&r->text, &name))
        is_read = touch_refuse(r, "unknown field `" STR_FMT "`", STR_ARG(name));
    if (is_read)
        join_parts(r, touch, &parts);
    buf_fini(&parts);
    return is_read;
}

static bool
read_single(struct touch_read *r, enum op_id op, struct touch *touch)
{
    const struct write_rule *rule = write_rule_of(op);

    if (!rule)
        return touch_refuse(r, "it is no write of points");
    if (!touch_read_write(r, rule, touch))
        return false;
    take_points(r, touch);
    take_keys(r, touch);
    take_texts(r, touch);
    return true;
}

/* What isn't JSON gets a better reason than that a member was missing there. */
static bool
check_json(struct touch_read *r, struct str body)
{
    const char *reason;
    size_t offset;
    struct json_doc *doc = json_parse(body, &reason, &offset);

    json_free(doc);
    if (doc)
        return touch_refuse(r, "it can't be read");
    r->fail = FAIL_BAD_BODY;
    r->error = arena_printf(r->arena, "%s at byte %zu", reason, offset);
    return false;
}

enum fail
touch_of(enum op_id op, struct str body, struct arena *arena, struct touch *ret_touch, struct str *ret_error)
{
    struct touch_read r = { .arena = arena, .text = json_text(body) };
    struct touch touch = { .kind = TOUCH_POINTS };
    bool is_read;

    buf_append(&r.keys, &STR_NONE, sizeof(struct str));
    is_read = op == OP_BATCH_UPDATE ? read_batch(&r, &touch) : read_single(&r, op, &touch);
    if (r.text.is_wrong || (is_read && !json_text_end(&r.text)))
        is_read = check_json(&r, body);
    if (is_read)
        *ret_touch = touch;
    else
        *ret_error = r.error;
    buf_fini(&r.points);
    buf_fini(&r.keys);
    buf_fini(&r.texts);
    return is_read ? FAIL_NONE : r.fail;
}

/* Other ids in it. */

static void
put_has_id(const struct point_id *ids, unsigned n, struct buf *out)
{
    buf_add(out, STR("\"filter\":{\"must\":[{\"has_id\":["));
    for (unsigned i = 0; i < n; i++) {
        buf_add(out, i ? STR(",") : STR(""));
        point_put_json(&ids[i], out);
    }
    buf_add(out, STR("]}]}"));
}

static void
put_points(const struct point_id *ids, unsigned n, struct buf *out)
{
    buf_add(out, STR("\"points\":["));
    for (unsigned i = 0; i < n; i++) {
        buf_add(out, i ? STR(",") : STR(""));
        point_put_json(&ids[i], out);
    }
    buf_putc(out, ']');
}

bool
touch_with_ids(
    enum op_id op, struct str body, enum touch_form form, const struct point_id *ids, unsigned n, struct buf *out)
{
    const struct write_rule *rule = write_rule_of(op);
    struct json_text text = json_text(body);
    struct str key;

    if (!rule || !write_rule_has_condition(rule, STR("filter")) || !json_text_enter(&text, '{'))
        return false;
    buf_putc(out, '{');
    if (form == TOUCH_FORM_EXISTING || n == 0)
        put_has_id(ids, n, out);
    else
        put_points(ids, n, out);
    while (json_text_member(&text, &key)) {
        struct str value = json_text_value(&text);

        if (str_eq(key, STR("points")) || str_eq(key, STR("filter")))
            continue;
        buf_add(out, STR(",\""));
        buf_add(out, key);
        buf_add(out, STR("\":"));
        buf_add(out, value);
    }
    buf_putc(out, '}');
    return json_text_end(&text);
}
