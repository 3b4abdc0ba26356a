/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of one write of points, read from left to right. What Qdrant's own reader would do with it decides what must be
 * refused here:
 *
 *  1. Its structs may be written as arrays of their fields in order, and a choice between structs takes the first that fits,
 *     members it doesn't know left out. So objects must be objects, and unknown members and second ones of a name are refused.
 *  2. Keys are compared as bytes: one spelled with escapes is unknown.
 *  3. With points and a filter in one request the filter is ignored, and a list of points that can't be read makes the filter
 *     count. Only `delete_vectors` means both; elsewhere both are refused.
 *  4. An object that a model is to make a vector of has texts in it. Vectors have none.
 */
#include "proxy/sync/touch_impl.h"

struct body {
    struct touch_read *r;
    const struct write_rule *rule;
    struct touch *touch;
    size_t first;                        /* bytes of r->points before this body's */
    bool has_points, has_batch;          /* and not null */
    unsigned keys[TOUCH_SHARD_KEYS_MAX]; /* those of this body */
    unsigned n_keys;
    struct str filter;
};

/* Which members there were: one bit each. */
struct seen {
    uint32_t bits;
};

/* False: not in the list, or there already. */
static bool
take_member(struct body *b, struct str key, const char *const *names, struct seen *seen, unsigned *ret_index)
{
    unsigned i = 0;

    while (names[i] && !str_eq(key, str_from(names[i])))
        i++;
    if (!names[i])
        return touch_refuse(b->r, "unknown field `" STR_FMT "`", STR_ARG(key));
    if (seen->bits & UINT32_C(1) << i)
        return touch_refuse(b->r, "duplicate field `" STR_FMT "`", STR_ARG(key));
    seen->bits |= UINT32_C(1) << i;
    *ret_index = i;
    return true;
}

static bool
is_null(struct str value)
{
    return str_eq(value, STR("null"));
}

/* The next value is to be an array or object, whose first byte `open` is; null counts as absent. */
static bool
take_optional(struct body *b, char open, const char *name, bool *ret_is_there)
{
    struct json_text ahead = b->r->text;

    *ret_is_there = json_text_enter(&ahead, open);
    if (*ret_is_there)
        return true;
    return is_null(json_text_value(&b->r->text)) ||
           touch_refuse(b->r, "`%s` must be an %s", name, open == '[' ? "array" : "object");
}

/* Points. */

static bool
add_point(struct body *b, struct str value)
{
    struct touch_point point = { .text = (unsigned)(buf_len(&b->r->texts) / sizeof(struct touch_text)) };

    if (!point_of_text(value, &point.id))
        return touch_refuse(
            b->r, STR_FMT " is no id of a point", STR_ARG(str_make(value.p, value.len < 64 ? value.len : 64)));
    buf_append(&b->r->points, &point, sizeof(point));
    if (buf_len(&b->r->points) > TOUCH_POINTS_MAX * sizeof(point))
        return touch_too_large(b->r, "points", TOUCH_POINTS_MAX);
    return true;
}

/* Of those that are deleted nothing is left; what others are is not said here. */
static bool
read_ids(struct body *b)
{
    const struct touch_text gone = { STR_NONE, STR_NONE };

    if (!(b->rule->flags & WRITE_DELETES))
        b->r->is_vague = true;
    if (!json_text_enter(&b->r->text, '['))
        return touch_refuse(b->r, "the ids of points must be an array");
    while (json_text_element(&b->r->text)) {
        if (!add_point(b, json_text_value(&b->r->text)))
            return false;
        if (!b->r->is_vague)
            buf_append(&b->r->texts, &gone, sizeof(gone));
    }
    return true;
}

/* A text that is no key of an object. */
static bool
has_text(struct str json)
{
    const char *end = json.len ? json.p + json.len : NULL, *at = json.len ? memchr(json.p, '"', json.len) : NULL;

    while (at) {
        for (at++; *at != '"'; at++)
            at += *at == '\\';
        for (at++; at < end && memchr(" \t\r\n", *at, 4);)
            at++;
        if (at == end || *at != ':')
            return true;
        at = memchr(at, '"', (size_t)(end - at));
    }
    return false;
}

static struct str
read_vectors(struct body *b)
{
    struct str value = json_text_value(&b->r->text);

    if (has_text(value))
        b->touch->flags |= TOUCH_STATE;
    return value;
}

/* As home would tell it. */
static void
add_text(struct body *b, struct touch_text text)
{
    bool has_vector = str_starts(text.vector, STR("{")) || str_starts(text.vector, STR("["));

    if (text.payload.len == 0 || is_null(text.payload))
        text.payload = STR("{}");
    if (!has_vector || !str_starts(text.payload, STR("{")))
        b->r->is_vague = true;
    buf_append(&b->r->texts, &text, sizeof(text));
}

static bool
read_point(struct body *b)
{
    static const char *const names[] = { "id", "vector", "vectors", "payload", NULL };
    enum { ID, VECTOR, VECTORS, PAYLOAD };
    struct touch_text text = { STR_NONE, STR_NONE };
    struct seen seen = { 0 };
    struct str key;
    unsigned member;

    if (!json_text_enter(&b->r->text, '{'))
        return touch_refuse(b->r, "`points` must hold objects");
    while (json_text_member(&b->r->text, &key)) {
        if (!take_member(b, key, names, &seen, &member))
            return false;
        if (member == ID && !add_point(b, json_text_value(&b->r->text)))
            return false;
        if (member == VECTOR || member == VECTORS)
            text.vector = read_vectors(b);
        if (member == PAYLOAD)
            text.payload = json_text_value(&b->r->text);
    }
    add_text(b, text);
    if (b->rule->id != OP_UPSERT_POINTS)
        b->r->is_vague = true;
    if (!(seen.bits & 1 << ID))
        return touch_refuse(b->r, "a point without `id`");
    if ((seen.bits & (1 << VECTOR | 1 << VECTORS)) == (1 << VECTOR | 1 << VECTORS))
        return touch_refuse(b->r, "a point with `vector` and `vectors`");
    return !(seen.bits & 1 << PAYLOAD) || b->rule->id == OP_UPSERT_POINTS ||
           touch_refuse(b->r, "unknown field `payload`");
}

static bool
read_points(struct body *b)
{
    if (!take_optional(b, '[', "points", &b->has_points) || !b->has_points)
        return !b->r->fail;
    if (!(b->rule->flags & WRITE_VECTORS))
        return read_ids(b);
    json_text_enter(&b->r->text, '[');
    while (json_text_element(&b->r->text)) {
        if (!read_point(b))
            return false;
    }
    return true;
}

/* Points in columns. */
static bool
read_batch(struct body *b)
{
    static const char *const names[] = { "ids", "vectors", "payloads", NULL };
    struct seen seen = { 0 };
    struct str key;
    unsigned member;

    b->has_batch = true;
    if (!json_text_enter(&b->r->text, '{'))
        return touch_refuse(b->r, "`batch` must be an object");
    while (json_text_member(&b->r->text, &key)) {
        if (!take_member(b, key, names, &seen, &member))
            return false;
        if (member == 0 && !read_ids(b))
            return false;
        if (member == 1)
            read_vectors(b);
        if (member == 2)
            json_text_value(&b->r->text);
    }
    return (seen.bits & 1) || touch_refuse(b->r, "`batch` without `ids`");
}

/* Shard keys. */

/* In one spelling: what is written with escapes and what isn't are the same key. */
static struct str
plain_key(struct touch_read *r, struct str value)
{
    struct json_doc *doc = json_parse(value, NULL, NULL);
    struct json key = json_root(doc);
    struct buf text = { 0 };
    struct json_writer w = json_writer(&text);
    struct str plain = STR_NONE;
    uint64_t number;

    if (json_type(key) == JSON_STRING)
        json_put_str(&w, json_string(key));
    else if (json_type(key) == JSON_NUMBER && str_to_u64(json_number(key), &number))
        json_put_u64(&w, number);
    if (buf_len(&text))
        plain = arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    json_free(doc);
    return plain;
}

static unsigned
number_of_key(struct touch_read *r, struct str key)
{
    const struct str *keys = (const struct str *)(const void *)buf_str(&r->keys).p;
    unsigned n = (unsigned)(buf_len(&r->keys) / sizeof(*keys));

    for (unsigned i = 1; i < n; i++) {
        if (str_eq(keys[i], key))
            return i;
    }
    buf_append(&r->keys, &key, sizeof(key));
    return n;
}

static bool
add_key(struct body *b, struct str value)
{
    struct str key = b->r->text.is_wrong ? STR_NONE : plain_key(b->r, value);
    unsigned number;

    if (!key.len)
        return touch_refuse(b->r, "a shard key must be a text or a number");
    number = number_of_key(b->r, key);
    if (number > TOUCH_SHARD_KEYS_MAX || b->n_keys == TOUCH_SHARD_KEYS_MAX)
        return touch_too_large(b->r, "shard keys", TOUCH_SHARD_KEYS_MAX);
    b->keys[b->n_keys++] = number;
    return true;
}

static bool
read_key_list(struct body *b)
{
    json_text_enter(&b->r->text, '[');
    while (json_text_element(&b->r->text)) {
        if (!add_key(b, json_text_value(&b->r->text)))
            return false;
    }
    return b->n_keys > 0 || touch_refuse(b->r, "`shard_key` is an empty list");
}

/* Which of the two counts depends on the shards there are. */
static bool
read_key_with_fallback(struct body *b)
{
    static const char *const names[] = { "target", "fallback", NULL };
    struct seen seen = { 0 };
    struct str key;
    unsigned member;

    b->touch->flags |= TOUCH_STATE;
    json_text_enter(&b->r->text, '{');
    while (json_text_member(&b->r->text, &key)) {
        if (!take_member(b, key, names, &seen, &member) || !add_key(b, json_text_value(&b->r->text)))
            return false;
    }
    return seen.bits == 3 || touch_refuse(b->r, "`shard_key` needs `target` and `fallback`");
}

static bool
read_shard_key(struct body *b)
{
    struct json_text ahead = b->r->text;
    struct str value = json_text_value(&ahead);

    if (value.len && value.p[0] == '[')
        return read_key_list(b);
    if (value.len && value.p[0] == '{')
        return read_key_with_fallback(b);
    b->r->text = ahead;
    return is_null(value) || add_key(b, value);
}

/* Conditions. */

static bool
read_filter(struct body *b)
{
    bool is_there;

    if (!take_optional(b, '{', "filter", &is_there))
        return false;
    if (is_there)
        b->filter = json_text_value(&b->r->text);
    return true;
}

static bool
read_update_filter(struct body *b)
{
    bool is_there;

    if (!take_optional(b, '{', "update_filter", &is_there))
        return false;
    if (is_there) {
        b->touch->flags |= TOUCH_STATE;
        json_text_value(&b->r->text);
    }
    return true;
}

static bool
read_update_mode(struct body *b)
{
    struct str value = json_text_value(&b->r->text);

    if (str_eq(value, STR("\"insert_only\"")) || str_eq(value, STR("\"update_only\"")))
        b->touch->flags |= TOUCH_STATE;
    else if (!is_null(value) && !str_eq(value, STR("\"upsert\"")))
        return touch_refuse(b->r, "unknown `update_mode`");
    return true;
}

/* The whole. */

static bool
read_member(struct body *b, struct str key)
{
    static const struct {
        const char *name;
        bool (*read)(struct body *);
    } readers[] = {
        { "points", read_points },
        { "batch", read_batch },
        { "shard_key", read_shard_key },
        { "filter", read_filter },
        { "update_filter", read_update_filter },
        { "update_mode", read_update_mode },
    };

    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        if (str_eq(key, str_from(readers[i].name)))
            return readers[i].read(b);
    }
    json_text_value(&b->r->text); /* decides nothing */
    return true;
}

static void
list_members(const struct write_rule *rule, const char *names[3 + 2 * WRITE_MEMBERS_MAX])
{
    unsigned n = 0;

    names[n++] = "points";
    names[n++] = "shard_key";
    for (unsigned i = 0; i < WRITE_MEMBERS_MAX && rule->content[i]; i++)
        names[n++] = rule->content[i];
    for (unsigned i = 0; i < WRITE_MEMBERS_MAX && rule->conditions[i]; i++)
        names[n++] = rule->conditions[i];
    names[n] = NULL;
}

/* The points so far are of the first shard key; of each other key there are as many. */
static bool
spread_over_keys(struct body *b)
{
    struct touch_point *points = (struct touch_point *)(uintptr_t)(buf_str(&b->r->points).p + b->first);
    size_t n = (buf_len(&b->r->points) - b->first) / sizeof(*points);

    if (n * b->n_keys > TOUCH_POINTS_MAX)
        return touch_too_large(b->r, "points", TOUCH_POINTS_MAX);
    if (b->n_keys > 1)
        b->r->is_vague = true;
    for (size_t i = 0; i < n; i++)
        points[i].shard_key = b->n_keys ? b->keys[0] : 0;
    for (size_t i = n; i < n * b->n_keys; i++) {
        struct touch_point copy = ((
            const struct touch_point *)(const void *)(buf_str(&b->r->points).p + b->first))[i % n];

        copy.shard_key = b->keys[i / n];
        buf_append(&b->r->points, &copy, sizeof(copy));
    }
    return true;
}

static bool
add_listed(struct body *b, struct str ids)
{
    struct json_text rest = b->r->text;
    bool is_read;

    b->r->text = json_text(ids);
    is_read = read_ids(b);
    b->r->text = rest;
    return is_read;
}

static bool
finish_filter(struct body *b)
{
    struct touch_has_id has_id;

    if (b->has_points && !(b->rule->flags & WRITE_BOTH))
        return touch_refuse(b->r, "`points` and `filter` in one request");
    if (touch_filter_ids(b->filter, &has_id)) {
        b->touch->flags |= has_id.is_complete ? 0 : TOUCH_STATE;
        return add_listed(b, has_id.ids);
    }
    if (b->n_keys > 1)
        return touch_refuse(b->r, "a filter with several shard keys");
    b->touch->kind = TOUCH_SCAN;
    b->touch->filter = b->filter;
    b->touch->scan_key = b->n_keys ? b->keys[0] : 0;
    return true;
}

static bool
finish(struct body *b)
{
    if (b->has_points && b->has_batch)
        return touch_refuse(b->r, "`points` and `batch` in one request");
    if (!b->has_points && !b->has_batch && !b->filter.len)
        return touch_refuse(b->r, "it names no points");
    if (b->filter.len && !finish_filter(b))
        return false;
    if (b->rule->flags & WRITE_PAYLOAD)
        b->touch->flags |= TOUCH_PAYLOAD_ONLY;
    return spread_over_keys(b);
}

bool
touch_read_write(struct touch_read *r, const struct write_rule *rule, struct touch *touch)
{
    struct body b = { .r = r, .rule = rule, .touch = touch, .first = buf_len(&r->points) };
    const char *names[3 + 2 * WRITE_MEMBERS_MAX];
    struct seen seen = { 0 };
    struct str key;
    unsigned member;

    list_members(rule, names);
    if (!json_text_enter(&r->text, '{'))
        return touch_refuse(r, "it must be an object");
    while (json_text_member(&r->text, &key)) {
        if (!take_member(&b, key, names, &seen, &member) || !read_member(&b, key))
            return false;
    }
    return !r->text.is_wrong && finish(&b);
}
